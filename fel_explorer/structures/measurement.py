"""Distances, angles and torsions between chosen atoms, in every frame of trajectories."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer.data.molecules import Molecules
from fel_explorer.errors import FelError
from fel_explorer.features import geometry
from fel_explorer.features.atom_names import atom_labels
from fel_explorer.progress import Progress

if TYPE_CHECKING:
    from fel_explorer.data.trajectories import TrajectorySet

KINDS = {2: "distance", 3: "angle", 4: "torsion"}
UNITS = {2: "nm", 3: "°", 4: "deg"}  # "deg" is for what goes round, see data.frame_values
CHUNK = 1000  # frames in memory at once


class MeasurementCancelled(Exception):
    """The callback asked to stop."""


def measure(
    trajs: TrajectorySet,
    atoms: Sequence[int],
    *,
    callback: Callable[[Progress], bool] | None = None,
) -> xr.DataArray:
    """The distance of two atoms, the angle of three or the torsion of four, in every frame.

    Molecules are made whole across periodic boundaries; between molecules it is the nearest image.

    Parameters
    ----------
    trajs
        A `TrajectorySet`.
    atoms
        Indices into its topology, in order: the second of three is the angle's apex.
    callback
        Called with a `Progress` after each chunk of frames; True stops.

    Returns
    -------
    DataArray (frame,) float32, named by `measurement_name`: in nm, in degrees from 0 to 180, or from
    -180 to 180 (IUPAC sign). Its attrs hold "units", and "atoms" as JSON.

    Raises
    ------
    FelError
        If the atoms are not two to four different ones of the topology.
    MeasurementCancelled
        If the callback asked to stop.
    """
    name = measurement_name(trajs.topology, atoms)
    values = np.empty(trajs.n_frames, np.float32)
    done = 0
    for _, _, chunk in trajs.chunks(CHUNK):
        values[done : done + len(chunk)] = _measured(chunk, atoms)
        done += len(chunk)
        if callback is not None and callback(Progress(done, trajs.n_frames, message=f"measuring {name}")):
            raise MeasurementCancelled
    attrs = {"units": UNITS[len(atoms)], "atoms": json.dumps([int(atom) for atom in atoms])}
    return xr.DataArray(values, dims="frame", name=name, attrs=attrs)


def measurement_name(topology: mdtraj.Topology, atoms: Sequence[int]) -> str:
    """ "d ALA2-CA ALA2-CB", as features are named, "angle ..." or "torsion ...".

    Raises
    ------
    FelError
        If the atoms are not two to four different ones of the topology.
    """
    atoms = [int(atom) for atom in atoms]
    fits = len(atoms) in KINDS and len(set(atoms)) == len(atoms)
    if not fits or min(atoms) < 0 or max(atoms) >= topology.n_atoms:
        raise FelError(
            f"atoms={atoms}.",
            f"Two to four different atoms, from 0 to {topology.n_atoms - 1}, are measured.",
        )
    labels = atom_labels(topology)
    ordered = sorted(atoms) if len(atoms) == 2 else atoms
    kind = "d" if len(atoms) == 2 else KINDS[len(atoms)]
    return " ".join([kind, *(labels[atom] for atom in ordered)])


def atom_name(topology: mdtraj.Topology, atom: int) -> str:
    """ "CA of ALA2"."""
    found = topology.atom(int(atom))
    return f"{found.name} of {found.residue.name}{found.residue.resSeq}"


def _measured(frames, atoms) -> np.ndarray:
    """Values (frame,)."""
    row, molecules = np.array([atoms]), Molecules.of(frames)
    if len(atoms) == 2:
        return geometry.distances(frames, row, molecules)[:, 0]
    angles = geometry.angles if len(atoms) == 3 else geometry.torsions
    return np.rad2deg(angles(frames, row, molecules)[:, 0])
