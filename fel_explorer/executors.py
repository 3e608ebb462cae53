"""Where tasks run, for `parallel`: threads, processes of this machine, the workers of a dask cluster."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import cloudpickle
import dask

from fel_explorer.errors import FelError

PROCESSES, THREADS = "processes", "threads"
RETRIES = 3  # of a task whose worker was lost
GRACE = 2.0  # seconds in which begun tasks may end when they are asked to; then their processes are ended
PERIOD = 0.1  # least seconds between two looks whether a task is asked to stop
CLUSTER_PERIOD = 0.5  # of a task on a cluster, which asks over the network
TIMEOUT = 10.0  # seconds to find a cluster

_clients: dict[str, Any] = {}
_shared: dict[str, Any] = {}  # in a worker process: what its tasks share, by the file that it came in


class WorkersLost(Exception):
    """Workers ended while they had tasks, or what the tasks share was lost with them."""


@dataclass(frozen=True)
class Tasks:
    """Submits items to workers; ``stop`` asks begun tasks to end."""

    submit: Callable[[Any], Future]
    stop: Callable[[], None]


class _Current(threading.local):
    """Of the task that this thread runs: what asks whether to stop."""

    ask: Callable[[], bool] | None = None


_current = _Current()


class _Pools:
    by_size: dict[int, ProcessPoolExecutor] = {}
    lock = threading.Lock()


def should_stop() -> bool:
    """Whether the task that calls this was cancelled; False outside of tasks."""
    return _current.ask is not None and _current.ask()


@contextmanager
def asking(ask: Callable[[], bool]) -> Iterator[None]:
    """Have `should_stop` call ``ask``, within the block and in this thread."""
    before, _current.ask = _current.ask, ask
    try:
        yield
    finally:
        _current.ask = before


def lost(error: BaseException) -> FelError:
    """The error of tasks whose workers were lost again and again."""
    return FelError(
        f"A worker was lost {RETRIES + 1} times ({error}).",
        "Workers end when they are killed or run out of memory.",
        "Take fewer workers, or give each more memory.",
    )


# ---- threads


@contextmanager
def in_threads(function: Callable, shared: Any, workers: int) -> Iterator[Tasks]:
    """Run tasks in threads; begun ones that do not hear that they should stop go on alone."""
    stopped = threading.Event()

    def call(item: Any) -> Any:
        with asking(stopped.is_set):
            return function(shared, item)

    threads = ThreadPoolExecutor(workers, "fel-task")
    try:
        yield Tasks(lambda item: threads.submit(call, item), stopped.set)
    except BaseException:
        stopped.set()
        raise
    finally:
        threads.shutdown(wait=not stopped.is_set(), cancel_futures=True)


# ---- processes of this machine


@contextmanager
def in_processes(function: Callable, shared: Any, workers: int) -> Iterator[Tasks]:
    """Run tasks in processes that stay for the next tasks, as each takes seconds to import torch."""
    futures: list[Future] = []
    with tempfile.TemporaryDirectory(prefix="fel-explorer-") as folder:
        path = Path(folder) / "shared"
        path.write_bytes(cloudpickle.dumps(shared))
        stop = _stop_file(str(path))

        def submit(item: Any) -> Future:
            futures.append(_pool(workers).submit(_call_shared, str(path), function, item))
            return futures[-1]

        try:
            yield Tasks(submit, stop.touch)
        except BrokenProcessPool as error:
            close_pool(workers)
            raise WorkersLost(type(error).__name__) from error
        except BaseException:
            stop.touch()
            raise
        finally:
            for future in futures:
                future.cancel()
            if wait(futures, timeout=GRACE if stop.exists() else None).not_done:
                close_pool(workers, kill=True)
                wait(futures)


def close_pools() -> None:
    """End all processes when their tasks have ended."""
    for workers in list(_Pools.by_size):
        close_pool(workers)


def close_pool(workers: int, *, kill: bool = False) -> None:
    """End the pool of so many processes when its tasks have ended, or at once."""
    with _Pools.lock:
        pool = _Pools.by_size.pop(workers, None)
    if pool is None:
        return
    # concurrent.futures has a public way to end them only since Python 3.14
    processes = list((pool._processes or {}).values()) if kill else []
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()


def end_with_parent() -> None:
    """End this process when the one that started it has ended: a killed parent can't stop its workers."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _pool(workers: int) -> ProcessPoolExecutor:
    with _Pools.lock:
        if workers not in _Pools.by_size:
            # spawned, not forked: the threads of a page hold locks
            context = get_context("spawn")
            _Pools.by_size[workers] = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
        return _Pools.by_size[workers]


def _begin_worker() -> None:
    # before NumPy and torch are imported: as many processes as cores, so one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    end_with_parent()


def _call_shared(path: str, function: Callable, item: Any) -> Any:
    if path not in _shared:
        _shared.clear()
        _shared[path] = cloudpickle.loads(Path(path).read_bytes())
    return _call(function, _shared[path], item, seldom(_stop_file(path).exists, PERIOD))


def _stop_file(path: str) -> Path:
    """The file that says to the tasks which share ``path`` that they should stop."""
    return Path(f"{path}.stop")


# ---- a dask cluster


@contextmanager
def on_cluster(address: str, function: Callable, shared: Any) -> Iterator[Tasks]:
    """Run tasks on a cluster; begun ones that do not hear that they should stop go on alone."""
    import distributed

    cluster = client(address)
    try:  # on all workers: one may be lost
        held = cluster.scatter([shared], broadcast=True, hash=False)[0]
    except TimeoutError as error:
        raise FelError(
            f"The dask cluster at {address} has no workers.",
            remedy=f"Start some: dask worker {address}.",
        ) from error
    name = f"fel-stop-{uuid.uuid4().hex}"
    stopped, running = distributed.Event(name, client=cluster), set()

    def submit(item: Any) -> Future:
        task = cluster.submit(_call_on_cluster, name, function, held, item, pure=False, retries=RETRIES)
        running.add(task)
        return _future_of(task, running)

    try:
        yield Tasks(submit, stopped.set)
    except BaseException:
        stopped.set()
        raise
    finally:
        cluster.cancel(list(running))


def _future_of(task: Any, running: set) -> Future:
    """The future of a dask task, which leaves ``running`` with its end.

    dask's own (``Client.get_executor``) never ends where a result is lost with its worker.
    """
    from distributed.scheduler import KilledWorker

    found: Future = Future()

    def finish(ended: Any) -> None:
        running.discard(ended)
        if not found.set_running_or_notify_cancel():
            return
        try:
            result = ended.result()
        except KilledWorker as error:  # several of them, by one task
            found.set_exception(lost(error))
        except (CancelledError, asyncio.CancelledError) as error:
            # the last worker that held what the tasks share was lost
            found.set_exception(WorkersLost(type(error).__name__))
        except BaseException as error:  # whatever a task raises is of the caller
            found.set_exception(error)
        else:
            found.set_result(result)

    task.add_done_callback(finish)
    return found


def client(address: str) -> Any:
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
        found = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise FelError(
            f"There is no dask scheduler at {address!r} ({error}).",
            "The address is what `dask scheduler` prints, such as tcp://10.0.0.1:8786.",
            "Start `dask scheduler`, and `dask worker ADDRESS` on each machine.",
        ) from error
    _clients[address] = found
    return found


def _call_on_cluster(name: str, function: Callable, shared: Any, item: Any) -> Any:
    import distributed

    event = distributed.Event(name, client=distributed.get_client())
    return _call(function, shared, item, seldom(event.is_set, CLUSTER_PERIOD))


def _call(function: Callable, shared: Any, item: Any, ask: Callable[[], bool]) -> Any:
    # what a task reads lazily is not sent back to the cluster, which may be waiting for this task
    with dask.config.set(scheduler="synchronous"), asking(ask):
        return function(shared, item)


def seldom(ask: Callable[[], bool], period: float) -> Callable[[], bool]:
    """A function that asks ``ask`` at most once in ``period`` seconds, until it is true."""
    following, answer = 0.0, False

    def asked() -> bool:
        nonlocal following, answer
        now = time.monotonic()
        if not answer and now >= following:
            following, answer = now + period, ask()
        return answer

    return asked
