"""The form that says where trainings run: on this machine, so many at a time, or on a dask cluster."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer import parallel
from fel_explorer.app.jobs.permission import pages_choose
from fel_explorer.app.jobs.place import choose, describe
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.widgets.text import Text

ADDRESS = (
    "Of a dask cluster: what `dask scheduler` prints. Its workers need the same version of this program. "
    "Empty: this machine."
)


class PlaceForm(Viewer):
    """Asks where to train; the choice is that of the server, for all of its pages."""

    def __init__(self, board: PageJobs, **params):
        super().__init__(**params)
        self._board, self._job = board, None
        wide = {"size": "small", "sizing_mode": "stretch_width", "margin": (6, 10)}
        self.at_once = pmui.IntInput(
            label="Trainings at a time", value=board.manager.workers or 1, start=1, end=256, step=1, **wide,
            description="On this machine. Each needs a core, and memory for the data.",
        )  # fmt: skip
        chosen = parallel.scheduler() or ""
        self.address = pmui.TextInput(
            label="Cluster address", placeholder="tcp://10.0.0.1:8786", description=ADDRESS,
            value=chosen if "://" in chosen else "", **wide,
        )  # fmt: skip
        self.button = pmui.Button(
            label="Train there", icon="dns", variant="outlined", size="small",
            sizing_mode="stretch_width", margin=(6, 10), on_click=self._choose,
        )  # fmt: skip
        self.text = Text("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        for part in (self.at_once, self.address, self.button):
            part.visible = pages_choose()
        self.layout = pmui.Column(
            self.text, self.at_once, self.address, self.button, sizing_mode="stretch_width", margin=0
        )
        self._watcher = board.param.watch(self._on_board, "version")
        self._show()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        """Stop watching the jobs."""
        self._board.param.unwatch(self._watcher)

    def _choose(self, _event):
        jobs, at_once = self._board.manager, self.at_once.value or 1
        address = (self.address.value_input or self.address.value or "").strip()

        def run(report, should_stop):
            choose(jobs, address, at_once)

        # a cluster that does not answer takes seconds
        label = f"Connecting to {address}" if address else "Training on this machine"
        self._job = self._board.submit(label, run, kind="place", quick=True)
        self._show()

    def _on_board(self, *_):
        if self._job is not None and not self._job.active:
            self._job = None
            self._show()

    def _show(self):
        self.button.disabled = self._job is not None
        self.text.object = f"{self._job.label} …" if self._job is not None else describe(self._board.manager)
