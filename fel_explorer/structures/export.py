"""Frames written to files: structures as PDB or XTC, their numbers and columns as CSV.

Files say how the frames were selected, and nothing of the machine or the person.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.data.file_names import writable_name
from fel_explorer.data.molecules import make_whole
from fel_explorer.errors import FelError
from fel_explorer.structures.pdb import atom_records, bond_records, cell_record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fel_explorer.data.trajectories import TrajectorySet

FORMATS = ("pdb", "xtc", "csv")
SAMPLED = {"pdb": 2, "xtc": 6, "csv": 32}  # frames from which the size of a file is estimated
MANY_ATOMS, PDB_LINE = 5000, 81.0  # from where on the lines of atoms (bytes) are all that counts
BLOCK = 500  # frames in memory at once


def export_frames(
    trajs: TrajectorySet | None,
    frames: ArrayLike,
    target: str | Path | IO[bytes],
    format: str | None = None,
    *,
    dataset: xr.Dataset | None = None,
    columns: Sequence[str] | dict[str, np.ndarray] = (),
    how: str = "",
    whole: bool = True,
) -> None:
    """Write frames to ``target``, a block at a time.

    Parameters
    ----------
    trajs
        TrajectorySet; may be None for "csv".
    frames
        (n,) dataset indices; written in the given order.
    target
        A path, or an open binary file such as ``io.BytesIO()``.
    format
        "pdb" (one model per frame), "xtc", or "csv" (frame, number of the trajectory from 1, frame in
        trajectory from 0, time, columns); default the path's extension.
    dataset
        The dataset, for "csv".
    columns
        For "csv": names of per-frame variables of the dataset, or {name: array over all frames}.
    how
        How the frames were selected, in words; goes into the file's comments (XTC has none).
    whole
        Write molecules that the periodic box cuts whole. The box itself is always written.

    Raises
    ------
    FelError
        If there are no frames, the format is unknown, or structures are requested without trajectories.
    """
    frames = np.asarray(frames, int)
    format = format or (Path(target).suffix.lstrip(".").lower() if isinstance(target, str | Path) else "")
    if format not in FORMATS:
        raise FelError(f"format={format!r}.", f"Formats are {', '.join(FORMATS)}.")
    if len(frames) == 0:
        raise FelError("An empty selection.", "There is nothing to export.", "Select some frames.")
    if trajs is None and format != "csv":
        raise FelError(
            "This dataset has no trajectories behind it.",
            "Only its numbers can be exported.",
            "Export CSV, or open the trajectory files.",
        )
    if format == "csv" and dataset is None:
        raise FelError("A CSV file needs a dataset.", remedy="Give dataset=.")
    if format == "xtc":
        _write_xtc(trajs, frames, target, whole)
        return
    lines = (
        _csv_lines(frames, dataset, columns, how)
        if format == "csv"
        else _pdb_lines(trajs, frames, how, whole)
    )
    if isinstance(target, str | Path):
        with whole_file(target) as partial, open(partial, "wb") as file:
            _write_lines(file, lines)
    else:
        _write_lines(target, lines)


def estimate_export_size(
    trajs: TrajectorySet | None,
    frames: ArrayLike,
    format: str,
    *,
    dataset: xr.Dataset | None = None,
    columns: Sequence[str] | dict[str, np.ndarray] = (),
) -> tuple[float, float]:
    """Estimate the size of files that `export_frames` writes, from files of some of the frames.

    Parameters
    ----------
    trajs, frames, format, dataset, columns
        As for `export_frames`; one and up to `SAMPLED` of the frames are written.

    Returns
    -------
    base, per_frame
        In bytes: a file of n frames holds about ``base + n * per_frame``.
    """
    frames = np.asarray(frames, int)
    if format == "pdb" and trajs is not None and trajs.topology.n_atoms > MANY_ATOMS:
        return 0.0, PDB_LINE * trajs.topology.n_atoms  # coordinates are nearly all of it
    some = frames[np.unique(np.linspace(0, len(frames) - 1, SAMPLED[format]).astype(int))]
    sizes = []
    for chosen in (some[:1], some):
        buffer = io.BytesIO()
        export_frames(trajs, chosen, buffer, format, dataset=dataset, columns=columns, whole=False)
        sizes.append(buffer.tell())
    one, all_of_them = sizes
    if len(some) == 1:
        return 0.0, float(one)
    if format == "xtc":  # without a header, and each frame has another size
        return 0.0, all_of_them / len(some)
    per_frame = (all_of_them - one) / (len(some) - 1)
    return one - per_frame, per_frame


def _write_lines(file, lines: Iterator[str]) -> None:
    for line in lines:
        file.write(line.encode())


def _blocks(trajs, frames, whole) -> Iterator[tuple[np.ndarray, mdtraj.Trajectory]]:
    for start in range(0, len(frames), BLOCK):
        block = frames[start : start + BLOCK]
        structures = trajs.frames(block)
        yield block, make_whole(structures) if whole else structures


def _comments(frames, how) -> list[str]:
    lines = [f"{len(frames)} frames exported by fel_explorer"]
    if how:
        lines.append("Selected by: " + " ".join(how.split()))
    return lines


def _pdb_lines(trajs, frames, how, whole) -> Iterator[str]:
    for comment in _comments(frames, how):
        for start in range(0, len(comment), 68):
            yield f"REMARK   6 {comment[start : start + 68]}\n"  # 6: remarks as free text
    model = 0
    for block, structures in _blocks(trajs, frames, whole):
        for place, (frame, xyz, time) in enumerate(zip(block, structures.xyz, structures.time, strict=True)):
            model += 1
            yield f"REMARK   6 MODEL {model} IS FRAME {frame}, {time:.10g} PS\n"
            if structures.unitcell_lengths is not None:
                cell = structures.unitcell_lengths[place], structures.unitcell_angles[place]
                yield cell_record(*cell)
            yield f"MODEL     {model % 10_000:4d}\n"
            yield "\n".join([*atom_records(structures.topology, xyz), "ENDMDL", ""])
    yield "\n".join([*bond_records(trajs.topology), "END", ""])


def _write_xtc(trajs, frames, target, whole) -> None:
    if isinstance(target, str | Path):
        with whole_file(target) as partial, writable_name(partial) as path:
            Path(path).touch()  # mdtraj does not say why it can't
            _write_xtc_file(trajs, frames, path, whole)
        return
    with tempfile.TemporaryDirectory() as folder:  # mdtraj writes XTC by path only
        written = Path(folder) / "frames.xtc"
        _write_xtc_file(trajs, frames, str(written), whole)
        with written.open("rb") as file:
            shutil.copyfileobj(file, target)


def _write_xtc_file(trajs, frames, path, whole) -> None:
    with mdtraj.formats.XTCTrajectoryFile(path, "w") as file:
        for block, structures in _blocks(trajs, frames, whole):
            box = structures.unitcell_vectors
            file.write(
                structures.xyz,
                time=structures.time.astype(np.float32),
                step=block.astype(np.int32),
                box=None if box is None else box.astype(np.float32),
            )
    check_xtc(path, len(frames))


def check_xtc(path: str, n_frames: int) -> None:
    """Raise an `OSError` unless an XTC file was written whole: on a full disk mdtraj says nothing."""
    try:
        with mdtraj.formats.XTCTrajectoryFile(path) as file:
            file.seek(n_frames - 1)
            whole = len(file) == n_frames and len(file.read(1)[0]) == 1
    except (OSError, RuntimeError, ValueError, IndexError):
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _csv_lines(frames, dataset, columns, how) -> Iterator[str]:
    if not isinstance(columns, dict):
        unknown = [name for name in columns if name not in dataset or dataset[name].dims != ("frame",)]
        if unknown:
            raise FelError(f"No per-frame column {unknown}.", f"The dataset has {sorted(_columns(dataset))}.")
        columns = {name: dataset[name].values for name in columns}
    for comment in _comments(frames, how):
        yield f"# {comment}\n"
    unit = dataset.attrs["time_unit"]
    if unit != "1":
        yield f"# time in {unit}\n"
    yield "# trajectories are counted from 1, frames from 0\n"
    yield _row(["frame", "trajectory_number", "frame_in_trajectory", "time", *columns])
    fixed = dataset["trajectory"] + 1, dataset["frame_in_trajectory"], dataset["time"]
    values = [one.values for one in fixed] + [np.asarray(v) for v in columns.values()]
    for frame in frames:
        yield _row([frame, *(f"{v[frame]:.8g}" if v.dtype.kind == "f" else v[frame] for v in values)])


def _columns(dataset) -> list[str]:
    return [str(name) for name, variable in dataset.variables.items() if variable.dims == ("frame",)]


def _row(values) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
