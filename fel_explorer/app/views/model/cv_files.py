"""The job that writes a model's CV as files for simulations."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from fel_explorer import export
from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress

PREVIEW_LINES, PREVIEW_WIDTH = (4, 16), 100  # at the beginning and at the end
KINDS = ("plumed", "torchscript", "archive")
ENDINGS = {"plumed": "plumed.zip", "torchscript": "cv.pt", "archive": "cv.pt2"}


@dataclass(frozen=True)
class BiasedRun:
    """The simulation that the PLUMED input is for; ``temperature`` in K, ``barrier`` in kJ/mol."""

    bias: str = "opes"
    temperature: float = 300.0
    barrier: float = 40.0


@dataclass(frozen=True, eq=False)
class CVFiles:
    """Files written for a result.

    Attributes
    ----------
    result, run
        What was asked for.
    plumed
        The text of plumed.dat; '' where there is none.
    files
        {kind: content} of `KINDS`.
    errors
        {kind: why it could not be written}.
    """

    result: Result
    run: BiasedRun
    plumed: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    errors: dict[str, FelError] = field(default_factory=dict)

    def preview(self) -> str:
        """The beginning and the end of plumed.dat, long lines cut: a network is thousands of numbers."""
        lines, (first, last) = self.plumed.splitlines(), PREVIEW_LINES
        left_out = len(lines) - first - last
        if left_out > 0:
            lines = [*lines[:first], f"# … {left_out} more lines", *lines[-last:]]
        return "\n".join(
            line if len(line) <= PREVIEW_WIDTH else line[: PREVIEW_WIDTH - 2] + " …" for line in lines
        )


@process_job
def exporting(report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset, run: BiasedRun):
    """The job that writes the CV of a result; its result is `CVFiles`, also where some can't be written."""
    files, errors, text = {}, {}, ""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for i, kind in enumerate(KINDS):
            report(Progress(i, len(KINDS), message=f"writing {ENDINGS[kind]}"))
            try:
                files[kind] = _written(kind, result.method, dataset, run, folder)
            except FelError as error:
                errors[kind] = error
        if "plumed" in files:
            text = (folder / "plumed" / "plumed.dat").read_text()
    return CVFiles(result, run, text, files, errors)


def _written(kind, method, dataset, run, folder) -> bytes:
    if kind == "torchscript":
        return export.save_torchscript(method, folder / "cv.pt").read_bytes()
    if kind == "archive":
        return export.save_archive(method, folder / "cv.pt2").read_bytes()
    about = {"bias": run.bias, "temperature": run.temperature, "barrier": run.barrier}
    return _zipped(export.plumed(method, dataset, folder / "plumed", **about).parent)


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return content.getvalue()
