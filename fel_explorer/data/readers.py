"""Reading frames out of one trajectory file, of any format that mdtraj knows."""

from __future__ import annotations

import atexit
import hashlib
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mdtraj
import numpy as np

from fel_explorer.data import dcd, netcdf3, unit_cell
from fel_explorer.data.complete_frames import complete_part
from fel_explorer.data.file_names import extension, readable_name
from fel_explorer.data.times import describe_unevenness, fit_times, time_tolerance
from fel_explorer.data.unit_cell import NO_CELL, Cell
from fel_explorer.data.xdr_frames import bytes_after_trr, check_first_head, check_heads
from fel_explorer.errors import FelError

HDF5 = {".h5", ".hdf5", ".lh5"}
XDR = {".xtc", ".trr"}
NETCDF = {".nc", ".ncdf", ".netcdf"}
INDEXED = {".xtc", ".trr", ".dcd", ".dtr", ".stk"} | HDF5 | NETCDF
TIMED = (INDEXED - {".dcd"}) | {".gro"}  # for all others mdtraj counts frames instead
PDB_LIKE = {f"{name}{gz}" for name in (".pdb", ".cif", ".mmcif", ".pdbx") for gz in ("", ".gz")}
SELF_CONTAINED = HDF5 | PDB_LIKE | {".gro", ".gsd", ".arc", ".mol2"}
LARGEST_GAP = 8  # frames between two wanted ones that are cheaper to read than to seek over
SCANNED = 1000  # frames at a time in search of the place where times are uneven


@dataclass(frozen=True)
class FileInfo:
    """Properties of a trajectory file, found by opening it.

    Attributes
    ----------
    n_frames, n_atoms
        Complete frames, and atoms.
    first_time, time_step
        In ps; None where the file holds no usable times.
    uneven
        Where the times are not evenly spaced, as a phrase; else empty.
    cell
        How its unit cells are used.
    cut
        Whether the file ends within a frame, or has fewer than its header says.
    fingerprint
        The same for files with the same number of frames and the same first and last coordinates.
    """

    n_frames: int
    n_atoms: int
    first_time: float | None
    time_step: float | None
    uneven: str = ""
    cell: Cell = NO_CELL
    cut: bool = False
    fingerprint: str = ""


class Frames(mdtraj.Trajectory):
    """An ``mdtraj.Trajectory`` whose box vectors come fast.

    mdtraj checks the box angles frame by frame in Python: 0.5 ms a frame, a hundred times what the
    features themselves take.
    """

    def _box_vectors(self) -> np.ndarray | None:
        if self._unitcell_lengths is None or self._unitcell_angles is None:
            return None
        a, b, c = self._unitcell_lengths.T
        cosines, sine = (
            np.cos(np.radians(self._unitcell_angles.T)),
            np.sin(np.radians(self._unitcell_angles[:, 2])),
        )
        cosines[np.abs(cosines) < 1e-6] = 0.0  # right angles exactly, as mdtraj has them
        alpha, beta, gamma = cosines
        vectors = np.zeros((len(self), 3, 3), np.float32)
        vectors[:, 0, 0] = a
        vectors[:, 1, 0], vectors[:, 1, 1] = b * gamma, b * sine
        vectors[:, 2, 0], vectors[:, 2, 1] = c * beta, c * (alpha - beta * gamma) / sine
        vectors[:, 2, 2] = np.sqrt(np.maximum(c**2 - vectors[:, 2, 0] ** 2 - vectors[:, 2, 1] ** 2, 0))
        return vectors

    unitcell_vectors = property(_box_vectors, mdtraj.Trajectory.unitcell_vectors.fset)


class Reader:
    """One open trajectory file: ``read(frames)`` gives any of its frames.

    Formats with an index (XTC, TRR, DCD, NetCDF, HDF5, DTR) are read by seeking; the others, all text, are
    held in memory. Not safe to use from several threads: `TrajectorySet` locks.

    Parameters
    ----------
    path, topology
        The file and all its atoms.
    atoms
        Indices of the atoms to read; None for all.
    info
        What `probe` found when the file was opened for the first time.
    """

    def __init__(
        self,
        path: Path,
        topology: mdtraj.Topology,
        atoms: np.ndarray | None = None,
        info: FileInfo | None = None,
    ) -> None:
        self.path, self.extension = path, extension(path)
        self.timed = self.extension in TIMED
        self.atoms, self.info = atoms, info
        self.topology = topology if atoms is None else topology.subset(atoms)
        self._n_atoms = topology.n_atoms
        self._handle: Any = None  # mdtraj's file of the format; None where it reads a format at once
        self._frames, self.cut = None, False
        self._dcd = dcd.read_header(path) if self.extension == ".dcd" and path.is_file() else None
        if self.extension in XDR and path.is_file():
            check_first_head(path, self.extension)
        try:
            if self.extension in INDEXED:
                self._handle = mdtraj.open(readable_name(path))
                self.n_frames = len(self._handle)
                if self.extension in XDR and info is None:
                    check_heads(path, self.extension, self._handle.offsets)
                if self.extension in HDF5:  # whose library warns of each file that is open at the end
                    atexit.register(self._handle.close)
            else:
                self._load(topology, atoms)
        except FelError:
            raise
        except Exception as error:  # mdtraj's readers raise a different class for each format
            close_files_of(error)
            raise cannot_read(path, error) from error
        if info is not None:
            self.n_frames = info.n_frames

    def _load(self, topology, atoms) -> None:
        """Hold a text file in memory, up to its last complete frame."""
        with complete_part(self.path) as part:
            frames = _load_text(part, self.extension, topology)
            self.cut = part != self.path
        self._raw_atoms = frames.n_atoms
        if atoms is not None and frames.n_atoms == topology.n_atoms:
            frames = frames.atom_slice(atoms)
        self._frames, self.n_frames = frames, frames.n_frames

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            atexit.unregister(self._handle.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def probe(self) -> FileInfo:
        """Inspect the first two and the last frames: atoms, times, unit cell, and the end of the file."""
        try:
            if self.n_frames:
                self._find_end()
            if self.n_frames == 0:
                raise FelError(
                    f"'{self.path}' holds no complete frame.",
                    "At least one frame is needed.",
                    "Check that the simulation has written one, or copy the file again.",
                )
            n_atoms = self._count_atoms()
            if n_atoms != self._n_atoms:
                return FileInfo(self.n_frames, n_atoms, None, None)
            sample = np.unique(np.minimum([0, 1, self.n_frames - 1], self.n_frames - 1))
            read = [self._raw(np.array([frame])) for frame in sample]
            cell = self._judge_cell(sample, read, n_atoms)
        except FelError:
            raise
        except Exception as error:
            raise cannot_read(self.path, error) from error
        first, step, uneven = self._look_at_times(np.array([float(one.time[0]) for one in read]))
        seen = hashlib.blake2b(f"{self.n_frames} {n_atoms}".encode(), digest_size=16)
        for one in (read[0], read[-1]):
            seen.update(np.ascontiguousarray(one.xyz, np.float32).tobytes())
        return FileInfo(self.n_frames, n_atoms, first, step, uneven, cell, self.cut, seen.hexdigest())

    def read(self, frames: np.ndarray) -> mdtraj.Trajectory:
        """The given frames of this file (sorted, without duplicates), of the selected atoms."""
        try:
            read = self._raw(frames)
        except FelError:
            raise
        except Exception as error:
            raise cannot_read(self.path, error) from error
        return self._with_cell(read, frames)

    def _raw(self, frames: np.ndarray) -> mdtraj.Trajectory:
        if self._frames is not None:
            return self._frames[frames]
        runs = np.split(frames, np.flatnonzero(np.diff(frames) > LARGEST_GAP) + 1)
        parts = [self._read_run(run) for run in runs]
        return parts[0] if len(parts) == 1 else mdtraj.join(parts, check_topology=False)

    def _with_cell(self, read: mdtraj.Trajectory, frames: np.ndarray) -> mdtraj.Trajectory:
        kind = "periodic" if self.info is None else self.info.cell.kind
        if kind in ("none", "ignored") or read.unitcell_lengths is None:
            read._unitcell_lengths = read._unitcell_angles = None
            return read
        if kind == "shape matrix":
            assert self._dcd is not None
            records = dcd.raw_cells(self.path, self._dcd, frames)
            read.unitcell_lengths, read.unitcell_angles = unit_cell.from_shape_matrix(records)
        wrong = unit_cell.faulty(read.unitcell_lengths, read.unitcell_angles, self._n_atoms)
        if wrong.any():
            at = int(np.argmax(wrong))
            fault = unit_cell.describe_fault(
                read.unitcell_lengths[at], read.unitcell_angles[at], self._n_atoms
            )
            raise unit_cell.unusable_cell_error(self.path, int(frames[at]), fault, 0)
        return read

    def _read_run(self, run: np.ndarray) -> mdtraj.Trajectory:
        start, n_frames = int(run[0]), int(run[-1] - run[0]) + 1
        self._handle.seek(start)
        with np.errstate(all="ignore"):  # cells without length
            part = self._read_next(n_frames)
        if part.n_frames < n_frames:  # DTR's reader may return more than was requested
            raise truncated(
                self.path, f"only {start + part.n_frames} of {self.n_frames} frames could be read"
            )
        return part if len(run) == part.n_frames else part[run - start]

    def _read_next(self, n_frames: int) -> mdtraj.Trajectory:
        if self.extension in HDF5:
            data = self._handle.read(n_frames=n_frames, atom_indices=self.atoms)
            return mdtraj.Trajectory(
                data.coordinates,
                self.topology if data.coordinates.shape[1] == self.topology.n_atoms else None,
                time=getattr(data, "time", None),
                unitcell_lengths=getattr(data, "cell_lengths", None),
                unitcell_angles=getattr(data, "cell_angles", None),
            )
        # mdtraj would cut the topology to the selected atoms at each call, slow for a large system.
        cut = SimpleNamespace(subset=lambda atoms: self.topology)
        topology = self.topology if self.atoms is None else cut
        return self._handle.read_as_traj(topology, n_frames=n_frames, atom_indices=self.atoms)

    def _count_atoms(self) -> int:
        if self._frames is not None:
            return self._raw_atoms
        self._handle.seek(0)
        return self._handle.read(n_frames=1)[0].shape[1]

    def _judge_cell(self, sample: np.ndarray, read: list[mdtraj.Trajectory], n_atoms: int) -> Cell:
        if read[0].unitcell_lengths is None:
            return NO_CELL
        lengths = np.concatenate([one.unitcell_lengths for one in read])
        angles = np.concatenate([one.unitcell_angles for one in read])
        shape, first = None, False
        if self._dcd is not None and self._dcd.cells:
            shape = unit_cell.from_shape_matrix(dcd.raw_cells(self.path, self._dcd, sample))
            first = self._dcd.version >= dcd.CHARMM_SHAPE_VERSION
        return unit_cell.decide_use(self.path, sample, lengths, angles, n_atoms, shape, shape_first=first)

    def _look_at_times(self, times: np.ndarray) -> tuple[float | None, float | None, str]:
        """First time, step, and where times are uneven; from those of the first two and the last frames."""
        if not self.timed or len(times) < 2 or not np.isfinite(times).all():
            return None, None, ""
        if times[1] <= times[0] and times[-1] <= times[0]:
            return None, None, ""  # all zero, or none at all
        if times[-1] > times[0]:
            first, step = fit_times(times[0], times[-1], self.n_frames)
            if abs(times[1] - times[0] - step) <= time_tolerance(step, times[-1]):
                return first, step, ""
        everything = self.all_times()
        gaps = np.diff(everything)
        step = float(np.median(gaps[gaps > 0]))
        return float(times[0]), step, describe_unevenness(everything)

    def all_times(self) -> np.ndarray:
        """Times (frame,) in ps as the file has them; reads all of it."""
        starts = range(0, self.n_frames, SCANNED)
        parts = [np.arange(start, min(start + SCANNED, self.n_frames)) for start in starts]
        return np.concatenate([self._raw(part).time for part in parts]).astype(float)

    def _find_end(self) -> None:
        """Set ``n_frames`` to the number of complete frames, ``cut`` where the file ends within one.

        mdtraj silently leaves out, or fills with zeros, what is missing.
        """
        if self._frames is not None:
            return
        if self._dcd is not None:
            self.cut = self._dcd.rest > 0 or self._dcd.announced > self._dcd.n_whole
            self.n_frames = min(self.n_frames, self._dcd.n_whole)
        elif self.extension in NETCDF:
            counted = netcdf3.count_records(self.path)
            if counted is not None:
                self.cut = counted[1] < counted[0]
                self.n_frames = min(self.n_frames, counted[1])
        elif self.extension in XDR:
            if self.extension == ".trr" and bytes_after_trr(self.path, self._handle.offsets) > 0:
                self.cut = True  # frames behind a damaged head, or a part of one
            try:
                self._handle.seek(self.n_frames - 1)
                self._handle.read(n_frames=1)
            except RuntimeError:
                self.cut, self.n_frames = True, self.n_frames - 1
                return
            try:
                self._handle.read(n_frames=1)  # a clean end gives no frame, a cut frame an error
            except RuntimeError:
                self.cut = True


def _load_text(path: Path, ending: str, topology: mdtraj.Topology) -> mdtraj.Trajectory:
    options = {} if ending in SELF_CONTAINED else {"top": topology}
    if ending in PDB_LIKE:
        options["no_boxchk"] = True
    with quiet():
        return mdtraj.load(readable_name(path), **options)


def close_files_of(error: Exception) -> None:
    """Close what mdtraj left open when it failed, instead of when the traceback is collected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        traceback.clear_frames(error.__traceback__)


@contextmanager
def quiet() -> Iterator[None]:
    """Without mdtraj's warnings of unit cells, which `unit_cell.decide_use` checks itself."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unlikely unit cell vectors", UserWarning)
        yield


def truncated(path: Path, how: str) -> FelError:
    return FelError(
        f"'{path}' is truncated: {how}.",
        "A complete file is needed.",
        "Copy it again, or cut it to its complete frames (for instance with gmx trjconv or mdconvert).",
    )


def cannot_read(path: Path, error: Exception) -> FelError:
    if isinstance(error, ImportError):
        package = "tables" if extension(path) in HDF5 else extension(path).lstrip(".")
        return FelError(
            f"'{path}' cannot be read: the Python package '{package}' is not installed.",
            remedy=f"Install it (pip install {package}) or convert the file to XTC.",
        )
    return FelError(
        f"'{path}' cannot be read ({reason(error, path)}).",
        "It must be a trajectory file of the format that its extension says.",
        "Check that the file is not truncated or misnamed.",
    )


def reason(error: Exception, path: Path) -> str:
    """The first line of an error of mdtraj, short; of an unknown extension just that."""
    text = str(error).strip()
    if "no loader for" in text or "not supported" in text:
        return f"no format has the extension '{extension(path)}'"
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= 160 else line[:160] + " ..."
