"""Coordinates of some atoms as arrays, and arrays as trajectories and trajectory files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from fel_explorer.data.file_names import writable_name
from fel_explorer.data.molecules import Molecules, arrange
from fel_explorer.data.topologies import select_atoms
from fel_explorer.data.topology_text import pdb_text, read_topology
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fel_explorer.data.trajectories import TrajectorySet

ATOM_SETS = {"alpha": "name CA", "backbone": "backbone", "heavy": "element != H", "all": "all"}
BLOCK = 2000  # frames read at once
FORMATS = ("xtc", "dcd")


def read_coordinates(
    trajectories: TrajectorySet | mdtraj.Trajectory, frames: np.ndarray, atoms: str
) -> tuple[np.ndarray, str, np.ndarray]:
    """Coordinates of an atom set at some frames.

    Parameters
    ----------
    trajectories
        `TrajectorySet`, or an ``mdtraj.Trajectory`` with the frames of the dataset in its order.
    frames
        (frame,) dataset indices.
    atoms
        "alpha", "backbone", "heavy" or "all", or an mdtraj selection.

    Returns
    -------
    xyz, topology, bonds
        (frame, atom, 3) float32 in nm, molecules whole and to each other as in the first of these frames;
        PDB text of these atoms; (bond, 2) among them.
    """
    index = select_atoms(trajectories.topology, ATOM_SETS.get(atoms, atoms))
    xyz, reference = np.empty((len(frames), len(index), 3), np.float32), None
    for start in range(0, len(frames), BLOCK):
        part = _frames(trajectories, frames[start : start + BLOCK])
        if reference is None:
            reference = arrange(part[0])
        xyz[start : start + BLOCK] = Molecules.of(part).place_near(part, index, reference.xyz[0, index])
    topology = trajectories.topology.subset(index)
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds], int).reshape(-1, 2)
    return xyz, pdb_text(mdtraj.Trajectory(xyz[:1], topology)), bonds


def _frames(trajectories, indices) -> mdtraj.Trajectory:
    if isinstance(trajectories, mdtraj.Trajectory):
        return trajectories[indices]
    return trajectories.frames(indices)


def as_trajectory(xyz: ArrayLike, topology: str, time: ArrayLike | None = None) -> mdtraj.Trajectory:
    """``xyz`` (frame, atom, 3) in nm of the atoms of a PDB text, with times (frame,) in ps."""
    return mdtraj.Trajectory(np.asarray(xyz, np.float32), read_topology(topology), time=time)


def write_blocks(path: str | Path, blocks: Iterable[np.ndarray], times: np.ndarray) -> int:
    """Write blocks of frames (frame, atom, 3) in nm to an XTC or DCD file; returns how many frames.

    ``times`` (frame,) in ps are of all frames; DCD files hold none.

    Raises
    ------
    FelError
        For another format.
    """
    kind, done = Path(path).suffix.lstrip(".").lower(), 0
    if kind not in FORMATS:
        raise FelError(f"A file '{Path(path).name}'.", f"Formats are {', '.join(FORMATS)}.")
    opened = mdtraj.formats.XTCTrajectoryFile if kind == "xtc" else mdtraj.formats.DCDTrajectoryFile
    with writable_name(Path(path)) as name, opened(name, "w") as file:
        for xyz in blocks:
            n = len(xyz)
            if kind == "xtc":
                time = times[done : done + n].astype(np.float32)
                file.write(xyz, time=time, step=np.arange(done, done + n, dtype=np.int32))
            else:
                file.write(10 * xyz)  # DCD is in Angstrom
            done += n
    return done
