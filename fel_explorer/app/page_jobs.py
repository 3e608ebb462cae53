"""The jobs of one page: those that it submits and shows, and their results for its session.

Workers put events into a queue; the page calls `PageJobs.tick` on its own thread, at most ten times a second.
"""

from __future__ import annotations

import logging
import uuid

import param

from fel_explorer.app.jobs.featurize_and_train import fingerprint, first_look, interrupted, training
from fel_explorer.app.jobs.manager import Event, Job, JobManager, manager
from fel_explorer.app.session.recipe import Recipe
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.storage.session_folder import adopt
from fel_explorer.app.views.simulate.simulation import Simulation, Trained, simulator_of
from fel_explorer.errors import FelError

TRAININGS = ("model", "simulator")  # kinds of jobs that may take hours
ENDINGS = ("done", "failed", "cancelled")

log = logging.getLogger("fel_explorer")


class PageJobs(param.Parameterized):
    """Jobs of a session's dataset, and those that this page asked for.

    Watch ``version``: it counts up when something changed; ``ended`` is the job that ended last.
    """

    version = param.Integer(0)
    ended = param.ClassSelector(class_=Job, default=None, allow_None=True, doc="The job that ended last.")

    def __init__(self, session: Session, jobs: JobManager | None = None, owner: str = ""):
        super().__init__()
        self.session, self.manager = session, jobs or manager()
        self.owner = owner or uuid.uuid4().hex
        self._events = self.manager.subscribe()
        self._watcher = session.param.watch(self._on_dataset, ["dataset"])
        for job in self.manager.jobs(owner=self.owner)[::-1]:
            if job.kind in ("data", "session") and job.state == "done":  # a reload: what it had loaded last
                self._take(job, show=True)
                break
        self._on_dataset()

    def close(self) -> None:
        """Stop watching the session and the manager; running jobs go on."""
        self.session.param.unwatch(self._watcher)
        self._events = None

    @property
    def jobs(self) -> list[Job]:
        """Jobs of this dataset or of this page, oldest first."""
        return self.manager.jobs(key=self.key, owner=self.owner)

    @property
    def current(self) -> Job | None:
        """The job that the header shows: the oldest that runs or waits."""
        active = [job for job in self.jobs if job.active]
        return next((job for job in active if job.state == "running"), active[0] if active else None)

    @property
    def labels(self) -> set[str]:
        """Labels in use: of the session's results and of the jobs."""
        return {*self.session.results, *(job.label for job in self.jobs)}

    def new_label(self, name: str) -> str:
        """'IDM 1', 'IDM 2', ...: the first that neither the session nor a job of its dataset has."""
        taken, number = self.labels, 1
        while f"{name} {number}" in taken:
            number += 1
        return f"{name} {number}"

    def free_label(self, name: str) -> str:
        """``name`` itself where nothing has it, else with a number behind it."""
        taken, number, label = self.labels, 1, name
        while label in taken:
            number += 1
            label = f"{name} ({number})"
        return label

    def submit(self, label: str, function, kind: str, **about) -> Job:
        """Run ``function`` as a job of this page and of its dataset.

        ``about``: ``checkpoint_dir``, ``quick``, ``show``, ``recipe`` of `Job`; all but trainings are quick.
        """
        about = {"quick": kind not in TRAININGS, **about}
        job = self.manager.submit(label, function, kind=kind, key=self.key, owner=self.owner, **about)
        self.version += 1
        return job

    def cancel(self, job: Job) -> None:
        self.manager.cancel(job)
        self.version += 1

    def resume(self, job: Job) -> Job:
        again = self.manager.resume(job)
        self.version += 1
        return again

    def again(self, job: Job) -> Job:
        """Run an ended job once more: from its checkpoint where it has one."""
        again = self.manager.resume(job) if job.resumable else self.manager.repeat(job)
        self.version += 1
        return again

    # ---- trained models

    def rename(self, label: str, new: str) -> None:
        """Give a trained model another name, here and in its job, by which a reload finds it.

        Raises
        ------
        FelError
            If the name is empty or in use, or the model is being trained.
        """
        new = new.strip()
        if new == label:
            return
        if not new or new in self.labels:
            raise FelError(
                f"The name '{new}' is in use." if new else "The name is empty.",
                remedy="Type another one, such as 'IDM, long lag'.",
            )
        jobs = self._jobs_of(label)
        self.session.rename_result(label, new)
        for job in jobs:
            job.label, job.result = new, self.session.results[new]
        self.version += 1

    def remove(self, label: str) -> None:
        """Delete a trained model and its job; a `FelError` while it is being trained."""
        for job in self._jobs_of(label):
            self.manager.drop(job)
        self.session.remove_result(label)
        self.version += 1

    def _jobs_of(self, label):
        """Ended jobs of a model."""
        jobs = [job for job in self.jobs if job.kind == "model" and job.label == label]
        if any(job.active for job in jobs):
            raise FelError(f"'{label}' is being trained.", remedy="Stop it first, or wait for its end.")
        return jobs

    def tick(self) -> None:
        """Apply what the workers said since the last call."""
        if self._events is None:
            return
        mine = [event for event in self._events.drain() if self._concerns(event)]
        for event in mine:
            if event.kind in ENDINGS:
                own = event.job.owner == self.owner
                self._take(event.job, show=own and (event.job.show or not self.session.active))
                self.ended = event.job
        if mine:
            self.version += 1

    def _concerns(self, event: Event) -> bool:
        return event.job.owner == self.owner or bool(self.key and event.job.key == self.key)

    def _on_dataset(self, *_):
        """Another dataset: its finished results come in, as after a reload."""
        self.key = fingerprint(self.session.dataset)
        for job in self.jobs:
            if isinstance(job.result, Result | Trained):
                self._take(job, show=not self.session.active)
        if self.key:
            for method, label, function, folder in interrupted(self.session.dataset):
                about = {"kind": "model", "key": self.key, "recipe": Recipe.of(method)}
                self.manager.recall(label, function, checkpoint_dir=folder, **about)
        self.version += 1

    def _take(self, job: Job, show: bool) -> None:
        """Bring the result of an ended job into the session."""
        if job.kind == "data" and job.result is not None and job.owner == self.owner:
            self.manager.delete_results(older_than=job)
            self._open(*job.result)
        elif job.kind == "session" and job.result is not None and job.owner == self.owner:
            adopt(self.session, job.result)
        elif job.kind == "columns" and job.result is not None and job.key == self.key:
            self.session.attach(self.session.dataset.assign(job.result.data_vars))
        elif isinstance(job.result, Trained) and job.key == self.key:
            self._take_simulator(job.result, trained_now=job.kind == "simulator")
        elif isinstance(job.result, Simulation) and job.key == self.key and job.owner == self.owner:
            self.manager.delete_results(older_than=job)  # and the files of earlier simulations
            self.session.param.update(simulation=job.result, step=0)
        elif isinstance(job.result, Result) and job.key == self.key:
            if self.session.results.get(job.label) is not job.result:
                self.session.add_result(job.result, show=show)

    def _take_simulator(self, trained: Trained, trained_now: bool) -> None:
        """A report that took longer than the next training is of a simulator that is gone."""
        known = simulator_of(self.session, trained.simulator.encoder)
        if trained_now or known is None or known.simulator is trained.simulator:
            others = [one for one in self.session.simulators if one is not known]
            self.session.simulators = [*others, trained]

    def _open(self, dataset, trajectories) -> None:
        if dataset is None:
            self.session.open(trajectories)
            return
        self.session.load(dataset, trajectories)
        if not self.session.results:
            # a map to look at before anything is trained
            method = first_look(dataset)
            label = self.new_label(type(method).__name__)
            task = training(method, dataset, label, device="cpu")
            self.submit(label, task, kind="model", quick=True, recipe=Recipe.of(method))
