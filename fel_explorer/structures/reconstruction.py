"""Structures from features, to view what a decoder yields.

Distances are embedded in space and refined, torsions are applied to a known geometry, coordinates are
taken as they are; features that fix no structure raise an error that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.features.blocks import read_blocks
from fel_explorer.features.kind_base import Constraints
from fel_explorer.structures import geometry
from fel_explorer.structures.molecule import (
    Branches,
    add_hydrogens,
    bond_error,
    chirality_agreement,
    rotatable_bonds,
)
from fel_explorer.structures.pdb import read_pdb

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

UNITS = {"distance": " nm", "torsion": "°"}
MIN_TORSIONS = 0.5  # fraction of the rotatable bonds that the features must set


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A structure made from features.

    Attributes
    ----------
    xyz
        (atom, 3) in nm, superposed on the nearest frame.
    atoms
        (atom,) indices into the topology; atoms that the features say nothing of are left out.
    errors
        {"distance" or "torsion": RMS difference between the features given and those of the structure}, in nm
        for distances and in degrees for torsions; coordinates are taken as they are.
    bond_error
        RMS difference of the bond lengths from those of the nearest frame, nm; NaN without bonds.
    note
        What was taken from the nearest frame.
    """

    xyz: np.ndarray
    atoms: np.ndarray
    errors: dict[str, float]
    bond_error: float
    note: str

    @property
    def error_text(self) -> str:
        """For people: "distances 0.002 nm, torsions 3°", or of bond lengths where there are no errors."""
        errors = [f"{kind}s {value:.2g}{UNITS[kind]}" for kind, value in self.errors.items()]
        if not errors and np.isfinite(self.bond_error):
            errors = [f"bond lengths {self.bond_error:.2g} nm"]
        return ", ".join(errors)

    def trajectory(self, topology: mdtraj.Topology) -> mdtraj.Trajectory:
        """The structure as one frame; atoms without any bond among them are joined along the chain."""
        part = topology.subset(self.atoms)
        if part.n_bonds == 0:
            for chain in part.chains:
                atoms = list(chain.atoms)
                for first, second in pairwise(atoms):
                    part.add_bond(first, second)
        return mdtraj.Trajectory(self.xyz[None].astype(np.float32), part)


def reconstruct(features: ArrayLike, attrs: dict, *, nearest: ArrayLike | None = None) -> Reconstruction:
    """Make a structure that has the given features.

    Parameters
    ----------
    features
        (feature,) in the order of the dataset.
    attrs
        ``dataset.attrs``: "topology" (PDB text) and "featurizers" (JSON) say what the features are.
    nearest
        (atom, 3) in nm, all atoms of the topology: the observed frame that resolves what the features
        leave open, the handedness above all. Default the reference in the topology.

    Raises
    ------
    FelError
        If the features fix no structure, or the dataset does not say what they are.
    """
    molecule, given, kinds = _read(np.asarray(features, float).ravel(), attrs)
    nearest = molecule.xyz[0] if nearest is None else nearest
    nearest = np.asarray(nearest, float)
    topology = molecule.topology
    if nearest.shape != (topology.n_atoms, 3):
        raise FelError(
            f"The nearest frame has shape {nearest.shape}.", f"The topology has {topology.n_atoms} atoms."
        )
    positions, note = _solve(given, kinds, topology, nearest)
    covered = np.flatnonzero(np.isfinite(positions[:, 0]))
    rotation, shift = geometry.fit(positions[covered], nearest[covered])
    positions = positions @ rotation + shift
    errors = _errors(given, positions)
    positions, added = add_hydrogens(topology, positions, nearest)
    if added:
        note = f"{note} Hydrogens are placed as in the nearest frame.".strip()
    atoms = np.flatnonzero(np.isfinite(positions[:, 0]))
    return Reconstruction(positions[atoms], atoms, errors, bond_error(topology, positions, nearest), note)


def _read(features, attrs) -> tuple[mdtraj.Trajectory, list[Constraints], list[str]]:
    """The reference structure, what the features prescribe for a structure, and the kinds of features."""
    if not {"topology", "featurizers"} <= attrs.keys():
        raise FelError(
            "The dataset does not say which atoms its features belong to.",
            "Datasets made by fel.featurize(trajectories, ...) do.",
        )
    blocks = read_blocks(attrs)
    ends = np.cumsum([block.n_features for block in blocks])
    if ends[-1] != len(features):
        raise FelError(f"{len(features)} features were given.", f"The dataset has {ends[-1]}.")
    given = [
        block.kind.constraints(values, block)
        for block, values in zip(blocks, np.split(features, ends[:-1]), strict=True)
        if not block.kind.reason_no_structure(block.options)
    ]
    return read_pdb(attrs["topology"]), given, sorted({block.kind.name for block in blocks})


def _solve(given, kinds, topology, nearest) -> tuple[np.ndarray, str]:
    """Positions (atom, 3), NaN where unknown, from the constraints that fix the most."""
    positions = [c for c in given if c.of == "position"]
    if positions:
        return _from_coordinates(positions, nearest), ""
    atoms, values = _joined(given, "distance")
    if len(atoms):
        used, local = np.unique(atoms, return_inverse=True)
        local = local.reshape(-1, 2)
        if len(used) > 3 and geometry.is_rigid(len(used), local):
            return _from_distances(used, local, values, topology, nearest), ""
    atoms, values = _joined(given, "torsion")
    if len(atoms):
        return _from_torsions(atoms, np.arctan2(values[:, 1], values[:, 0]), topology, nearest)
    raise _undetermined(kinds)


def _joined(given: list[Constraints], of: str) -> tuple[np.ndarray, np.ndarray]:
    """Atoms and values of all constraints on one quantity; empty arrays where there are none."""
    chosen = [c for c in given if c.of == of]
    if not chosen:
        return np.zeros((0, 0), int), np.zeros(0)
    return np.concatenate([c.atoms for c in chosen]), np.concatenate([c.values for c in chosen])


def _undetermined(kinds) -> FelError:
    given = ", ".join(f"{kind}s" for kind in kinds)
    return FelError(
        f"These features ({given}) fix no structure.",
        "A structure follows from enough distances, from most torsions, or from coordinates.",
        "Look at the nearest observed frame, or featurize with more distances or torsions.",
    )


def _from_coordinates(given, nearest) -> np.ndarray:
    positions = np.full_like(nearest, np.nan)
    for constraint in given:
        positions[constraint.atoms.ravel()] = constraint.values
    return positions


def _from_distances(atoms, pairs, targets, topology, nearest) -> np.ndarray:
    """Distance geometry; pairs that are no features start from their distance in the nearest frame."""
    known = nearest[atoms]
    matrix = np.linalg.norm(known[:, None] - known[None], axis=2)
    matrix[pairs[:, 0], pairs[:, 1]] = matrix[pairs[:, 1], pairs[:, 0]] = np.maximum(targets, 0.0)
    start = geometry.embed_distances(matrix)
    hands = [geometry.refine_distances(start * sign, pairs, targets) for sign in ((1, 1, 1), (1, 1, -1))]
    # Distances do not distinguish a molecule from its mirror image: stereocentres decide, then similarity.
    scores = []
    for xyz in hands:
        positions = np.full_like(nearest, np.nan)
        positions[atoms] = xyz
        agreement = chirality_agreement(topology, positions, nearest)
        scores.append((agreement, -geometry.rmsd(xyz, known), positions))
    return max(scores, key=lambda score: score[:2])[2]


def _from_torsions(quads, angles, topology, nearest) -> tuple[np.ndarray, str]:
    """Turn the branches of the nearest frame until each torsion has its angle."""
    free = rotatable_bonds(topology)
    set_here = {tuple(sorted(quad[1:3])) for quad in quads.tolist()}
    missing = free - set_here
    if free and len(missing) > (1 - MIN_TORSIONS) * len(free):
        raise FelError(
            f"The features set {len(free) - len(missing)} of {len(free)} rotatable bonds.",
            "A structure needs most of them.",
            "Look at the nearest observed frame, or featurize with all torsions.",
        )
    positions, branches = nearest.copy(), Branches(topology)
    for quad, angle in zip(quads, angles, strict=True):
        turn = angle - geometry.torsions(positions, quad[None])[0]
        branches.twist(positions, int(quad[1]), int(quad[2]), turn)  # no twist in rings: the error shows it
    note = "Bond lengths and angles are those of the nearest frame."
    if missing:
        note = f"Bond lengths, angles and {len(missing)} other torsions are those of the nearest frame."
    return positions, note


def _errors(given, positions) -> dict[str, float]:
    """RMS error of each quantity that the structure's atoms cover."""
    errors = {}
    for quantity, error in (("distance", _distance_errors), ("torsion", _torsion_errors)):
        atoms, values = _joined(given, quantity)
        found = error(positions, atoms, values) if len(atoms) else np.zeros(0)
        found = found[np.isfinite(found)]
        if len(found):
            errors[quantity] = float(np.sqrt(np.mean(found**2)))
    return errors


def _distance_errors(positions, pairs, targets) -> np.ndarray:
    return geometry.distances(positions, pairs) - targets


def _torsion_errors(positions, quads, waves) -> np.ndarray:
    angle = geometry.torsions(positions, quads)
    chord = np.linalg.norm(np.stack([np.cos(angle), np.sin(angle)], axis=1) - waves, axis=1)
    return np.degrees(2 * np.arcsin(np.minimum(chord, 2.0) / 2))
