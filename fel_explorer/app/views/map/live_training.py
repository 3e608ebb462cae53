"""The map of a training that runs: some frames at the coordinates that it has learned so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import param

from fel_explorer.app.jobs.featurize_and_train import Preview
from fel_explorer.app.jobs.job import Job
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Point, Session
from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots.colours import Scale
from fel_explorer.plots.landscape_data import NO_LANDSCAPE, Landscape

MARGIN = 0.15  # of the points' span around them, so that the axes need not follow each step
SMALLEST = 0.5  # fraction of an axis that the points fill before it is fitted anew


@dataclass(frozen=True, eq=False)
class LiveView:
    """Frames on the map of a training.

    Attributes
    ----------
    xy
        (point, 2) positions.
    frames
        (point,) which frames they are.
    limits
        ((left, right), (bottom, top)).
    note
        What is shown, in words.
    """

    axes = ("CV 1", "CV 2")

    xy: np.ndarray
    frames: np.ndarray
    limits: tuple[tuple[float, float], tuple[float, float]]
    note: str

    def landscape(self, session: Session, values: np.ndarray, scale: Scale) -> Landscape:
        """The drawing, with ``values`` (frame,) of all frames for the colours and the session's selection."""
        return Landscape(
            xy=self.xy,
            values=values[self.frames],
            scale=scale,
            surface=NO_LANDSCAPE.surface,
            picture=None,
            free_energy=np.full(len(self.xy), np.nan),
            state=None,
            selected=session.selection.mask[self.frames],
            labels=self.axes,
            limits=self.limits,
            contours=False,
        )

    def mask(self, inside: np.ndarray, n_frames: int) -> np.ndarray:
        """The shown points ``inside`` (point,) bool as frames (n_frames,) bool."""
        mask = np.zeros(n_frames, bool)
        mask[self.frames[inside]] = True
        return mask

    def point_at(self, x: float, y: float) -> Point:
        """The shown frame nearest to a click."""
        spans = np.array([high - low for low, high in self.limits])
        nearest = np.square((self.xy - [x, y]) / spans).sum(axis=1).argmin()
        return Point("", np.array([x, y]), int(self.frames[nearest]), 0.0, False)


class LiveTraining(param.Parameterized):
    """Follows the training of the page that is to be shown, where one runs.

    Watch ``view``: the latest `LiveView`, None while no training runs or the map that was there is kept.
    """

    view = param.ClassSelector(class_=LiveView, default=None, allow_None=True, doc="What is to be shown.")
    running = param.Boolean(False, doc="Whether there is a training to follow.")
    follow = param.Boolean(True, doc="Show the map of the training that runs; off: keep the map.")

    def __init__(self, session: Session, board: PageJobs):
        super().__init__()
        self.session, self.board = session, board
        self._seen: Preview | None = None
        self._watcher = board.param.watch(self._update, "version")
        self._update()

    def close(self) -> None:
        """Stop watching the jobs."""
        self.board.param.unwatch(self._watcher)

    @param.depends("follow", watch=True)
    def _update(self, *_):
        job = self._job()
        self.running = job is not None
        if job is None or not self.follow:
            self._seen = self.view = None
        elif job.preview is not self._seen:
            self._seen = job.preview
            self.view = live_view(job, self.view)

    def _job(self) -> Job | None:
        """The training of this page that runs, of the shown features, once it has made a step."""
        board, dataset = self.board, self.session.dataset
        jobs = [
            job for job in board.jobs
            if job.kind == "model" and job.state == "running" and job.show and job.owner == board.owner
            and job.key == board.key and isinstance(job.preview, Preview) and job.preview.step
        ]  # fmt: skip
        return jobs[-1] if jobs and dataset is not None else None


def live_view(job: Job, before: LiveView | None) -> LiveView:
    """The latest preview of a job; the axes are those of the view ``before`` while the points suit them."""
    preview = job.preview
    points = np.asarray(preview.points, float)
    xy = np.column_stack([points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))])
    every = int(preview.frames[1] - preview.frames[0]) if len(preview.frames) > 1 else 1
    some = "" if every == 1 else f", every {every}th frame"
    note = f"{job.label}: training, step {preview.step:,}{some}"
    return LiveView(xy, preview.frames, _limits(xy, before), note)


def _limits(xy, before):
    limits = []
    for axis, values in enumerate(xy.T):
        low, high = float(values.min()), float(values.max())
        old = None if before is None else before.limits[axis]
        if old and old[0] <= low and high <= old[1] and high - low >= SMALLEST * (old[1] - old[0]):
            limits.append(old)
        else:
            limits.append(axis_limits(values, margin=MARGIN))
    return tuple(limits)
