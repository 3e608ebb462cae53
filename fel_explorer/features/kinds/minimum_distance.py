"""Shortest distances between two groups of atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.atom_names import atom_labels, residue_labels
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer, register_featurizer
from fel_explorer.features.kind_base import FeatureBlock, FeatureKind, register_kind
from fel_explorer.features.kinds.distance import HEAVY, check_counts, plumed_pbc

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor

BY = ("residue", "group")


@register_kind
class MinimumDistance(FeatureKind):
    """Shortest distance (nm) between the atoms of two groups.

    The atoms of an entry are (2, size of the largest group); smaller groups repeat their last atom.
    """

    name = "minimum_distance"
    n_atoms = 2

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        return [f"min d {' '.join(labels)}" for labels in group_labels(topology, atoms)]

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        from fel_explorer.features.geometry import closest

        groups = [[np.unique(group) for group in entry] for entry in block.atoms]
        periodic = block.options.get("periodic", True)
        return closest(trajectory, groups, block.molecules, periodic=periodic)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        points = block.points(positions)
        vectors = points[..., 0, :, None, :] - points[..., 1, None, :, :]
        if len(block.apart()):
            import torch

            from fel_explorer.features.torch_geometry import nearest_images

            assert block.molecule is not None and block.box is not None  # else none are apart
            first, second = block.molecule[:, 0, :, None], block.molecule[:, 1, None, :]
            between = torch.as_tensor(first != second, device=vectors.device)[..., None]
            vectors = torch.where(between, nearest_images(vectors, block.box), vectors)
        return vectors.square().sum(-1).flatten(-2).amin(-1).sqrt()

    def plumed(self, atoms: list[list[int]], options: dict, number: int) -> list[str]:
        first, second = (",".join(map(str, dict.fromkeys(group))) for group in atoms)
        groups = f"GROUPA={first} GROUPB={second}"
        return [
            f"m{number}: DISTANCES {groups} LOWEST{plumed_pbc(options)}",
            f"f{number}: CUSTOM ARG=m{number}.lowest FUNC=x PERIODIC=NO",
        ]

    def feature_atoms(self, entry: np.ndarray, topology: mdtraj.Topology) -> np.ndarray:
        return np.unique(entry)

    def reason_no_structure(self, options: dict) -> str:
        return "A shortest distance says how near groups are, not where their atoms are."


def group_labels(topology: mdtraj.Topology, entries: np.ndarray) -> list[list[str]]:
    """Labels of the groups of each entry (group, atom), such as "ALA1-N..ALA2-O" from first to last atom."""
    labels, named = atom_labels(topology), []
    for entry in entries:
        ends = [(labels[group[0]], labels[group[-1]]) for group in entry]
        named.append([first if first == last else f"{first}..{last}" for first, last in ends])
    return named


@register_featurizer
@dataclass
class MinimumDistances(Featurizer):
    """Shortest distances (nm) between two groups of atoms, or between the residues of one or two groups.

    ``by="residue"`` measures each residue of ``first`` against each of ``second`` (default: against the
    others of ``first``) that is at least ``min_separation`` residues away in sequence; ``by="group"``
    measures one distance between both groups.
    """

    first: str | list[int] = HEAVY
    second: str | list[int] = ""
    by: str = "residue"
    min_separation: int = 3
    periodic: bool = True
    name: ClassVar[str] = "minimum_distances"
    kind: ClassVar[str] = "minimum_distance"

    def __post_init__(self):
        check_counts(self, "min_separation")
        if self.by not in BY:
            raise FelError(f"minimum_distances with by='{self.by}'.", "It is 'residue' or 'group'.")
        if self.by == "group" and not self._has_second:
            raise FelError("minimum_distances by group without second=.", "Two groups are given.")

    @property
    def _has_second(self) -> bool:
        return bool(self.second.strip() if isinstance(self.second, str) else len(self.second))

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        selections = [self.first, self.second] if self._has_second else [self.first]
        chosen = [select_atoms(topology, selection, allow_none=True) for selection in selections]
        for atoms, selection in zip(chosen, selections, strict=True):
            if not len(atoms):
                raise self.nothing(topology, f"atom of '{selection}'")
        if self.by == "group":
            first, *others = chosen
            if any(len(np.intersect1d(first, other)) for other in others):
                raise FelError("minimum_distances of groups with common atoms.", "The groups have none.")
            return padded([chosen])
        groups = [_residues(topology, atoms) for atoms in chosen]
        entries = self._entries(topology, groups[0], groups[-1])
        if not entries:
            raise self.nothing(topology, f"two residues at least {self.min_separation} apart in sequence")
        if len(entries) > MAX_FEATURES:
            raise self.too_many(topology, f"{len(groups[0])} and {len(groups[-1])} residues", len(entries))
        return padded(entries)

    def _entries(self, topology, first: dict, second: dict) -> list:
        chain = [residue.chain.index for residue in topology.residues]
        seen, entries = set(), []
        for i, own in first.items():
            for j, other in second.items():
                far = chain[i] != chain[j] or abs(i - j) >= self.min_separation
                if i != j and far and frozenset((i, j)) not in seen:
                    seen.add(frozenset((i, j)))
                    entries.append((own, other))
        return entries

    def label(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        if self.by == "group":
            return super().label(topology, atoms)
        labels, residue = residue_labels(topology), [atom.residue.index for atom in topology.atoms]
        return [f"min d {' '.join(labels[residue[group[0]]] for group in entry)}" for entry in atoms]


def _residues(topology, atoms: np.ndarray) -> dict[int, np.ndarray]:
    """{residue: those of ``atoms`` that are its}."""
    groups: dict[int, list[int]] = {}
    for atom in atoms.tolist():
        groups.setdefault(topology.atom(atom).residue.index, []).append(atom)
    return {residue: np.array(own) for residue, own in groups.items()}


def padded(entries: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Pairs of groups as an array (entry, 2, size of the largest group); others repeat their last atom."""
    size = max(len(group) for entry in entries for group in entry)
    return np.array([[np.pad(g, (0, size - len(g)), mode="edge") for g in entry] for entry in entries])
