"""Calls of jobs on the workers of a dask cluster: progress, cancel and results come back to the page."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
import uuid
from concurrent.futures import CancelledError
from typing import Any

from fel_explorer import executors
from fel_explorer.app.jobs.call import Call
from fel_explorer.app.jobs.job import Cancelled, Ended, Report, StopSignal
from fel_explorer.app.jobs.stopping import Stopping
from fel_explorer.app.jobs.transport import Received, Sent
from fel_explorer.app.jobs.worker import make
from fel_explorer.app.jobs.workers import RemoteError, WorkerDied

log = logging.getLogger("fel_explorer")

BEAT = 0.25  # seconds between two looks for messages, and whether to stop


def run_on_cluster(address: str, call: Call, report: Report, stop: StopSignal, label: str = "") -> Any:
    """Make a call on a worker of a cluster and return its result.

    A call whose worker is lost begins again on another one: from its checkpoint, where that worker sees the
    same files.  One that does not hear that it shall stop is left to itself.

    Raises
    ------
    NotSendable
        If the call can't be made in another process.
    RemoteError
        If the call fails.
    Ended
        If the call did not hear in time that it shall stop, or was asked twice.
    WorkerDied
        If workers are lost again and again.
    """
    import distributed
    from distributed.scheduler import KilledWorker

    sent, client, name = Sent(call, files=None), executors.client(address), f"fel-job-{uuid.uuid4().hex}"
    messages = distributed.Queue(name, client=client)
    asked, given_up = distributed.Event(name, client=client), threading.Event()
    message = client.scatter([sent.message], broadcast=True, hash=False)[0]
    task = client.submit(_make_there, name, message, pure=False, retries=executors.RETRIES)
    stopping = Stopping(asked.set, given_up.set)
    try:
        with stop.listener(stopping.stop):
            while not (task.done() or given_up.wait(BEAT)):
                _take_messages(messages, sent, report, stopping)
        if not task.done():
            raise Ended
        _take_messages(messages, sent, report, stopping)
        kind, body = task.result()
    except (KilledWorker, CancelledError, asyncio.CancelledError) as error:
        raise WorkerDied(
            f"The workers of '{label}' were lost ({type(error).__name__}).",
            "Workers end when they are killed or need more memory than there is.",
            "Resume it, where it has a checkpoint; else start it again.",
        ) from error
    finally:
        stopping.close()
        task.cancel()
        messages.close()
    if kind == "done":
        return call.finished(sent.load(body))
    if kind == "cancelled":
        raise Cancelled
    error, trace = body
    raise RemoteError(sent.load(error), trace)


def _take_messages(messages: Any, sent: Sent, report: Report, stopping: Stopping) -> None:
    for kind, body in messages.get(batch=True):
        if kind == "progress":
            report(*sent.load(body))
        elif kind == "notice":
            log.warning("%s", sent.load(body))
        elif kind == "heard":
            stopping.heard()


def _make_there(name: str, message: Any) -> tuple[str, Any]:
    """Make a call in the worker of a cluster; how it ended, and its result as bytes."""
    connection = _Connection(name, message)
    make(connection.received.call, connection)
    return connection.outcome


class _Connection:
    """Messages of a call to the page's process: its end is the result of the task, others go ahead of it."""

    def __init__(self, name: str, message: Any) -> None:
        import distributed

        client = distributed.get_client()
        self.received = Received(message, None)
        self.outcome: tuple[str, Any] = ("cancelled", None)
        self._messages = distributed.Queue(name, client=client)
        self._ask = executors.seldom(distributed.Event(name, client=client).is_set, executors.CLUSTER_PERIOD)
        self._heard = False

    def should_stop(self) -> bool:
        stop = self._ask()
        if stop and not self._heard:
            self._heard = True
            self._messages.put(("heard", None))
        return stop

    def choose_scheduler(self) -> None:
        """Nothing: the tasks of a call on a worker run there."""

    def send(self, kind: str, obj: Any) -> None:
        body = self.received.dump(obj)
        if kind in ("progress", "notice"):
            self._messages.put((kind, body))
        else:
            self.outcome = kind, body

    def send_error(self, error: BaseException) -> None:
        self.outcome = "failed", (self.received.dump_error(error), "".join(traceback.format_exception(error)))
