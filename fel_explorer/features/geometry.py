"""Distances and torsions by mdtraj: whole molecules inside, nearest periodic images between molecules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mdtraj

    from fel_explorer.data.molecules import Molecules

IMAGES = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
BLOCK = 8_000_000  # distances held at once: 32 MB


def distances(
    trajectory: mdtraj.Trajectory, pairs: np.ndarray, molecules: Molecules | None, *, periodic: bool = True
) -> np.ndarray:
    """Distances (frame, pair) float32 in nm of ``pairs`` (pair, 2).

    Two atoms of one molecule are as far apart as in the whole molecule, never nearer by an image of it;
    between molecules it is the nearest image. Without ``periodic`` or a box, positions count as they are.
    """
    from mdtraj.geometry.distance import compute_distances_core

    def compute(xyz, pairs, vectors=None):
        return compute_distances_core(xyz, pairs, unitcell_vectors=vectors, periodic=vectors is not None)

    return _by_molecules(compute, trajectory, pairs, molecules, periodic)


def angles(
    trajectory: mdtraj.Trajectory, triples: np.ndarray, molecules: Molecules | None, *, periodic: bool = True
) -> np.ndarray:
    """Angles (frame, angle) in radians of ``triples`` (angle, 3), by the rule of `distances`."""
    import mdtraj

    return _by_molecules(_of_points(mdtraj.compute_angles), trajectory, triples, molecules, periodic)


def torsions(
    trajectory: mdtraj.Trajectory, quads: np.ndarray, molecules: Molecules | None, *, periodic: bool = True
) -> np.ndarray:
    """Torsion angles (frame, torsion) in radians of ``quads`` (torsion, 4), by the rule of `distances`."""
    import mdtraj

    return _by_molecules(_of_points(mdtraj.compute_dihedrals), trajectory, quads, molecules, periodic)


def _of_points(function):
    """A function of mdtraj as one of positions, atoms and box vectors."""
    import mdtraj

    def compute(xyz, entries, vectors=None):
        part = mdtraj.Trajectory(xyz, None)
        part.unitcell_vectors = vectors
        return function(part, entries, periodic=vectors is not None)

    return compute


def closest(
    trajectory: mdtraj.Trajectory, groups: Sequence, molecules: Molecules | None, *, periodic: bool = True
) -> np.ndarray:
    """Shortest distance (frame, entry) in nm between the atoms of two groups, by the rule of `distances`.

    ``groups`` holds two lists of atom indices for each entry.
    """
    sizes = np.array([len(first) * len(second) for first, second in groups])
    most = max(1, BLOCK // len(trajectory))
    block_of = np.cumsum(sizes) // max(most, int(sizes.max()))
    values = []
    for block in np.unique(block_of):
        chosen = [groups[i] for i in np.flatnonzero(block_of == block).tolist()]
        pairs = np.concatenate([np.array(np.meshgrid(a, b)).reshape(2, -1).T for a, b in chosen])
        begins = np.concatenate([[0], np.cumsum(sizes[block_of == block])[:-1]])
        each = distances(trajectory, pairs, molecules, periodic=periodic)
        values.append(np.minimum.reduceat(each, begins, axis=1))
    return np.concatenate(values, axis=1)


def nearest_images(vectors: np.ndarray, box_vectors: np.ndarray | None) -> np.ndarray:
    """The shortest periodic images of ``vectors`` (frame, 3) in boxes (frame, 3, 3), rows in nm."""
    if box_vectors is None:
        return vectors
    vectors = vectors[:, None]
    near = vectors - np.rint(vectors @ np.linalg.inv(box_vectors)) @ box_vectors
    images = near + IMAGES @ box_vectors
    best = np.argmin((images**2).sum(axis=-1), axis=1)
    return images[np.arange(len(images)), best]


def _by_molecules(compute, trajectory, entries, molecules, periodic) -> np.ndarray:
    """``compute(xyz, entries, box vectors)`` of entries within molecules and of those between them."""
    entries = np.asarray(entries, int)
    if not periodic or trajectory.unitcell_lengths is None or molecules is None:
        return compute(trajectory.xyz, entries)
    inside = molecules.inside(entries)
    if not inside.any():
        return compute(trajectory.xyz, entries, trajectory.unitcell_vectors)
    atoms, local = np.unique(entries[inside], return_inverse=True)
    within = compute(molecules.positions(trajectory, atoms), local.reshape(-1, entries.shape[1]))
    if inside.all():
        return within
    values = np.empty((len(trajectory), len(entries)), within.dtype)
    values[:, inside] = within
    values[:, ~inside] = compute(trajectory.xyz, entries[~inside], trajectory.unitcell_vectors)
    return values
