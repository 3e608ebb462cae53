"""A latent space simulator on the shown model: train it, watch it move, and see whether to trust it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.simulate import simulation as simulations
from fel_explorer.app.views.simulate.pages import PlayPage, ReportPage, TrainPage, nearest_step, text
from fel_explorer.app.views.simulate.report_rows import as_ck_test, table_of
from fel_explorer.app.views.simulate.starts import proposing_starts
from fel_explorer.app.views.tabs import can_simulate
from fel_explorer.app.widgets.device_select import DeviceSelect
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.data import schema
from fel_explorer.plots.chapman_kolmogorov import plot_ck_test
from fel_explorer.plots.models import plot_models
from fel_explorer.plots.quantities import axis_label, seconds_text
from fel_explorer.plots.simulation import (
    plot_simulated_profile,
    plot_simulated_timescales,
    plot_simulated_walk,
)
from fel_explorer.plots.simulation_maps import plot_simulated_tica, plot_simulated_transitions

VIEWS = {"Train": "train", "Play": "play", "Report": "report"}
FIGURES = {
    "Free energy along ψ₁": "profile",
    "Time scales over lags": "timescales",
    "Chapman-Kolmogorov test": "returns",
    "Transitions in one lag": "transitions",
    "Structures in TICA": "tica",
    "Slowest time by propagator": "propagators",
}
KINDS = {"train": "simulator", "play": "simulation", "report": "simulation report"}  # of jobs


class SimulatePanel(PlotView):
    """Three pages: the form, what is simulated, and the report."""

    view: param.Selector[str] = param.Selector(
        default="train", objects=list(VIEWS.values()), doc="Which page is shown."
    )
    plot: param.Selector[str] = param.Selector(
        default="profile", objects=list(FIGURES.values()), doc="Figure of the report."
    )
    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._proposal = None  # job that proposes starting points
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_session, ["shown", "trajectories", "simulators"])),
            (session, session.param.watch(self._on_simulation, ["simulation"])),
            (session, session.param.watch(self._show, ["step"])),
            (board, board.param.watch(self._on_board, "version")),
        ]
        self._on_session()

    @property
    def trained(self) -> simulations.Trained | None:
        """The simulator of the shown result."""
        return simulations.shown_simulator(self.session)

    @property
    def simulation(self) -> simulations.Simulation | None:
        """The last simulation."""
        return simulations.shown_simulation(self.session)

    # ---- what is built once

    def _make_widgets(self):
        small = {"size": "small", "margin": (6, 12, 2, 12)}
        self._views = pmui.RadioButtonGroup(label="", options={"Train": "train"}, value="train", **small)
        self._views.param.watch(self._on_view, "value")
        self.figures = pmui.Select.from_param(
            self.param.plot, label="Figure", options=FIGURES, sizing_mode="stretch_width", **small
        )
        self.pages = {
            "train": TrainPage(self.session, self._train),
            "play": PlayPage(self.session, self._simulate, self._propose),
            "report": ReportPage(self.figures, self._compare),
        }
        self._device = DeviceSelect(margin=(4, 12))
        self.text = text(margin=(4, 12))
        self.bar = pmui.LinearProgress(value=0, sizing_mode="stretch_width", margin=(4, 12), visible=False)
        self.stop = pmui.Button(
            label="Stop", icon="stop", size="small", variant="outlined", color="default", margin=(4, 12),
            on_click=lambda event: self._stop(), visible=False,
        )  # fmt: skip
        left = beside(
            self._views, self._device, self.text, self.bar, self.stop,
            *(page.layout for page in self.pages.values()),
            width=330,
        )  # fmt: skip
        self._sides = {view: self.pages[view].side for view in ("train", "report")}
        self.export = FigureExport(self.figure, self._table, self._name)
        self.layout = pmui.Row(
            left, *self._sides.values(), sizing_mode="stretch_height", margin=0, styles={"flex": "none"}
        )

    # ---- the user acts

    def _on_view(self, event):
        if event.new:
            self.view = event.new

    @property
    def device(self) -> str:
        """Where the simulator is trained, simulates and is compared."""
        return self._device.value

    def _stop(self):
        if (job := self._job()) is not None:
            self.board.cancel(job)

    def _train(self):
        session, values = self.session, self.pages["train"].form.values
        schema.lag_in_frames(session.dataset, values["lag_time"])
        simulator = simulations.simulator_for(session.shown.method, session.trajectories.topology, values)
        task = simulations.training_simulator(
            simulator, session.dataset, session.trajectories, device=self.device
        )
        self.board.submit(f"Simulator on {session.shown.label}", task, kind=KINDS["train"])

    def _simulate(self):
        seed, page = 0 if self.simulation is None else self.simulation.seed + 1, self.pages["play"]
        size = page.n_steps.value, page.n_trajectories.value
        task = simulations.simulating(
            self.trained, self.session.shown.embedding, *size, seed, device=self.device
        )
        self.board.submit(f"Simulation on {self.session.shown.label}", task, kind=KINDS["play"])

    def _compare(self):
        page = self.pages["report"]
        task = simulations.reporting(
            self.trained, self.session.dataset, self.session.trajectories,
            rivals=page.rivals.value, native=self.session.frame if page.native.value else None,
            device=self.device,
        )  # fmt: skip
        self.board.submit(f"Simulator on {self.session.shown.label} against MD", task, kind=KINDS["report"])

    def _propose(self):
        task = proposing_starts(self.trained, self.session.dataset, device=self.device)
        label = f"Starting points by the simulator on {self.session.shown.label}"
        self._proposal = self.board.submit(label, task, kind="starts")
        self._on_board()

    def _select_proposed(self):
        """Select the frames that a job has proposed, unless other data are shown by now."""
        job, self._proposal = self._proposal, None
        if job.result is not None and self.board.keys.get(job.key) == self.session.feature_set:
            mask = np.zeros(self.session.dataset.sizes["frame"], bool)
            mask[job.result] = True
            self.session.select(mask, f"{mask.sum()} starting points proposed by the simulator")

    def tapped(self, x: float, _y: float) -> None:
        """A click on the walk goes there."""
        if self.view == "play" and self.simulation is not None:
            self.session.step = nearest_step(self.simulation, self.session.step, x)

    # ---- what happens

    def _on_session(self, *events):
        """Another model; or there is a simulator, was trained, or has its report now: that is looked at."""
        trained = self.trained
        if trained is None:
            self.view = "train"
        elif not events or any(event.name == "simulators" for event in events):
            self.view = "play" if trained.report is None else "report"
        self._show()

    def _on_simulation(self, *_):
        if self.simulation is not None:
            self.view = "play"
        self._show()

    @param.depends("active", "view", "plot", "dark", watch=True)
    def _show(self, *_):
        if not self.active or not can_simulate(self.session):
            return
        trained, simulation = self.trained, self.simulation
        options = VIEWS if trained is not None else {"Train": "train"}
        self._views.param.update(options=options, value=self.view)
        for page in self.pages.values():
            page.show(trained, simulation)
        reported = trained is not None and trained.report is not None
        if reported:
            self._offer_figures(trained.report)
        self._sides["train"].visible = self.view == "train"
        self._sides["report"].visible = self.view == "report" and reported
        self.ready = simulation is not None if self.view == "play" else self.view == "report" and reported
        self.export.disable(not self.ready)
        self._on_board()
        self.version += 1

    def _offer_figures(self, report):
        """Those that the report has: no TICA without structures, no rivals unless they were asked for."""
        missing = {"tica": "tica" not in report.structures, "propagators": report.propagators is None}
        known = {title: name for title, name in FIGURES.items() if not missing.get(name)}
        if self.figures.options != known:
            if self.plot not in known.values():
                self.plot = "profile"
            self.figures.param.update(options=known, value=self.plot)

    def _job(self):
        """The running job of the page, this one's or another's on the same data."""
        kind = KINDS[self.view]
        return next((job for job in self.board.jobs if job.kind == kind and job.active), None)

    def _on_board(self, *_):
        """While a job runs, its progress stands in the place of what starts another one."""
        if self._proposal is not None and not self._proposal.active:
            self._select_proposed()
        if not self.active or not can_simulate(self.session):
            return
        job = self._job()
        for view, page in self.pages.items():
            page.layout.visible = view == self.view and job is None
        self.pages["play"].propose.disabled = self._proposal is not None
        self.bar.visible = self.stop.visible = job is not None
        self.text.object = self._said() if job is None else job_text(job)
        if self.view == "train":
            self.pages["train"].watch(job)
        if job is not None:
            known = np.isfinite(job.fraction)
            variant = "determinate" if known else "indeterminate"
            self.bar.param.update(variant=variant, value=round(100 * job.fraction) if known else 0)
            self.stop.disabled = job.stopping

    def _said(self):
        label, trained = self.session.shown.label, self.trained
        if self.view == "train":
            again = ", which has a simulator" if trained is not None else ""
            return f"Encoder: **{label}**{again}."
        if self.view == "play" and trained.partial:
            missing = "" if trained.has_decoder else " Without a decoder it moves on the map only."
            return f"Its training was stopped early.{missing}"
        return ""

    # ---- drawing and export

    def figure(self, shape=None, *, dark=False):
        """The walk of the shown trajectory, or the figure of the report; any ``shape`` suits it."""
        unit = self.session.dataset.attrs["time_unit"]
        if self.view == "report":
            return drawn(self.trained.report, self.plot, unit, dark)
        simulation, embedding = self.simulation, self.session.shown.embedding
        first, last = simulation.trajectory_at(self.session.step)
        time, psi = (simulation.latents[name].values[first:last] for name in ("time", "features"))
        about = {"limits": (embedding[:, 0].min(), embedding[:, 0].max()), "time_unit": unit, "dark": dark}
        return plot_simulated_walk.sheet(time, psi[:, 0], current=self.session.step - first, **about)

    def _table(self) -> pd.DataFrame:
        if self.view == "report":
            return table_of(self.trained.report)
        latents = self.simulation.latents
        columns = {name: latents[name].values for name in ("trajectory", "time")}
        columns |= dict(zip(latents["feature"].values, latents["features"].values.T, strict=True))
        return pd.DataFrame({**columns, "nearest_frame": self.simulation.nearest})

    def _name(self):
        return f"simulation-{self.view}"


def drawn(report, plot: str, unit: str, dark: bool):
    """The figure ``plot`` of `FIGURES`."""
    if plot == "profile":
        return plot_simulated_profile.sheet(report.free_energy, dark=dark)
    if plot == "timescales":
        return plot_simulated_timescales.sheet(report.memory, time_unit=unit, dark=dark)
    if plot == "transitions":
        return plot_simulated_transitions.sheet(report.transition_density, dark=dark)
    if plot == "tica":
        return plot_simulated_tica.sheet(report.structures["tica"], dark=dark)
    if plot == "propagators":
        table, name = report.propagators.isel(process=0), axis_label("slowest time scale", unit)
        columns = (table[column].values for column in ("propagator", "time", "error"))
        return plot_models.sheet(*columns, name=name, shown="MD", dark=dark)
    test = as_ck_test(report.chapman_kolmogorov)
    names = {basin: f"basin {basin + 1}" for basin in test["from"].values.tolist()}
    return plot_ck_test.sheet(test, names, time_unit=unit, dark=dark)


def job_text(job) -> str:
    """ "**Simulator on SRV 1** propagator, part 1 of 2: step 300 of 3,000, 12 s left"."""
    done, left = job.progress, seconds_text(job.progress.eta)
    if job.state == "queued":
        return f"**{job.label}** waits for a free worker"
    if job.stopping:
        return f"**{job.label}** is stopping"
    counted = job.kind == "simulator" and done.n_steps
    parts = [f"step {done.step:,} of {done.n_steps:,}" if counted else "", f"{left} left" if left else ""]
    more = ", ".join(filter(None, parts))
    return f"**{job.label}** {done.message}" + (f": {more}" if more else "")
