"""Distances between two atoms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.atom_names import atom_labels
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer, register_featurizer
from fel_explorer.features.kind_base import Constraints, FeatureBlock, FeatureKind, register_kind

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor

MAX_PAIRS = 5_000_000  # that are made before those near in sequence are left out
HEAVY = "element != H and not solvent"


@register_kind
class Distance(FeatureKind):
    """Distance (nm) between two atoms."""

    name = "distance"
    n_atoms = 2

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        labels = atom_labels(topology)
        return [f"d {labels[i]} {labels[j]}" for i, j in atoms]

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        from fel_explorer.features.geometry import distances

        periodic = block.options.get("periodic", True)
        return distances(trajectory, block.atoms, block.molecules, periodic=periodic)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        points = block.points(positions)
        return (points[..., 1, :] - points[..., 0, :]).norm(dim=-1)

    def plumed(self, atoms: list[int], options: dict, number: int) -> list[str]:
        return [f"f{number}: DISTANCE ATOMS={atoms[0]},{atoms[1]}{plumed_pbc(options)}"]

    def constraints(self, values: np.ndarray, block: FeatureBlock) -> Constraints:
        return Constraints("distance", block.atoms, values)


def plumed_pbc(options: dict) -> str:
    """PLUMED's flag of features without nearest images."""
    return "" if options.get("periodic", True) else " NOPBC"


class _Distances(Featurizer):
    kind = "distance"
    every = min_separation = 1

    def pairs(self, topology: mdtraj.Topology) -> np.ndarray:
        """All pairs (pair, 2) of the atoms that are measured."""
        atoms = self.chosen(topology, self.selection_of())[:: self.every]
        if len(atoms) < 2:
            raise self.nothing(topology, f"two atoms of '{self.selection_of()}'")
        n_pairs = len(atoms) * (len(atoms) - 1) // 2
        if n_pairs > (MAX_FEATURES if self.min_separation == 1 else MAX_PAIRS):
            raise self.too_many(topology, f"{len(atoms)} atoms", n_pairs)
        first, second = np.triu_indices(len(atoms), 1)
        return np.column_stack([atoms[first], atoms[second]])

    @abstractmethod
    def selection_of(self) -> str | list[int]:
        """The atoms that are measured, as mdtraj selects them."""

    def chosen(self, topology: mdtraj.Topology, selection: str | Sequence[int]) -> np.ndarray:
        return select_atoms(topology, selection, allow_none=True)

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        pairs = self.pairs(topology)
        pairs = pairs[apart_in_sequence(topology, pairs, self.min_separation)]
        if not len(pairs):
            raise self.nothing(topology, f"two atoms at least {self.min_separation} residues apart")
        if len(pairs) > MAX_FEATURES:
            raise self.too_many(topology, f"{len(np.unique(pairs))} atoms", len(pairs))
        return pairs


def apart_in_sequence(topology: mdtraj.Topology, pairs: np.ndarray, separation: int) -> np.ndarray:
    """Whether residues of pairs (pair, 2) are ``separation`` or more apart, or in different chains."""
    if separation <= 1:
        return np.ones(len(pairs), bool)
    residue = np.array([atom.residue.index for atom in topology.atoms])[pairs]
    chain = np.array([atom.residue.chain.index for atom in topology.atoms])[pairs]
    return (np.abs(residue[:, 1] - residue[:, 0]) >= separation) | (chain[:, 0] != chain[:, 1])


def check_counts(featurizer: Featurizer, *names: str) -> None:
    """Raise a `FelError` for an option that is not a whole number from 1 up."""
    for name in names:
        value = getattr(featurizer, name)
        if not isinstance(value, int) or value < 1:
            raise FelError(f"{featurizer.name} with {name}={value!r}.", "It is a whole number from 1 up.")


@register_featurizer
@dataclass
class HeavyAtomDistances(_Distances):
    """Distances (nm) between all heavy atoms but the solvent's; between molecules to nearest images."""

    periodic: bool = True
    name: ClassVar[str] = "heavy_atom_distances"

    def selection_of(self) -> str | list[int]:
        return HEAVY


@register_featurizer
@dataclass
class CaDistances(_Distances):
    """Distances (nm) between all pairs of C-alpha atoms; between molecules to nearest images.

    ``every`` takes every n-th C-alpha only; pairs closer than ``min_separation`` residues in sequence are
    left out. 500 residues make 124,750 distances, with every=5 4,950, with min_separation=10 too 4,851.
    """

    periodic: bool = True
    every: int = 1
    min_separation: int = 1
    name: ClassVar[str] = "ca_distances"

    def __post_init__(self):
        check_counts(self, "every", "min_separation")

    def selection_of(self) -> str | list[int]:
        return "name CA and element C"


@register_featurizer
@dataclass
class Distances(_Distances):
    """Distances (nm) between all pairs of atoms of an mdtraj selection, or of two.

    Where ``other`` is given, each atom of ``selection`` is paired with each of ``other``. ``every`` takes
    every n-th atom of the selection only; pairs closer than ``min_separation`` residues in sequence are left
    out.
    """

    selection: str | list[int] = "name CA or name CB"
    periodic: bool = True
    other: str | list[int] = ""
    every: int = 1
    min_separation: int = 1
    name: ClassVar[str] = "distances"

    def __post_init__(self):
        check_counts(self, "every", "min_separation")

    def selection_of(self) -> str | list[int]:
        return self.selection

    def pairs(self, topology: mdtraj.Topology) -> np.ndarray:
        if isinstance(self.other, str) and not self.other.strip():
            return super().pairs(topology)
        first, second = (self.chosen(topology, chosen) for chosen in (self.selection, self.other))
        first = first[:: self.every]
        for atoms, selection in ((first, self.selection), (second, self.other)):
            if not len(atoms):
                raise self.nothing(topology, f"atom of '{selection}'")
        if len(first) * len(second) > MAX_PAIRS:
            raise self.too_many(topology, f"{len(first)} and {len(second)} atoms", len(first) * len(second))
        pairs = np.sort(np.column_stack([np.repeat(first, len(second)), np.tile(second, len(first))]), axis=1)
        return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
