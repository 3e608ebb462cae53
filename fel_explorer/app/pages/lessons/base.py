"""Base of the lessons: a page with a short text and controls on the left, and an interactive picture."""

from __future__ import annotations

import time
from typing import ClassVar

import holoviews as hv
import holoviews.plotting.bokeh
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import CustomJS
from panel.viewable import Viewer

from fel_explorer.app.shell.skeleton import unlink_busy
from fel_explorer.app.widgets.text import Text
from fel_explorer.app.widgets.theme import THEME
from fel_explorer.app.widgets.weak_callback import weak_callback
from fel_explorer.plots import drawing, hooks

hv.Store.set_current_backend("bokeh")  # hv.extension would load a front end from a CDN in notebooks

Redraw = hv.streams.Stream.define("Redraw", version=0)

TITLES = {
    "1-landscape": "Free-energy landscape",
    "2-slow-mode": "Slow is not wide",
    "3-time-scales": "States and time",
    "4-good-cv": "A good CV",
}
LEFT, RIGHT = 72, 18  # px of a plot next to its frame: so that frames below one another are in line
DOTS, WORDS = 5, 6  # the layers of a Sheet that hold them
UNSEEN = len(drawing.UNSEEN)  # rows with which they begin
TELL_PAINTED = "requestAnimationFrame(() => setTimeout(() => { source.tags = [Date.now()] }))"
TEXT_WIDTH = 350  # px
NOTEBOOK_HEIGHT = 640  # px


class Figure:
    """One plot that is drawn anew on request, and whose dots and words can change without that.

    A redraw by HoloViews takes some 50 ms, too much for live walkers; `move` and `set_texts` send only
    changes.

    Parameters
    ----------
    draw
        Called with the plot's (width, height) in screen pixels; returns a `Sheet`.
    tap
        Called with the place (x, y) of a click.
    """

    def __init__(self, draw, *, tap=None, **sizing):
        self._redraw, self._draw, self._dots, self._words = Redraw(), draw, {}, {}
        self._moved: float | None = None  # when, while the browser has not painted it
        # its size also makes holoviews 1.23 attach the tap
        self.plot = hv.DynamicMap(self._drawn, streams=[self._redraw, hv.streams.PlotSize()])
        self._tap = hv.streams.SingleTap(source=self.plot)
        if tap is not None:
            self._tap.add_subscriber(tap)
        sizing = {"sizing_mode": "stretch_both", "min_height": 150, **sizing}
        # panel would link the axes of all plots of the page, which have the same names
        self.pane = pn.pane.HoloViews(self.plot, backend="bokeh", linked_axes=False, **sizing)

    def _drawn(self, version, width, height, scale):
        overlay = self._draw((width or 800, height or 400)).overlay()
        overlay.get(DOTS).opts(hooks=[hooks.hover_only_with_words("tip"), weak_callback(self._catch_dots)])
        overlay.get(WORDS).opts(hooks=[weak_callback(self._catch_words)])
        return overlay

    def _catch_words(self, plot, element):
        self._words[plot.handles["source"].id] = plot

    def _catch_dots(self, plot, element):
        """Remember where the dots of each shown copy of the plot are kept, and set its borders."""
        source = plot.handles["source"]
        if source.id not in self._dots:
            source.js_on_change("patching", CustomJS(args={"source": source}, code=TELL_PAINTED))
            source.on_change("tags", self._on_painted)
        self._dots[source.id] = plot
        plot.handles["plot"].update(min_border_left=LEFT, min_border_right=RIGHT)

    def _on_painted(self, _attribute, _old, _new):
        self._moved = None

    @property
    def is_ready(self) -> bool:
        """Whether the browser has painted what `move` sent: a slow one must not drown in pictures.

        True after a second in any case, because a notebook doesn't report it.
        """
        return self._moved is None or time.monotonic() - self._moved > 1.0

    def draw(self) -> None:
        """Draw all of it anew."""
        self._redraw.event(version=self._redraw.version + 1)

    def move(self, xy) -> None:
        """Put the dots that were drawn last at ``xy`` (dot, 2)."""
        where, self._moved = slice(UNSEEN, UNSEEN + len(xy)), time.monotonic()
        _patch(self._dots, {"x": [(where, xy[:, 0])], "y": [(where, xy[:, 1])]})

    def set_texts(self, texts) -> None:
        """Change the first words that were drawn last to ``texts``."""
        _patch(self._words, {"text": [(slice(UNSEEN, UNSEEN + len(texts)), texts)]})

    def close(self) -> None:
        """Release the plots and of the streams' subscribers."""
        self._dots.clear()
        self._words.clear()
        for stream in (self._redraw, self._tap):
            stream.clear()


def _patch(plots, changes):
    for plot in plots.values():
        plot.handles["source"].patch(changes)
        if plot.comm is not None:  # in a notebook
            plot.push()


class Lesson(Viewer):
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

    def _controls(self) -> list:
        raise NotImplementedError

    def _figures(self) -> dict[str, Figure]:
        raise NotImplementedError

    def _picture(self):
        raise NotImplementedError

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
            self._update()
            for figure in self.figures.values():
                figure.draw()

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
            self._update()
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
        for figure in self.figures.values():
            figure.close()


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
        icon="contrast", description="Theme", color="light", size="small", margin=0, on_click=toggle
    )
    page = pmui.Page(
        title="fel_explorer",
        main=main,
        header=[pmui.Row(sizing_mode="stretch_width"), *links, theme],
        theme_toggle=False,
        theme_config=THEME,
        site_url="./",
        dark_theme=dark,
    )
    unlink_busy(page)
    return page
