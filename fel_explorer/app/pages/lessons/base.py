"""Base of the lessons: a page with a short text and controls on the left, and an interactive picture."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import ClassVar

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable, Viewer
from param.parameterized import ParameterizedABC

from fel_explorer.app.shell.skeleton import unlink_busy
from fel_explorer.app.widgets.bokeh_sheet import BokehSheet
from fel_explorer.app.widgets.text import Text
from fel_explorer.app.widgets.theme import THEME
from fel_explorer.app.workarounds.panel_material_ui_names import widget_names

TITLES = {
    "1-landscape": "Free-energy landscape",
    "2-slow-mode": "Slow is not wide",
    "3-time-scales": "States and time",
    "4-good-cv": "A good CV",
}
TEXT_WIDTH = 350  # px
NOTEBOOK_HEIGHT = 640  # px


class Figure:
    """One plot that is drawn again on request, and whose dots and words can change without that.

    `move` and `set_texts` send only changes: all of a picture is too much for live walkers.

    Parameters
    ----------
    draw
        Called with the plot's (width, height) in screen pixels; returns a `Sheet`.
    tap
        Called with the place (x, y) of a click.
    """

    def __init__(self, draw, *, tap=None, **sizing):
        self._draw, self._dark = draw, False
        self._moved: float | None = None  # when, while the browser has not painted it
        self.pane = BokehSheet(tap=tap, painted=self._on_painted, **{"min_height": 150, **sizing})
        self.pane.param.watch(lambda event: self.draw(dark=self._dark), "size")

    def _on_painted(self):
        self._moved = None

    @property
    def is_ready(self) -> bool:
        """Whether the browser has painted what `move` sent: a slow one must not drown in pictures.

        True after a second in any case, because a notebook doesn't report it.
        """
        return self._moved is None or time.monotonic() - self._moved > 1.0

    def draw(self, *, dark: bool) -> None:
        """Draw all of it again."""
        self._dark = dark
        self.pane.show(self._draw(self.pane.size), dark=dark)

    def move(self, xy) -> None:
        """Put the dots that were drawn last at ``xy`` (dot, 2)."""
        self._moved = time.monotonic()
        self.pane.change("dots", {"x": xy[:, 0], "y": xy[:, 1]})

    def set_texts(self, texts) -> None:
        """Change the first words that were drawn last to ``texts``."""
        self.pane.change("words", {"text": texts})


class Lesson(Viewer, ParameterizedABC):
    """One page of the course.

    A lesson sets ``route`` and ``text``, has parameters with a control each, and implements `_controls`,
    `_figures`, `_picture` and `_update`.
    """

    route: ClassVar[str]
    text: ClassVar[str]

    dark = param.Boolean(False, doc="Colours for a dark room.")

    def __init__(self, **params):
        super().__init__(**params)
        self.readout = Text("", variant="body1", margin=(4, 0), sizing_mode="stretch_width")
        self.figures = self._figures()
        self.controls = self._controls()
        self.is_stale = False  # whether a redraw is due
        self._content: pmui.Row | None = None
        self._page: pmui.Page | None = None

    # ---- what a lesson implements

    @abstractmethod
    def _controls(self) -> list:
        """Widgets next to the picture."""

    @abstractmethod
    def _figures(self) -> dict[str, Figure]:
        """{name: plot} of the picture."""

    @abstractmethod
    def _picture(self) -> Viewable:
        """The layout of the plots."""

    def _update(self) -> None:
        """Set the readout to what the figures, which are drawn after this, show."""

    def _start(self) -> None:
        """The lesson is shown for the first time."""

    def _stop(self) -> None:
        """The page is gone."""

    # ---- showing

    def refresh(self) -> None:
        """Draw all figures anew: at once, or on a page when it has taken all that a slider sends."""
        if self._content is None:
            return  # nothing is shown yet
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self._redraw()
        elif not self.is_stale:
            self.is_stale = True
            document.add_next_tick_callback(self._redraw)

    def _redraw(self):
        self.is_stale = False
        with pn.io.hold():
            self._draw_all()

    def _draw_all(self):
        self._update()
        for figure in self.figures.values():
            figure.draw(dark=self.dark)

    @property
    def page(self) -> pmui.Page:
        """The lesson as a whole browser page."""
        if self._page is None:
            self._page = lesson_page(
                [self.content()], here=self.route, dark=self.dark, toggle=self._toggle_theme
            )
            if pn.state.curdoc is not None:
                pn.state.on_session_destroyed(self._destroyed)
        return self._page

    def __panel__(self):
        return pmui.Column(
            self.content(), height=NOTEBOOK_HEIGHT, sizing_mode="stretch_width", theme_config=THEME
        )

    def content(self) -> pmui.Row:
        """Text, controls and picture."""
        if self._content is None:
            words = pmui.Column(
                Text(f"{self.route[0]} · {TITLES[self.route]}", variant="h5", margin=(0, 0, 4, 0)),
                Text(self.text, variant="body1", margin=0, sizing_mode="stretch_width"),
                *self.controls,
                self.readout,
                width=TEXT_WIDTH,
                sizing_mode="stretch_height",
                margin=(8, 16),
            )
            self._content = pmui.Row(words, self._picture(), sizing_mode="stretch_both", margin=4)
            self._draw_all()
            self._start()
        return self._content

    def servable(self, **options):
        """Show it as the page of a `panel serve` script."""
        self.page.servable(title=f"{TITLES[self.route]} · fel_explorer", **options)
        return self

    def _toggle_theme(self, _event):
        self.dark = not self.dark

    @param.depends("dark", watch=True)
    def _on_dark(self):
        if self._page is not None:
            self._page.dark_theme = self.dark
        self.refresh()

    def _destroyed(self, _context):
        self.close()

    def close(self) -> None:
        """Release everything that outlives the page."""
        self._stop()


def lesson_page(main, *, here: str, dark: bool, toggle) -> pmui.Page:
    """A page with links to all lessons in its header; ``here`` is the route of the one it shows."""
    links = [
        pmui.Button(
            label=f"{route[0]} · {title}",
            href=f"./{route}",
            target="_self",
            variant="contained" if route == here else "text",
            color="light",
            size="small",
            margin=(0, 2),
        )
        for route, title in TITLES.items()
    ]
    theme = pmui.IconButton(
        icon="contrast",
        description="Light or dark colours",
        color="light",
        size="small",
        margin=0,
        on_click=toggle,
    )
    page = pmui.Page(
        title="fel_explorer",
        main=main,
        header=[pmui.Row(sizing_mode="stretch_width"), *links, theme, *filter(None, [widget_names()])],
        theme_toggle=False,
        theme_config=THEME,
        site_url="./",
        dark_theme=dark,
    )
    unlink_busy(page)
    return page
