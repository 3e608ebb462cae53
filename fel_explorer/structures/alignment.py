"""Structures laid on top of each other, and turned to where the most can be seen."""

from __future__ import annotations

import mdtraj
import numpy as np

from fel_explorer.data.molecules import arrange
from fel_explorer.data.solvent import solvent_atoms

MIN_BACKBONE = 12  # with fewer backbone atoms all heavy atoms are a better frame


def fit_atoms(topology: mdtraj.Topology) -> np.ndarray:
    """Atoms to superpose by: the backbone of proteins, else heavy atoms, else all."""
    atoms = list(topology.atoms)
    solute = [atoms[index] for index in np.flatnonzero(~solvent_atoms(topology))]
    backbone = [a.index for a in solute if a.is_backbone]
    if len(backbone) >= MIN_BACKBONE:
        return np.array(backbone)
    heavy = [a.index for a in solute if a.element is None or a.element.symbol != "H"]
    return np.array(heavy if len(heavy) >= 3 else range(topology.n_atoms))


def superpose(
    trajectory: mdtraj.Trajectory, reference: mdtraj.Trajectory, atoms: np.ndarray | None = None
) -> mdtraj.Trajectory:
    """A copy of ``trajectory``, each frame moved rigidly onto the first frame of ``reference``.

    Parameters
    ----------
    trajectory, reference
        Of the same atoms; molecules cut by the periodic box are made whole and put next to each other.
    atoms
        Indices to fit by; default `fit_atoms`.
    """
    atoms = fit_atoms(trajectory.topology) if atoms is None else atoms
    moved = arrange(trajectory)
    moved = moved[:] if moved is trajectory else moved
    if len(atoms) < 3:
        moved.xyz = moved.xyz - moved.xyz[:, atoms].mean(axis=1, keepdims=True)
        return moved
    return moved.superpose(reference, frame=0, atom_indices=atoms)


def principal_view(trajectory: mdtraj.Trajectory) -> mdtraj.Trajectory:
    """A copy, centred and turned so that the first frame's longest axis is x and its shortest is z.

    Seen along z it is widest, and the same molecule always looks alike.
    """
    atoms = fit_atoms(trajectory.topology)
    turned = arrange(trajectory)[:]
    centre = turned.xyz[0, atoms].mean(axis=0)
    _, _, axes = np.linalg.svd(turned.xyz[0, atoms] - centre)
    axes[2] *= np.linalg.det(axes)  # a rotation, never a mirror
    turned.xyz = (turned.xyz - centre) @ axes.T
    turned.unitcell_vectors = None  # the box does not turn with it
    return turned
