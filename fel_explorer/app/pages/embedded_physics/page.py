"""The page that learns CVs and a model of structures from a force field: no data needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.jobs.manager import Job, JobManager, manager
from fel_explorer.app.pages.embedded_physics import figures as page_figures
from fel_explorer.app.pages.embedded_physics import scene
from fel_explorer.app.pages.embedded_physics import text as page_text
from fel_explorer.app.pages.embedded_physics.controls import WIDTH, Controls
from fel_explorer.app.pages.embedded_physics.results_panel import Results
from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.pages.embedded_physics.training import ModelSnapshot, loading_job, training_job
from fel_explorer.app.shell.skeleton import unlink_busy
from fel_explorer.app.viewer import StructureViewer
from fel_explorer.app.widgets.bokeh_sheet import BokehSheet
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.notifications import show_error
from fel_explorer.app.widgets.page_timer import PageTimer
from fel_explorer.app.widgets.text import Text
from fel_explorer.app.widgets.theme import THEME
from fel_explorer.app.workarounds.panel_material_ui_names import widget_names

KIND = "physics"  # of its jobs
TICK = 200  # ms between two looks at the queue of events
DRAWS = 60  # of the structures at a clicked z
GHOSTS = 4  # of these in the viewer


class PhysicsPage(Viewer):
    """Choose a system, watch the temperature fall and the distribution form, click in z, see the structure.

    Parameters
    ----------
    root
        The folder that sessions are saved to.
    owner
        Token of the page, by which a reload finds its job again.
    explorer
        Address of an explorer page that takes ``?open=NAME``; "" where there is none.
    """

    dark = param.Boolean(False, doc="Colours for a dark room.")

    def __init__(self, *, root=".", owner="", explorer="", jobs: JobManager | None = None, **params):
        super().__init__(**params)
        self.jobs, self.owner = jobs or manager(), owner or f"physics-{id(self)}"
        self.snapshot: ModelSnapshot | None = None
        self.job: Job | None = None
        self.spot: page_figures.Spot | None = None
        self._z = np.zeros(1)
        self._page = self._content = None
        self._timer = PageTimer(self.tick, TICK)
        self._events = self.jobs.subscribe()
        self.controls = Controls(self.learn, self.stop)
        self.results = Results(Path(root).resolve(), explorer, self._on_loaded)
        self._make_pictures()
        self.controls.param.watch(self._on_subject, "subject")
        self._on_subject()
        earlier = [job for job in self.jobs.jobs(owner=self.owner) if job.kind == KIND]
        if earlier:
            self._follow(earlier[-1])

    # ---- what is built once

    def _make_pictures(self):
        self.figures = {
            "samples": BokehSheet(),
            "cv": BokehSheet(tap=self._on_tap),
            "temperature": BokehSheet(min_height=90),
            "curve": BokehSheet(min_height=90),
        }
        self.which = pmui.RadioButtonGroup(
            label="", options=list(page_figures.CURVES), value="Quality", size="small", margin=(2, 8)
        )
        self.which.param.watch(self._on_which, "value")
        self._which_about = pmui.Tooltip(self.which, title=page_text.CURVES["Quality"])
        self.viewer = StructureViewer(sizing_mode="stretch_both", min_height=120, margin=(0, 4))
        self._titles = {name: Text("", variant="subtitle1", margin=(0, 2, 0, 12)) for name in page_text.ABOUT}

    def _card(self, name, *parts):
        about = pmui.IconButton(
            icon="info", description=page_text.ABOUT[name], color="default", size="small", margin=0
        )
        title = pmui.Row(self._titles[name], about, margin=0, sx={"alignItems": "center"})
        return pmui.Paper(
            pmui.Column(title, *parts, sizing_mode="stretch_both", margin=0),
            elevation=1, sizing_mode="stretch_both", margin=4,
        )  # fmt: skip

    def content(self) -> pmui.Row:
        """Controls and pictures."""
        if self._content is None:
            figures = self.figures
            curves = [figures["temperature"], self._which_about, figures["curve"]]
            self._structure = self._card("structure", self.viewer)
            lower = [self._card("temperature", *curves), self._structure, self._card("numbers", self.results)]
            self._content = pmui.Row(
                beside(self.controls, self.results.actions, width=WIDTH),
                pmui.Column(
                    pmui.Row(
                        self._card("samples", figures["samples"]), self._card("cv", figures["cv"]),
                        sizing_mode="stretch_both", margin=0, styles={"flex": "1 1 52%"},
                    ),
                    pmui.Row(*lower, sizing_mode="stretch_both", margin=0, styles={"flex": "1 1 48%"}),
                    sizing_mode="stretch_both", margin=0,
                ),
                sizing_mode="stretch_both", margin=2,
            )  # fmt: skip
            self._show()
            self._start()
        return self._content

    @property
    def page(self) -> pmui.Page:
        """The whole browser page."""
        if self._page is None:
            theme = pmui.IconButton(
                icon="contrast", description="Light or dark colours", color="light", size="small", margin=0,
                on_click=self._toggle_theme,
            )  # fmt: skip
            self._page = pmui.Page(
                title="fel_explorer", main=[self.content()],
                header=[pmui.Row(sizing_mode="stretch_width"), theme, *filter(None, [widget_names()])],
                theme_toggle=False, theme_config=THEME, site_url="#", dark_theme=self.dark,
            )  # fmt: skip
            unlink_busy(self._page)
        return self._page

    def __panel__(self):
        return pmui.Column(self.content(), height=860, sizing_mode="stretch_width", theme_config=THEME)

    def servable(self, **options):
        """Show it as the page of a `panel serve` script."""
        self.page.servable(title="Learn from a force field · fel_explorer", **options)
        return self

    # ---- learning

    @property
    def subject(self) -> Subject:
        return self.controls.subject

    def learn(self, **hyperparameters) -> Job:
        """Learn with the form's settings, changed by ``hyperparameters``, as a job."""
        settings = {**self.controls.hyperparameters, **hyperparameters}
        return self._submit(training_job(self.subject, settings, device=self.controls.device.value))

    def _submit(self, function) -> Job:
        job = self.jobs.submit(self.subject.title, function, kind=KIND, owner=self.owner)
        self.jobs.delete_results(older_than=job)
        self._clear()
        self._follow(job)
        return job

    def stop(self) -> None:
        """End the job; what was learned is kept."""
        if self.job is not None:
            self.jobs.cancel(self.job)
            self._show_job()

    def _follow(self, job: Job):
        self.job = job
        if job.result is not None or job.preview is not None:
            self._take(job.result or job.preview)
        self._show_job()

    def _show_job(self):
        self.controls.show(self.job)
        self.results.load.disabled = self.job.active

    def tick(self) -> None:
        """Show what the worker said since the last call."""
        mine = [event for event in self._events.drain() if event.job is self.job]
        if not mine:
            return
        job = self.job
        self._show_job()
        newest = job.result or job.preview
        if newest is not None and newest is not self.snapshot:
            self._take(newest)
        if job.error is not None and mine[-1].kind == "failed":
            show_error(job.error)

    def _take(self, snapshot: ModelSnapshot):
        self.snapshot = snapshot
        if self.subject is not snapshot.subject:
            self.controls.follow(snapshot.subject)
        self._place()
        self.results.show(snapshot if snapshot.final else None)
        self._show()

    def _clear(self):
        self.snapshot = self.spot = None
        self._z = np.zeros(self._n_dims)
        self.results.show(None)
        self._show()

    def _on_loaded(self, model):
        molecule = self.subject.is_molecule
        self.controls.temperature.value = model.temperature if molecule else model.system.kT
        self._submit(loading_job(model, self.subject))

    def _on_subject(self, *_):
        self.results.subject = self.subject
        if self.snapshot is None or self.snapshot.subject is not self.subject:
            self._clear()

    # ---- clicking

    @property
    def _n_dims(self) -> int:
        return (
            self.snapshot.model.n_dims
            if self.snapshot is not None
            else self.controls.hyperparameters["n_dims"]
        )

    def _on_tap(self, x, y):
        if self.snapshot is not None:
            self.choose(x if self._n_dims == 1 else (x, y))

    def choose(self, z) -> None:
        """Show what the model puts at ``z``; CVs that are not given are 0."""
        self._z = np.zeros(self._n_dims)
        given = np.atleast_1d(np.asarray(z, float))
        self._z[: len(given)] = given
        self._place()
        self._show(only=("samples", "cv"))

    def _place(self):
        """Decode the clicked z with the present model."""
        model, subject = self.snapshot.model, self.snapshot.subject
        if len(self._z) != model.n_dims:
            self._z = np.zeros(model.n_dims)
        mean = model.decode(self._z[None])
        draws = model.decode(np.repeat(self._z[None], DRAWS, 0), noise=True, seed=0)
        self.spot = page_figures.Spot(self._z, subject.places(mean)[0], subject.places(draws))
        self._decoded = np.concatenate([mean, draws[:GHOSTS]]) if subject.is_molecule else None

    # ---- showing

    def _show(self, only=None):
        if self._content is None:
            return
        with pn.io.hold():
            self._tell()
            for name, figure in self.figures.items():
                if only is None or name in only:
                    figure.show(page_figures.draw(name, self._view), dark=self.dark)
            self.viewer.show(scene.layers(self.subject, self._decoded if self.snapshot else None))

    @property
    def _view(self) -> page_figures.View:
        return page_figures.View(
            self.subject, self.snapshot, self.spot, self._n_dims, self.which.value, self.dark
        )

    def _tell(self):
        snapshot = self.snapshot
        titles = {
            "samples": "What the model makes"
            + (f" at {snapshot.temperature_text}" if snapshot and not snapshot.final else ""),
            "cv": "z: click to see a structure" if snapshot else "z",
            "temperature": "Cooling",
            "structure": f"Structure at z = {_numbers(self._z)}" if snapshot else "Starting structure",
            "numbers": "Numbers",
        }
        for name, text in titles.items():
            self._titles[name].object = text
        self._structure.visible = self.subject.is_molecule

    def _on_which(self, event):
        self._which_about.title = page_text.CURVES[event.new]
        self._show(only=("curve",))

    # ---- theme and life

    def _toggle_theme(self, _event):
        self.dark = not self.dark

    @param.depends("dark", watch=True)
    def _on_dark(self):
        if self._page is not None:
            self._page.dark_theme = self.dark
        self._show()

    def _start(self):
        self._timer.start()
        if pn.state.curdoc is not None:
            pn.config.exception_handler = show_error
            pn.state.on_session_destroyed(self._destroyed)

    def _destroyed(self, _context):
        self.close()

    def close(self) -> None:
        """Release everything that outlives the page; its job goes on."""
        self._timer.stop()


def _numbers(z) -> str:
    text = ", ".join(f"{value:.2f}" for value in z)
    return text if len(z) == 1 else f"({text})"
