"""Torsion angles of four atoms, as their cosines and sines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.features.atom_names import residue_labels
from fel_explorer.features.featurizer_base import Featurizer, register_featurizer
from fel_explorer.features.kind_base import Constraints, FeatureKind, get_kind, register_kind
from fel_explorer.features.kinds.distance import plumed_pbc

if TYPE_CHECKING:
    pass

CHI = ("chi1", "chi2", "chi3", "chi4", "chi5")


@register_kind
class Torsion(FeatureKind):
    """Cosine and sine of the torsion angle of four atoms, IUPAC sign."""

    name = "torsion"
    n_atoms = 4
    parts = ("cos", "sin")

    def compute(self, trajectory, block):
        from fel_explorer.features.geometry import torsions

        periodic = block.options.get("periodic", True)
        angles = torsions(trajectory, block.atoms, block.molecules, periodic=periodic)
        return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1)

    def evaluate(self, positions, block):
        from fel_explorer.features.torch_geometry import torsion_waves

        return torsion_waves(block.points(positions)).flatten(-2)

    def plumed(self, atoms, options, number):
        angle = f"t{number}"
        return [
            f"{angle}: TORSION ATOMS={','.join(map(str, atoms))}{plumed_pbc(options)}",
            f"f{number}: CUSTOM ARG={angle} FUNC=cos(x) PERIODIC=NO",
            f"f{number + 1}: CUSTOM ARG={angle} FUNC=sin(x) PERIODIC=NO",
        ]

    def constraints(self, values, block):
        return Constraints("torsion", block.atoms, values.reshape(-1, 2))


@dataclass
class _Torsions(Featurizer):
    periodic: bool = True
    kind: ClassVar[str] = "torsion"
    angles: ClassVar[tuple[str, ...]] = ()

    def _entries(self, topology) -> list[tuple[str, np.ndarray]]:
        """(angle name, four atoms), ordered by residue, then by angle."""
        from mdtraj.geometry import dihedral

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
        quantities = [
            f"{angle} {residues[topology.atom(four[1]).residue.index]}"
            for angle, four in self._entries(topology)
        ]
        return get_kind(self.kind).feature_names(quantities)


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
