"""The tab strip below the map: the views of `views.tabs`, one of them shown, on one shared plot.

A view is made when it is first opened, so that a page does not wait for those that nobody asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import panel_material_ui as pmui
import param
from panel.viewable import Viewer
from param.parameterized import batch_call_watchers

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.tabs import TABS, Tab, has_states
from fel_explorer.app.widgets.bokeh_sheet import EMPTY, BokehSheet
from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.tab_view import PlotView, TabView
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError

HEADER = 40  # px
HINT = "No states yet."
STATE_METHODS = {  # to find states: {label: (method, tooltip)}
    "Find the states": (
        "DiscreteIDM",
        "Find the metastable states at about thirty time resolutions, in seconds.",
    ),
    "Tree of states": (
        "DivisiveIDM",
        "States at long lag times, divided at shorter ones. Lag times are proposed first.",
    ),
}


class ViewPanels(dict[str, TabView]):
    """{id of a tab: its view}; one that is not there yet is made when it is asked for."""

    def __init__(self, make: Callable[[str], TabView]):
        super().__init__()
        self._make = make

    def __missing__(self, name):
        self[name] = panel = self._make(name)
        return panel


class TabStrip(Viewer):
    """A strip of views that opens when there are states or a path, and that can be folded away.

    Parameters
    ----------
    train
        Called with the name of a method that is to be trained, and hyperparameters other than the form's.
    """

    dark = param.Boolean(False, doc="Colours for a dark page.")
    view = param.String(TABS[0].id, doc="Which view is shown, by its id in `TABS`.")
    open = param.Boolean(False, doc="Whether more than the header is shown.")

    def __init__(self, session: Session, board: PageJobs, train: Callable[..., None], **params):
        super().__init__(**params)
        self.session, self._board, self._train = session, board, train
        self.tabs = {tab.id: tab for tab in TABS}
        self.panels = ViewPanels(self._make_panel)
        self._folded = False  # by the user: then new states don't open it
        self._figure_shown: tuple | None = None  # view, its version, and theme
        self._make_layout()
        self._watchers = [self._watch(self._on_result, "shown", "dataset")]
        for tab in TABS:
            if tab.opens_on:
                self._watchers.append(self._watch(partial(self._on_change, tab), tab.opens_on))
            if tab.needed_by:
                self._watchers.append(self._watch(partial(self._make_needed, tab), tab.needed_by))
                self._make_needed(tab)
        self._on_result()
        lay_out(self.layout, self._header, self._body)

    def __panel__(self):
        return self.layout

    def _watch(self, callback, *names):
        """Watch the session; the views, which this shows, have answered before."""
        return self.session.param.watch(callback, list(names), precedence=1)

    def _make_panel(self, name):
        tab = self.tabs[name]
        panel = tab.load()(self.session, self._board)
        panel.train = self._train
        if isinstance(panel, PlotView):
            panel.param.watch(self._on_figure, "version")
        return panel

    def _make_needed(self, tab: Tab, *_):
        """A view that computes what the session has now, before anybody opens it."""
        if getattr(self.session, tab.needed_by):
            self.panels[tab.id]

    def close(self) -> None:
        """Stop watching the session, and close the views."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers = []
        for panel in self.panels.values():
            panel.close()

    def _make_layout(self):
        # buttons and no radio group, which is silent when its value is clicked: that opens the folded strip
        self.buttons = {
            name: BarButton(partial(self._on_click, name), label=tab.title) for name, tab in self.tabs.items()
        }
        self._views = ButtonBar(
            self.buttons, colour="primary", margin=(4, 6), scrolls=True, sizing_mode="stretch_width"
        )
        self._hint = self._state_buttons()
        self._fold = BarButton(self._on_fold, icon="expand_more", description="Fold")
        self._unfold = BarButton(self._on_fold, icon="expand_less", description="Open")
        # the button of the card follows
        folds = ButtonBar({"fold": self._fold, "unfold": self._unfold}, margin=(4, 34, 3, 6))
        self._exports = pmui.Row(margin=0)
        self._header = pmui.Row(
            self._views, self._hint, self._exports, folds,
            sizing_mode="stretch_width", height=HEADER, margin=0,
        )  # fmt: skip
        # one plot for all views, laid out when it is first drawn on: each would delay the page
        self.figure = BokehSheet(tap=self._on_tap, min_height=120)
        self.figure.param.watch(self._draw, "size")
        self._plot = pmui.Column(sizing_mode="stretch_both", margin=0)
        self._body = pmui.Row(self._plot, sizing_mode="stretch_both", margin=0)
        self.layout = pmui.Column(sizing_mode="stretch_both", margin=0)

    def _state_buttons(self):
        """Buttons that find states, while there are none."""
        self.finders = {
            name: BarButton(
                partial(self._find_states, name), label=label, variant="outlined", description=tooltip
            )
            for label, (name, tooltip) in STATE_METHODS.items()
        }
        text = Text(HINT, variant="body2", color="textSecondary", margin=(9, 8))
        refine = pmui.Checkbox.from_param(
            self.session.param.refine, label="Refine in the background", size="small",
            align="center", margin=(3, 4),
            description="A network refines the states that were found, while you explore, in a minute or so.",
        )  # fmt: skip
        bar = ButtonBar(self.finders, colour="primary", margin=(4, 4))
        return pmui.Row(text, bar, refine, margin=(0, 8))

    def _find_states(self, method, _event):
        self._train(method)

    def _offered(self) -> list[str]:
        """Views that have something to show."""
        return [name for name, tab in self.tabs.items() if tab.offered(self.session)]

    def show(self, name: str) -> None:
        """Open a view, by its id in `TABS`, even if the strip was folded.

        Raises
        ------
        FelError
            If it has nothing to show yet.
        """
        if name not in self._offered():
            tab = self.tabs[name]
            raise FelError(f"'{tab.title}' has nothing to show yet.", tab.about)
        self._open(name)

    def _open(self, name):
        self.view, self._folded, self.open = name, False, True

    def _on_result(self, *_):
        offered, found = self._offered(), has_states(self.session)
        if self.view not in offered or (found and not self.open and not self._folded):
            self.view = next(iter(offered), TABS[0].id)
        with batch_call_watchers(self._views):  # one message for all buttons
            for name, button in self.buttons.items():
                button.visible = name in offered
        keeps_open = self.open and bool(offered) and not self.tabs[self.view].needs_states
        self.open = (found or keeps_open) and not self._folded
        self._show()

    def _on_change(self, tab, event):
        """A parameter of the session that may open a view, or make it available, has changed."""
        if tab.opens(event.old, event.new):
            self._open(tab.id)
        if self.buttons[tab.id].visible != tab.offered(self.session):
            self._on_result()

    def fold(self) -> None:
        """Show the header only, also when new states are found, until a view is asked for."""
        self._folded, self.open = True, False

    def _on_fold(self, _event):
        self._folded = self.open
        self.open = not self.open

    def _on_click(self, name, _event):
        self._open(name)

    def _on_tap(self, x, y):
        panel = self._drawn()
        if panel is not None:
            panel.tapped(x, y)

    @param.depends("open", "view", "dark", watch=True)
    def _show(self):
        with batch_call_watchers(self._views):
            for name, button in self.buttons.items():
                button.variant = "contained" if self.open and name == self.view else "text"
        self._body.visible = self._fold.visible = self.open
        self._hint.visible = (
            self.session.dataset is not None and not self.open and not has_states(self.session)
        )
        self._unfold.visible = bool(self._offered()) and not self.open
        if self.open:
            self.panels[self.view]  # made now, where it is opened for the first time
        for name, panel in self.panels.items():
            shown = self.open and name == self.view
            panel.layout.visible = panel.export.layout.visible = shown
            panel.param.update(active=shown, dark=self.dark)
            if shown:
                self._place(panel)
        self._on_figure()

    def _place(self, panel):
        """Put a view on the page when it is first asked for: all at once make it slower to open."""
        if panel.layout not in self._body:
            self._body.insert(0, panel.layout)
            self._exports.append(panel.export.layout)

    def _drawn(self) -> PlotView | None:
        """The view whose figure is shown; None while there is none."""
        panel = self.panels[self.view] if self.open else None
        return panel if isinstance(panel, PlotView) and panel.ready else None

    def _on_figure(self, *_):
        """The shown view has another figure, or none yet."""
        panel = self._drawn()
        self._plot.visible = panel is not None
        if self._plot.visible and not self._plot.objects:
            self._plot.append(self.figure)
        shown = None if panel is None else (self.view, panel.version, self.dark)
        if shown not in (None, self._figure_shown):  # several changes at once ask for one figure
            self._draw()
        self._figure_shown = shown

    def _draw(self, *_):
        """Draw the shown view, for the present size of the plot."""
        panel = self._drawn()
        sheet = EMPTY if panel is None else panel.figure(self.figure.size, dark=self.dark)
        self.figure.show(sheet, dark=self.dark)
