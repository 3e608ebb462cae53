"""A button that saves the structures that are shown as one PDB file."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import panel_material_ui as pmui
from mdtraj.formats import PDBTrajectoryFile

from fel_explorer.app.viewer import Layer

WIDTH = 80  # columns of a PDB file
ICON = {"minWidth": 0, "px": 0, "& .MuiButton-startIcon": {"mx": 0}}


def shown_button(shown: Callable[[], Iterable[Layer]], frame: Callable[[], int]) -> pmui.FileDownload:
    """A download of the layers ``shown`` at their ``frame``, overlaid as on the page."""
    button = pmui.FileDownload(
        callback=lambda: shown_pdb(shown(), frame()), filename="structures.pdb", label="", size="small",
        description="Save the structures that are shown, overlaid as they are, one model each.",
        embed=False, auto=True, margin=(5, 4, 0, 2), icon_size="1.35em", width=34, sx=ICON,
    )  # fmt: skip
    button.variant = "text"  # given to the constructor it makes panel 1.9 warn
    return button


def shown_pdb(layers: Iterable[Layer], frame: int) -> io.BytesIO:
    """A PDB file with one model for each layer, and remarks that say what each is.

    Layers need not have the same atoms: a model has those that were decoded.
    """
    remarks = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "structures.pdb"
        with PDBTrajectoryFile(str(path), "w") as file:
            for number, layer in enumerate(layers, start=1):
                trajectory = layer.trajectory
                nanometres = trajectory.xyz[min(frame, trajectory.n_frames - 1)]
                file.write(10 * nanometres, trajectory.topology, modelIndex=number)
                what = ", ".join(filter(None, (layer.label, layer.note))) or "the frame that is shown"
                remarks.append(f"REMARK   MODEL {number}: {what}"[:WIDTH].rstrip())
        return io.BytesIO("\n".join([*remarks, path.read_text()]).encode())
