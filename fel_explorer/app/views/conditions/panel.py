"""The view of conditions: two maps and their difference, and tables of what differs."""

from __future__ import annotations

import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.conditions import rows
from fel_explorer.app.views.conditions.analysis import (
    PARTS,
    Answer,
    Question,
    conditions_job,
    names_of,
    question_of,
)
from fel_explorer.app.views.tabs import has_conditions
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.conditions import COLUMN, condition_names
from fel_explorer.data.frame_values import label
from fel_explorer.plots.comparison import plot_distributions
from fel_explorer.plots.conditions import plot_conditions
from fel_explorer.structures.comparison import distributions

NO_CONDITIONS = "Give trajectories a condition first: **Conditions** under Data."
HINTS = {
    "map": "Right: the second minus the first. Outlines hold what is significant.",
    "states": "Populations. * marks what is significant.",
    "rates": "Changes from one frame to the next, per time. * marks what is significant.",
    "features": "Click a row for its curves. * marks what is significant.",
}


class ConditionsPanel(PlotView):
    """Compares two conditions over the axes of the map."""

    part: param.Selector[str] = param.Selector(default="map", objects=list(PARTS), doc="What is shown.")
    quantity = param.String("", doc="Whose distributions are drawn.")
    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self.found: Answer | None = None
        self.question: Question | None = None
        self._asked: tuple = ()
        self._job = None
        self._offering = False
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._look, ["dataset", "shown", "axes", "energy_unit"])),
            (session, session.param.watch(self._fill, ["state_names"])),
            (board, board.param.watch(self._on_job, "version")),
        ]

    def _make_widgets(self):
        small = {"size": "small", "width": 150, "margin": (10, 4, 0, 6)}
        self.first = pmui.Select(label="Reference", description="Condition to compare with.", **small)
        self.second = pmui.Select(label="Condition", description="Condition that is compared.", **small)
        self.parts = pmui.RadioButtonGroup.from_param(
            self.param.part, label="", options={title: key for key, title in PARTS.items()},
            size="small", margin=(14, 4, 0, 8),
        )  # fmt: skip
        self.hint = Text("", variant="body2", margin=(4, 12), sizing_mode="stretch_width")
        self.table = SortableTable(columns=[], row_about="Show it", sizing_mode="stretch_both", margin=(0, 8))
        self.export = FigureExport(self.figure, self._frame, lambda: f"conditions-{self.part}")
        self.layout = pmui.Column(
            pmui.FlexBox(self.first, self.second, self.parts, margin=0), self.hint, self.table,
            sizing_mode="stretch_both", margin=0,
            styles={"flex": "0 0 44%", "max-width": "560px", "overflow-x": "auto"},
        )  # fmt: skip
        self.first.param.watch(self._on_choice, "value")
        self.second.param.watch(self._on_choice, "value")
        self.table.param.watch(self._on_row, "clicked")

    # ---- what happens

    def _on_choice(self, *_):
        if not self._offering:
            self._look()

    def _on_row(self, _event):
        if self.part == "features":
            self.quantity = str(self.found.features["quantity"].values[self.table.state])
        elif self.part == "states":
            self.session.select_state(self.table.state)

    @param.depends("active", watch=True)
    def _look(self, *_):
        """Compare the chosen conditions, unless that is what is shown."""
        if not self.active or self.session.dataset is None:
            return
        if not has_conditions(self.session):
            self._asked, self.found, self.ready = (), None, False
            self._say(NO_CONDITIONS)
            return
        first, second = self._offer()
        session = self.session
        asked = first, second, session.dataset, session.shown, session.axes, session.energy_unit
        if len(asked) == len(self._asked) and all(
            a is b or (isinstance(a, str | tuple) and a == b) for a, b in zip(asked, self._asked, strict=True)
        ):
            return
        before, self._job, self._asked = self._job, None, asked  # whose result is not of these
        self.found, self.ready = None, False
        if before is not None and before.active:
            self.board.cancel(before)
        if first == second:
            self._say("Choose two different conditions.")
            return
        self.question = question_of(session, first, second)
        task = conditions_job(session.dataset, self.question)
        self._job = self.board.submit(f"Compare {first} with {second}", task, kind="conditions")
        self._on_job()

    def _offer(self) -> tuple[str, str]:
        names = names_of(self.session)
        first = self.first.value if self.first.value in names else names[0]
        second = self.second.value if self.second.value in names else names[1]
        self._offering = True
        self.first.param.update(options=names, value=first)
        self.second.param.update(options=names, value=second)
        self._offering = False
        return first, second

    def _on_job(self, *_):
        job = self._job
        if job is None or self.found is not None or not self._asked:
            return
        if job.active:
            self._say("Comparing ...")
        elif job.result is not None:
            self.found = job.result
            self._fill()

    def _say(self, text):
        self.hint.object = text
        self.table.rows = []
        self.export.disable(True)
        self.version += 1

    # ---- what is shown

    @param.depends("part", watch=True)
    def _fill(self, *_):
        if self.found is None:
            return
        found = self.found
        wanted = {"map": "surfaces", "rates": "states"}.get(self.part, self.part)
        error = found.errors.get(wanted)
        known = {"surfaces": found.surfaces, "states": found.states, "features": found.features}[wanted]
        self.ready = found.surfaces is not None
        if known is None:
            self._say(literal(str(error)) if error else "There are no states: find them first.")
            return
        self.hint.object = HINTS[self.part]
        kind = "states" if self.part == "map" and found.states is not None else self.part
        kind = "features" if kind == "map" else kind
        self.table.param.update(
            columns=rows.columns_of(kind, self.question.first, self.question.second), rows=self._rows(kind)
        )
        self.export.disable(not self.ready)
        if found.features is not None and self.quantity not in found.features["quantity"].values:
            self.quantity = str(found.features["quantity"].values[0])
        self.version += 1

    def _rows(self, kind) -> list[dict]:
        session, found = self.session, self.found
        if kind == "features":
            return rows.feature_rows(found.features) if found.features is not None else []
        colours = session.shown.colours(session.shown.states(), dark=self.dark)
        if kind == "rates":
            unit = session.dataset.attrs["time_unit"]
            return rows.rate_rows(found.states, session.state_name, colours, unit)
        return rows.state_rows(found.states, session.state_name, colours)

    @param.depends("quantity", "dark", watch=True)
    def _mark(self):
        self.version += 1

    def figure(self, shape=None, *, dark=False):
        """The maps and their difference, or distributions of the chosen quantity; any ``shape`` suits it."""
        question, data = self.question, self.session.dataset
        if self.part == "features" and self.found.features is not None:
            names = condition_names(data)
            pair = question.first, question.second
            masks = [data[COLUMN].values == names.index(name) for name in pair]
            densities = distributions(data, self.quantity, masks)
            effect = float(self.found.features["effect"].sel(quantity=self.quantity))
            return plot_distributions.sheet(
                densities, pair, label=label(data, self.quantity), note=f"differ by {effect:.2f}", dark=dark
            )
        return plot_conditions.sheet(
            self.found.surfaces, question.first, question.second, labels=question.labels,
            unit=question.unit.name, dark=dark,
        )  # fmt: skip

    def _frame(self) -> pd.DataFrame:
        found = self.found
        if self.part == "features":
            return found.features.drop_dims("set").to_dataframe().reset_index()
        if self.part == "map":
            return found.surfaces.to_dataframe().reset_index()
        kind, ends = ("population", ["state"]) if self.part == "states" else ("rate", ["from", "to"])
        names = [name for name in found.states if str(name).startswith(kind)]
        return found.states[names].to_dataframe().reset_index().sort_values(ends)
