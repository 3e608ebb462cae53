"""Distances between the centres of two groups of atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.featurizer_base import Featurizer, register_featurizer
from fel_explorer.features.kind_base import FeatureBlock, FeatureKind, register_kind
from fel_explorer.features.kinds.distance import plumed_pbc
from fel_explorer.features.kinds.minimum_distance import group_labels, padded

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor


@register_kind
class CentreDistance(FeatureKind):
    """Distance (nm) between the geometric centres of two groups of atoms.

    The atoms of an entry are (2, size of the larger group); the smaller group repeats its last atom.
    """

    name = "centre_distance"
    n_atoms = 2
    needs_reference = True
    makes_whole_in_plumed = True

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        return [f"centre d {' '.join(labels)}" for labels in group_labels(topology, atoms)]

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        from fel_explorer.features.geometry import nearest_images

        assert block.reference is not None  # needs_reference
        columns, periodic = [], block.options.get("periodic", True)
        for entry, near in zip(block.atoms, block.reference, strict=True):
            centres = []
            for group, positions in zip(entry, near, strict=True):
                atoms, first = np.unique(group, return_index=True)
                if periodic and block.molecules is not None:
                    xyz = block.molecules.place_near(trajectory, atoms, positions[first])
                else:
                    xyz = trajectory.xyz[:, atoms]
                centres.append(xyz.mean(axis=1))
            vectors = centres[1] - centres[0]
            if periodic and block.molecules is not None and _apart(block.molecules.label[entry]):
                vectors = nearest_images(vectors, trajectory.unitcell_vectors)
            columns.append(np.linalg.norm(vectors, axis=-1))
        return np.stack(columns, axis=1).astype(np.float32)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        import torch

        from fel_explorer.features.torch_geometry import nearest_images

        points, columns = block.points(positions), []
        apart = set(block.apart().tolist())
        for number, entry in enumerate(block.atoms):
            centres = []
            for side, group in enumerate(entry):
                first = torch.as_tensor(np.unique(group, return_index=True)[1], device=points.device)
                centres.append(points[..., number, side, :, :].index_select(-2, first).mean(-2))
            vectors = centres[1] - centres[0]
            if number in apart and block.molecule is not None and _apart(block.molecule[number]):
                assert block.box is not None  # else none are apart
                vectors = nearest_images(vectors, block.box)
            columns.append(vectors.norm(dim=-1))
        return torch.stack(columns, dim=-1)

    def plumed(self, atoms: list[list[int]], options: dict, number: int) -> list[str]:
        groups = [",".join(map(str, dict.fromkeys(group))) for group in atoms]
        return [
            f"a{number}: CENTER ATOMS={groups[0]} NOPBC",
            f"b{number}: CENTER ATOMS={groups[1]} NOPBC",
            f"f{number}: DISTANCE ATOMS=a{number},b{number}{plumed_pbc(options)}",
        ]

    def feature_atoms(self, entry: np.ndarray, topology: mdtraj.Topology) -> np.ndarray:
        return np.unique(entry)

    def reason_no_structure(self, options: dict) -> str:
        return "A distance of centres does not say where the atoms of the groups are."


def _apart(labels: np.ndarray) -> bool:
    """Whether two groups (2, atom) of molecules' numbers have no molecule in common."""
    return not len(np.intersect1d(labels[0], labels[1]))


@register_featurizer
@dataclass
class CentreDistances(Featurizer):
    """Distance (nm) between the geometric centres of two groups of atoms, such as a ligand and its pocket."""

    first: str | list[int] = "chainid 0"
    second: str | list[int] = "chainid 1"
    periodic: bool = True
    name: ClassVar[str] = "centre_distances"
    kind: ClassVar[str] = "centre_distance"

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        groups = []
        for selection in (self.first, self.second):
            groups.append(select_atoms(topology, selection, allow_none=True))
            if not len(groups[-1]):
                raise self.nothing(topology, f"atom of '{selection}'")
        if np.array_equal(groups[0], groups[1]):
            raise FelError(f"centre_distances of '{self.first}' and '{self.second}'.", "The groups differ.")
        return padded([groups])
