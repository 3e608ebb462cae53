"""Cartesian coordinates of atoms, superposed on a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fel_explorer.data.topologies import select_atoms
from fel_explorer.features.atom_names import atom_labels
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer, register_featurizer
from fel_explorer.features.kind_base import Constraints, FeatureBlock, FeatureKind, register_kind
from fel_explorer.features.kinds.distance import HEAVY

if TYPE_CHECKING:
    import mdtraj
    import numpy as np
    from torch import Tensor


@register_kind
class Coordinate(FeatureKind):
    """Cartesian coordinates (nm) of an atom after the best rigid fit of all atoms of the block."""

    name = "coordinate"
    n_atoms = 1
    parts = ("x", "y", "z")
    parts_first = True
    needs_reference = True

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        labels = atom_labels(topology)
        return [labels[i] for (i,) in atoms]

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        import mdtraj

        assert block.reference is not None  # needs_reference
        atoms, reference = block.atoms[:, 0], block.reference[:, 0]
        xyz = trajectory.xyz[:, atoms]
        if block.molecules is not None:
            xyz = block.molecules.place_near(trajectory, atoms, reference)
        chosen = mdtraj.Trajectory(xyz, None).superpose(mdtraj.Trajectory(reference, None))
        return chosen.xyz.reshape(len(chosen), -1)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        from fel_explorer.features.torch_geometry import superpose

        assert block.reference is not None  # needs_reference
        points = block.points(positions)[..., 0, :]
        return superpose(points, points.new_tensor(block.reference[:, 0])).flatten(-2)

    def reason_not_in_plumed(self, options: dict) -> str:
        return "Coordinates after a fit have no counterpart with derivatives in PLUMED's input."

    def constraints(self, values: np.ndarray, block: FeatureBlock) -> Constraints:
        return Constraints("position", block.atoms, values.reshape(-1, 3))


@register_featurizer
@dataclass
class Coordinates(Featurizer):
    """Cartesian coordinates (nm) of the selected atoms, superposed on those of the first frame.

    Molecules that the box cuts are made whole, and put at the images that lie to each other as in that frame.
    """

    selection: str | list[int] = HEAVY
    name: ClassVar[str] = "coordinates"
    kind: ClassVar[str] = "coordinate"

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        atoms = select_atoms(topology, self.selection, allow_none=True)
        if len(atoms) < 3:
            raise self.nothing(topology, f"three atoms of '{self.selection}', which alignment needs")
        if 3 * len(atoms) > MAX_FEATURES:
            raise self.too_many(topology, f"{len(atoms)} atoms", 3 * len(atoms))
        return atoms[:, None]
