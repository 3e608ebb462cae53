"""Contacts between residues, as a smooth function of a distance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.solvent import is_solvent
from fel_explorer.errors import FelError
from fel_explorer.features.atom_names import residue_labels
from fel_explorer.features.featurizer_base import (
    MAX_FEATURES,
    Featurizer,
    register_featurizer,
)
from fel_explorer.features.kind_base import FeatureBlock, FeatureKind, register_kind
from fel_explorer.features.kinds.distance import plumed_pbc

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor

CUTOFFS = {"closest-heavy": 0.45, "ca": 0.8}  # nm


@register_kind
class Contact(FeatureKind):
    """Contact between two residues: 1 / (1 + (d / cutoff)^6), where d is the distance between their C-alphas
    or the shortest between their heavy atoms."""

    name = "contact"
    n_atoms = 2

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        labels = residue_labels(topology)
        return [f"contact {' '.join(labels[topology.atom(i).residue.index] for i in pair)}" for pair in atoms]

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        from fel_explorer.features import geometry

        periodic = block.options.get("periodic", True)
        if scheme_of(block.options) == "ca":
            near = geometry.distances(trajectory, block.atoms, block.molecules, periodic=periodic)
        else:
            heavy = {i: heavy_atoms(trajectory.topology.atom(i).residue) for i in np.unique(block.atoms)}
            groups = [[heavy[i] for i in pair] for pair in block.atoms]
            near = geometry.closest(trajectory, groups, block.molecules, periodic=periodic)
        return (1 / (1 + (near / cutoff_of(block.options)) ** 6)).astype(np.float32)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        points = block.points(positions)
        distances = (points[..., 1, :] - points[..., 0, :]).norm(dim=-1)
        return 1 / (1 + (distances / cutoff_of(block.options)) ** 6)

    def reason_no_derivative(self, options: dict) -> str:
        if scheme_of(options) == "ca":
            return ""
        return "Contacts by closest atoms are not differentiated; take scheme='ca' or minimum_distances."

    def plumed(self, atoms: list[int], options: dict, number: int) -> list[str]:
        return [
            f"d{number}: DISTANCE ATOMS={atoms[0]},{atoms[1]}{plumed_pbc(options)}",
            f"f{number}: CUSTOM ARG=d{number} FUNC=1/(1+(x/{cutoff_of(options):g})^6) PERIODIC=NO",
        ]

    def reason_not_in_plumed(self, options: dict) -> str:
        return self.reason_no_derivative(options)

    def feature_atoms(self, entry: np.ndarray, topology: mdtraj.Topology) -> np.ndarray:
        return np.array([atom.index for i in entry for atom in topology.atom(i).residue.atoms])

    def reason_no_structure(self, options: dict) -> str:
        return "A contact says whether residues are near, not where their atoms are."


def heavy_atoms(residue: mdtraj.core.topology.Residue) -> np.ndarray:
    """Indices of the atoms of a residue but hydrogens."""
    return np.array([a.index for a in residue.atoms if a.element is None or a.element.symbol != "H"])


def scheme_of(options: dict) -> str:
    """Choice of the atoms of a contact."""
    return options.get("scheme", "closest-heavy")


def cutoff_of(options: dict) -> float:
    """Distance (nm) at which a contact is 1/2."""
    return options.get("cutoff") or CUTOFFS[scheme_of(options)]


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
        if self.scheme not in CUTOFFS:
            raise FelError(f"contacts with scheme='{self.scheme}'.", "It is 'closest-heavy' or 'ca'.")
        if self.cutoff is not None and not self.cutoff > 0:
            raise FelError(f"contacts with cutoff={self.cutoff}.", "It is a positive distance in nm.")
        if self.min_separation < 1:
            raise FelError(f"contacts with min_separation={self.min_separation}.", "It is 1 or more.")

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        """One atom for each of the two residues: the C-alpha, or without one the first heavy atom."""
        anchors = {}
        for residue in topology.residues:
            heavy = [
                a for a in residue.atoms if a.element is not None and a.element.symbol not in ("H", "VS")
            ]
            alphas = [a for a in heavy if a.name == "CA" and a.element.symbol == "C"]
            if alphas or (heavy and self.scheme == "closest-heavy" and not is_solvent(residue)):
                anchors[residue.index] = (alphas or heavy)[0]
        pairs = [
            (a.index, b.index)
            for (i, a), (j, b) in combinations(anchors.items(), 2)
            if j - i >= self.min_separation or a.residue.chain.index != b.residue.chain.index
        ]
        if not pairs:
            raise self.nothing(topology, f"two residues at least {self.min_separation} apart in sequence")
        if len(pairs) > MAX_FEATURES:
            raise self.too_many(topology, f"{len(anchors)} residues", len(pairs))
        return np.array(pairs)
