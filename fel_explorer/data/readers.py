"""Reading frames out of one trajectory file, of any format that mdtraj knows."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import mdtraj
import numpy as np
from scipy.io import netcdf_file

from fel_explorer.errors import FelError

HDF5 = {".h5", ".hdf5", ".lh5"}
INDEXED = {".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".netcdf", ".dtr", ".stk"} | HDF5
TIMED = (INDEXED - {".dcd"}) | {".gro"}  # for all others mdtraj counts frames instead
PDB_LIKE = {f"{name}{gz}" for name in (".pdb", ".cif", ".mmcif", ".pdbx") for gz in ("", ".gz")}
SELF_CONTAINED = HDF5 | PDB_LIKE | {".gro", ".gsd", ".arc", ".mol2"}
LARGEST_GAP = 8  # frames between two wanted ones that are cheaper to read than to seek over


def extension(path: Path) -> str:
    """The file's extension in lower case; two parts where the last is .gz."""
    suffixes = [s.lower() for s in path.suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


@dataclass(frozen=True)
class FileInfo:
    """What opening a file tells: number of frames and atoms, and its times in ps.

    ``first_time`` and ``time_step`` are None where the file holds no usable times.
    """

    n_frames: int
    n_atoms: int
    first_time: float | None
    time_step: float | None


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
    held in memory. Not safe to share between threads: `TrajectorySet` locks.
    """

    def __init__(self, path: Path, topology: mdtraj.Topology, atoms: np.ndarray | None = None):
        self.path, self.extension = path, extension(path)
        self.atoms = atoms
        self.topology = topology if atoms is None else topology.subset(atoms)
        self._handle, self._frames = None, None
        try:
            if self.extension in INDEXED:
                self._handle = mdtraj.open(str(path))
                self.n_frames = len(self._handle)
                if self.extension in HDF5:  # whose library warns of each file that is open at the end
                    atexit.register(self._handle.close)
            else:
                top = {} if self.extension in SELF_CONTAINED else {"top": topology}
                frames = mdtraj.load(str(path), **top)
                self._raw_atoms = frames.n_atoms
                if atoms is not None and frames.n_atoms == topology.n_atoms:
                    frames = frames.atom_slice(atoms)
                self._frames, self.n_frames = frames, frames.n_frames
        except Exception as error:  # mdtraj's readers raise a different class for each format
            raise cannot_read(path, error) from error

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            atexit.unregister(self._handle.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def probe(self) -> FileInfo:
        """Look at the first two and the last frames: atoms, times, and whether the file ends as it should."""
        if self.n_frames == 0:
            raise FelError(f"'{self.path}' holds no frame.", "At least one frame is needed.")
        try:
            n_atoms = self._count_atoms()
            self._check_end()
            first = np.minimum([0, 1, self.n_frames - 1], self.n_frames - 1)
            times = self._times(np.unique(first))
        except FelError:
            raise
        except Exception as error:
            raise cannot_read(self.path, error) from error
        if self.extension not in TIMED or len(times) < 2 or times[-1] <= times[0]:
            return FileInfo(self.n_frames, n_atoms, None, None)
        step = float(f"{(times[-1] - times[0]) / (self.n_frames - 1):.6g}")
        if abs(times[1] - times[0] - step) > time_tolerance(step, times[-1]):
            raise FelError(
                f"'{self.path}': the first two frames are {times[1] - times[0]:g} ps apart, "
                f"all {self.n_frames} are {step:g} ps apart on average.",
                "The time between frames must be constant.",
                "Split the file where the time step changes, or give the time step to number frames anew.",
            )
        return FileInfo(self.n_frames, n_atoms, float(times[0]), step)

    def read(self, frames: np.ndarray) -> mdtraj.Trajectory:
        """The given frames of this file (sorted, without duplicates), of the selected atoms."""
        if self._frames is not None:
            return self._frames[frames]
        runs = np.split(frames, np.flatnonzero(np.diff(frames) > LARGEST_GAP) + 1)
        try:
            parts = [self._read_run(run) for run in runs]
        except FelError:
            raise
        except Exception as error:
            raise cannot_read(self.path, error) from error
        return parts[0] if len(parts) == 1 else mdtraj.join(parts, check_topology=False)

    def _read_run(self, run: np.ndarray) -> mdtraj.Trajectory:
        start, n_frames = int(run[0]), int(run[-1] - run[0]) + 1
        self._handle.seek(start)
        part = self._read_next(n_frames)
        if part.n_frames < n_frames:  # DTR's reader may give more than it was asked for
            raise truncated(
                self.path, f"only {start + part.n_frames} of {self.n_frames} frames could be read"
            )
        return part if len(run) == part.n_frames else part[run - start]

    def _read_next(self, n_frames: int) -> mdtraj.Trajectory:
        if self.extension in HDF5:
            data = self._handle.read(n_frames=n_frames, atom_indices=self.atoms)
            return mdtraj.Trajectory(
                data.coordinates,
                self.topology,
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

    def _times(self, frames: np.ndarray) -> np.ndarray:
        if self._frames is not None:
            return self._frames.time[frames].astype(float)
        if self.extension not in TIMED:
            return np.zeros(0)
        times = []
        for frame in frames:
            self._handle.seek(int(frame))
            data = self._handle.read(n_frames=1)
            times.append(float((data.time if self.extension in HDF5 else data[1])[0]))
        return np.array(times)

    def _check_end(self) -> None:
        """Raise if the file was cut: mdtraj silently leaves out, or fills with zeros, what is missing."""
        if self._frames is not None:
            return
        head = b""
        if self.path.is_file():  # a DTR trajectory is a folder
            with self.path.open("rb") as stream:
                head = stream.read(12)
        if self.extension == ".dcd":
            little = int(np.frombuffer(head, "<i4", 1)[0]) == 84  # the length of the first record
            announced = int(np.frombuffer(head, "<i4" if little else ">i4", 1, 8)[0])
            if announced not in (self.n_frames, 0):
                raise truncated(
                    self.path, f"its header announces {announced} frames, it holds {self.n_frames}"
                )
        elif head[:3] == b"CDF":
            try:
                with self.path.open("rb") as stream:
                    netcdf_file(stream, mmap=True).close()
            except (ValueError, TypeError) as error:
                raise truncated(self.path, "its last frames are missing") from error
        elif self.extension in {".xtc", ".trr"}:
            self._handle.seek(self.n_frames - 1)
            try:
                self._handle.read(n_frames=1)
                self._handle.read(n_frames=1)  # a clean end gives no frame, a cut frame an error
            except RuntimeError as error:
                raise truncated(self.path, f"it ends within frame {self.n_frames - 1} or the next") from error


def time_tolerance(step: float, time: float) -> float:
    """By how much a frame may miss its time (ps): files hold times as float32."""
    return 0.02 * step + 4 * np.finfo(np.float32).eps * abs(time)


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
    reason = str(error).strip().splitlines()
    return FelError(
        f"'{path}' cannot be read ({reason[0] if reason else type(error).__name__}).",
        "It must be a complete trajectory file of the format that its extension says.",
        "Check that the file is not truncated or misnamed.",
    )
