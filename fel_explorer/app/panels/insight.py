"""What is known of the states: their table, the evidence for each, and the kinetics between them."""

from __future__ import annotations

import holoviews as hv
import holoviews.plotting.bokeh
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.board import Board
from fel_explorer.app.panels.evidence import EvidencePanel
from fel_explorer.app.panels.kinetics import KineticsPanel
from fel_explorer.app.panels.states import StatesPanel
from fel_explorer.app.session import Session
from fel_explorer.plots.sheet import Sheet

hv.Store.set_current_backend("bokeh")  # hv.extension would load a front end from a CDN in notebooks

Redraw = hv.streams.Stream.define("Redraw", version=0)

HEADER, BODY = 46, 284  # px
VIEWS = {"States": "states", "Evidence": "evidence", "Kinetics": "kinetics"}
HINT = "Train a method with states, such as IDM, to see how long they live and what connects them."


class InsightPanel(Viewer):
    """A strip with three views that opens when there are states, and that can be folded away."""

    dark = param.Boolean(False, doc="Colours for a dark page.")
    view = param.Selector(default="states", objects=list(VIEWS.values()), doc="Which view is shown.")
    open = param.Boolean(False, doc="Whether more than the header is shown.")

    def __init__(self, session: Session, board: Board, **params):
        super().__init__(**params)
        self.session = session
        self.panels = {
            "states": StatesPanel(session),
            "evidence": EvidencePanel(session, board),
            "kinetics": KineticsPanel(session, board),
        }
        self._folded = False  # by the user: then new states don't open it
        self._make_layout()
        self._watcher = session.param.watch(self._on_result, ["shown"])
        self._on_result()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        """Let go of the session and the board."""
        self.session.param.unwatch(self._watcher)
        for panel in self.panels.values():
            panel.close()

    def _make_layout(self):
        self._views = pmui.RadioButtonGroup.from_param(
            self.param.view, label="", options=VIEWS, size="small", margin=(6, 8)
        )
        self._hint = pmui.Typography(HINT, variant="body2", color="textSecondary", margin=(12, 12))
        small = {"size": "small", "margin": (6, 6), "on_click": self._on_fold}
        self._fold = pmui.IconButton(icon="expand_more", description="Fold", **small)
        self._unfold = pmui.IconButton(icon="expand_less", description="Open", **small)
        space = pmui.Row(sizing_mode="stretch_width", margin=0)
        exports = [panel.export.layout for panel in self.panels.values()]
        self._header = pmui.Row(
            self._views, self._hint, space, *exports, self._fold, self._unfold,
            sizing_mode="stretch_width", height=HEADER, margin=0,
        )  # fmt: skip
        # one plot for all views: each would take a fifth of a second when the page opens
        self._redraw = Redraw()
        self.figure = hv.DynamicMap(self._draw, streams=[self._redraw, hv.streams.PlotSize()])
        # panel would link its axes with those of the map, which have the same names
        plot = pn.pane.HoloViews(self.figure, sizing_mode="stretch_both", min_height=160, linked_axes=False)
        # in a column, which is what is shown and hidden: a plot takes no change of `visible` (panel 1.9)
        self._plot = pmui.Column(plot, sizing_mode="stretch_both", margin=0)
        # shown and hidden, because a live page does not take another height
        views = (*self.panels.values(), self._plot)
        self._body = pmui.Row(*views, sizing_mode="stretch_width", height=BODY, margin=0)
        self.layout = pmui.Column(self._header, self._body, sizing_mode="stretch_width", margin=0)
        self._views.param.watch(self._on_click, "value")
        for name in ("evidence", "kinetics"):
            self.panels[name].param.watch(self._on_figure, "version")

    def _has_states(self):
        return self.session.shown is not None and self.session.shown.state is not None

    def _on_result(self, *_):
        has_states = self._has_states()
        self._views.visible = has_states
        self._hint.visible = not has_states
        self.open = has_states and not self._folded
        self._show()

    def _on_fold(self, _event):
        self._folded = self.open
        self.open = not self.open

    def _on_click(self, _event):
        """A view was asked for: it is shown even if the strip was folded."""
        if self._has_states():
            self._folded, self.open = False, True

    @param.depends("open", "view", "dark", watch=True)
    def _show(self):
        self._body.visible = self._fold.visible = self.open
        self._unfold.visible = self._has_states() and not self.open
        for name, panel in self.panels.items():
            shown = self.open and name == self.view
            panel.layout.visible = panel.export.layout.visible = shown
            panel.param.update(active=shown, dark=self.dark)
        self._on_figure()

    def _on_figure(self, *_):
        """The shown view has another figure, or none yet."""
        panel = self.panels[self.view]
        self._plot.visible = self.open and getattr(panel, "ready", self.view == "evidence")
        if self._plot.visible:
            self._redraw.event(version=self._redraw.version + 1)

    def _draw(self, version, width, height, scale):
        panel = self.panels[self.view]
        if not self._plot.visible:
            return Sheet(((0.0, 1.0), (0.0, 1.0)), ("", "")).overlay()
        return panel.figure((width or 700, height or 270), dark=self.dark)
