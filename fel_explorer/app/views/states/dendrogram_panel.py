"""The tree of states as navigator: a click selects a state, the slider sets the time resolution.

Of states that were sought at many lags the slider and the plot have a continuous, logarithmic axis of lags.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import CustomJSTickFormatter

from fel_explorer.app.session.session import Session
from fel_explorer.app.session.tree_nodes import tree_colours
from fel_explorer.app.views.states.tree_drawing import describe_level, draw_tree, tree_drawing
from fel_explorer.app.widgets.bokeh_sheet import EMPTY, BokehSheet
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.plots.dendrogram import Dendrogram
from fel_explorer.plots.persistence import Persistence
from fel_explorer.plots.quantities import time_text

BORDERS = (12, 8)  # px left and right of its frame, at least
RESOLUTION = "Lag time: states that interconvert faster than this are merged. All views follow."


class DendrogramPanel(pn.viewable.Viewer):
    """Tree of the shown model, with the shown level and the selected states marked."""

    session = param.ClassSelector(class_=Session)
    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, **params):
        super().__init__(session=session, **params)
        self._drawing: Dendrogram | Persistence | None = None
        self._was_dark = self.dark
        self._make()
        self._watcher = session.param.watch(self._refresh, ["shown", "selection", "state_names"])
        self._refresh()

    def __panel__(self):
        return self._layout

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)

    def _make(self):
        self._level = pmui.DiscreteSlider(
            label="Time resolution",
            options={"0": 0},
            size="small",
            sizing_mode="stretch_width",
            margin=(4, 24),
            description=RESOLUTION,
        )
        self._level.param.watch(self._on_level, "value")
        self._lag = pmui.FloatSlider(
            label="Time resolution",
            size="small",
            sizing_mode="stretch_width",
            margin=(4, 24, 0, 24),
            description=RESOLUTION,
            visible=False,
        )
        self._lag.param.step.allow_None = True  # only the marks: the lags at which states were sought
        self._lag.step = None
        self._lag.param.watch(self._on_lag, "value")
        self._found = Text("", variant="body2", margin=(0, 24), sizing_mode="stretch_width", visible=False)
        self.figure = BokehSheet(tap=self._on_tap, min_height=110, borders=BORDERS)
        self.figure.param.watch(self._draw, "size")  # which decides where labels have room
        self.export = FigureExport(
            self._light_figure, lambda: self._drawing.table(), lambda: "tree-of-states"
        )
        self._layout = pmui.Column(
            pmui.Row(self._level, self._lag, self.export, sizing_mode="stretch_width", margin=0),
            self._found,
            self.figure,
            sizing_mode="stretch_both",
            margin=0,
        )

    # ---- what users do

    def _on_level(self, event):
        if self.session.result is not None and event.new != self.session.result.level:
            self.session.show_level(event.new)

    def _on_lag(self, event):
        if isinstance(self._drawing, Persistence) and self.session.result is not None:
            level = int(np.abs(self._drawing.places - event.new).argmin())
            if level != self.session.result.level:
                self.session.show_level(level)

    def _on_tap(self, x, y):
        if self._drawing is None:
            return
        node = self._drawing.node_at(x, y)
        if node is not None:
            about = self._drawing.graph.nodes[node]
            self.session.show_level(about["level"])
            self.session.select_state(about["state"])

    # ---- what happens in the session

    @param.depends("dark", watch=True)
    def _refresh(self, *_):
        before, result = self._drawing, self.session.result
        self._drawing = tree_drawing(self.session, dark=self.dark)
        if isinstance(self._drawing, Persistence):
            self._show_lag(self._drawing, result)
        elif self._drawing is not None:
            self._show_level(self._drawing, result)
        if self._drawing != before or self.dark != self._was_dark:
            self._was_dark = self.dark
            self._draw()

    def _show_level(self, drawing, result):
        unit = drawing.graph.graph["time_unit"]
        options = {time_text(lag, unit): level for level, lag in enumerate(drawing.lags)}
        self._level.param.update(options=options, value=result.level, visible=True)
        self._lag.visible = False
        self._found.param.update(object=literal(result.remark), visible=bool(result.remark))

    def _show_lag(self, drawing, result):
        unit, places = drawing.graph.graph["time_unit"], drawing.places.tolist()
        marks = [{"value": place} for place in places]
        if marks != self._lag.marks:
            texts = [time_text(lag, unit) for lag in drawing.lags.tolist()]
            ends = {"start": places[0], "end": max(places[-1], places[0] + 1e-6)}
            self._lag.param.update(
                **ends, marks=marks, format=_named(places, texts), value=places[result.level]
            )
        self._lag.param.update(value=places[result.level], visible=True)
        self._found.param.update(object=describe_level(result), visible=True)
        self._level.visible = False

    def _light_figure(self):
        return draw_tree(replace(self._drawing, colours=tree_colours(self._drawing.graph)))

    def _draw(self, *_):
        if self._drawing is None:
            self.figure.show(EMPTY, dark=self.dark)
            return
        sheet = draw_tree(
            self._drawing, width=self.figure.size[0], height=self.figure.size[1], dark=self.dark
        )
        self.figure.show(sheet, dark=self.dark)


def _named(places: list[float], texts: list[str]) -> CustomJSTickFormatter:
    """What the slider writes: the text of the nearest place."""
    code = """
        const away = places.map((place) => Math.abs(place - tick))
        return texts[away.indexOf(Math.min(...away))]
    """
    return CustomJSTickFormatter(args={"places": places, "texts": texts}, code=code)
