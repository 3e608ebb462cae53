"""The jobs of one page: those that it submits and shows, and their results for its session.

Workers put events into a queue; the page calls `PageJobs.tick` on its own thread, at most ten times a second.
"""

from __future__ import annotations

import logging
import uuid

import param

from fel_explorer.app.jobs.featurize_and_train import fingerprint, first_look, interrupted, training
from fel_explorer.app.jobs.manager import Event, Job, JobManager, manager
from fel_explorer.app.session.feature_sets import are_same_frames
from fel_explorer.app.session.recipe import Recipe
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.storage.session_opening import adopt
from fel_explorer.app.views.simulate.simulation import Simulation, Trained, simulator_of
from fel_explorer.errors import FelError

TRAININGS = ("model", "simulator")  # kinds of jobs that may take hours
DATA = ("data", "session")  # kinds of jobs that bring data
KEPT_DATA = 6  # jobs that brought data, which a reload finds again
PREPARED_AFTER = 2.0  # seconds after which a worker process is started, when the page has opened
ENDINGS = ("done", "failed", "cancelled")

log = logging.getLogger("fel_explorer")


class PageJobs(param.Parameterized):
    """Jobs of a session's dataset, and those that this page asked for.

    Watch ``version``: it counts up when something changed; ``ended`` is the job that ended last, ``notice``
    the warning that came last.
    """

    version = param.Integer(0)
    ended = param.ClassSelector(class_=Job, default=None, allow_None=True, doc="The job that ended last.")
    notice = param.Tuple(("", 0), doc="Warning of a job of this page, and how many there were.")

    def __init__(self, session: Session, jobs: JobManager | None = None, owner: str = ""):
        super().__init__()
        self.session, self.manager = session, jobs or manager()
        self.owner = owner or uuid.uuid4().hex
        self._events = self.manager.subscribe()
        self._shown_notices: dict[int, int] = {}  # by the id of the job
        self.manager.prepare(PREPARED_AFTER)
        self._watcher = session.param.watch(self._on_dataset, ["dataset"])
        self._fingerprints: dict[str, tuple] = {}
        self._on_dataset()
        for job in self.manager.jobs(owner=self.owner):
            if job.kind in DATA and job.state == "done":  # a reload: what it had loaded
                self._take(job, show=True)

    def close(self) -> None:
        """Stop watching the session and the manager; running jobs go on."""
        self.session.param.unwatch(self._watcher)
        self._events = None

    @property
    def jobs(self) -> list[Job]:
        """Jobs of this dataset or of this page, oldest first."""
        found = [job for key in self.keys or [""] for job in self.manager.jobs(key=key, owner=self.owner)]
        return sorted({job.id: job for job in found}.values(), key=lambda job: job.id)

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
            if event.kind == "notice" and event.job.owner == self.owner:
                self._show_notices(event.job)
            if event.kind in ENDINGS:
                own = event.job.owner == self.owner
                self._take(event.job, show=own and (event.job.show or not self.session.active))
                self.ended = event.job
        if mine:
            self.version += 1

    def _show_notices(self, job: Job) -> None:
        """Pass on what a job logged since the last time."""
        shown = self._shown_notices.get(job.id, 0)
        self._shown_notices[job.id] = len(job.notices)
        for text in job.notices[shown:]:
            self.notice = (text, self.notice[1] + 1)

    def _concerns(self, event: Event) -> bool:
        return event.job.owner == self.owner or event.job.key in self.keys

    def _on_dataset(self, *_):
        """Another dataset: its finished results come in, as after a reload."""
        session, before = self.session, self._fingerprints
        self._fingerprints = {
            name: before[name] if name in before and before[name][0] is data else (data, fingerprint(data))
            for name, data in session.feature_sets.items()
        }
        self.keys = {key: name for name, (_, key) in self._fingerprints.items()}
        self.key = self._fingerprints[session.feature_set][1] if session.dataset is not None else ""
        for job in self.jobs:
            if isinstance(job.result, Result | Trained):
                own = self.keys.get(job.key) == session.feature_set
                self._take(job, show=own and not session.active)
        for key, name in self.keys.items():
            for method, label, function, folder in interrupted(session.feature_sets[name], key):
                about = {"kind": "model", "key": key, "recipe": Recipe.of(method)}
                self.manager.recall(label, function, checkpoint_dir=folder, **about)
        self.version += 1

    def _take(self, job: Job, show: bool) -> None:
        """Bring the result of an ended job into the session."""
        features = self.keys.get(job.key)
        if job.kind in DATA and job.owner == self.owner and job.result is not None:
            self.manager.delete_results(older_than=job, keep=KEPT_DATA)
            if job.kind == "session":
                adopt(self.session, job.result)
            else:
                self._open(*job.result)
        elif features is None:
            self._take_for_earlier(job)
        elif job.kind == "columns" and job.result is not None:
            self.session.attach(self.session.dataset.assign(job.result.data_vars))
        elif isinstance(job.result, Trained):
            self._take_simulator(job.result, trained_now=job.kind == "simulator")
        elif isinstance(job.result, Simulation) and job.owner == self.owner:
            self.manager.delete_results(older_than=job)  # and the files of earlier simulations
            self.session.param.update(simulation=job.result, step=0)
        elif isinstance(job.result, Result):
            if self.session.results.get(job.label) is job.result:
                return
            if job.result.refines is not None and job.owner == self.owner:
                self.session.add_refined(job.result, feature_set=features)
            else:
                self.session.add_result(job.result, show=show, feature_set=features)

    def _take_for_earlier(self, job: Job) -> None:
        """Give a model that was trained on data that are not shown any more to these."""
        if not isinstance(job.result, Result):
            return
        for name, there in self.session.earlier_data.items():
            sets = there.values["feature_sets"]
            of = next((one for one, data in sets.items() if fingerprint(data) == job.key), None)
            if of is not None:
                self.session.add_earlier_result(name, job.result, of)

    def _take_simulator(self, trained: Trained, trained_now: bool) -> None:
        """A report that took longer than the next training is of a simulator that is gone."""
        known = simulator_of(self.session, trained.simulator.encoder)
        if trained_now or known is None or known.simulator is trained.simulator:
            others = [one for one in self.session.simulators if one is not known]
            self.session.simulators = [*others, trained]

    def _open(self, dataset, trajectories) -> None:
        session = self.session
        if dataset is None:
            session.open(trajectories)
            return
        same = trajectories is not None and trajectories is session.trajectories
        if same and session.dataset is not None and are_same_frames(session.dataset, dataset):
            session.add_features(dataset)
        else:
            session.load(dataset, trajectories)
        if not session.active:
            # a map to look at before anything is trained
            method = first_look(dataset)
            label = self.new_label(type(method).__name__)
            task = training(method, session.dataset, label, device="cpu")
            self.submit(label, task, kind="model", quick=True, recipe=Recipe.of(method))
