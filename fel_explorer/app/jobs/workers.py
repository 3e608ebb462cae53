"""Worker processes of jobs: started, kept ready, and ended with the page's process."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from typing import Any

from fel_explorer.app.jobs.array_files import ArrayFiles
from fel_explorer.app.jobs.call import Call
from fel_explorer.app.jobs.job import Cancelled, Ended, Report, StopSignal
from fel_explorer.app.jobs.stopping import Stopping
from fel_explorer.app.jobs.transport import NotSendable, Sent, receive, send
from fel_explorer.errors import FelError

log = logging.getLogger("fel_explorer")

MODULE = "fel_explorer.app.jobs.worker"
KEPT_READY = 1  # workers that wait for a job
USES = 50  # calls after which a worker is replaced
ON_STOPPING = ("pace", "heard")  # messages that may come after the end of the call that was stopped


class WorkerDied(FelError):
    """The process of a job ended before the job did."""


class RemoteError(Exception):
    """An exception of a worker, with its traceback as text."""

    def __init__(self, error: Exception, trace: str) -> None:
        super().__init__(str(error))
        self.error, self.trace = error, trace


class Worker:
    """One worker process, used by one job after another."""

    def __init__(self, folder: str) -> None:
        paths = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environment = {**os.environ, "PYTHONPATH": paths}
        flags = 0
        if sys.platform == "win32":  # elsewhere the worker lowers its priority itself
            flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, creationflags=flags,
        )  # fmt: skip
        self.uses = 0
        self._lock = threading.Lock()  # of what is written

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def send(self, kind: str, body: Any = None) -> None:
        """Write a message; one that has ended gets none."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            send(self.process.stdin, kind, body)

    def receive(self) -> tuple[str, Any]:
        """Wait for a message; an `EOFError` where the process has ended."""
        return receive(self.process.stdout)

    def kill(self) -> None:
        """End the process, without waiting for it."""
        self.process.kill()

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()

    def cause_of_death(self) -> str:
        """'was killed (SIGKILL)' or 'ended with status 3'."""
        code = self.process.wait()
        if code >= 0:
            return f"ended with status {code}"
        with contextlib.suppress(ValueError):
            return f"was killed ({signal.Signals(-code).name})"
        return f"was killed (signal {-code})"


class WorkerPool:
    """Worker processes, of which one waits ready.

    A worker takes seconds to start, for its imports.  One that has done a short job takes the next; one that
    has done a long one ends, which frees its memory.
    """

    def __init__(self) -> None:
        self.files = ArrayFiles()
        self._ready: list[Worker] = []
        self._busy: list[Worker] = []
        self._lock = threading.Lock()
        atexit.register(_close_if_alive, weakref.ref(self))

    @property
    def workers(self) -> list[Worker]:
        """All that live."""
        with self._lock:
            return [worker for worker in (*self._ready, *self._busy) if worker.lives]

    def prepare(self) -> None:
        """Start a worker where none waits ready; returns at once."""
        with self._lock:
            self._ready = [worker for worker in self._ready if worker.lives]
            if len(self._ready) < KEPT_READY:
                self._ready.append(Worker(str(self.files.folder)))

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            workers, self._ready, self._busy = [*self._ready, *self._busy], [], []
        for worker in workers:
            worker.end()

    def run(
        self, call: Call, report: Report, stop: StopSignal, label: str = "", *, takes_long: bool = False
    ) -> Any:
        """Make a call in a worker and return its result.

        Parameters
        ----------
        report
            Called with what the call reports.
        stop
            Asks the call to stop.
        label
            Of the job, for messages.
        takes_long
            Whether to prepare another worker for jobs that come meanwhile, and end this one with the call.

        Raises
        ------
        NotSendable
            If the call can't be made in another process.
        RemoteError
            If the call fails.
        Ended
            If the call did not hear in time that it shall stop, or was asked twice.
        WorkerDied
            If the process ends before the call does.
        """
        sent = Sent(call, self.files)
        worker = self._begin(sent)
        if takes_long:
            self.prepare()
        healthy, stopping = False, Stopping(lambda: worker.send("stop"), worker.kill)
        with stop.listener(stopping.stop):
            try:
                result = self._follow(worker, sent, report, label, stopping)
                healthy = True
            except RemoteError as error:
                healthy = isinstance(error.error, FelError)
                raise
            except Cancelled as cancelled:
                healthy = not isinstance(cancelled, Ended)
                raise
            finally:
                stopping.close()
                self._give_back(worker, healthy and not takes_long and not stopping.ended)
        return call.finished(result)

    def _begin(self, sent: Sent) -> Worker:
        """A worker that has begun the call."""
        for _ in range(2):  # one that waited ready may just have ended
            worker = self._take()
            worker.send("call", sent.message)
            try:
                kind, body = worker.receive()
                while kind in ON_STOPPING:
                    kind, body = worker.receive()
            except (EOFError, OSError):
                self._give_back(worker, healthy=False)
                continue
            if kind == "begun":
                return worker
            self._give_back(worker, healthy=True)
            raise NotSendable(body)
        raise NotSendable("no other process can be started")

    def _take(self) -> Worker:
        with self._lock:
            self._ready = [worker for worker in self._ready if worker.lives]
            try:
                worker = self._ready.pop(0) if self._ready else Worker(str(self.files.folder))
            except OSError as error:
                raise NotSendable(f"no other process can be started: {error}") from error
            self._busy.append(worker)
            worker.uses += 1
        return worker

    def _give_back(self, worker: Worker, healthy: bool) -> None:
        with self._lock:
            if worker in self._busy:
                self._busy.remove(worker)
            keep = healthy and worker.lives and worker.uses < USES and len(self._ready) < KEPT_READY
            if keep:
                self._ready.append(worker)
        if not keep:
            worker.end()

    def _follow(self, worker: Worker, sent: Sent, report: Report, label: str, stopping: Stopping) -> Any:
        while True:
            try:
                kind, body = worker.receive()
            except (EOFError, OSError):
                raise (Ended() if stopping.ended else _died(worker, label)) from None
            if kind == "progress":
                report(*sent.load(body))
            elif kind == "pace":
                stopping.pace(body)
            elif kind == "heard":
                stopping.heard()
            elif kind == "notice":
                log.warning("%s", sent.load(body))
            elif kind == "done":
                return sent.load(body)
            elif kind == "cancelled":
                raise Cancelled
            else:
                error, trace = body
                raise RemoteError(sent.load(error), trace)


def _died(worker: Worker, label: str) -> WorkerDied:
    return WorkerDied(
        f"The process of '{label}' {worker.cause_of_death()}.",
        "The system ends processes that need more memory than there is.",
        "Resume it, where it has a checkpoint; else take fewer frames or features, or a smaller batch.",
    )


def _close_if_alive(reference: weakref.ref) -> None:
    pool = reference()
    if pool is not None:
        pool.close()
