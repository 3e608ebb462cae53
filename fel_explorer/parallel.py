"""Tasks on many cores or machines: in this process, threads, local processes, or a dask cluster.

`map_tasks` gives results in the order of the items, the same as a loop over them, because a task has its
random numbers from its item alone.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from fel_explorer import executors
from fel_explorer.errors import FelError
from fel_explorer.executors import PROCESSES, THREADS, Tasks, WorkersLost
from fel_explorer.executors import should_stop as should_stop
from fel_explorer.progress import Callback, Progress

WAITING = 2  # tasks for each worker that are given out ahead of those that were asked for
BEAT = 0.25  # seconds between two questions to the callback, while no task ends

NOT_DONE: Any = object()
"""In place of the results of tasks that were cancelled."""


class Choice(NamedTuple):
    """Where tasks run, as `set_scheduler` takes it."""

    scheduler: str | None = None
    workers: int = 0


class _Chosen:
    choice = Choice()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run OpenMP code, such as scikit-learn's KMeans, on one thread, so that its sums are always the same.

    Threads add what they have in the order in which they end, and rounding then depends on it.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="openmp"):
        yield


def set_scheduler(scheduler: str | None, *, workers: int = 0) -> None:
    """Choose where tasks run: folds, values and seeds, chunks of trajectories, blocks of stored features.

    Parameters
    ----------
    scheduler
        None: in this process, one after another.  "threads" or "processes": on this machine.  An address such
        as "tcp://10.0.0.1:8786": on the workers of a dask cluster (extra ``cluster``), which have the same
        version of fel_explorer and see the same files.
    workers
        Threads or processes; 0: as many as cores.

    Raises
    ------
    FelError
        If the scheduler is not one of these, or there is no cluster at the address.

    Examples
    --------
    >>> fel.set_scheduler("processes", workers=4)
    >>> fel.set_scheduler(None)
    """
    if scheduler is not None and scheduler not in (PROCESSES, THREADS) and "://" not in scheduler:
        raise FelError(
            f"scheduler={scheduler!r}.",
            "It is None, 'threads', 'processes' or an address such as tcp://host:8786.",
        )
    if workers < 0:
        raise FelError(f"workers={workers}.", "At least one, or 0 for as many as cores.")
    if scheduler is not None and "://" in scheduler:
        executors.client(scheduler)
    executors.close_pools()
    _Chosen.choice = Choice(scheduler, workers)


def scheduler() -> str | None:
    """Where tasks run; see `set_scheduler`."""
    return _Chosen.choice.scheduler


def choice() -> Choice:
    """What `set_scheduler` was given last."""
    return _Chosen.choice


def n_workers(where: Choice | None = None) -> int:
    """How many tasks run at once; default where `set_scheduler` chose."""
    chosen, workers = where or _Chosen.choice
    if chosen is None:
        return 1
    if chosen in (PROCESSES, THREADS):
        return workers or len(os.sched_getaffinity(0))
    return max(1, sum(executors.client(chosen).nthreads().values()))


def map_tasks(
    function: Callable[[Any, Any], Any],
    items: Sequence[Any],
    *,
    shared: Any = None,
    callback: Callback | None = None,
    message: str = "",
    done: Callable[[int, Any], None] | None = None,
    where: Choice | None = None,
) -> list:
    """Results of ``function(shared, item)`` for each item, in order.

    Parameters
    ----------
    function
        A function of a module, which other processes can import.  Tasks whose worker is lost are run again,
        up to three times, so it should only return something.  One that takes long asks `should_stop` now
        and then; what it returns after that is not used.
    shared
        What all tasks need, such as a dataset: sent to each worker once.
    callback
        Called with a `Progress` after each task and several times a second; returning True cancels the tasks:
        those that have not begun never do, and begun ones are asked to stop.  Processes of tasks that do not
        hear it are ended after two seconds.
    done
        Called with index and result of each task when it ends.
    where
        Where they run; default what `set_scheduler` chose.

    Returns
    -------
    list
        With `NOT_DONE` for the tasks that were cancelled.

    Raises
    ------
    FelError
        If a task raised one, or workers were lost again and again.
    """
    run, where = _Run(len(items), callback, message, done), where or _Chosen.choice
    if where.scheduler is None:
        for index, item in enumerate(items):
            with executors.asking(run.ask):
                result = function(shared, item)
            if run.stopped or run.take(index, result):
                break
        return run.results
    todo = list(range(len(items)))
    for attempt in range(executors.RETRIES + 1):
        try:
            with _executor(where, function, shared) as tasks:
                run.collect(tasks, {tasks.submit(items[index]): index for index in todo})
            return run.results
        except WorkersLost as error:
            todo = [index for index in todo if run.results[index] is NOT_DONE]
            if attempt == executors.RETRIES:
                raise executors.lost(error) from error
    return run.results


def iterate_tasks(
    function: Callable[[Any, Any], Any], items: Iterable[Any], *, shared: Any = None
) -> Iterator[Any]:
    """Yield what `map_tasks` returns, in order, with only a few results at once in memory.

    Begun tasks are asked to stop when the caller does not take the rest.
    """
    if _Chosen.choice.scheduler is None:
        for item in items:
            yield function(shared, item)
        return
    source, waiting = iter(items), deque[tuple[Any, Future | None]]()
    attempts, ahead = 0, WAITING * n_workers()
    while True:
        try:
            with _executor(_Chosen.choice, function, shared) as tasks:
                waiting = deque((item, tasks.submit(item)) for item, _ in waiting)
                while True:
                    while len(waiting) < ahead and (item := next(source, NOT_DONE)) is not NOT_DONE:
                        waiting.append((item, None))
                        waiting[-1] = item, tasks.submit(item)
                    if not waiting:
                        return
                    future = waiting[0][1]
                    assert future is not None  # each was submitted above
                    result = future.result()
                    waiting.popleft()
                    yield result
        except WorkersLost as error:
            attempts += 1
            if attempts > executors.RETRIES:
                raise executors.lost(error) from error


class _Run:
    """Results of a call of `map_tasks`, and its progress."""

    def __init__(self, n_items: int, callback: Callback | None, message: str, done) -> None:
        self.results: list = [NOT_DONE] * n_items
        self.stopped = False
        self._callback, self._message, self._done = callback, message, done
        self._began, self._n_done = time.monotonic(), 0

    def take(self, index: int, result: Any) -> bool:
        """Keep a result, and report it; returns whether to stop."""
        self.results[index] = result
        self._n_done += 1
        if self._done is not None:
            self._done(index, result)
        return self.ask()

    def ask(self) -> bool:
        """Report the progress; returns whether to stop."""
        if self._callback is not None and not self.stopped:
            n, n_items = self._n_done, len(self.results)
            eta = (time.monotonic() - self._began) / n * (n_items - n) if n else math.nan
            self.stopped = bool(self._callback(Progress(n, n_items, {}, eta, self._message)))
        return self.stopped

    def collect(self, tasks: Tasks, pending: dict[Future, int]) -> None:
        """Take results as they come, until all are there or the callback says stop."""
        left = set(pending)
        while left:
            done, left = wait(left, timeout=BEAT, return_when=FIRST_COMPLETED)
            # those that failed come last, so that what is done is kept
            for future in sorted(done, key=_failed):
                if self.take(pending[future], future.result()):
                    tasks.stop()
                    return
            if not done and self.ask():
                tasks.stop()
                return


def _failed(future: Future) -> bool:
    return future.cancelled() or future.exception() is not None


def _executor(where: Choice, function: Callable, shared: Any) -> AbstractContextManager[Tasks]:
    if where.scheduler == THREADS:
        return executors.in_threads(function, shared, n_workers(where))
    if where.scheduler == PROCESSES:
        return executors.in_processes(function, shared, n_workers(where))
    return executors.on_cluster(str(where.scheduler), function, shared)
