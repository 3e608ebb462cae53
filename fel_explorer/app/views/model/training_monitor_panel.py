"""Monitor: the training that runs, or ran last: loss, embedding, time left, cancel and resume."""

from __future__ import annotations

import time

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.jobs.manager import Job
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.sparklines import losses_svg, points_svg
from fel_explorer.app.widgets.text import Text
from fel_explorer.plots.quantities import seconds_text

REDRAW = 0.5  # seconds between two redraws of the plots


class Monitor(Viewer):
    """Live view of the dataset's latest training job; invisible when there was none."""

    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, board: PageJobs, clock=time.monotonic, **params):
        super().__init__(**params)
        self.board, self.clock = board, clock
        self.job: Job | None = None
        self._drawn = -np.inf
        self.title = Text("", variant="body2", margin=(5, 10), sizing_mode="stretch_width")
        self.bar = pmui.LinearProgress(
            value=0, variant="determinate", sizing_mode="stretch_width", margin=(0, 10)
        )
        self.cancel = pmui.Button(
            label="Stop",
            icon="stop",
            size="small",
            color="default",
            variant="outlined",
            on_click=self._cancel,
            margin=(5, 10),
        )
        self.resume = pmui.Button(
            label="Resume",
            icon="play_arrow",
            size="small",
            variant="outlined",
            on_click=self._resume,
            description="Continue from the checkpoint",
            margin=(5, 10),
        )
        # empty and never invisible: panel 1.9 fails in a browser that is still loading one that is then shown
        drawing = {"sizing_mode": "stretch_width", "margin": (2, 10)}
        self.losses, self.embedding = pn.pane.HTML("", **drawing), pn.pane.HTML("", **drawing)
        self.layout = pmui.Column(sizing_mode="stretch_width", margin=0, visible=False)
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
        if not self.layout.objects:
            buttons = pmui.Row(self.cancel, self.resume, margin=0)
            self.layout[:] = [self.title, self.bar, self.losses, self.embedding, buttons]
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
        preview = self.job.preview
        self.losses.object = losses_svg(losses) if losses else ""
        self.embedding.object = (
            "" if preview is None else points_svg(preview.points, preview.state, dark=self.dark)
        )

    def _cancel(self, _event):
        self.board.cancel(self.job)

    def _resume(self, _event):
        self.board.resume(self.job)


def describe(job: Job) -> str:
    """'**IDM 1** step 300 of 3000, 12 s left'."""
    done = job.progress
    if job.state == "queued":
        return f"**{literal(job.label)}** waits for a free worker"
    if job.state == "failed":
        return f"**{literal(job.label)}** failed: {literal(job.error)}"
    if job.state == "done":
        return f"**{literal(job.label)}** trained in {seconds_text(job.finished - job.started)}"
    if job.state == "cancelled":
        where = f"stopped at step {done.step} of {done.n_steps}" if done.n_steps else "stopped before the end"
        return f"**{literal(job.label)}** {where}; the model trained so far is kept"
    if job.stopping:
        return f"**{literal(job.label)}** stopped at step {done.step}; computing the embedding of all frames"
    if not done.n_steps:
        return f"**{literal(job.label)}** begins"
    left = seconds_text(done.eta)
    return f"**{literal(job.label)}** step {done.step} of {done.n_steps}" + (f", {left} left" if left else "")
