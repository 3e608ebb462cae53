"""The tree of states as navigator: a click selects a state, the slider sets the time resolution."""

from __future__ import annotations

from dataclasses import replace

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from fel_explorer.app.session.result import tree_colours
from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.plots.dendrogram import WIDTH, Dendrogram, plot_dendrogram
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.sheet import Sheet

HEIGHT = 236  # px of the plot
ALL = 0.99  # fraction of a state's frames from which it counts as selected

Redraw = hv.streams.Stream.define("Redraw", version=0)


class DendrogramPanel(pn.viewable.Viewer):
    """Tree of the shown model, with the shown level and the selected states marked."""

    session = param.ClassSelector(class_=Session)
    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, **params):
        super().__init__(session=session, **params)
        self._drawing: Dendrogram | None = None
        self._was_dark = self.dark
        self._redraw = Redraw()
        self._make()
        self._watcher = session.param.watch(self._refresh, ["shown", "selection", "state_names"])
        self._refresh()

    def __panel__(self):
        return self._layout

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)
        self._tap.clear()
        self._redraw.clear()

    def _make(self):
        self._level = pmui.DiscreteSlider(
            label="Time resolution",
            options={"0": 0},
            size="small",
            sizing_mode="stretch_width",
            margin=(4, 24),
            description="Lag time: states that interconvert faster than this are merged. All views follow.",
        )
        self._level.param.watch(self._on_level, "value")
        # its size puts labels next to nodes; and without such a stream holoviews 1.23 attaches no tap
        tree = hv.DynamicMap(self._draw, streams=[self._redraw, hv.streams.PlotSize()])
        self._tap = hv.streams.SingleTap(source=tree)
        self._tap.add_subscriber(self._on_tap)
        self._plot = pn.pane.HoloViews(
            tree,
            backend="bokeh",
            linked_axes=False,  # to those of the map, which have the same names
            sizing_mode="stretch_both",
            min_height=150,
        )
        self.export = FigureExport(
            self._light_figure, lambda: self._drawing.table(), lambda: "tree-of-states"
        )
        self._layout = pmui.Column(
            pmui.Row(self._level, self.export, sizing_mode="stretch_width", margin=0),
            pmui.Column(self._plot, sizing_mode="stretch_width", height=HEIGHT, margin=0),
            sizing_mode="stretch_width",
            margin=0,
        )

    # ---- what users do

    def _on_level(self, event):
        if self.session.result is not None and event.new != self.session.result.level:
            self.session.show_level(event.new)

    def _on_tap(self, x=None, y=None):
        if x is None or self._drawing is None:
            return
        node = self._drawing.node_at(x, y)
        if node is not None:
            about = self._drawing.graph.nodes[node]
            self.session.show_level(about["level"])
            self.session.select_state(about["state"])

    # ---- what happens in the session

    @param.depends("dark", watch=True)
    def _refresh(self, *_):
        result = self.session.result
        tree = None if result is None else result.tree
        before = self._drawing
        if tree is not None:
            unit = tree.graph["time_unit"]
            lags = dict(sorted((about["level"], about["lag_time"]) for _, about in tree.nodes(data=True)))
            self._level.param.update(
                options={time_text(lag, unit): level for level, lag in lags.items()}, value=result.level
            )
            names = {node: self._name(about) for node, about in tree.nodes(data=True)}
            colours = tree_colours(tree, dark=self.dark)
            self._drawing = Dendrogram(tree, colours, names, result.level, self._selected(result))
        else:
            self._drawing = None
        if self._drawing != before or self.dark != self._was_dark:
            self._was_dark = self.dark
            self._redraw.event(version=self._redraw.version + 1)

    def _name(self, about):
        level, state = about["level"], about["state"]
        default = f"state {level + 1}-{state + 1}"
        return self.session.state_names.get((self.session.active, level, state), default)

    def _selected(self, result) -> frozenset:
        """Nodes of which (nearly) all frames are selected."""
        mask = self.session.selection.mask
        if not mask.any():
            return frozenset()
        nodes = set()
        for level in self.session.results[self.session.active].levels:
            n = level.membership.shape[1]
            frames, chosen = (
                np.bincount(level.state, minlength=n),
                np.bincount(level.state[mask], minlength=n),
            )
            inside = np.flatnonzero((frames > 0) & (chosen >= ALL * frames))
            nodes |= {f"{level.level + 1}-{state + 1}" for state in inside}
        return frozenset(nodes)

    def _light_figure(self):
        return plot_dendrogram(replace(self._drawing, colours=tree_colours(self._drawing.graph)))

    def _draw(self, version, width, height, scale):
        if self._drawing is None:
            return Sheet(((0.0, 1.0), (0.0, 1.0)), ("", "")).overlay()
        return plot_dendrogram(self._drawing, width=width or WIDTH, dark=self.dark)
