"""A job: its state, progress, losses and log, and the events that report them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fel_explorer.progress import Progress

ACTIVE = ("queued", "running")
KEPT_LOSSES = 2_000  # points of a loss history, an even number
KEPT_LINES = 200  # of a log
LOGGED_PARTS = 20  # a line at each twentieth of the steps


Report = Callable[..., None]
Function = Callable[[Report, Callable[[], bool]], Any]


class Cancelled(Exception):
    """Raised by a job's function that was cancelled and has nothing to keep."""


class Ended(Cancelled):
    """Raised for a cancelled job that did not hear it, and whose process was ended."""


class StopSignal(threading.Event):
    """An event that can be listened to; listeners hear each time that it is set."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: list[Callable[[], None]] = []

    def set(self) -> None:
        super().set()
        for listener in list(self._listeners):
            listener()

    @contextmanager
    def listener(self, function: Callable[[], None]) -> Iterator[None]:
        """Within the block call ``function`` when the event is set, at once where it is already."""
        self._listeners.append(function)
        try:
            if self.is_set():
                function()
            yield
        finally:
            self._listeners.remove(function)


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job.

    ``kind`` is "queued", "running", "progress", "notice", "done", "failed" or "cancelled".
    """

    job: Job
    kind: str


class LossCurve(list):
    """A loss history [(step, value), ...] of bounded length, equally fine from the first step to the last.

    When it is full, neighbours are replaced by their mean, and from then on as many values are averaged for
    each point.  The first point stays, and the last is that of the latest step.
    """

    def __init__(self, points=()) -> None:
        super().__init__(points)
        self._stride = self._count = 1

    def record(self, step: int, value: float) -> None:
        """Add the value of a later step."""
        if len(self) < 2 or self._count == self._stride:
            self.append((step, value))
            self._count = 1
        else:
            self._count += 1
            self[-1] = (step, self[-1][1] + (value - self[-1][1]) / self._count)
        if len(self) > KEPT_LOSSES:
            self._halve()

    def _halve(self) -> None:
        pairs = zip(self[1::2], self[2::2], strict=True)
        self[1:] = [(b[0], (a[1] + b[1]) / 2) for a, b in pairs]
        self._stride, self._count = 2 * self._stride, self._stride + self._count

    def copy(self) -> LossCurve:
        """Another one with the same points, which goes on as this one would."""
        made = LossCurve(self)
        made._stride, made._count = self._stride, self._count
        return made


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
        Token of the page that submitted it.
    quick
        Whether it takes seconds: one worker is kept for such jobs, so that they don't wait behind trainings.
    show
        Whether its result is to be shown when it comes; those of a sweep only join the list.
    recipe
        What it trains, a `recipes.Recipe`, or None.
    state
        "queued", "running", "done", "failed" or "cancelled".
    losses
        {term: [(step, value), ...]}, of at most `KEPT_LOSSES` points.
    preview
        The latest intermediate result that the function reported, or None.
    result
        What the function returned; a cancelled job may hold a partial one.
    error, trace
        The exception of a failed job and its traceback as text.
    notices
        Warnings that it logged, such as of a full disk.
    log
        What happened when, a line each.
    """

    label: str
    function: Function
    kind: str = ""
    key: str = ""
    owner: str = ""
    checkpoint_dir: Path | None = None
    quick: bool = False
    show: bool = True
    recipe: Any = None
    id: int = 0
    state: str = "queued"
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    losses: dict[str, LossCurve] = field(default_factory=dict)
    preview: Any = None
    result: Any = None
    error: Exception | None = None
    trace: str = ""
    notices: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    started: float = float("nan")
    finished: float = float("nan")
    _stop: StopSignal = field(default_factory=StopSignal, repr=False)

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE

    @property
    def stopping(self) -> bool:
        """Whether it was cancelled and has not stopped yet."""
        return self.active and self._stop.is_set()

    @property
    def fraction(self) -> float:
        """Part done, between 0 and 1; nan while the number of steps is not known."""
        done = self.progress
        return done.step / done.n_steps if done.n_steps else float("nan")

    @property
    def resumable(self) -> bool:
        """Whether `JobManager.resume` can continue it from a checkpoint."""
        return self.state in ("failed", "cancelled") and self.has_checkpoint

    @property
    def has_checkpoint(self) -> bool:
        """Whether its folder of checkpoints holds something."""
        folder = self.checkpoint_dir
        return folder is not None and folder.is_dir() and any(folder.iterdir())

    def note(self, text: str) -> None:
        """Add a line to the log; of a long one the first line and the latest are kept."""
        self.log.append(f"{time.strftime('%H:%M:%S')}  {text}")
        if len(self.log) > KEPT_LINES:
            del self.log[1]

    def record(self, progress: Progress, preview: Any = None) -> None:
        """Take over what the function reported."""
        self._note_progress(progress)
        self.progress = progress
        if preview is not None:
            self.preview = preview
        for name, value in progress.losses.items():
            self.losses.setdefault(name, LossCurve()).record(progress.step, float(value))

    def _note_progress(self, progress: Progress) -> None:
        """A line for another message, and for each twentieth of the steps."""
        before, n = self.progress, progress.n_steps
        if progress.message and progress.message != before.message:
            self.note(progress.message)
        if n and progress.step * LOGGED_PARTS // n != before.step * LOGGED_PARTS // n:
            terms = [f"{name} {value:.4g}" for name, value in progress.losses.items()]
            self.note("  ".join([f"step {progress.step} of {n}", *terms]))


class Subscription:
    """The queue of one listener; dropped by the manager when the listener is released."""

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
