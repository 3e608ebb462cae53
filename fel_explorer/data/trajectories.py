"""Many trajectory files as one numbered sequence of frames, opened lazily."""

from __future__ import annotations

import glob
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import mdtraj
import numpy as np

from fel_explorer.data.readers import FileInfo, Frames, Reader, time_tolerance
from fel_explorer.data.topologies import check_same_atoms, load_topologies, missing_file, select_or_all
from fel_explorer.errors import FelError

OPEN_FILES = 32  # kept open at once by one TrajectorySet


class TrajectorySet:
    """Trajectory files as one sequence of frames; made by `load_trajectories`.

    Coordinates are read when they are asked for. Safe to use from several threads.

    Attributes
    ----------
    files : tuple of Path
        One per trajectory.
    topology : mdtraj.Topology
        Of the selected atoms.
    lengths : ndarray (trajectory,)
        Frames of each trajectory, after the stride.
    time_step : float
        Time between two frames, after the stride, in ps.
    time_note : str
        Empty, or a sentence that says that ``time_step`` is not from the files and why.
    stride : int
        Every ``stride``-th frame of each file is used.
    atoms : ndarray or None
        Selected atoms as indices into the files' topology; None for all.
    temperature : float or None
        Of the simulation in K, where it is known; the dataset's attrs then hold it too.
    columns_file : Path or None
        Table of per-frame columns that belongs to the files; `featurize` attaches it.
    columns_units : dict
        Units of these columns.
    topology_source, selection
        What was given as the topology of the files, and as ``atoms``.
    given_time_step : float or None
        The time step of the files that was given, in ps.
    """

    def __init__(self, files, topologies, infos, *, stride, atoms, time_step, time_note):
        self.files: tuple[Path, ...] = tuple(files)
        self.stride, self.time_step, self.time_note = stride, time_step, time_note
        self.temperature: float | None = None
        self.columns_file: Path | None = None
        self.columns_units: dict[str, str] = {}
        self.topology_source, self.selection = None, None
        self.given_time_step: float | None = None
        self._topologies, self._infos, self._atoms = topologies, infos, atoms
        self.atoms = atoms[0]
        self.topology = topologies[0] if atoms[0] is None else topologies[0].subset(atoms[0])
        self.file_lengths = np.array([info.n_frames for info in infos])
        self.lengths = -(-self.file_lengths // stride)
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self._lock = threading.Lock()
        self._readers: OrderedDict[int, Reader] = OrderedDict()

    @property
    def n_frames(self) -> int:
        return int(self._starts[-1])

    @property
    def n_atoms(self) -> int:
        return self.topology.n_atoms

    def __len__(self) -> int:
        return self.n_frames

    def __repr__(self) -> str:
        text = f"<TrajectorySet: {len(self.files)} trajectories, {self.n_frames} frames "
        text += f"every {self.time_step:g} ps, {self.n_atoms} atoms, {self.topology.n_residues} residues>"
        return f"{text}\n{self.time_note}" if self.time_note else text

    @cached_property
    def reference(self) -> mdtraj.Trajectory:
        """The first frame: what structures are aligned to and names are made from."""
        return self.frames([0])

    def locate(self, indices) -> tuple[np.ndarray, np.ndarray]:
        """Dataset frame indices -> (trajectory, frame in trajectory)."""
        indices = self._check(indices)
        trajectory = np.searchsorted(self._starts, indices, side="right") - 1
        return trajectory, indices - self._starts[trajectory]

    def frames(self, indices) -> mdtraj.Trajectory:
        """Frames by dataset index, in the given order.

        Parameters
        ----------
        indices
            Integers in [0, n_frames), across all files; any order, duplicates allowed.

        Returns
        -------
        mdtraj.Trajectory
            Of the selected atoms, nm; ``time`` is the time within each frame's trajectory, in ps.

        Raises
        ------
        FelError
            If there are no indices, one is out of range, or a file can't be read.
        """
        unique, inverse = np.unique(self._check(indices), return_inverse=True)
        trajectory, frame = self.locate(unique)
        parts = []
        for index in np.unique(trajectory):
            with self._lock:
                parts.append(self._reader(int(index)).read(frame[trajectory == index] * self.stride))
        joined = parts[0] if len(parts) == 1 else mdtraj.join(parts, check_topology=False)
        joined = self._finish(joined, frame)
        return joined if np.array_equal(inverse, np.arange(len(unique))) else joined[inverse]

    def chunks(self, size: int = 1000) -> Iterator[tuple[int, int, mdtraj.Trajectory]]:
        """All frames in order, at most ``size`` at a time: (trajectory, first frame in trajectory, frames).

        Raises
        ------
        FelError
            If a file can't be read or its frames are not evenly spaced in time.
        """
        for index in range(len(self.files)):
            with self._open(index) as reader:
                for start in range(0, int(self.lengths[index]), size):
                    stop = min(start + size, int(self.lengths[index]))
                    chunk = reader.read(np.arange(start, stop) * self.stride)
                    self._check_times(index, start, chunk)
                    yield index, start, self._finish(chunk, np.arange(start, stop))

    def _finish(self, read: mdtraj.Trajectory, frame: np.ndarray) -> Frames:
        return Frames(
            read.xyz,
            self.topology,
            time=frame * self.time_step,
            unitcell_lengths=read.unitcell_lengths,
            unitcell_angles=read.unitcell_angles,
        )

    def _open(self, index: int) -> Reader:
        return Reader(self.files[index], self._topologies[index], self._atoms[index])

    def _reader(self, index: int) -> Reader:
        """An open reader from the pool; call with the lock held."""
        if index not in self._readers:
            self._readers[index] = self._open(index)
        self._readers.move_to_end(index)
        if len(self._readers) > OPEN_FILES:
            self._readers.popitem(last=False)[1].close()
        return self._readers[index]

    def _check(self, indices) -> np.ndarray:
        indices = np.atleast_1d(np.asarray(indices))
        if indices.size == 0:
            raise FelError(
                "No frame was asked for.", "At least one frame index is needed.", "Select some frames first."
            )
        if indices.dtype.kind not in "iu" or indices.ndim != 1:
            raise FelError(
                f"Frame indices of type {indices.dtype} and shape {indices.shape}.",
                "Frames are asked for by a list of integers.",
                "Turn a mask into indices with numpy.flatnonzero(mask).",
            )
        if indices.min() < 0 or indices.max() >= self.n_frames:
            wrong = indices[(indices < 0) | (indices >= self.n_frames)][0]
            raise FelError(f"Frame {wrong}.", f"Frames go from 0 to {self.n_frames - 1}.")
        return indices.astype(np.int64)

    def _check_times(self, index: int, start: int, chunk: mdtraj.Trajectory) -> None:
        info = self._infos[index]
        if info.time_step is None or self.time_note:
            return
        expected = info.first_time + np.arange(start, start + len(chunk)) * self.time_step
        wrong = np.abs(chunk.time - expected) > time_tolerance(info.time_step, expected[-1])
        if wrong.any():
            at = int(np.argmax(wrong))
            raise FelError(
                f"'{self.files[index]}': frame {(start + at) * self.stride} is at {chunk.time[at]:g} ps, "
                f"expected at {expected[at]:g} ps.",
                "The time between frames must be constant.",
                "Remove double or missing frames, or give the time step to number the frames anew.",
            )


def load_trajectories(
    paths,
    topology=None,
    stride: int = 1,
    atoms: str | Sequence[int] | None = None,
    *,
    time_step: float | None = None,
) -> TrajectorySet:
    """Open trajectory files of any format that mdtraj reads, without reading their coordinates.

    Parameters
    ----------
    paths
        A path, a pattern such as ``"run*/traj.xtc"``, or a list of these; one trajectory each.
    topology
        A file with the atoms (PDB, GRO, PSF, PRMTOP, ...), a list of one such file per trajectory, or an
        ``mdtraj.Topology``. Not needed where the trajectories name their atoms (PDB, HDF5, GRO, CIF, ...).
    stride
        Use every ``stride``-th frame of each file.
    atoms
        mdtraj selection such as ``"protein"``, or atom indices; default all atoms.
    time_step
        Time between two frames *of the files* in ps; default what the files say, or 1 where they don't
        (``time_note`` of the result then says so).

    Returns
    -------
    TrajectorySet

    Raises
    ------
    FelError
        If a file is missing, truncated or of another molecule, no atom is selected, or the files'
        time steps differ.
    """
    if not isinstance(stride, int | np.integer) or stride < 1:
        raise FelError(f"stride={stride!r}.", "The stride is a whole number from 1 up.")
    files = _expand(paths)
    topologies = load_topologies(files, topology)
    infos = [_probe(file, top) for file, top in zip(files, topologies, strict=True)]
    chosen = {id(top): select_or_all(top, atoms) for top in topologies}
    selected = [chosen[id(top)] for top in topologies]
    check_same_atoms(files, topologies, selected)
    step, note = _common_time_step(files, infos, time_step)
    opened = TrajectorySet(
        files, topologies, infos, stride=int(stride), atoms=selected, time_step=step * stride, time_note=note
    )
    opened.topology_source, opened.selection, opened.given_time_step = topology, atoms, time_step
    return opened


def _expand(paths) -> list[Path]:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = []
    for entry in given:
        path = Path(entry).expanduser()
        if path.exists():
            files.append(path)
        elif glob.has_magic(str(path)):
            found = sorted(glob.glob(str(path), recursive=True))
            if not found:
                raise FelError(
                    f"No file matches '{entry}' (searched in {Path.cwd()}).",
                    "A pattern must match at least one trajectory file.",
                    "Check the folder and the extension.",
                )
            files.extend(map(Path, found))
        else:
            raise missing_file(path)
    if not files:
        raise FelError("No trajectory file was given.", "At least one is needed.")
    return files


def _probe(file: Path, topology: mdtraj.Topology) -> FileInfo:
    with Reader(file, topology) as reader:
        info = reader.probe()
    if info.n_atoms != topology.n_atoms:
        raise FelError(
            f"'{file}' has {info.n_atoms} atoms and its topology has {topology.n_atoms}.",
            "Trajectory and topology must hold the same atoms.",
            "Give the topology that was written with this trajectory (without water if it has none).",
        )
    return info


def _common_time_step(files, infos, time_step: float | None) -> tuple[float, str]:
    if time_step is not None:
        if not (np.isfinite(time_step) and time_step > 0):
            raise FelError(f"time_step={time_step}.", "The time step is a positive number of ps.")
        return float(time_step), f"The time step of {time_step:g} ps was given, not read from the files."
    steps = {file: info.time_step for file, info in zip(files, infos, strict=True) if info.n_frames > 1}
    known = {file: step for file, step in steps.items() if step is not None}
    if not known:
        return 1.0, "The files hold no times: one frame counts as 1 ps, unless you give the time step."
    first = next(iter(known))
    for file, step in steps.items():
        if step is None or abs(step - known[first]) > 1e-3 * known[first]:
            raise FelError(
                f"'{first}' has a frame every {known[first]:g} ps and '{file}' "
                + (f"every {step:g} ps." if step else "holds no times."),
                "All trajectories must share one time step.",
                "Load them apart, thin the finer one first, or give the time step if the files are wrong.",
            )
    return known[first], ""
