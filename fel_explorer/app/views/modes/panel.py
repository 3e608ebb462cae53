"""Slow modes of the shown model: time scales and gap, best lag, what they depend on, what they leave."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.app.views.modes import scores as mode_scores
from fel_explorer.app.views.modes import text as words
from fel_explorer.app.views.modes.analysis import known_modes, modes_of
from fel_explorer.app.views.modes.level_sets import level_sets_job, level_words, reason_no_level_sets
from fel_explorer.app.views.modes.parts import LevelSetsPart, OnStructure, ScoreForm
from fel_explorer.app.views.tabs import has_model
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import beside, offer
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.plots.modes import plot_modes
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.score import plot_score
from fel_explorer.plots.sensitivity import plot_sensitivity

PARTS = {
    "Spectrum": "spectrum",
    "Best lag": "score",
    "Depends on": "sensitivity",
    "Level sets": "levels",
}
NARROW = {"& button": {"px": "6px", "textTransform": "none", "whiteSpace": "nowrap"}}
LABELS = {"score": "Scores of {}", "sensitivity": "Sensitivity of {}", "levels": "Level sets of {}"}
AUTOMATIC = {"sensitivity": mode_scores.sensitivity_job, "levels": level_sets_job}  # when they are looked at


class ModesPanel(PlotView):
    """Spectrum, score against lag, sensitivity and level sets of the shown model."""

    part: param.Selector[str] = param.Selector(
        default="spectrum", objects=list(PARTS.values()), doc="Which part is shown."
    )
    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._jobs: dict[tuple, object] = {}  # (part, result): its last job
        self._waiting = False  # for the shown part's job
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_result, ["shown"])),
            (session, session.param.watch(self._on_dataset, ["dataset"])),
            (session, session.param.watch(self._on_colour, ["colour_by", "state_names"])),
            (board, board.param.watch(self._on_job, "version")),
        ]
        self._on_result()

    def close(self) -> None:
        """Stop watching the session and the jobs."""
        super().close()
        self.on_structure.close()

    # ---- what is built once

    def _make_widgets(self):
        wide = {"size": "small", "width": 290, "margin": (8, 10, 2, 10)}
        self._parts = pmui.RadioButtonGroup.from_param(
            self.param.part, label="", options=PARTS, size="small", width=318, margin=(8, 6, 2, 6), sx=NARROW
        )
        self.mode = pmui.Select(label="Mode that colours the map", options={"none": ""}, value="", **wide)
        self.variable = pmui.Select(label="What depends", options=["CV 1"], value="CV 1", **wide)
        self._scoring, self.on_structure = ScoreForm(), OnStructure(self.session)
        self.levels = LevelSetsPart()
        self.lag, self.folds = self._scoring.lag, self._scoring.folds
        self.compute = pmui.Button(
            label="Compute", icon="play_arrow", size="small", variant="contained", margin=(8, 10),
            description="Train the method at each lag time and score it on held-out data.",
            on_click=self._on_compute,
        )  # fmt: skip
        self.stop = pmui.Button(
            label="Stop", icon="stop", size="small", variant="outlined", color="default", margin=(8, 10),
            description="Results computed so far are kept.", visible=False,
            on_click=lambda event: self.board.cancel(self._job),
        )  # fmt: skip
        self._bar = pmui.LinearProgress(
            value=0, variant="determinate", width=290, margin=(8, 10), visible=False
        )
        self.text = Text("", variant="body2", margin=(6, 12), width=300)
        self.export = FigureExport(self.figure, self._table, self._name)
        self.layout = beside(
            self._parts, self.mode, self.variable, self._scoring, self.on_structure, self.levels,
            pmui.Row(self.compute, self.stop, margin=0), self._bar, self.text,
            width=330,
        )  # fmt: skip
        self.mode.param.watch(self._on_mode, "value")
        self.variable.param.watch(self._look, "value")
        self.levels.shown.param.watch(self._on_level, "value")
        self.folds.param.watch(lambda event: self._say(), "value")

    # ---- the user acts

    def tapped(self, x: float, _y: float) -> None:
        """A click on a mode of the spectrum colours the map by it."""
        if self.part == "spectrum" and f"mode {round(x)}" in self.mode.options.values():
            self.mode.value = f"mode {round(x)}"

    def _on_mode(self, event):
        if event.new and event.new != self.session.colour_by:
            self.session.colour(event.new)

    def _on_level(self, event):
        if event.new and self.part == "levels" and self.ready:
            self.version += 1

    def _on_compute(self, _event):
        result, unit = self.session.shown, self.session.dataset.attrs["time_unit"]
        lag = self.lag.value
        if not lag or lag <= 0:
            raise FelError(f"Scored at lag {lag}.", "It is a time above 0.", f"Give it in {unit}.")
        lags = mode_scores.tried_lags(result, self.session.dataset)
        task = mode_scores.score_job(result, self.session.dataset, lags, lag, self.folds.value)
        self._submit("score", result, task)

    def _submit(self, part, result, task):
        label = LABELS[part].format(result.label)
        self._jobs[part, result] = self.board.submit(label, task, kind="modes")
        self._look()

    # ---- the session or a job changed

    def _on_dataset(self, *_):
        known = set(self.session.results)
        self._jobs = {key: job for key, job in self._jobs.items() if key[1].label in known}

    def _on_result(self, *_):
        result, dataset = self.session.shown, self.session.dataset
        if result is None:
            return
        unit = dataset.attrs["time_unit"]
        self.lag.label = "Scored at lag" if unit == "1" else f"Scored at lag ({unit})"
        self.lag.value = default_lag(result, dataset)
        self._look()

    def _on_colour(self, *_):
        if self.active:
            self._offer()
            self._show()

    @property
    def _job(self):
        return self._jobs.get((self.part, self.session.shown))

    def _on_job(self, *_):
        job = self._job
        if not self.active or job is None:
            return
        self._show_job()
        if job.active:
            self._waiting = True
        elif self._waiting:
            self._show()

    @param.depends("active", "part", watch=True)
    def _look(self, *_):
        """Show what is known of the part, and have it computed if that takes no time to speak of."""
        if not (self.active and has_model(self.session)):
            return
        result = self.session.shown
        self._offer()
        possible = self.part in AUTOMATIC and not (self.part == "levels" and reason_no_level_sets(result))
        if possible and (self.part, result) not in self._jobs:
            self._submit(self.part, result, AUTOMATIC[self.part](result, self.session.dataset))
            return
        self._show_job()
        self._show()

    def _offer(self):
        """The choices of the part."""
        result, session = self.session.shown, self.session
        self.mode.visible = self.part == "spectrum" and self._modes() is not None
        self.variable.visible = self.part == "sensitivity"
        modes = self._modes()
        if modes is not None:
            times, unit = modes.spectrum["timescale"].values, modes.time_unit
            options = {
                f"{name}: {time_text(t, unit)}": name for name, t in zip(modes.names, times, strict=False)
            }
            value = session.colour_by if session.colour_by in modes.names else ""
            offer(self.mode, {"none": "", **options}, value)
        names = [v.name for v in mode_scores.variables(result, session.state_name)]
        value = self.variable.value if self.variable.value in names else names[0]
        self.variable.param.update(options=names, value=value)

    def _show_job(self):
        job = self._job
        running = job is not None and job.active
        self._bar.visible = self.stop.visible = running
        scores = self.part == "score" and mode_scores.reason_no_scores(self.session.shown) is None
        self._scoring.layout.visible = self.compute.visible = scores and not running
        if running:
            self._bar.value = round(100 * job.fraction) if np.isfinite(job.fraction) else 0
            self.stop.disabled = job.stopping
            self._say()

    @param.depends("dark", watch=True)
    def _show(self, *_):
        if not (self.active and has_model(self.session)):
            return
        self._waiting = self._job is not None and self._job.active
        self.ready = self._found() is not None
        depends = self.ready and self.part == "sensitivity"
        self.on_structure.offer(*((self._found(), self._variable()) if depends else (None, None)))
        self.levels.offer(self._found() if self.part == "levels" else None)
        self._say()
        self.export.disable(not self.ready)
        self.version += 1

    # ---- what is known

    def _modes(self):
        return known_modes(self.session.shown, self.session.dataset)

    def _found(self):
        """Data of the figure of the part, or None."""
        if self.part == "spectrum":
            return self._modes()
        found = None if self._job is None else self._job.result
        if self.part == "sensitivity" and found is not None and self._variable().of not in found:
            return None  # stopped between the two
        return found

    def _variable(self):
        known = mode_scores.variables(self.session.shown, self.session.state_name)
        return next((v for v in known if v.name == self.variable.value), known[0])

    # ---- in words

    def _say(self):
        if has_model(self.session):
            self.text.object = getattr(self, f"_say_{self.part}")()

    def _say_spectrum(self):
        try:
            said = words.spectrum_words(modes_of(self.session.shown, self.session.dataset))
            return said + words.late_words(self.session.shown.method)
        except FelError as error:
            return words.error_text(error)

    def _say_score(self):
        error, job, unit = (
            mode_scores.reason_no_scores(self.session.shown),
            self._job,
            self.session.dataset.attrs["time_unit"],
        )
        if error is not None:
            return words.error_text(error)
        if job is not None and job.active:
            return words.progress_words(job)
        if job is not None and (job.result is not None or job.error is not None):
            return words.score_words(job.result) if job.error is None else words.error_text(job.error)
        result = self.session.shown
        lags = mode_scores.tried_lags(result, self.session.dataset)
        return words.plan_words(lags, unit, self.folds.value or 0, result.seconds)

    def _say_sensitivity(self):
        job = self._job
        if job is None or job.active:
            return "Computing derivatives with respect to each feature."
        if job.error is not None:
            return words.error_text(job.error)
        if self._found() is None:
            return "Stopped before the end."
        one = self._variable()
        return words.sensitivity_words(job.result[one.of], one.index)

    def _say_levels(self):
        if (error := reason_no_level_sets(self.session.shown)) is not None:
            return words.error_text(error)
        job = self._job
        if job is None or job.active:
            return "Computing the means of all features on level sets of the map."
        return words.error_text(job.error) if job.error is not None else level_words(job.result)

    # ---- drawing and export

    def figure(self, shape=None, *, dark=False):
        """The plot of the part; any ``shape`` suits it."""
        found = self._found()
        if self.part == "spectrum":
            chosen = self.session.colour_by
            chosen = int(chosen.removeprefix("mode ")) if chosen in found.names else None
            return plot_modes.sheet(
                found.spectrum, lag_time=found.lag_time, time_unit=found.time_unit, chosen=chosen, dark=dark
            )
        if self.part == "score":
            return plot_score.sheet(found, label="lag of the training", dark=dark)
        if self.part == "levels":
            return self.levels.figure(found, self.session.shown.cv_names, dark=dark)
        one = self._variable()
        return plot_sensitivity.sheet(found[one.of], of=one.index, name=one.name, dark=dark)

    def _table(self) -> pd.DataFrame:
        found = self._found()
        if self.part == "spectrum":
            return found.spectrum.to_dataframe().reset_index()
        if self.part == "score":
            return found[["score", "train_score"]].to_dataframe().reset_index()
        if self.part == "levels":
            return found.table.drop_dims("feature").to_dataframe().reset_index()
        return found[self._variable().of][["strength", "share"]].to_dataframe().reset_index()

    def _name(self):
        return f"{self.part}-{self.session.active.replace(' ', '-')}"
