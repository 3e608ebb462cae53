"""Kinetics of the states: network of rates, time scales, Chapman-Kolmogorov test, spectrum, pathways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import Kinetics, default_lag, kinetics_job
from fel_explorer.app.views.kinetics.drawing import PARTS, VIEWS, draw_view, form_words, part_of, view_table
from fel_explorer.app.views.kinetics.pathways_panel import PathwaysControls
from fel_explorer.app.views.states.evidence import selected_state, unweighted_note
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text

FORMS = {
    "Automatic": "auto",
    "Calibrated memberships": "calibrated",
    "Correlations over time": "correlations",
    "Memberships as states (Eq. 7)": "printed",
}
HINTS = {
    "network": "Significant rates only. Hover for their intervals.",
    "timescales": "The states are Markovian at lag times from which the curves are flat.",
    "ck_test": "Lines: predicted by the model. Dots: estimated from the data.",
    "spectrum": "Time scales of the rates, with 95 % intervals.",
}


class KineticsPanel(PlotView):
    """Four views of one computation, which runs as a job when the panel is first looked at, and pathways."""

    view: param.Selector[str] = param.Selector(
        default="network", objects=list(VIEWS), doc="Which of the views is shown."
    )
    ready = param.Boolean(False, doc="Whether there is a figure.")
    form = param.Selector(default="auto", objects=list(FORMS.values()), doc="How rates are found.")
    lag_time = param.Number(None, allow_None=True, doc="Lag of the model, in the data's time unit.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self.kinetics: Kinetics | None = None
        self._kept: list[Kinetics] = []
        self._job = None
        self.pathways = PathwaysControls(session, board)
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_result, ["shown"])),
            (session, session.param.watch(self._show, ["selection", "state_names"])),
            (board, board.param.watch(self._on_job, "version")),
            (self.pathways, self.pathways.param.watch(self._show, "version")),
        ]
        self._on_result()

    def close(self) -> None:
        """Stop watching the session and the board."""
        self.pathways.close()
        super().close()

    # ---- what is built once

    def _make_widgets(self):
        self._views = pmui.RadioButtonGroup.from_param(
            self.param.view, label="", options={title: key for key, title in VIEWS.items()},
            orientation="vertical", size="small", width=122, margin=(8, 4, 4, 10),
        )  # fmt: skip
        self._lag = FloatField(
            label="Lag time", size="small", width=180, margin=(10, 10, 2, 10), step=1.0,
            description="Choose a lag time from which the time scales are flat. Press Enter to recompute.",
        )  # fmt: skip
        self._stop = pmui.Button(
            label="Stop", icon="stop", size="small", variant="outlined", color="default",
            on_click=lambda event: self.board.cancel(self._shown_job()), margin=(4, 10), visible=False,
        )  # fmt: skip
        self._bar = pmui.LinearProgress(
            value=0, variant="determinate", width=180, margin=(4, 10), visible=False
        )
        self._form = pmui.Select.from_param(
            self.param.form, label="Rates from", options=FORMS, size="small", width=180,
            margin=(6, 10, 2, 10),
            description="Automatic: memberships as probabilities where they are calibrated, else their "
            "correlations over time, which survive sharpened and blurred memberships.",
        )  # fmt: skip
        self._hint = Text("", variant="caption", width=190, margin=(4, 10))
        self.export = FigureExport(self.figure, self._table, self._name)
        choices = pmui.Column(
            self._lag, self._form, self.pathways, self._hint, self._bar, self._stop, width=205, margin=0
        )
        self.layout = beside(pmui.Row(self._views, choices, margin=0), width=352)
        self._lag.param.watch(self._on_lag, "value")

    # ---- what happens

    def _on_lag(self, event):
        if event.new is not None and event.new != self.lag_time:
            self.lag_time = event.new

    def _on_result(self, *_):
        """Another result: its own lag, and what was computed of it before."""
        result, dataset = self.session.shown, self.session.dataset
        if result is None or result.state is None:
            self.kinetics = None
            return
        unit, lag = dataset.attrs["time_unit"], default_lag(result, dataset)
        self._lag.label = "Lag time" if unit == "1" else f"Lag time ({unit})"
        self._lag.param.update(step=float(dataset.attrs["time_step"]), value=lag)
        self.lag_time = lag
        self._look()

    @param.depends("active", "lag_time", "form", watch=True)
    def _look(self):
        """Show what is known of the result at this lag, and have it computed if nothing is."""
        result = self.session.shown
        if not self.active or result is None or result.state is None:
            return
        same = [k for k in self._kept if k.result is result and k.lag_time == self.lag_time]
        known = [k for k in same if k.form == self.form]
        self.kinetics = known[-1] if known else None
        if not known:
            self._compute(result, same[-1] if same else None)
        self._show()

    def _compute(self, result, known):
        if self._job is not None and self._job.active:
            self.board.cancel(self._job)
        task = kinetics_job(result, self.session.dataset, self.lag_time, self.form, known)
        self._job = self.board.submit(f"Kinetics of {result.label}", task, kind="kinetics")
        self._on_job()

    def _on_job(self, *_):
        """The job went on: show its progress, and each part when it is ready."""
        self._show_progress()
        job = self._job
        if job is None:
            return
        found = job.result if job.result is not None else job.preview
        if found is None or found is self.kinetics:
            return
        self._kept = [k for k in self._kept if k.question != found.question]
        self._kept.append(found)
        if found.question == (self.session.shown, self.lag_time, self.form):
            self.kinetics = found
            self._show()

    def _shown_job(self):
        return self.pathways.job if self.view == "pathways" else self._job

    def _show_progress(self):
        job = self._shown_job()
        running = job is not None and job.active
        self._bar.visible = self._stop.visible = running and self.active
        if running:
            fraction = job.fraction
            self._bar.value = round(100 * fraction) if np.isfinite(fraction) else 0
            self._stop.disabled = job.stopping

    def tapped(self, x: float, y: float) -> None:
        """A click on a state chooses where pathways begin and end."""
        if self.view == "pathways":
            self.pathways.tapped(x, y)

    @param.depends("view", "dark", watch=True)
    def _show(self, *_):
        if not self.active:
            return
        paths = self.view == "pathways"
        self._form.visible = self.view in ("network", "spectrum")
        self.pathways.param.update(active=paths, lag_time=self.lag_time)
        self.ready = self.pathways.ready if paths else part_of(self.view, self.kinetics) is not None
        self._show_progress()
        self._hint.object = self._say()
        self.export.disable(not self.ready)
        self.version += 1

    # ---- drawing and export

    def _say(self):
        note = unweighted_note(self.session.dataset)
        if self.view == "pathways":
            return "  \n".join(filter(None, (self.pathways.words(), note)))
        error = self.kinetics.errors.get(PARTS[self.view]) if self.kinetics is not None else None
        if error is not None:
            return literal(" ".join(filter(None, (error.given, error.remedy))))
        if part_of(self.view, self.kinetics) is None:
            working = self._job is not None and self._job.active
            return f"{VIEWS[self.view]}: being computed." if working else "Stopped before the end."
        if self.view == "ck_test":
            worst = self.kinetics.ck_test.attrs["worst"]
            return f"{HINTS['ck_test']} Largest difference {worst:.2g}. {note}".strip()
        form = ""
        if self.view in ("network", "spectrum"):
            form = form_words(self.kinetics.rates.attrs, self.session.dataset.attrs["time_unit"])
        return " ".join(filter(None, (HINTS[self.view], form, note)))

    def figure(self, shape=(720, 420), *, dark=False):
        """The plot of the view, for so many screen pixels."""
        if self.view == "pathways":
            return self.pathways.figure(shape, dark=dark)
        about = {"shape": shape, "selected": selected_state(self.session), "dark": dark}
        return draw_view(self.view, self.session, self.kinetics, **about)

    def _table(self) -> pd.DataFrame:
        if self.view == "pathways":
            return self.pathways.table()
        return view_table(self.view, self.session, self.kinetics)

    def _name(self):
        return f"{self.view.replace('_', '-')}-{self.session.active.replace(' ', '-')}"
