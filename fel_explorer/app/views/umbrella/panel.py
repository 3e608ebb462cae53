"""Free energy along one CV, and umbrella sampling along it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.modes.text import error_text, progress_words
from fel_explorer.app.views.tabs import has_model
from fel_explorer.app.views.umbrella.job import (
    Sampled,
    Settings,
    is_model_system,
    overlap_words,
    reason_no_sampling,
    sampling_windows,
)
from fel_explorer.app.views.umbrella.profile import barrier_words, data_profile, profile_words
from fel_explorer.app.widgets.device_select import DeviceSelect
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.plots.cv_profile import plot_cv_profile
from fel_explorer.plots.umbrella import plot_windows

PARTS = {"Free energy": "profile", "Windows": "windows"}
JOINING = "Free energies by MBAR, and their errors."
HOW = (
    "Simulations restrained to windows along the CV, started from frames of the data, and their free "
    "energy by MBAR. They sample barriers that the data rarely cross, and test the CV.\n\n"
    "The windows, gaps between them, and the free energies of simulations and data are then shown here."
)


class DrivePanel(PlotView):
    """Profile from the data and from umbrella sampling; the windows and their overlap."""

    part: param.Selector[str] = param.Selector(
        default="profile", objects=list(PARTS.values()), doc="Which part is shown."
    )
    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._jobs: dict[tuple, object] = {}  # (result, dimension): its last sampling
        self._profiles: dict[tuple, object] = {}
        self._waiting = False
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_result, ["shown"])),
            (session, session.param.watch(self._on_dataset, ["dataset"])),
            (session, session.param.watch(self._show, ["state_names"])),
            (session, session.param.watch(self._show_temperature, ["temperature"])),
            (board, board.param.watch(self._on_job, "version")),
        ]
        self._on_result()

    # ---- what is built once

    def _make_widgets(self):
        self._parts = pmui.RadioButtonGroup.from_param(
            self.param.part, label="", options=PARTS, size="small", width=300, margin=(8, 8, 2, 8)
        )
        self.cv = pmui.Select(
            label="Along", options=["CV 1"], value="CV 1", size="small", width=290, margin=(8, 10, 2, 10)
        )
        default = Settings()
        self.windows = self._number(
            "Windows", default.n_windows, 2, "Number of windows along the CV. More windows overlap better."
        )
        self.walkers = self._number(
            "Walkers",
            default.n_walkers,
            1,
            "Independent simulations in each window; use five or more for reliable errors.",
        )
        self.steps = self._number(
            "Steps", default.n_steps, 10, "Steps of each simulation; 4 fs each for molecules."
        )
        self.temperature = FloatField(  # not from_param, which would watch the session for ever
            label="Temp. (K)", value=self.session.temperature, start=self.session.param.temperature.bounds[0],
            size="small", width=140, margin=(6, 4, 0, 10),
            description="Of the molecule; to compare, that of the data.",
        )  # fmt: skip
        self.temperature.param.watch(self._on_temperature, "value")
        self.device = DeviceSelect(
            value="cpu", width=140, margin=(6, 4, 0, 10),
            description="Of model systems. The CPU is faster for less than some thousand walkers in all.",
        )  # fmt: skip
        self._form = pmui.Column(
            pmui.Row(self.windows, self.walkers, margin=0),
            pmui.Row(self.steps, self.temperature, self.device, margin=0),
            margin=0,
        )
        self.run = pmui.Button(
            label="Sample", icon="play_arrow", size="small", variant="contained", margin=(6, 10),
            description="Simulate the windows, as a job that can be stopped.", on_click=self._on_run,
        )  # fmt: skip
        self.stop = pmui.Button(
            label="Stop", icon="stop", size="small", variant="outlined", color="default", margin=(6, 10),
            description="The samples so far are kept; Sample continues from there.", visible=False,
            on_click=lambda event: self.board.cancel(self._job),
        )  # fmt: skip
        self._bar = pmui.LinearProgress(
            value=0, variant="determinate", width=290, margin=(6, 10), visible=False
        )
        self.text = Text("", variant="body2", margin=(4, 12), width=300)
        self.export = FigureExport(self.figure, self._table, self._name)
        left = beside(
            self._parts, self.cv, self._form, pmui.Row(self.run, self.stop, margin=0), self._bar, self.text,
            width=330,
        )  # fmt: skip
        self.about = Text(HOW, width=460, margin=(16, 24), visible=False)
        self.layout = pmui.Row(left, self.about, sizing_mode="stretch_height", margin=0)
        self.cv.param.watch(self._look, "value")

    def _number(self, label, value, least, about):
        return pmui.IntInput(
            label=label, value=value, start=least, size="small", width=140, margin=(6, 4, 0, 10),
            description=about,
        )  # fmt: skip

    # ---- the user acts

    def _on_temperature(self, event):
        if event.new:
            self.session.temperature = event.new

    def _show_temperature(self, event):
        self.temperature.value = event.new

    def _on_run(self, _event):
        session, asked = self.session, (self.windows, self.walkers, self.steps, self.temperature)
        settings = Settings(*(widget.value or widget.start for widget in asked))
        task = sampling_windows(
            session.shown, session.dataset, session.trajectories, self.dimension, settings,
            device=self.device.value,
        )  # fmt: skip
        label = f"Umbrella sampling along {self.cv.value} of {session.active}"
        self._jobs[self._key] = self.board.submit(label, task, kind="umbrella")
        self._look()

    # ---- the session or a job changed

    def _on_dataset(self, *_):
        known = set(self.session.results)
        self._jobs = {key: job for key, job in self._jobs.items() if key[0].label in known}
        self._profiles = {}

    def _on_result(self, *_):
        if has_model(self.session):
            names = self.session.shown.cv_names
            value = self.cv.value if self.cv.value in names else names[0]
            self.cv.param.update(options=names, value=value)
            self._look()

    def _on_job(self, *_):
        job = self._job
        if not self.active or job is None:
            return
        self._show_job()
        if not job.active and self._waiting:
            self._show()

    @param.depends("active", "part", watch=True)
    def _look(self, *_):
        if self.active and has_model(self.session):
            self._show_job()
            self._show()

    def _show_job(self):
        job = self._job
        running = job is not None and job.active
        possible = self.part == "windows" and self._reason_no_sampling() is None
        self._bar.visible = self.stop.visible = running
        self._form.visible = self.run.visible = possible and not running
        self.about.visible = possible and self._sampled is None
        self.device.visible = is_model_system(self.session.dataset)
        self.temperature.visible = not self.device.visible
        if running:
            self._bar.value = round(100 * job.fraction) if np.isfinite(job.fraction) else 0
            self.stop.disabled = job.stopping
            self._say()

    @param.depends("dark", watch=True)
    def _show(self, *_):
        if not (self.active and has_model(self.session)):
            return
        self._waiting = self._job is not None and self._job.active
        self.ready = self.part == "profile" or self._sampled is not None
        self._say()
        self.export.disable(not self.ready)
        self.version += 1

    # ---- what is known

    @property
    def dimension(self) -> int:
        """Axis of the embedding, from 0."""
        return self.session.shown.cv_names.index(self.cv.value)

    @property
    def _key(self):
        return self.session.shown, self.dimension

    @property
    def _job(self):
        return self._jobs.get(self._key) if has_model(self.session) else None

    @property
    def _sampled(self) -> Sampled | None:
        return None if self._job is None else self._job.result

    def _profile(self):
        if self._key not in self._profiles:
            self._profiles[self._key] = data_profile(self.session.shown, self.session.dataset, self.dimension)
        return self._profiles[self._key]

    def _reason_no_sampling(self):
        return reason_no_sampling(self.session.shown, self.session.dataset, self.session.trajectories)

    # ---- in words

    def _say(self):
        if not has_model(self.session):
            return
        job = self._job
        error = self._reason_no_sampling() if self.part == "windows" else None
        if self.part == "profile":
            said = profile_words(self._profile(), "weight" in self.session.dataset)
            if self._sampled is not None:
                sampled = f"{barrier_words(self._sampled.profile)}  \n{overlap_words(self._sampled)}"
                said = f"By umbrella sampling:  \n{sampled}\n\nFrom the data:  \n{said}"
            self.text.object = said
        elif error is not None:
            self.text.object = error_text(error)
        elif job is not None and job.active:
            self.text.object = JOINING if job.fraction >= 1 else progress_words(job)
        elif job is not None and job.error is not None:
            self.text.object = error_text(job.error)
        else:
            self.text.object = "" if self._sampled is None else overlap_words(self._sampled)

    # ---- drawing and export

    def figure(self, shape=None, *, dark=False):
        """The plot of the part; any ``shape`` suits it."""
        label = f"{self.cv.value} of {self.session.active}"
        if self.part == "windows":
            histograms, gaps = self._sampled.histograms, self._sampled.gaps
            return plot_windows.sheet(histograms, gaps=gaps, label=label, dark=dark)
        result, states = self.session.shown, self.session.shown.states()
        return plot_cv_profile.sheet(
            self._profile(),
            sampled=None if self._sampled is None else self._sampled.profile,
            label=label,
            names={state: self.session.state_name(state) for state in states},
            colours=result.colours(states, dark=dark),
            dark=dark,
        )

    def _table(self) -> pd.DataFrame:
        if self.part == "windows":
            return self._sampled.histograms.to_dataframe().reset_index()
        parts = {"data": self._profile()}
        if self._sampled is not None:
            parts["umbrella sampling"] = self._sampled.profile
        shown = {name: part[["free_energy", "error"]].to_dataframe() for name, part in parts.items()}
        return pd.concat([table.assign(source=name) for name, table in shown.items()])

    def _name(self):
        return f"{self.part}-{self.session.active.replace(' ', '-')}"
