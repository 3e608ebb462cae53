"""The dialog that writes the shown model's CV for PLUMED and torch."""

from __future__ import annotations

import io
from functools import partial

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.cv_files import ENDINGS, BiasedRun, CVFiles, exporting
from fel_explorer.app.views.modes.text import error_text
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.text import Text

BIASES = {
    "OPES: adapts the widths of its kernels": "opes",
    "Well-tempered metadynamics": "metadynamics",
    "None: only print the CV": "none",
}
TITLES = {"plumed": "PLUMED input", "torchscript": "TorchScript", "archive": "torch.export"}
ABOUT = {
    "plumed": "ZIP: plumed.dat with the features, the CV and the bias, and the files of the CV.",
    "torchscript": "cv.pt, for PLUMED's PYTORCH_MODEL and torch.jit.load: features (1, n) to CV.",
    "archive": "cv.pt2, for torch.export.load: the same without TorchScript.",
}
CODE = {
    "& pre": {"maxHeight": "54vh", "overflow": "auto", "fontSize": "12.5px", "margin": 0, "padding": "10px"},
    # the theme's code is of one line, in a colour for dark pages
    "& code": {"fontSize": "inherit", "color": "inherit", "whiteSpace": "pre"},
}
HOW = (
    "For networks with tanh and for linear methods plumed.dat holds the CV as text (ANN), which every PLUMED "
    "reads; others need a PLUMED that was built with LibTorch."
)


class CVExport(Viewer):
    """Options of the biased run, the downloads, and what plumed.dat says."""

    def __init__(self, session: Session, board: PageJobs, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self.dialog = pmui.Dialog(
            title="Export the CV", open=False, close_on_click=True, show_close_button=True, width_option="lg"
        )
        self.made: CVFiles | None = None
        self._job = None
        self._watcher = board.param.watch(self._on_job, "version")

    def __panel__(self):
        return self.dialog

    def close(self) -> None:
        """Stop watching the jobs."""
        self.board.param.unwatch(self._watcher)

    def open(self) -> None:
        """Show the dialog for the shown model, and write its files unless they are written."""
        if not self.dialog.objects:
            self._make()
        self.dialog.title = f"Export the CV of {self.session.shown.label}"
        self.dialog.open = True
        if self.made is None or self.made.result is not self.session.shown:
            self.made = None
            self._write()

    def _make(self):
        small = {"size": "small", "margin": (8, 6)}
        self.bias = pmui.Select(label="Bias", options=BIASES, value="opes", width=290, **small)
        self.temperature = FloatField(
            label="Temperature (K)", value=300.0, start=1.0, step=10.0, width=140,
            description="Temperature of the simulation in which the CV is used.", **small,
        )  # fmt: skip
        self.barrier = FloatField(
            label="Barrier (kJ/mol)", value=40.0, start=1.0, step=5.0, width=140,
            description="Highest barrier to cross; the bias does not exceed it.", **small,
        )  # fmt: skip
        self.bar = pmui.LinearProgress(width=290, margin=(4, 6), visible=False)
        self.text = Text("", variant="body2", width=300, margin=(4, 6))
        self.downloads = {kind: self._download(kind) for kind in ENDINGS}
        self.preview = Text("", width=620, margin=(0, 6), sx=CODE)
        left = pmui.Column(
            self.bias, pmui.Row(self.temperature, self.barrier, margin=0), self.bar,
            *self.downloads.values(), self.text, width=320, margin=0,
        )  # fmt: skip
        self.dialog[:] = [pmui.Row(left, self.preview, margin=0)]
        for widget in (self.bias, self.temperature, self.barrier):
            widget.param.watch(self._write, "value")

    def _download(self, kind):
        button = pmui.FileDownload(
            callback=partial(self.file, kind), filename=ENDINGS[kind], label=TITLES[kind], icon="download",
            description=ABOUT[kind], size="small", width=290, margin=(4, 6), auto=True, embed=False,
        )  # fmt: skip
        button.variant = "outlined"  # given to the constructor it makes panel 1.9 warn
        return button

    def _write(self, *_):
        if self._job is not None and self._job.active:
            self.board.cancel(self._job)
        run = BiasedRun(self.bias.value, self.temperature.value or 300.0, self.barrier.value or 40.0)
        result = self.session.shown
        task = exporting(result, self.session.dataset, run)
        self._job = self.board.submit(f"Export of {result.label}", task, kind="export")
        self._show()

    def _on_job(self, *_):
        job = self._job
        if job is None or job.active:
            return
        if isinstance(job.result, CVFiles):
            self.made = job.result
        self._show()
        self._job = None

    def _show(self):
        working = self._job is not None and self._job.active
        files = {} if working or self.made is None else self.made.files
        self.bar.visible = working
        for kind, button in self.downloads.items():
            button.disabled = kind not in files
            button.filename = f"{self.session.active.replace(' ', '-')}-{ENDINGS[kind]}"
        if working:
            self.text.object = "Writing the files."
        elif self.made is None:
            self.text.object = "Stopped or failed: see the job list. Change an option to try again."
        else:
            failed = {kind: error_text(error) for kind, error in self.made.errors.items()}
            reasons = dict.fromkeys(failed.values())
            said = [
                f"**Not as {', '.join(TITLES[k] for k in failed if failed[k] == why)}**: {why}"
                for why in reasons
            ]
            self.text.object = "\n\n".join([*said, HOW])
            self.preview.object = f"```\n{self.made.preview()}\n```" if self.made.plumed else ""

    def file(self, kind: str) -> io.BytesIO:
        """File that a button downloads."""
        return io.BytesIO(self.made.files[kind])
