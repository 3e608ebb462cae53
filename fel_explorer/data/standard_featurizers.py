"""The featurizers that come with the package: distances, torsions, contacts, coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import mdtraj
import numpy as np
from mdtraj.geometry import dihedral

from fel_explorer.data.featurizer_base import (
    MAX_FEATURES,
    Featurizer,
    atom_labels,
    register_featurizer,
    residue_labels,
)
from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError

HEAVY = "element != H and not water"


class _Distances(Featurizer):
    kind = "distance"
    periodic: bool

    def selection_of(self) -> str | list[int]:
        raise NotImplementedError

    def find(self, topology):
        atoms = select_atoms(topology, self.selection_of(), allow_none=True)
        if len(atoms) < 2:
            raise self.nothing(topology, f"two atoms of '{self.selection_of()}'")
        n_pairs = len(atoms) * (len(atoms) - 1) // 2
        if n_pairs > MAX_FEATURES:
            raise FelError(
                f"{self.name}: {len(atoms)} atoms make {n_pairs} distances.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Take ca_distances, or ('distances', {'selection': ...}) with fewer atoms.",
            )
        return np.array(list(combinations(atoms, 2)))

    def label(self, topology, atoms):
        labels = atom_labels(topology)
        return [f"d {labels[i]} {labels[j]}" for i, j in atoms]

    def compute(self, trajectory):
        return mdtraj.compute_distances(trajectory, self.atoms, periodic=self.periodic)


@register_featurizer
@dataclass
class HeavyAtomDistances(_Distances):
    """Distances (nm) between all pairs of heavy atoms but water's; nearest images where there is a box."""

    periodic: bool = True
    name: ClassVar[str] = "heavy_atom_distances"

    def selection_of(self):
        return HEAVY


@register_featurizer
@dataclass
class CaDistances(_Distances):
    """Distances (nm) between all pairs of C-alpha atoms; nearest images where there is a box."""

    periodic: bool = True
    name: ClassVar[str] = "ca_distances"

    def selection_of(self):
        return "name CA and element C"


@register_featurizer
@dataclass
class Distances(_Distances):
    """Distances (nm) between all pairs of atoms of an mdtraj selection."""

    selection: str | list[int] = "name CA or name CB"
    periodic: bool = True
    name: ClassVar[str] = "distances"

    def selection_of(self):
        return self.selection


@dataclass
class _Torsions(Featurizer):
    periodic: bool = True
    kind: ClassVar[str] = "torsion"
    angles: ClassVar[tuple[str, ...]] = ()

    def _entries(self, topology) -> list[tuple[str, np.ndarray]]:
        """(angle name, four atoms), ordered by residue, then by angle."""
        entries = []
        for order, angle in enumerate(self.angles):
            for atoms in np.reshape(getattr(dihedral, f"indices_{angle}")(topology), (-1, 4)).astype(int):
                # phi hangs on the residue before: the residue that it belongs to is that of its second atom.
                residue = topology.atom(atoms[1]).residue.index
                entries.append((residue, order, angle, atoms))
        entries.sort(key=lambda entry: entry[:2])
        return [(angle, atoms) for _, _, angle, atoms in entries]

    def find(self, topology):
        entries = self._entries(topology)
        if not entries:
            raise self.nothing(topology, f"torsion ({', '.join(self.angles)})")
        return np.array([atoms for _, atoms in entries])

    def label(self, topology, atoms):
        residues = residue_labels(topology)
        return [
            f"{angle} {residues[topology.atom(four[1]).residue.index]} {part}"
            for angle, four in self._entries(topology)
            for part in ("cos", "sin")
        ]

    def compute(self, trajectory):
        angles = mdtraj.compute_dihedrals(trajectory, self.atoms, periodic=self.periodic)
        return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1)


CHI = ("chi1", "chi2", "chi3", "chi4", "chi5")


@register_featurizer
@dataclass
class Torsions(_Torsions):
    """Cosines and sines of all protein torsions: phi, psi, omega and chi1 to chi5."""

    name: ClassVar[str] = "torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi", "omega", *CHI)


@register_featurizer
@dataclass
class BackboneTorsions(_Torsions):
    """Cosines and sines of the backbone torsions phi and psi."""

    name: ClassVar[str] = "backbone_torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi")


@register_featurizer
@dataclass
class SidechainTorsions(_Torsions):
    """Cosines and sines of the side-chain torsions chi1 to chi5."""

    name: ClassVar[str] = "sidechain_torsions"
    angles: ClassVar[tuple[str, ...]] = CHI


@register_featurizer
@dataclass
class Contacts(Featurizer):
    """Contacts between residues: 1 / (1 + (d / cutoff)^6), smoothly from 1 to 0, 1/2 at the cutoff.

    This is PLUMED's rational switching function with n=6, m=12. ``scheme`` is "closest-heavy" (d is the
    shortest distance between heavy atoms of the two residues) or "ca" (between their C-alphas); ``cutoff`` in
    nm, default 0.45 and 0.8. Residues closer than ``min_separation`` in sequence are left out.
    """

    scheme: str = "closest-heavy"
    cutoff: float | None = None
    min_separation: int = 3
    periodic: bool = True
    name: ClassVar[str] = "contacts"
    kind: ClassVar[str] = "contact"

    def __post_init__(self):
        if self.scheme not in ("closest-heavy", "ca"):
            raise FelError(f"contacts with scheme='{self.scheme}'.", "It is 'closest-heavy' or 'ca'.")
        if self.cutoff is not None and not self.cutoff > 0:
            raise FelError(f"contacts with cutoff={self.cutoff}.", "It is a positive distance in nm.")
        if self.min_separation < 1:
            raise FelError(f"contacts with min_separation={self.min_separation}.", "It is 1 or more.")

    def find(self, topology):
        """One atom for each of the two residues: the C-alpha, or without one the first heavy atom."""
        anchors = {}
        for residue in topology.residues:
            heavy = [
                a for a in residue.atoms if a.element is not None and a.element.symbol not in ("H", "VS")
            ]
            alphas = [a for a in heavy if a.name == "CA" and a.element.symbol == "C"]
            if alphas or (heavy and self.scheme == "closest-heavy" and not residue.is_water):
                anchors[residue.index] = (alphas or heavy)[0]
        pairs = [
            (a.index, b.index)
            for (i, a), (j, b) in combinations(anchors.items(), 2)
            if j - i >= self.min_separation or a.residue.chain.index != b.residue.chain.index
        ]
        if not pairs:
            raise self.nothing(topology, f"two residues at least {self.min_separation} apart in sequence")
        if len(pairs) > MAX_FEATURES:
            raise FelError(
                f"contacts: {len(anchors)} residues make {len(pairs)} pairs.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Load fewer residues with load_trajectories(..., atoms=...).",
            )
        return np.array(pairs)

    def label(self, topology, atoms):
        labels = residue_labels(topology)
        return [f"contact {' '.join(labels[topology.atom(i).residue.index] for i in pair)}" for pair in atoms]

    def compute(self, trajectory):
        if self.scheme == "ca":
            distances = mdtraj.compute_distances(trajectory, self.atoms, periodic=self.periodic)
        else:
            pairs = [[trajectory.topology.atom(i).residue.index for i in pair] for pair in self.atoms]
            distances, _ = mdtraj.compute_contacts(
                trajectory, pairs, scheme="closest-heavy", periodic=self.periodic
            )
        cutoff = self.cutoff or (0.8 if self.scheme == "ca" else 0.45)
        return (1 / (1 + (distances / cutoff) ** 6)).astype(np.float32)


@register_featurizer
@dataclass
class Coordinates(Featurizer):
    """Cartesian coordinates (nm) of the selected atoms, superposed on those of the first frame.

    The box is not used: molecules must be whole.
    """

    selection: str | list[int] = HEAVY
    name: ClassVar[str] = "coordinates"
    kind: ClassVar[str] = "coordinate"

    def find(self, topology):
        atoms = select_atoms(topology, self.selection, allow_none=True)
        if len(atoms) < 3:
            raise self.nothing(topology, f"three atoms of '{self.selection}', which alignment needs")
        if 3 * len(atoms) > MAX_FEATURES:
            raise FelError(
                f"coordinates of {len(atoms)} atoms.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Select fewer atoms, such as selection='name CA'.",
            )
        return atoms[:, None]

    def label(self, topology, atoms):
        labels = atom_labels(topology)
        return [f"{axis} {labels[i]}" for (i,) in atoms for axis in "xyz"]

    def compute(self, trajectory):
        chosen, reference = (t.atom_slice(self.atoms[:, 0]) for t in (trajectory, self.reference))
        chosen.superpose(reference)
        return chosen.xyz.reshape(len(chosen), -1)
