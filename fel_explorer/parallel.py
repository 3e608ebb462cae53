"""Tasks on many cores or machines: in this process, threads, local processes, or a dask cluster.

`map_tasks` gives results in the order of the items, the same as a loop over them, because a task has its
random numbers from its item alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cloudpickle
import dask

from fel_explorer.errors import FelError
from fel_explorer.progress import Callback, Progress

RETRIES = 3  # of a task whose worker was lost
WAITING = 2  # tasks for each worker that are given out ahead of those that were asked for
PROCESSES, THREADS = "processes", "threads"

NOT_DONE: Any = object()
"""In place of the results of tasks that were cancelled."""

Submit = Callable[[Any], Future]


class _Chosen:
    scheduler: str | None = None
    workers: int = 0
    pool: ProcessPoolExecutor | None = None


_shared: dict[str, Any] = {}  # in a worker process: what its tasks share, by the file that it came in


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
        _client(scheduler)
    _close_pool()
    _Chosen.scheduler, _Chosen.workers = scheduler, workers


def scheduler() -> str | None:
    """Where tasks run; see `set_scheduler`."""
    return _Chosen.scheduler


def n_workers() -> int:
    """How many tasks run at once."""
    chosen = _Chosen.scheduler
    if chosen is None:
        return 1
    if chosen in (PROCESSES, THREADS):
        return _Chosen.workers or len(os.sched_getaffinity(0))
    return max(1, sum(_client(chosen).nthreads().values()))


def map_tasks(
    function: Callable[[Any, Any], Any],
    items: Sequence[Any],
    *,
    shared: Any = None,
    callback: Callback | None = None,
    message: str = "",
) -> list:
    """Results of ``function(shared, item)`` for each item, in order.

    Parameters
    ----------
    function
        A function of a module, which other processes can import.  Tasks whose worker is lost are run again,
        up to three times, so it should only return something.
    shared
        What all tasks need, such as a dataset: sent to each worker once.
    callback
        Called with a `Progress` after each task; returning True cancels those that have not begun.

    Returns
    -------
    list
        With `NOT_DONE` for the tasks that were cancelled.

    Raises
    ------
    FelError
        If a task raised one, or workers were lost again and again.
    """
    results: list = [NOT_DONE] * len(items)
    began, n_done = time.monotonic(), 0

    def report(index: int, result: Any) -> bool:
        nonlocal n_done
        results[index], n_done = result, n_done + 1
        if callback is None:
            return False
        eta = (time.monotonic() - began) / n_done * (len(items) - n_done)
        return bool(callback(Progress(n_done, len(items), {}, eta, message)))

    if _Chosen.scheduler is None:
        for index, item in enumerate(items):
            if report(index, function(shared, item)):
                break
        return results
    todo = list(range(len(items)))
    for attempt in range(RETRIES + 1):
        try:
            with _executor(function, shared) as submit:
                if _collect({submit(items[index]): index for index in todo}, report):
                    return results
            return results
        except BrokenProcessPool as error:
            todo = [index for index in todo if results[index] is NOT_DONE]
            if attempt == RETRIES:
                raise _lost(error) from error
    return results


def iterate_tasks(
    function: Callable[[Any, Any], Any], items: Iterable[Any], *, shared: Any = None
) -> Iterator[Any]:
    """Yield what `map_tasks` returns, in order, with only a few results at once in memory."""
    if _Chosen.scheduler is None:
        for item in items:
            yield function(shared, item)
        return
    source, waiting = iter(items), deque[tuple[Any, Future | None]]()
    attempts, ahead = 0, WAITING * n_workers()
    while True:
        try:
            with _executor(function, shared) as submit:
                waiting = deque((item, submit(item)) for item, _ in waiting)
                while True:
                    while len(waiting) < ahead and (item := next(source, NOT_DONE)) is not NOT_DONE:
                        waiting.append((item, None))
                        waiting[-1] = item, submit(item)
                    if not waiting:
                        return
                    future = waiting[0][1]
                    assert future is not None  # each was submitted above
                    result = future.result()
                    waiting.popleft()
                    yield result
        except BrokenProcessPool as error:
            attempts += 1
            if attempts > RETRIES:
                raise _lost(error) from error


def _collect(pending: dict[Future, int], report: Callable[[int, Any], bool]) -> bool:
    """Report results as they come; returns whether tasks were cancelled."""
    left = set(pending)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        # those that failed come last, so that what is done is kept
        for future in sorted(done, key=lambda one: one.exception() is not None):
            if report(pending[future], future.result()):
                for other in left:
                    other.cancel()
                return True
    return False


@contextmanager
def _executor(function: Callable, shared: Any) -> Iterator[Submit]:
    """Yields the function that submits an item to the chosen scheduler."""
    chosen = _Chosen.scheduler
    if chosen == THREADS:
        with ThreadPoolExecutor(n_workers(), "fel-task") as threads:
            try:
                yield lambda item: threads.submit(function, shared, item)
            finally:
                threads.shutdown(cancel_futures=True)
    elif chosen == PROCESSES:
        with _in_processes(function, shared) as submit:
            yield submit
    else:
        with _on_cluster(str(chosen), function, shared) as submit:
            yield submit


@contextmanager
def _in_processes(function: Callable, shared: Any) -> Iterator[Submit]:
    """Submit to processes that stay for the next tasks, as each takes seconds to import torch."""
    futures: list[Future] = []
    with tempfile.TemporaryDirectory(prefix="fel-explorer-") as folder:
        path = Path(folder) / "shared"
        path.write_bytes(cloudpickle.dumps(shared))

        def submit(item: Any) -> Future:
            futures.append(_pool().submit(_call_shared, str(path), function, item))
            return futures[-1]

        try:
            yield submit
        except BrokenProcessPool:
            _close_pool()
            raise
        finally:
            for future in futures:
                future.cancel()
            wait(futures)


def _pool() -> ProcessPoolExecutor:
    if _Chosen.pool is None:
        # spawned, not forked: the threads of a page hold locks
        context = get_context("spawn")
        _Chosen.pool = ProcessPoolExecutor(n_workers(), context, initializer=_begin_worker)
    return _Chosen.pool


def _close_pool() -> None:
    pool, _Chosen.pool = _Chosen.pool, None
    if pool is not None:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _on_cluster(address: str, function: Callable, shared: Any) -> Iterator[Submit]:
    from distributed.scheduler import KilledWorker

    client = _client(address)
    held = client.scatter([shared], broadcast=True, hash=False)[0]  # on all workers: one may be lost
    executor = client.get_executor(pure=False, retries=RETRIES)
    try:
        yield lambda item: executor.submit(_call, function, held, item)
    except (KilledWorker, CancelledError) as error:
        raise _lost(error) from error
    finally:
        executor.shutdown(wait=False)


def _client(address: str) -> Any:
    """The client of a cluster, one for each address and process."""
    try:
        import distributed
    except ImportError as error:
        raise FelError(
            f"scheduler={address!r} without the package distributed.",
            remedy='Install it: pip install "fel-explorer[cluster]".',
        ) from error
    known = _clients.get(address)
    if known is not None and known.status == "running":
        return known
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise FelError(
            f"There is no dask scheduler at {address!r} ({error}).",
            "The address is what `dask scheduler` prints, such as tcp://10.0.0.1:8786.",
            "Start `dask scheduler`, and `dask worker ADDRESS` on each machine.",
        ) from error
    _clients[address] = client
    return client


TIMEOUT = 10.0  # seconds to find a cluster
_clients: dict[str, Any] = {}


def _begin_worker() -> None:
    # before NumPy and torch are imported: as many processes as cores, so one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _call_shared(path: str, function: Callable, item: Any) -> Any:
    if path not in _shared:
        _shared.clear()
        _shared[path] = cloudpickle.loads(Path(path).read_bytes())
    return _call(function, _shared[path], item)


def _call(function: Callable, shared: Any, item: Any) -> Any:
    # what a task reads lazily is not sent back to the cluster, which may be waiting for this task
    with dask.config.set(scheduler="synchronous"):
        return function(shared, item)


def _lost(error: BaseException) -> FelError:
    return FelError(
        f"A worker was lost {RETRIES + 1} times ({type(error).__name__}).",
        "Workers end when they are killed or run out of memory.",
        "Take fewer workers, or give each more memory.",
    )
