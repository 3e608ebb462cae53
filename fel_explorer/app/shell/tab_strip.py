"""What is known of the states: their table, the evidence for each, and the kinetics between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import holoviews as hv
import holoviews.plotting.bokeh
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import Board
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.comparison.panel import ComparisonPanel
from fel_explorer.app.views.kinetics.panel import KineticsPanel
from fel_explorer.app.views.modes.panel import ModesPanel
from fel_explorer.app.views.paths.panel import PathPanel
from fel_explorer.app.views.runs.panel import RunsPanel
from fel_explorer.app.views.simulate.panel import SimulatePanel
from fel_explorer.app.views.states.evidence_panel import EvidencePanel
from fel_explorer.app.views.states.panel import StatesPanel
from fel_explorer.app.views.structure.pinned_panel import PinsPanel
from fel_explorer.app.views.timeline.panel import TimelinePanel
from fel_explorer.app.views.umbrella.panel import DrivePanel
from fel_explorer.plots.sheet import Sheet

hv.Store.set_current_backend("bokeh")  # hv.extension would load a front end from a CDN in notebooks

Redraw = hv.streams.Stream.define("Redraw", version=0)

HEADER, BODY = 46, 284  # px
VIEWS = {
    "States": "states",
    "Evidence": "evidence",
    "Kinetics": "kinetics",
    "Timeline": "timeline",
    "Compare": "comparison",
    "Path": "path",
    "Simulate": "simulate",
    "Modes": "modes",
    "Drive": "drive",
    "Runs": "runs",
    "Pinned": "pins",
}
LASTING = ("comparison", "path", "simulate", "modes", "drive", "runs", "pins")  # that need no states
HINT = "Which states are there?"
WAYS = {  # to find states: {label: (method, tooltip)}
    "Find the states": (
        "DiscreteIDM",
        "Finds the metastable states at some thirty time resolutions, in seconds: then drag the slider.",
    ),
    "Tree of states": (
        "DivisiveIDM",
        "Trains DivisiveIDM as set up in the Model panel: states at long times, divided at shorter ones.",
    ),
}


class InsightPanel(Viewer):
    """A strip of views that opens when there are states or a path, and that can be folded away.

    Parameters
    ----------
    train
        Called with the name of a method that is to be trained, and hyperparameters other than the form's.
    """

    dark = param.Boolean(False, doc="Colours for a dark page.")
    view: param.Selector[str] = param.Selector(
        default="states", objects=list(VIEWS.values()), doc="Which view is shown."
    )
    open = param.Boolean(False, doc="Whether more than the header is shown.")

    def __init__(self, session: Session, board: Board, train: Callable[..., None], **params):
        super().__init__(**params)
        self.session, self._train = session, train
        self.panels = {
            "states": StatesPanel(session, lambda: train("DivisiveIDM"), board, refine=self._refine),
            "evidence": EvidencePanel(session, board),
            "kinetics": KineticsPanel(session, board),
            "timeline": TimelinePanel(session),
            "comparison": ComparisonPanel(session, board),
            "path": PathPanel(session),
            "simulate": SimulatePanel(session, board),
            "modes": ModesPanel(session, board),
            "drive": DrivePanel(session, board),
            "runs": RunsPanel(session, board),
            "pins": PinsPanel(session),
        }
        self._folded = False  # by the user: then new states don't open it
        self._figure_shown: tuple | None = None  # view, its version, and theme
        self._make_layout()
        self._watchers = [
            session.param.watch(self._on_result, ["shown", "dataset"]),
            session.param.watch(self._on_drawing, ["drawing"]),
            session.param.watch(self._on_sweep, ["sweep"]),
            session.param.watch(self._on_pinned, ["pinned"]),
        ]
        self._on_result()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        """Let go of the session and the board."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers = []
        for panel in self.panels.values():
            panel.close()

    def _make_layout(self):
        # buttons and no radio group, which is silent when its value is clicked: that opens the folded strip
        self.buttons = {
            name: pmui.Button(
                label=title,
                size="small",
                margin=(6, 1),
                variant="text",
                sx={"minWidth": 0, "px": "6px"},
                on_click=partial(self._on_click, name),
            )
            for title, name in VIEWS.items()
        }
        self._views = pmui.Row(*self.buttons.values(), margin=(0, 4))
        self._hint = self._ways()
        small = {"size": "small", "margin": (6, 6), "on_click": self._on_fold}
        self._fold = pmui.IconButton(icon="expand_more", description="Fold", **small)
        self._unfold = pmui.IconButton(icon="expand_less", description="Open", **small)
        space = pmui.Row(sizing_mode="stretch_width", margin=0)
        self._exports = pmui.Row(margin=0)
        self._header = pmui.Row(
            self._views, self._hint, space, self._exports, self._fold, self._unfold,
            sizing_mode="stretch_width", height=HEADER, margin=0,
        )  # fmt: skip
        # one plot for all views: each would take a fifth of a second when the page opens
        self._redraw = Redraw()
        self.figure = hv.DynamicMap(self._draw, streams=[self._redraw, hv.streams.PlotSize()])
        self.tap = hv.streams.SingleTap(source=self.figure)
        self.tap.add_subscriber(self._on_tap)
        # panel would link its axes with those of the map, which have the same names
        plot = pn.pane.HoloViews(self.figure, sizing_mode="stretch_both", min_height=160, linked_axes=False)
        # in a column, which is what is shown and hidden: a plot takes no change of `visible` (panel 1.9)
        self._plot = pmui.Column(plot, sizing_mode="stretch_both", margin=0)
        # shown and hidden, because a live page does not take another height
        self._body = pmui.Row(self._plot, sizing_mode="stretch_width", height=BODY, margin=0)
        self.layout = pmui.Column(self._header, self._body, sizing_mode="stretch_width", margin=0)
        for name in (
            "evidence",
            "kinetics",
            "timeline",
            "comparison",
            "path",
            "simulate",
            "modes",
            "drive",
            "runs",
        ):
            self.panels[name].param.watch(self._on_figure, "version")

    def _refine(self):
        """Train IDM at the shown time resolution."""
        self._train("IDM", lag_time=self.session.shown.lag_time)

    def _ways(self):
        """What to do while there are no states."""
        buttons = [
            pmui.Button(
                label=label, size="small", variant="outlined", margin=(3, 4), description=tooltip,
                on_click=lambda event, name=name: self._train(name), sx={"whiteSpace": "nowrap"},
            )
            for label, (name, tooltip) in WAYS.items()
        ]  # fmt: skip
        text = pmui.Typography(HINT, variant="body2", color="textSecondary", margin=(9, 8))
        return pmui.Row(text, *buttons, margin=(0, 8))

    def _has_states(self):
        return self.session.shown is not None and self.session.shown.state is not None

    def _offered(self) -> dict[str, str]:
        """The views that have something to show: those of states only where there are states."""
        has_states = self._has_states()
        return {
            title: name
            for title, name in VIEWS.items()
            if getattr(self.panels[name], "available", has_states)
        }

    def _on_result(self, *_):
        offered, has_states = self._offered(), self._has_states()
        if self.view not in offered.values() or (has_states and not self.open and not self._folded):
            self.view = next(iter(offered.values()), "states")
        for name, button in self.buttons.items():
            button.visible = name in offered.values()
        keeps_open = self.open and bool(offered) and self.view in LASTING
        self.open = (has_states or keeps_open) and not self._folded
        self._show()

    def _on_drawing(self, event):
        if event.new:
            self.view, self._folded, self.open = "path", False, True

    def _on_sweep(self, event):
        if event.new is not None:
            self.view, self._folded, self.open = "runs", False, True

    def _on_pinned(self, event):
        if len(event.old) == 0 < len(event.new):  # later ones don't take the strip from what is looked at
            self.view, self._folded, self.open = "pins", False, True
        if (len(event.old) > 0) != (len(event.new) > 0):
            self._on_result()

    def _on_fold(self, _event):
        self._folded = self.open
        self.open = not self.open

    def _on_click(self, name, _event):
        """A view was asked for: it is shown even if the strip was folded."""
        self.view, self._folded, self.open = name, False, True

    def _on_tap(self, x, y):
        tapped = getattr(self.panels[self.view], "tapped", None)
        if tapped is not None and x is not None and self._plot.visible:
            tapped(x, y)

    @param.depends("open", "view", "dark", watch=True)
    def _show(self):
        for name, button in self.buttons.items():
            button.variant = "contained" if self.open and name == self.view else "text"
        self._body.visible = self._fold.visible = self.open
        self._hint.visible = self.session.dataset is not None and not self.open and not self._has_states()
        self._unfold.visible = bool(self._offered()) and not self.open
        for name, panel in self.panels.items():
            shown = self.open and name == self.view
            panel.layout.visible = panel.export.layout.visible = shown
            panel.param.update(active=shown, dark=self.dark)
            if shown:
                self._place(panel)
        self._on_figure()

    def _place(self, panel):
        """Put a view on the page when it is first asked for: all at once make it slower to open."""
        if panel.layout not in self._body:  # but not the plot, which bokeh (3.9) can't lay out on a live page
            self._body.insert(0, panel.layout)
            self._exports.append(panel.export.layout)

    def _on_figure(self, *_):
        """The shown view has another figure, or none yet."""
        panel = self.panels[self.view]
        self._plot.visible = self.open and getattr(panel, "ready", self.view == "evidence")
        shown = (self.view, panel.version, self.dark) if self._plot.visible else None
        if shown not in (None, self._figure_shown):  # several changes at once ask for one figure
            self._redraw.event(version=self._redraw.version + 1)
        self._figure_shown = shown

    def _draw(self, version, width, height, scale):
        panel = self.panels[self.view]
        if not self._plot.visible:
            return Sheet(((0.0, 1.0), (0.0, 1.0)), ("", "")).overlay()
        return panel.figure((width or 700, height or 270), dark=self.dark)
