"""A job: its state, progress, losses and log, and the events that report them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fel_explorer.progress import Progress

ACTIVE = ("queued", "running")
KEPT_LOSSES = 2_000  # points of a loss history; older ones are thinned by two when it is full
KEPT_LINES = 200  # of a log
LOGGED_PARTS = 20  # a line at each twentieth of the steps


Report = Callable[..., None]
Function = Callable[[Report, Callable[[], bool]], Any]


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job.

    ``kind`` is "queued", "running", "progress", "notice", "done", "failed" or "cancelled".
    """

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
        {term: [(step, value), ...]}, thinned to at most `KEPT_LOSSES` points.
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
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    preview: Any = None
    result: Any = None
    error: Exception | None = None
    trace: str = ""
    notices: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    started: float = float("nan")
    finished: float = float("nan")
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

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
        return (
            self.state in ("failed", "cancelled")
            and self.checkpoint_dir is not None
            and self.checkpoint_dir.is_dir()
            and any(self.checkpoint_dir.iterdir())
        )

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
            history = self.losses.setdefault(name, [])
            history.append((progress.step, float(value)))
            if len(history) > KEPT_LOSSES:
                del history[1:-1:2]

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
