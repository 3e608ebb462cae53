"""Jobs: long work that runs beside the page, belongs to the process, and survives a reload.

A job is a function ``function(report, should_stop) -> result``.  It runs in a worker thread; what it
reports is kept on the `Job` and announced as plain `Event` values in the queue of every subscriber.  No
panel import here: pages drain their queue on their own thread.
"""

from __future__ import annotations

import collections
import functools
import itertools
import logging
import queue
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fel_explorer.errors import FelError
from fel_explorer.training.progress import Progress

log = logging.getLogger("fel_explorer.jobs")

ACTIVE = ("queued", "running")
KEPT_LOSSES = 2_000  # points of a loss history; older ones are thinned by two when it is full
KEPT_JOBS = 50  # finished jobs that the process remembers


class Cancelled(Exception):
    """Raised by a job's function that was asked to stop and has nothing to keep."""


Report = Callable[..., None]
Function = Callable[[Report, Callable[[], bool]], Any]


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job: "queued", "running", "progress", "done", "failed" or "cancelled"."""

    job: Job
    kind: str


@dataclass(eq=False)
class Job:
    """One piece of work and all that is known of it.

    Attributes
    ----------
    label
        For people ("IDM 1").
    kind
        What it makes: "data", "model" or "columns".
    key
        Which dataset it belongs to; pages on the same data list the same jobs.
    owner
        Token of the page that asked for it.
    state
        "queued", "running", "done", "failed" or "cancelled".
    losses
        {term: [(step, value), ...]}, thinned to at most `KEPT_LOSSES` points.
    preview
        The latest intermediate result that the function reported, or None.
    result
        What the function returned; a cancelled job may hold a partial one.
    error, trace
        The exception of a failed job and its traceback as text.
    """

    label: str
    function: Function
    kind: str = ""
    key: str = ""
    owner: str = ""
    checkpoint_dir: Path | None = None
    id: int = 0
    state: str = "queued"
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    preview: Any = None
    result: Any = None
    error: Exception | None = None
    trace: str = ""
    started: float = float("nan")
    finished: float = float("nan")
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and has not stopped yet."""
        return self.active and self._stop.is_set()

    @property
    def fraction(self) -> float:
        """Part done, between 0 and 1; nan while the number of steps is not known."""
        done = self.progress
        return done.step / done.n_steps if done.n_steps else float("nan")

    @property
    def resumable(self) -> bool:
        """Whether `JobManager.resume` can continue it from a checkpoint."""
        return (
            self.state in ("failed", "cancelled")
            and self.checkpoint_dir is not None
            and self.checkpoint_dir.is_dir()
            and any(self.checkpoint_dir.iterdir())
        )

    def _record(self, progress: Progress, preview: Any) -> None:
        self.progress = progress
        if preview is not None:
            self.preview = preview
        for name, value in progress.losses.items():
            history = self.losses.setdefault(name, [])
            history.append((progress.step, float(value)))
            if len(history) > KEPT_LOSSES:
                del history[1:-1:2]


class Subscription:
    """The queue of one listener; dropped by the manager when the listener lets go of it."""

    def __init__(self):
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        self._events.put(event)

    def drain(self) -> list[Event]:
        """All waiting events; of several "progress" of one job only the last."""
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except queue.Empty:
                break
        last = {event.job.id: i for i, event in enumerate(events) if event.kind == "progress"}
        return [e for i, e in enumerate(events) if e.kind != "progress" or last[e.job.id] == i]


class JobManager:
    """Runs jobs in worker threads and remembers them.

    Parameters
    ----------
    workers
        How many jobs run at the same time; with 0 nothing runs until `work` is called, as tests do.
    clock
        Seconds, for started and finished.
    """

    def __init__(self, workers: int = 2, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._jobs: collections.OrderedDict[int, Job] = collections.OrderedDict()
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._subscribers: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        for number in range(workers):
            # daemons: Ctrl-C ends the server at once; what a training had reached is in its checkpoint
            threading.Thread(target=self._serve, name=f"fel-job-{number}", daemon=True).start()

    # ---- what a page calls

    def submit(self, label: str, function: Function, **about) -> Job:
        """Queue ``function(report, should_stop)`` and return its `Job`.

        ``report(progress, preview=None)`` takes a `training.Progress`; ``should_stop()`` turns True when
        the job is cancelled: the function then returns what it has.  ``about``: ``kind``, ``key``,
        ``owner``, ``checkpoint_dir`` of `Job`.
        """
        with self._lock:
            job = Job(label, function, id=next(self._ids), **about)
            self._jobs[job.id] = job
            self._forget()
        self._announce(job, "queued")
        self._waiting.put(job)
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; one that still waits never starts."""
        job._stop.set()
        with self._lock:
            waiting = job.state == "queued"
            if waiting:
                job.state, job.finished = "cancelled", self.clock()
        self._announce(job, "cancelled" if waiting else "progress")

    def resume(self, job: Job) -> Job:
        """Continue a cancelled or failed job from its checkpoint, as a new job in its place."""
        if not job.resumable:
            raise FelError(
                f"'{job.label}' is {job.state} and has no checkpoint.",
                "Jobs that were cancelled or failed after their first checkpoint can be resumed.",
                "Start it again.",
            )
        about = {name: getattr(job, name) for name in ("kind", "key", "owner", "checkpoint_dir")}
        again = self.submit(job.label, job.function, **about)
        again.losses = {name: list(values) for name, values in job.losses.items()}
        with self._lock:
            self._jobs.pop(job.id, None)
        return again

    def jobs(self, key: str = "", owner: str = "") -> list[Job]:
        """The jobs of a dataset or of a page, oldest first; without either, all."""
        with self._lock:
            jobs = list(self._jobs.values())
        if not key and not owner:
            return jobs
        return [job for job in jobs if (key and job.key == key) or (owner and job.owner == owner)]

    def forget(self, older_than: Job) -> None:
        """Drop the ended jobs of the same owner and kind before ``older_than``, with their results."""
        with self._lock:
            for number, job in list(self._jobs.items()):
                same = job.owner == older_than.owner and job.kind == older_than.kind
                if same and number < older_than.id and not job.active:
                    del self._jobs[number]

    def subscribe(self) -> Subscription:
        """A queue of all events from now on; it ends when the caller drops it."""
        subscription = Subscription()
        with self._lock:
            self._subscribers.add(subscription)
        return subscription

    # ---- the workers' side

    def work(self) -> bool:
        """Run one waiting job in this thread; False when none waits."""
        try:
            self._run(self._waiting.get_nowait())
        except queue.Empty:
            return False
        return True

    def _serve(self):
        while True:
            self._run(self._waiting.get())

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.state != "queued":
                return
            job.state, job.started = "running", self.clock()
        self._announce(job, "running")

        def report(progress: Progress, preview: Any = None) -> None:
            job._record(progress, preview)
            self._announce(job, "progress")

        try:
            job.result = job.function(report, job._stop.is_set)
            state = "cancelled" if job._stop.is_set() else "done"
        except Cancelled:
            state = "cancelled"
        except Exception as error:  # whatever a method raises must reach the page, not kill the worker
            job.error, job.trace = error, traceback.format_exc()
            state = "failed"
            if not isinstance(error, FelError):
                log.exception("%s failed", job.label)
        job.progress = replace(job.progress, eta=0.0)
        job.state, job.finished = state, self.clock()
        self._announce(job, state)

    def _announce(self, job: Job, kind: str) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.put(Event(job, kind))

    def _forget(self) -> None:
        ended = [number for number, job in self._jobs.items() if not job.active]
        for number in ended[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[number]


@functools.cache
def manager() -> JobManager:
    """The process's job manager, shared by all its pages."""
    return JobManager()
