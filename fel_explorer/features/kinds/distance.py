"""Distances between two atoms."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.atom_names import atom_labels
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer, register_featurizer
from fel_explorer.features.kind_base import Constraints, FeatureKind, register_kind

if TYPE_CHECKING:
    pass

HEAVY = "element != H and not solvent"


@register_kind
class Distance(FeatureKind):
    """Distance (nm) between two atoms."""

    name = "distance"
    n_atoms = 2

    def quantities(self, topology, atoms):
        labels = atom_labels(topology)
        return [f"d {labels[i]} {labels[j]}" for i, j in atoms]

    def compute(self, trajectory, block):
        import mdtraj

        return mdtraj.compute_distances(trajectory, block.atoms, periodic=block.options.get("periodic", True))

    def evaluate(self, positions, block):
        points = block.points(positions)
        return (points[..., 1, :] - points[..., 0, :]).norm(dim=-1)

    def plumed(self, atoms, options, number):
        return [f"f{number}: DISTANCE ATOMS={atoms[0]},{atoms[1]}{plumed_pbc(options)}"]

    def constraints(self, values, block):
        return Constraints("distance", block.atoms, values)


def plumed_pbc(options: dict) -> str:
    """PLUMED's flag of features without nearest images."""
    return "" if options.get("periodic", True) else " NOPBC"


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
