"""The process that makes the calls of jobs: ``python -m fel_explorer.app.jobs.worker FOLDER``.

It reads messages from its standard input and answers on its standard output; what a job prints goes to
standard error.  It ends when the page's process does: its input then ends too.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from fel_explorer import parallel
from fel_explorer.errors import FelError

PERIOD = 0.1  # least seconds between two reports of progress
NICE = 10  # lower priority than the page
RECENT = 5  # questions whether to stop, whose times show how long a call goes on without one
ENOUGH_IDLE = 1800.0  # seconds without a call after which it ends


class Reporter:
    """Sends progress, at most ten times a second; the first, the last and new messages always."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._next, self._message = connection, 0.0, ""

    def __call__(self, progress: Any, preview: Any = None) -> None:
        now = time.monotonic()
        last = progress.n_steps and progress.step >= progress.n_steps
        if preview is None and now < self._next and not last and progress.message == self._message:
            return
        self._next, self._message = now + PERIOD, progress.message
        self._connection.send("progress", (progress, preview))


class Connection:
    """Messages from and to the page's process."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO, folder: str) -> None:
        from fel_explorer.app.jobs import transport

        self._transport = transport
        self._incoming, self._outgoing, self._folder = incoming, outgoing, folder
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._received: Any = None
        self.stop = threading.Event()
        self._heard, self._asked = False, deque[float](maxlen=RECENT)
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, name="fel-listener", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                kind, body = self._transport.receive(self._incoming)
            except (EOFError, OSError):
                shutil.rmtree(self._folder, ignore_errors=True)
                os._exit(0)
            if kind == "stop":
                self.stop.set()
                self._write("pace", self._longest_pause())
            else:
                self.stop.clear()
                self._heard = False
                self._asked.clear()
                self._calls.put(body)

    def should_stop(self) -> bool:
        """Whether the call is to stop; sends a message that the call has heard it."""
        self._asked.append(time.monotonic())
        stop = self.stop.is_set()
        if stop and not self._heard:
            self._heard = True
            self._write("heard")
        return stop

    def _longest_pause(self) -> float:
        """Seconds between recent questions whether to stop, the most; 0 where there were none."""
        return max((after - before for before, after in pairwise(tuple(self._asked))), default=0.0)

    def _write(self, kind: str, body: Any = None) -> None:
        with self._sending:
            self._transport.send(self._outgoing, kind, body)

    def next_call(self) -> Any:
        """Wait for a call; None where it can't be read.  After `ENOUGH_IDLE` seconds the process ends."""
        try:
            message = self._calls.get(timeout=ENOUGH_IDLE)
        except queue.Empty:
            os._exit(0)
        try:
            self._received = self._transport.Received(message, Path(self._folder))
        except Exception as error:  # of a module that is here another, or nowhere
            self._write("refused", f"{type(error).__name__}: {error}")
            return None
        self._write("begun")
        return self._received.call

    def choose_scheduler(self) -> None:
        """Have the tasks of the call run where the page's process says."""
        chosen = self._received.choice
        if chosen != parallel.choice():
            parallel.set_scheduler(chosen.scheduler, workers=chosen.workers)

    def send(self, kind: str, obj: Any) -> None:
        """Send an object of a call."""
        self._write(kind, self._received.dump(obj))

    def send_error(self, error: BaseException) -> None:
        """Send an exception; one that can't be sent as its text."""
        trace = "".join(traceback.format_exception(error))
        self._write("failed", (self._received.dump_error(error), trace))

    def release(self) -> None:
        """Drop what the last call was given."""
        self._received = None


def lower_priority() -> None:
    """Let the page and other programs go first."""
    if sys.platform != "win32":  # where it is started with a lower one
        os.nice(NICE)


def leave_a_core() -> None:
    """Have torch leave one core to the page."""
    import torch

    cores = os.cpu_count() or 2
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores - 1)))


def import_libraries() -> None:
    """Import what most jobs need."""
    import fel_explorer.app.jobs.featurize_and_train
    import fel_explorer.methods

    fel_explorer.methods.load_all()


def main(folder: str) -> None:
    """Make calls until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the server, which ends this
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lower_priority()
    incoming = sys.stdin.buffer
    connection = Connection(incoming, outgoing, folder)
    import_libraries()
    leave_a_core()
    while True:
        call = connection.next_call()
        if call is not None:
            make(call, connection)
        connection.release()
        if holds_device_memory():  # which only the end of a process gives back
            os._exit(0)


def holds_device_memory() -> bool:
    """Whether a GPU is in use by this process."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_initialized()


def make(call: Any, connection: Any) -> None:
    """Make a call, and send its progress, warnings and end by a `Connection` or one like it."""
    from fel_explorer.app.jobs.job import Cancelled
    from fel_explorer.app.jobs.notices import hear_warnings

    try:
        with hear_warnings(lambda text: connection.send("notice", text)):
            connection.choose_scheduler()
            result = call(Reporter(connection), connection.should_stop)
    except Cancelled:
        connection.send("cancelled", None)
    except Exception as error:  # whatever a job raises must reach the page
        connection.send_error(error)
    else:
        try:
            connection.send("done", result)
        except Exception as error:  # a result that can't be sent is a fault of the job
            connection.send_error(FelError(f"The result can't be sent: {type(error).__name__}: {error}."))


if __name__ == "__main__":
    main(sys.argv[1])
