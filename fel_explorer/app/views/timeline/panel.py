"""States over time: a ribbon a trajectory, and the passages from one state to another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import beside, offer
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data import schema
from fel_explorer.kinetics.passages import passages
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.timeline import MAX_ROWS, place_at, plot_timeline


class TimelinePanel(PlotView):
    """Where and when each state was visited; a click shows the frame there."""

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_states, ["shown", "state_names"])),
            (session, session.param.watch(self._show, ["frame"])),
        ]

    @property
    def ready(self) -> bool:
        """Whether there is a figure."""
        return self.session.shown is not None and self.session.shown.state is not None

    def _make_widgets(self):
        small = {"size": "small", "width": 150, "margin": (10, 4, 4, 8)}
        self.source = pmui.Select(label="From", description="State that the passages leave.", **small)
        self.target = pmui.Select(label="To", description="State that they reach.", **small)
        self.text = Text("", variant="body2", margin=(4, 12), sizing_mode="stretch_width")
        self.select = pmui.Button(
            label="Select their frames", icon="route", variant="outlined", size="small", margin=(6, 10),
            description="Show them on the map, play them, or export them.", on_click=self._on_select,
        )  # fmt: skip
        self.export = FigureExport(self.figure, self._table, lambda: "timeline")
        self.layout = beside(
            pmui.Row(self.source, self.target, margin=0), self.text, self.select,
            width=340,
        )  # fmt: skip
        self.source.param.watch(self._describe, "value")
        self.target.param.watch(self._describe, "value")

    # ---- the user acts

    def tapped(self, x: float, y: float) -> None:
        """A click on a ribbon makes the frame there the current one."""
        lengths = schema.trajectory_lengths(self.session.dataset)
        attrs = self.session.dataset.attrs
        start = schema.common_start(self.session.dataset)
        place = place_at(x, y, lengths, attrs["time_step"], attrs["time_unit"], start)
        if place is not None:
            self.session.frame = int(np.sum(lengths[: place[0]])) + place[1]

    def _on_select(self, _event):
        mask = np.zeros(len(self.session.shown.state), bool)
        for first, last in self._found[["first", "last"]].values:
            mask[first : last + 1] = True
        names = [self.session.state_name(s) for s in (self.source.value, self.target.value)]
        self.session.select(mask, f"passages from {names[0]} to {names[1]}")

    # ---- the session changed

    @param.depends("active", "dark", watch=True)
    def _on_states(self, *_):
        if not (self.active and self.ready):
            return
        result = self.session.shown
        by_size = sorted(result.states(), key=lambda s: -np.count_nonzero(result.state == s))
        options = {self.session.state_name(state): state for state in result.states()}
        source = self.source.value if self.source.value in by_size else by_size[0]
        others = [state for state in by_size if state != source]
        target = self.target.value if self.target.value in others else (others or [source])[0]
        offer(self.source, options, source)
        offer(self.target, options, target)
        self._describe()
        self._show()

    def _describe(self, *_):
        source, target = self.source.value, self.target.value
        self._found = pd.DataFrame(columns=["trajectory", "first", "last", "duration"])
        if source is None or target is None or source == target:
            self.text.object = "Choose two different states to see the passages between them."
        else:
            self._found = self._passages(source, target)
            self.text.object = self._said()
        self.select.disabled = self._found.empty

    def _passages(self, source, target):
        dataset = self.session.dataset
        parts = self._parts()
        return passages(parts, source, target, time_step=float(dataset.attrs["time_step"]))

    def _said(self):
        found, unit = self._found, self.session.dataset.attrs["time_unit"]
        if found.empty:
            return "No passage was seen."
        n = found["trajectory"].nunique()
        said = (
            f"**{len(found):,} passages** in {n} trajector{'ies' if n > 1 else 'y'}; "
            f"they take {time_text(found['duration'].mean(), unit)} on average, "
            f"{time_text(found['duration'].max(), unit)} at most."
        )
        n = len(self._parts())
        return said + (f"  \nRibbons: the first {MAX_ROWS} of {n} trajectories." if n > MAX_ROWS else "")

    def _show(self, *_):
        if self.active:
            self.version += 1

    # ---- drawing and export

    def _parts(self):
        lengths = schema.trajectory_lengths(self.session.dataset)
        return np.split(self.session.shown.state, np.cumsum(lengths)[:-1])

    def figure(self, shape=None, *, dark=False):
        """The ribbons; any ``shape`` suits them."""
        dataset, result = self.session.dataset, self.session.shown
        frame = min(self.session.frame, dataset.sizes["frame"] - 1)
        current = int(dataset["trajectory"][frame]), int(dataset["frame_in_trajectory"][frame])
        return plot_timeline.sheet(
            self._parts(),
            result.colours(result.states(), dark=dark),
            time_step=float(dataset.attrs["time_step"]),
            time_unit=dataset.attrs["time_unit"],
            start=schema.common_start(dataset),
            current=current,
            dark=dark,
        )

    def _table(self) -> pd.DataFrame:
        return self._found
