"""The dialog that shows how far the states depend on the choices by which they were found."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.states.choices import ABOUT, comparison_job, table_text
from fel_explorer.app.widgets.text import Text

TABLE = {"& td, & th": {"padding": "3px 14px 3px 0"}, "& table": {"borderCollapse": "collapse"}}


class ChoicesDialog(Viewer):
    """Compares the shown states with those of other choices, as a job; made when it is first opened.

    Parameters
    ----------
    board
        The jobs of the page; without them nothing can be compared.
    """

    def __init__(self, session: Session, board: PageJobs | None, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self.dialog = pmui.Dialog(
            title="How far do the states depend on choices?", open=False, close_on_click=True,
            show_close_button=True, width_option="sm",
        )  # fmt: skip
        self._result: Result | None = None
        self._jobs: dict[Result, object] = {}
        self._watcher = None if board is None else board.param.watch(self._show, "version")

    def __panel__(self):
        return self.dialog

    def close(self) -> None:
        """Stop watching the jobs."""
        if self._watcher is not None:
            self.board.param.unwatch(self._watcher)
            self._watcher = None

    def open(self) -> None:
        """Show the comparison of the states now shown; it starts where there is none yet."""
        if not self.dialog.objects:
            self._make()
        self._result = self.session.shown
        if self._job is None:
            self._start()
        self._show()
        self.dialog.open = True

    @property
    def _job(self):
        return self._jobs.get(self._result)

    def _make(self):
        self.text = Text("", width=500, margin=(0, 8), sx=TABLE)
        self.bar = pmui.LinearProgress(value=0, variant="determinate", width=500, margin=8, visible=False)
        self.stop = pmui.Button(
            label="Stop", icon="stop", size="small", variant="outlined", color="default", margin=8,
            description="Comparisons made so far are kept.", visible=False,
            on_click=lambda event: self.board.cancel(self._job),
        )  # fmt: skip
        self.again = pmui.Button(
            label="Compare again", icon="refresh", size="small", variant="outlined", margin=8, visible=False,
            on_click=lambda event: self._start(),
        )  # fmt: skip
        about = Text(ABOUT, variant="body2", width=500, margin=(0, 8, 8, 8))
        self.dialog[:] = [pmui.Column(about, self.text, self.bar, pmui.Row(self.stop, self.again), margin=0)]

    def _start(self):
        result = self._result
        task = comparison_job(result, self.session.dataset)
        self._jobs = {one: job for one, job in self._jobs.items() if one.label in self.session.results}
        self._jobs[result] = self.board.submit(f"Other choices for {result.label}", task, kind="choices")
        self._show()

    def _show(self, *_):
        job = self._job
        if job is None or not self.dialog.objects:
            return
        self.text.object = self._say(job)
        self.bar.visible = self.stop.visible = job.active
        self.bar.value = round(100 * job.fraction) if job.progress.n_steps else 0
        self.again.visible = not job.active and job.state != "done"

    def _say(self, job):
        if job.active:
            said = job.progress.message
            return f"Finding {said}." if said else "Waits for other jobs."
        if job.error is not None:
            return f"It failed: {job.error}"
        return "Stopped before the first comparison." if job.result is None else table_text(job.result)
