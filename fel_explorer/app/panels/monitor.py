"""Monitor: the training that runs, or ran last: loss, embedding, time left, cancel and resume."""

from __future__ import annotations

import time

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.board import Board
from fel_explorer.app.header import seconds_text
from fel_explorer.app.jobs import Job
from fel_explorer.plots.training import plot_losses, plot_preview

REDRAW = 0.5  # seconds between two redraws of the plots


class Monitor(Viewer):
    """Live view of the dataset's latest training job; invisible when there was none."""

    def __init__(self, board: Board, clock=time.monotonic, **params):
        super().__init__(**params)
        self.board, self.clock = board, clock
        self.job: Job | None = None
        self._terms: list[str] = []
        self._drawn = -np.inf
        self.title = pmui.Typography("", variant="body2", margin=(5, 10), sizing_mode="stretch_width")
        self.bar = pmui.LinearProgress(value=0, variant="determinate", sizing_mode="stretch_width", margin=(0, 10))
        self.cancel = pmui.Button(
            label="Stop", icon="stop", size="small", color="default", variant="outlined", on_click=self._cancel,
            description="Stop and keep what has been trained", margin=(5, 10),
        )
        self.resume = pmui.Button(
            label="Resume", icon="play_arrow", size="small", variant="outlined", on_click=self._resume,
            description="Go on from the checkpoint", margin=(5, 10),
        )
        self._losses, self._points = hv.streams.Pipe(data={}), hv.streams.Pipe(data=None)
        size = {"sizing_mode": "stretch_width", "height": 150, "margin": (0, 5)}
        self.loss_pane = pn.pane.HoloViews(None, linked_axes=False, **size)
        preview = hv.DynamicMap(self._draw_points, streams=[self._points])
        self.preview_pane = pn.pane.HoloViews(preview, linked_axes=False, **size)
        self.layout = pmui.Column(
            self.title, self.bar, self.loss_pane, self.preview_pane, pmui.Row(self.cancel, self.resume, margin=0),
            sizing_mode="stretch_width", margin=0, visible=False,
        )
        self._watcher = board.param.watch(self._update, "version")
        self._update()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.board.param.unwatch(self._watcher)

    def _update(self, *_):
        jobs = [job for job in self.board.jobs if job.kind == "model" and job.key == self.board.key]
        running = [job for job in jobs if job.state == "running"]
        job = (running or jobs or [None])[-1]
        self.layout.visible = job is not None
        if job is None:
            return
        changed, self.job = job is not self.job, job
        self.title.object = describe(job)
        known = np.isfinite(job.fraction)
        self.bar.param.update(
            visible=job.active,
            variant="determinate" if known else "indeterminate",
            value=round(100 * job.fraction) if known else 0,
        )
        self.cancel.visible, self.cancel.disabled = job.active, job.stopping
        self.resume.visible = job.resumable
        if changed or not job.active or self.clock() - self._drawn >= REDRAW:
            self._draw()

    def _draw(self):
        self._drawn = self.clock()
        losses = {term: list(values) for term, values in self.job.losses.items()}
        if list(losses) != self._terms:
            # curves can't come or go within one DynamicMap: another set of terms gets another one
            self._terms = list(losses)
            self._losses = hv.streams.Pipe(data=losses)
            self.loss_pane.object = hv.DynamicMap(self._draw_losses, streams=[self._losses])
        elif losses:
            self._losses.send(losses)
        self.loss_pane.visible = bool(losses)
        preview = self.job.preview
        self.preview_pane.visible = preview is not None
        if preview is not None and preview is not self._points.data:
            self._points.send(preview)

    @staticmethod
    def _draw_losses(data):
        return plot_losses(data, dark=pn.config.theme == "dark")

    @staticmethod
    def _draw_points(data):
        points, state = (np.zeros((0, 2)), None) if data is None else (data.points, data.state)
        return plot_preview(points, state, dark=pn.config.theme == "dark")

    def _cancel(self, _event):
        self.board.cancel(self.job)

    def _resume(self, _event):
        self.board.resume(self.job)


def describe(job: Job) -> str:
    """'**IDM 1** step 300 of 3000, 12 s left'."""
    done = job.progress
    if job.state == "queued":
        return f"**{job.label}** waits for a free worker"
    if job.state == "failed":
        return f"**{job.label}** failed: {job.error}"
    if job.state == "done":
        return f"**{job.label}** trained in {seconds_text(job.finished - job.started)}"
    if job.state == "cancelled":
        return f"**{job.label}** stopped at step {done.step} of {done.n_steps}; what was trained is kept"
    if job.stopping:
        return f"**{job.label}** stops after this step"
    if not done.n_steps:
        return f"**{job.label}** begins"
    left = seconds_text(done.eta)
    return f"**{job.label}** step {done.step} of {done.n_steps}" + (f", {left} left" if left else "")
