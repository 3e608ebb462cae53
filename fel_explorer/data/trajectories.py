"""Many trajectory files as one numbered sequence of frames, opened lazily."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mdtraj
import numpy as np

from fel_explorer.data import opening
from fel_explorer.data.cache import file_hash
from fel_explorer.data.opening import Segment
from fel_explorer.data.readers import Frames, Reader
from fel_explorer.data.times import describe_unevenness, time_tolerance
from fel_explorer.data.topologies import check_same_atoms, load_topologies, select_or_all
from fel_explorer.data.topology_repair import repair
from fel_explorer.data.universe import UniverseReader, content_hash, source_of, topology_of, universes_in
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fel_explorer.data.readers import FileInfo

OPEN_FILES = 32  # kept open at once by one TrajectorySet


class TrajectorySet:
    """Trajectory files as one sequence of frames; made by `load_trajectories`.

    Coordinates are read when they are needed. Safe to use from several threads.

    Attributes
    ----------
    files : tuple of Path
        All files; one per trajectory unless parts were joined.
    topology : mdtraj.Topology
        Of the selected atoms; its chains and bonds agree with the first frame
        (`fel_explorer.data.topology_repair.repair`).
    segments : tuple of tuples of Segment
        The frames of files that make each trajectory.
    joined : bool
        Whether parts of one simulation were joined.
    lengths : ndarray (trajectory,)
        Frames of each trajectory, after the stride.
    raw_lengths : ndarray (trajectory,)
        Frames of each trajectory before the stride.
    file_lengths : ndarray (file,)
        Frames of each file.
    time_step : float
        Time between two frames, after the stride, in ps.
    start_times : ndarray (trajectory,)
        Time of the first frame of each trajectory in ps, as its file says; 0 where files hold no times.
    time_note : str
        Empty, or a sentence that says that ``time_step`` is not from the files and why.
    notes : tuple of str
        What a person should know of the files: boxes that are not used, cut ends, duplicates.
    stride : int
        Every ``stride``-th frame of each trajectory is used.
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
    universes : list or None
        The MDAnalysis universes that were given in place of files.
    """

    def __init__(
        self,
        files: Sequence[Path],
        topologies: Sequence[mdtraj.Topology],
        infos: Sequence[FileInfo],
        *,
        stride: int,
        atoms: Sequence[np.ndarray | None],
        time_step: float,
        time_note: str,
        segments: Sequence[Sequence[Segment]] | None = None,
        notes: Iterable[str] = (),
        universes: list | None = None,
    ) -> None:
        self.files: tuple[Path, ...] = tuple(files)
        self.stride, self.time_step, self.time_note = stride, time_step, time_note
        self.notes: tuple[str, ...] = tuple(notes)
        self.temperature: float | None = None
        self.columns_file: Path | None = None
        self.columns_units: dict[str, str] = {}
        self.topology_source: Any = None
        self.selection: str | Sequence[int] | None = None
        self.given_time_step: float | None = None
        self.universes = universes
        self.joined = segments is not None
        self._topologies, self._infos, self._atoms = topologies, infos, atoms
        self.atoms = atoms[0]
        self.file_lengths = np.array([info.n_frames for info in infos])
        if segments is None:
            segments = [[Segment(file, 0, int(n))] for file, n in enumerate(self.file_lengths)]
        self.segments = tuple(tuple(parts) for parts in segments)
        self.raw_lengths = np.array([sum(map(len, parts)) for parts in self.segments])
        self.lengths = -(-self.raw_lengths // stride)
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.start_times = np.zeros(len(self.segments))
        if not time_note:
            firsts = [infos[parts[0].file].first_time for parts in self.segments]
            self.start_times = np.array([0.0 if first is None else first for first in firsts])
        self._lock = threading.Lock()
        self._readers: OrderedDict[int, Reader] = OrderedDict()
        self.topology = topologies[0] if atoms[0] is None else topologies[0].subset(atoms[0])
        first = self.frames([0])
        self.topology = repair(self.topology, first.xyz[0], _box(first))

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it opens the files itself."""
        if self.universes is not None:
            raise TypeError("universes of MDAnalysis stay in the process that made them")
        return {**self.__dict__, "_lock": None, "_readers": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _readers=OrderedDict())

    @property
    def n_frames(self) -> int:
        return int(self._starts[-1])

    @property
    def n_atoms(self) -> int:
        return self.topology.n_atoms

    def __len__(self) -> int:
        return self.n_frames

    def __repr__(self) -> str:
        text = f"<TrajectorySet: {len(self.lengths)} trajectories, {self.n_frames} frames "
        text += f"every {self.time_step:g} ps, {self.n_atoms} atoms, {self.topology.n_residues} residues>"
        return "\n".join([text, *([self.time_note] if self.time_note else []), *self.notes])

    @cached_property
    def reference(self) -> mdtraj.Trajectory:
        """The first frame: what structures are aligned to and names are made from."""
        return self.frames([0])

    def locate(self, indices: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Dataset frame indices -> (trajectory, frame in trajectory)."""
        indices = self._check(indices)
        trajectory = np.searchsorted(self._starts, indices, side="right") - 1
        return trajectory, indices - self._starts[trajectory]

    def content_hashes(self) -> list[str]:
        """Hash of the content of each file or universe, for caches."""
        if self.universes is not None:
            return [content_hash(universe) for universe in self.universes]
        return [file_hash(file) for file in self.files]

    def file_of(self, trajectory: int, frame: int) -> tuple[Path, int]:
        """The file that holds a frame of a trajectory (counted after the stride), and its number there."""
        raw = int(frame) * self.stride
        for part in self.segments[trajectory]:
            if raw < len(part):
                return self.files[part.file], part.start + raw
            raw -= len(part)
        raise IndexError(f"trajectory {trajectory} has no frame {frame}")

    def frames(self, indices: ArrayLike) -> mdtraj.Trajectory:
        """Frames by dataset index, in the given order.

        Parameters
        ----------
        indices
            Integers in [0, n_frames), across all files; any order, duplicates allowed.

        Returns
        -------
        mdtraj.Trajectory
            Of the selected atoms, nm; ``time`` in ps as the dataset has it.

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
                parts += self._read(int(index), frame[trajectory == index] * self.stride, self._reader)
        joined = self._finish(parts, self.start_times[trajectory] + frame * self.time_step)
        return joined if np.array_equal(inverse, np.arange(len(unique))) else joined[inverse]

    def chunks(self, size: int = 1000) -> Iterator[tuple[int, int, mdtraj.Trajectory]]:
        """All frames in order, at most ``size`` at a time: (trajectory, first frame in trajectory, frames).

        Raises
        ------
        FelError
            If a file can't be read or its frames are not evenly spaced in time.
        """
        for index, length in enumerate(self.lengths.tolist()):
            with ExitStack() as stack:
                opened: dict[int, Reader] = {}

                def reader(file: int, opened=opened, stack=stack) -> Reader:
                    if file not in opened:
                        opened[file] = stack.enter_context(self._open(file))
                    return opened[file]

                for start in range(0, length, size):
                    frames = np.arange(start, min(start + size, length))
                    parts = self._read(index, frames * self.stride, reader, check_times=True)
                    yield index, start, self._finish(parts, self.start_times[index] + frames * self.time_step)

    def chunk(self, index: int, start: int, stop: int) -> mdtraj.Trajectory:
        """Frames ``start`` to ``stop`` (not included) of a trajectory, as `chunks` reads them."""
        with ExitStack() as stack:
            frames = np.arange(start, stop)
            parts = self._read(
                index,
                frames * self.stride,
                lambda file: stack.enter_context(self._open(file)),
                check_times=True,
            )
            return self._finish(parts, self.start_times[index] + frames * self.time_step)

    def _read(
        self, index: int, raw: np.ndarray, reader: Callable[[int], Reader], *, check_times: bool = False
    ) -> list[mdtraj.Trajectory]:
        """Frames ``raw`` (before the stride, sorted) of a trajectory, one piece per file."""
        pieces, offset = [], 0
        for part in self.segments[index]:
            inside = raw[(raw >= offset) & (raw < offset + len(part))] - offset + part.start
            offset += len(part)
            if len(inside):
                pieces.append(reader(part.file).read(inside))
                if check_times:
                    self._check_times(part.file, inside, pieces[-1].time, reader)
        return pieces

    def _finish(self, parts: list[mdtraj.Trajectory], times: np.ndarray) -> Frames:
        boxed = all(part.unitcell_lengths is not None for part in parts)
        return Frames(
            _concatenate([part.xyz for part in parts]),
            self.topology,
            time=times,
            unitcell_lengths=_concatenate([part.unitcell_lengths for part in parts]) if boxed else None,
            unitcell_angles=_concatenate([part.unitcell_angles for part in parts]) if boxed else None,
        )

    def _open(self, file: int) -> Reader:
        opened = self._topologies[file], self._atoms[file], self._infos[file]
        if self.universes is not None:
            return UniverseReader(self.universes[file], self.files[file], *opened)
        return Reader(self.files[file], *opened)

    def _reader(self, file: int) -> Reader:
        """An open reader from the pool; call with the lock held."""
        if file not in self._readers:
            self._readers[file] = self._open(file)
        self._readers.move_to_end(file)
        if len(self._readers) > OPEN_FILES:
            self._readers.popitem(last=False)[1].close()
        return self._readers[file]

    def _check(self, indices) -> np.ndarray:
        indices = np.atleast_1d(np.asarray(indices))
        if indices.size == 0:
            raise FelError(
                "No frame was requested.", "At least one frame index is needed.", "Select some frames first."
            )
        if indices.dtype.kind not in "iu" or indices.ndim != 1:
            raise FelError(
                f"Frame indices of type {indices.dtype} and shape {indices.shape}.",
                "Frames are given as a list of integers.",
                "Turn a mask into indices with numpy.flatnonzero(mask).",
            )
        if indices.min() < 0 or indices.max() >= self.n_frames:
            wrong = indices[(indices < 0) | (indices >= self.n_frames)][0]
            raise FelError(f"Frame {wrong}.", f"Frames go from 0 to {self.n_frames - 1}.")
        return indices.astype(np.int64)

    def _check_times(self, file: int, frames: np.ndarray, times: np.ndarray, reader) -> None:
        info = self._infos[file]
        if info.time_step is None or info.first_time is None or self.time_note:
            return
        expected = info.first_time + frames * (self.time_step / self.stride)
        wrong = np.abs(times - expected) > time_tolerance(info.time_step, expected[-1])
        if wrong.any():
            at = int(np.argmax(wrong))
            raise opening.uneven_times(
                self.files[file],
                describe_unevenness(reader(file).all_times())
                or f"frame {frames[at]} is at {times[at]:g} ps, expected at {expected[at]:g} ps",
            )


def _concatenate(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _box(frame: mdtraj.Trajectory) -> np.ndarray | None:
    vectors = frame.unitcell_vectors
    return None if vectors is None else vectors[0]


def load_trajectories(
    paths: Any,
    topology: Any = None,
    stride: int = 1,
    atoms: str | Sequence[int] | None = None,
    *,
    time_step: float | None = None,
    join: bool = False,
) -> TrajectorySet:
    """Open trajectory files of any format that mdtraj reads, without reading their coordinates.

    Parameters
    ----------
    paths
        A path, a pattern such as ``"run*/traj.xtc"``, or a list of these; one trajectory each. What a
        pattern matches is in natural order: run2 before run10. Or an MDAnalysis ``Universe``, or a list of
        these, with the formats that MDAnalysis reads (TPR, H5MD, TNG, LAMMPS data) and without ``topology``.
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
    join
        Use files that go on in time where the one before them ends (``part0001``, ``part0002``, restarts) as
        one trajectory. Where they overlap the frames of the later file count.

    Returns
    -------
    TrajectorySet

    Raises
    ------
    FelError
        If a file is missing, can't be read or is of another molecule, no atom is selected, or the times are
        uneven or of different steps.

    Warns
    -----
    UserWarning
        Each of the result's ``notes``: unit cells that are not used, files that end within a frame, files
        that are given twice, files that could be joined.
    """
    trajectories = open_trajectories(paths, topology, stride, atoms, time_step=time_step, join=join)
    for note in trajectories.notes:
        warnings.warn(note, stacklevel=2)
    return trajectories


def open_trajectories(
    paths: Any,
    topology: Any = None,
    stride: int = 1,
    atoms: str | Sequence[int] | None = None,
    *,
    time_step: float | None = None,
    join: bool = False,
) -> TrajectorySet:
    """`load_trajectories` without warnings, for programs that show the ``notes`` themselves."""
    if not isinstance(stride, int | np.integer) or stride < 1:
        raise FelError(f"stride={stride!r}.", "The stride is a whole number from 1 up.")
    universes = universes_in(paths)
    if universes is None:
        files = opening.expand(paths)
        topologies = load_topologies(files, topology)
        infos = [opening.probe(file, top) for file, top in zip(files, topologies, strict=True)]
    else:
        files, topologies = [source_of(one) for one in universes], [topology_of(one) for one in universes]
        infos = [opening.probe(*one) for one in zip(files, topologies, universes, strict=True)]
    chosen = {id(top): select_or_all(top, atoms) for top in topologies}
    selected = [chosen[id(top)] for top in topologies]
    check_same_atoms(files, topologies, selected)
    step, note = opening.common_time_step(files, infos, time_step)
    if join and note:
        raise FelError(
            f"join=True, but {note[0].lower()}{note[1:]}",
            "Parts of a simulation are found by the times in their files.",
            "Join them with another program (mdconvert, gmx trjcat, catdcd).",
        )
    chains = opening.parts_of_simulations(infos, step)
    opened = TrajectorySet(
        files,
        topologies,
        infos,
        stride=int(stride),
        atoms=selected,
        time_step=step * stride,
        time_note=note,
        segments=opening.join_parts(chains, infos, step) if join else None,
        notes=opening.notes_of(files, infos, chains, join, note),
        universes=universes,
    )
    opened.topology_source = topology if universes is None else opened.topology
    opened.selection, opened.given_time_step = atoms, time_step
    return opened
