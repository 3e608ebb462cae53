"""The evidence card of a state: how long it lives, whether its decay is exponential, where it goes."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.states.evidence import (
    Evidence,
    clustering,
    evidence_of,
    populations,
    selected_state,
    unweighted_note,
    verdict,
)
from fel_explorer.app.views.states.panel import VERDICT
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import beside, offer
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Notice, Text
from fel_explorer.data.schema import frame_weights
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.plots.survival import plot_survival, survival_table

MAX_EXITS = 3
SEVERITY = {"exponential": "success", "recrosses": "warning", "not exponential": "warning"}
NO_ICON = {"& .MuiAlert-icon": {"display": "none"}}
KMEANS_COLOUR = {False: "#7a5195", True: "#c9a0e0"}

COUNTED = "*counted frame by frame; rates under Kinetics are of a model at a lag time*"


class EvidencePanel(PlotView):
    """Population, lifetime, verdict, survival and exits of the selected state.

    Without a selected state it shows the one it showed last, or the most populated.
    """

    state = param.Integer(-1, doc="The state shown; -1 for none.")
    compare = param.Boolean(False, doc="Show the KMeans state that overlaps most, too.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._curves: list = []
        self._job = None
        self._rivals: tuple = (None, None)  # result and the evidence of its KMeans states
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._refresh, ["shown", "selection", "state_names", "dataset"])),
            (board, board.param.watch(self._on_ended, "ended")),
        ]
        self._refresh()

    # ---- what is built once

    def _make_widgets(self):
        text = {"variant": "body2", "sizing_mode": "stretch_width"}
        self._choice = pmui.Select(
            label="State", size="small", width=230, margin=(10, 4, 0, 10),
            description="Also by a click in the table, and with the keys [ and ].",
        )  # fmt: skip
        self.facts = Text("", margin=(2, 10, 0, 10), **text)
        self.verdict = Notice(
            "", severity="info", margin=(4, 18, 4, 8), sizing_mode="stretch_width",
            sx={"py": 0, "px": 1, "& p": {"my": 0}, "fontSize": "0.82rem"} | NO_ICON,
        )  # fmt: skip
        self.exits = Text("", margin=(2, 10, 4, 10), **text)
        self._switch = pmui.Switch.from_param(
            self.param.compare, label="Compare with KMeans", size="small", margin=(2, 10, 2, 10)
        )
        self.export = FigureExport(self.figure, self._table, self._name)
        self.layout = beside(
            pmui.Row(self._choice, margin=0), self.facts, pmui.Tooltip(self.verdict, title=VERDICT),
            self.exits, self._switch,
            width=260,
        )  # fmt: skip
        self._choice.param.watch(self._on_choice, "value")

    # ---- the user acts

    def _on_choice(self, event):
        if event.new is not None and event.new != self.state:
            self.session.select_state(event.new)

    @param.depends("compare", watch=True)
    def _on_compare(self):
        self._refresh()

    # ---- the session changed

    @param.depends("active", "dark", watch=True)
    def _refresh(self, *_):
        result = self.session.shown
        if not self.active or result is None or result.state is None:
            return
        states, chosen = result.states(), selected_state(self.session)
        if chosen is not None and chosen in states:
            self.state = chosen
        elif self.state not in states:
            self.state = int(max(states, key=np.bincount(result.state).__getitem__))
        offer(self._choice, {self.session.state_name(s): s for s in states}, self.state)
        self._describe(evidence_of(result, self.session.dataset))
        self._set_curves()

    def _describe(self, evidence: Evidence):
        row = evidence.lifetimes.sel(state=self.state)
        unit, step = evidence.time_unit, self.session.dataset.attrs["time_step"]
        lifetime = float(row["mean_lifetime"])
        interval = interval_text(float(row["lower"]), float(row["upper"]), unit)
        life = time_text(lifetime, unit) if np.isfinite(lifetime) else "never left"
        dataset = self.session.dataset
        population = populations(self.session.shown, frame_weights(dataset))[self.state]
        note = unweighted_note(dataset)
        facts = [
            f"**Population** {100 * population:.3g} %",
            f"**Mean lifetime** {life}{f' ({interval})' if interval else ''}",
            f"*{note}*" if note else "",
        ]
        self.facts.object = "  \n".join(filter(None, facts))
        word, sentence = verdict(row, step, unit)
        self.verdict.param.update(
            object=f"**{word.capitalize()}.** {sentence}",
            severity=SEVERITY.get(word, "info"),
        )
        self.exits.object = self._exits(evidence, unit)

    def _exits(self, evidence, unit):
        own = evidence.exits.sel({"from": self.state})
        lines = []
        for i in own["n_exits"].values.argsort()[::-1][:MAX_EXITS]:
            if own["n_exits"][i] > 0:
                name = self.session.state_name(int(own["to"][i]))
                time = 1 / float(own["rate"][i])
                share = max(float(own["share"][i]), 0.01)
                less = "<" if own["share"][i] < 0.01 else ""
                lines.append(f"to {literal(name)}: 1 / {time_text(time, unit)} ({less}{share:.0%})")
        return f"**Exits**  \n{COUNTED}  \n" + "  \n".join(lines) if lines else "**Exits** none were seen."

    # ---- the plot

    def _set_curves(self):
        result, dataset = self.session.shown, self.session.dataset
        evidence = evidence_of(result, dataset)
        colour = result.colours([self.state], dark=self.dark)[self.state]
        self._curves = [evidence.survival(self.state, self.session.state_name(self.state), colour)]
        rivals = self._rivals[1] if self._rivals[0] is result else None
        if self.compare and rivals is None:
            self._find_rivals(result, dataset)
        elif self.compare:
            rival = rivals.overlapping(evidence.states, self.state)
            self._curves.append(rivals.survival(rival, "KMeans, same embedding", KMEANS_COLOUR[self.dark]))
        self.version += 1

    def _find_rivals(self, result, dataset):
        if self._job is not None and self._job.active:
            return
        task = clustering(result, dataset)
        self._job = self.board.submit(f"KMeans on {result.label}", task, kind="comparison")

    def _on_ended(self, event):
        if event.new is self._job and self._job.result is not None:
            self._rivals = self._job.result
            self._refresh()

    def _unit(self):
        return self.session.dataset.attrs["time_unit"] if self.session.dataset is not None else "ps"

    def figure(self, shape=None, *, dark=False):
        """The survival plot, for a plot of ``shape`` pixels."""
        tall = {} if shape is None else {"height": shape[1]}
        return plot_survival.sheet(self._curves, time_unit=self._unit(), dark=dark, **tall)

    # ---- export

    def _table(self):
        return survival_table(self._curves)

    def _name(self):
        return f"survival-{self.session.state_name(self.state).replace(' ', '-')}"
