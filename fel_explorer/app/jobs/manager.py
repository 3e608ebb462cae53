"""Jobs: computations in the background that belong to the process and survive a reload of the page.

A job is a function ``function(report, should_stop) -> result``.  A thread runs it: a `Call` in a worker
process, so that pages stay quick, others itself.  What it reports is kept on the `Job` and announced as plain
`Event` values in the queue of every subscriber.  No panel import here: pages drain their queue on their own
thread.
"""

from __future__ import annotations

import collections
import functools
import itertools
import logging
import os
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fel_explorer import parallel
from fel_explorer.app.jobs.call import Call
from fel_explorer.app.jobs.cluster import run_on_cluster
from fel_explorer.app.jobs.job import Cancelled, Ended, Event, Function, Job, Report, Subscription
from fel_explorer.app.jobs.notices import hear_warnings
from fel_explorer.app.jobs.workers import NotSendable, RemoteError, WorkerPool
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress

__all__ = ["KEPT_JOBS", "Cancelled", "Event", "Job", "JobManager", "manager"]

log = logging.getLogger("fel_explorer.jobs")

ABOUT = ("kind", "key", "owner", "checkpoint_dir", "quick", "show", "recipe")  # what a repeated job keeps
JOBS_VARIABLE, JOBS_CHOICES = "FEL_EXPLORER_JOBS", ("process", "thread")
AT_ONCE = 2  # jobs that run at the same time, where `fel.set_scheduler` chose nothing
KEPT_JOBS = 50  # finished jobs that the process remembers


class JobManager:
    """Runs jobs in threads and worker processes and remembers them.

    Parameters
    ----------
    workers
        How many jobs run at the same time, besides one more that is quick; with 0 nothing runs until `work`
        is called, as tests do.
    clock
        Seconds, for started and finished.
    pool
        Worker processes for jobs that are a `Call`; without them all run in this process.
    """

    def __init__(
        self,
        workers: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
        pool: WorkerPool | None = None,
    ):
        self.clock, self.pool = clock, pool
        self._jobs: collections.OrderedDict[int, Job] = collections.OrderedDict()
        self._waiting: list[Job] = []
        self._subscribers: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._ids = itertools.count(1)
        self._n_threads, self._n_long = 0, 0
        self.workers = workers
        if workers:
            self._start_thread(quick_only=True)
            self.set_workers(workers)

    def set_workers(self, workers: int) -> None:
        """Run so many jobs at the same time; those that run already go on."""
        with self._wake:
            self.workers = workers
            missing, self._n_threads = workers - self._n_threads, max(self._n_threads, workers)
            self._wake.notify_all()
        for _ in range(missing):
            self._start_thread(quick_only=False)

    def _start_thread(self, quick_only: bool) -> None:
        # daemons: Ctrl-C ends the server at once; what a training had reached is in its checkpoint
        threading.Thread(target=self._serve, args=(quick_only,), name="fel-job", daemon=True).start()

    # ---- what a page calls

    def submit(self, label: str, function: Function, **about) -> Job:
        """Queue ``function(report, should_stop)`` and return its `Job`.

        ``report(progress, preview=None)`` takes a `progress.Progress`; ``should_stop()`` turns True when
        the job is cancelled: the function then returns what it has.  ``about``: ``kind``, ``key``,
        ``owner``, ``checkpoint_dir``, ``quick``, ``show``, ``recipe`` of `Job`.
        """
        with self._lock:
            job = Job(label, function, id=next(self._ids), **about)
            self._jobs[job.id] = job
            self._forget()
        job.note("queued")
        self._announce(job, "queued")
        with self._wake:
            self._waiting.append(job)
            self._wake.notify_all()
        return job

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; one that still waits never starts, one that is asked twice is ended."""
        twice = job.stopping
        job._stop.set()
        with self._lock:
            waiting = job.state == "queued"
            if waiting:
                job.state, job.finished = "cancelled", self.clock()
                self._waiting = [other for other in self._waiting if other is not job]
        job.note("taken out of the queue" if waiting else "ended at once" if twice else "asked to stop")
        self._announce(job, "cancelled" if waiting else "progress")

    def resume(self, job: Job) -> Job:
        """Continue a cancelled or failed job from its checkpoint, as a new job in its place."""
        if not job.resumable:
            raise FelError(
                f"'{job.label}' is {job.state} and has no checkpoint.",
                "Jobs that were cancelled or failed after their first checkpoint can be resumed.",
                "Start it again.",
            )
        again = self.repeat(job)
        again.losses = {name: values.copy() for name, values in job.losses.items()}
        return again

    def repeat(self, job: Job) -> Job:
        """Run an ended job once more, as a new one in its place."""
        again = self.submit(job.label, job.function, **{name: getattr(job, name) for name in ABOUT})
        self.drop(job)
        return again

    def recall(self, label: str, function: Function, **about) -> Job | None:
        """Remember a job of a process that ended, as stopped; None where a known job has its checkpoint."""
        with self._lock:
            if any(job.checkpoint_dir == about["checkpoint_dir"] for job in self._jobs.values()):
                return None
            job = Job(label, function, id=next(self._ids), state="cancelled", **about)
            self._jobs[job.id] = job
        job.note("was stopped before its end, or its process ended")
        return job

    def drop(self, job: Job) -> None:
        """Delete a job and its result."""
        with self._lock:
            self._jobs.pop(job.id, None)

    def jobs(self, key: str = "", owner: str = "") -> list[Job]:
        """The jobs of a dataset or of a page, oldest first; without either, all."""
        with self._lock:
            jobs = list(self._jobs.values())
        if not key and not owner:
            return jobs
        return [job for job in jobs if (key and job.key == key) or (owner and job.owner == owner)]

    def delete_results(self, older_than: Job, keep: int = 0) -> None:
        """Drop the ended jobs of the same owner and kind before ``older_than``, but for the last ``keep``."""
        with self._lock:
            old = [
                number
                for number, job in self._jobs.items()
                if (job.owner, job.kind) == (older_than.owner, older_than.kind)
                and number < older_than.id
                and not job.active
            ]
            for number in old[: max(0, len(old) - keep)]:
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
        with self._lock:
            job = self._next()
        if job is not None:
            self._run(job)
        return job is not None

    def _serve(self, quick_only: bool):
        while True:
            with self._wake:
                while (not quick_only and self._n_long >= self.workers) or (
                    job := self._next(quick_only)
                ) is None:
                    self._wake.wait()
                self._n_long += not quick_only
            self._run(job)
            with self._wake:
                self._n_long -= not quick_only
                self._wake.notify_all()

    def _next(self, quick_only: bool = False) -> Job | None:
        """Take the oldest waiting job; the caller holds the lock."""
        job = next((job for job in self._waiting if job.quick or not quick_only), None)
        if job is not None:
            self._waiting.remove(job)
        return job

    def _run(self, job: Job) -> None:
        with self._lock:
            if job.state != "queued":
                return
            job.state, job.started = "running", self.clock()
        job.note("begins")
        self._announce(job, "running")

        def report(progress: Progress, preview: Any = None) -> None:
            job.record(progress, preview)
            self._announce(job, "progress")

        def hear(text: str) -> None:
            job.notices.append(text)
            job.note(text)
            self._announce(job, "notice")

        try:
            with hear_warnings(hear):
                job.result = self._make(job, report)
            state = "cancelled" if job._stop.is_set() else "done"
        except Ended:
            state = "cancelled"
            kept = "Resume it from its last checkpoint." if job.has_checkpoint else "Nothing of it was kept."
            hear(f"'{job.label}' was ended within a step. {kept}")
        except Cancelled:
            state = "cancelled"
        except RemoteError as failure:
            job.error, job.trace = failure.error, failure.trace
            state = "failed"
            if not isinstance(job.error, FelError):
                log.error("%s failed\n%s", job.label, job.trace)
        except Exception as error:  # whatever a method raises must reach the page, not kill the worker
            job.error, job.trace = error, traceback.format_exc()
            state = "failed"
            if not isinstance(error, FelError):
                log.exception("%s failed", job.label)
        job.progress = replace(job.progress, eta=0.0)
        job.note(state if job.error is None else f"failed: {job.error}")
        job.state, job.finished = state, self.clock()
        self._announce(job, state)

    def _make(self, job: Job, report: Report) -> Any:
        """The result of a job; made in this process where another one can't."""
        if isinstance(job.function, Call) and (self.pool is not None or on_cluster(job)):
            try:
                if on_cluster(job):
                    return run_on_cluster(
                        str(parallel.scheduler()), job.function, report, job._stop, job.label
                    )
                assert self.pool is not None
                return self.pool.run(job.function, report, job._stop, job.label, takes_long=not job.quick)
            except NotSendable as reason:
                job.note(f"in the page's own process, which may slow pages down: {reason}")
        return job.function(report, job._stop.is_set)

    def prepare(self, delay: float = 0.0) -> None:
        """Have a worker process ready for the next job, ``delay`` seconds from now."""
        if self.pool is not None:
            timer = threading.Timer(delay, self.pool.prepare)
            timer.daemon = True
            timer.start()

    def _announce(self, job: Job, kind: str) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.put(Event(job, kind))

    def _forget(self) -> None:
        ended = [number for number, job in self._jobs.items() if not job.active]
        for number in ended[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[number]


def on_cluster(job: Job) -> bool:
    """Whether a job goes to the cluster that `fel.set_scheduler` chose: trainings that take long do."""
    chosen = parallel.scheduler()
    return isinstance(job.function, Call) and job.function.whole and not job.quick and "://" in (chosen or "")


@functools.cache
def manager() -> JobManager:
    """The process's job manager, shared by all its pages.

    The environment variable FEL_EXPLORER_JOBS, "process" or "thread", says where jobs run.
    """
    where = os.environ.get(JOBS_VARIABLE) or "process"
    if where not in JOBS_CHOICES:
        raise FelError(f"{JOBS_VARIABLE}={where}.", f"It is {' or '.join(JOBS_CHOICES)}.")
    workers = parallel.n_workers() if parallel.scheduler() is not None else AT_ONCE
    return JobManager(workers, pool=WorkerPool() if where == "process" else None)
