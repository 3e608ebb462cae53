"""Features as they were made: blocks of one kind, as a dataset's attributes record them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.features.kind_base import FeatureKind, get_kind

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(eq=False)
class FeatureBlock:
    """The features that one featurizer made.

    Attributes
    ----------
    kind : FeatureKind
    atoms : ndarray (entry, k)
        Indices into the positions that the features are computed from.
    options : dict
        Of the featurizer.
    reference : ndarray (entry, k, 3) or None
        Positions of these atoms in the reference frame, nm, where the kind needs them.
    name : str
        Of the featurizer.
    """

    kind: FeatureKind
    atoms: np.ndarray
    options: dict = field(default_factory=dict)
    reference: np.ndarray | None = None
    name: str = ""
    _indices: dict = field(default_factory=dict, repr=False)

    @property
    def n_features(self) -> int:
        return len(self.atoms) * len(self.kind.parts)

    def points(self, positions: Tensor) -> Tensor:
        """Positions (..., entry, k, 3) of the atoms of each entry, from those (..., atom, 3) of all atoms."""
        device = positions.device
        if device not in self._indices:
            import torch

            self._indices[device] = torch.as_tensor(self.atoms, device=device)
        return positions[..., self._indices[device], :]

    def renumbered(self, atoms: np.ndarray) -> FeatureBlock:
        """The same block for positions of ``atoms`` (sorted indices) only."""
        return FeatureBlock(
            self.kind, np.searchsorted(atoms, self.atoms), self.options, self.reference, self.name
        )

    def used_atoms(self) -> np.ndarray:
        """Sorted indices of the atoms of all entries."""
        return np.unique(self.atoms)


def read_blocks(attrs: Mapping) -> list[FeatureBlock]:
    """The blocks of a dataset's features, in their order.

    Parameters
    ----------
    attrs
        ``dataset.attrs``: "featurizers" (JSON), and "topology" (PDB text) for kinds that need a reference.

    Raises
    ------
    FelError
        If the dataset does not say what its features are, or a kind is not registered.
    """
    records = json.loads(attrs.get("featurizers", "[]"))
    if not records:
        raise FelError(
            "The dataset does not say which atoms its features belong to.",
            "Datasets of molecules come from fel.featurize(trajectories, featurizers).",
        )
    blocks = []
    for record in records:
        kind, atoms = get_kind(record["kind"]), np.asarray(record["atoms"], int)
        reference = pdb_positions(attrs["topology"])[atoms] if kind.needs_reference else None
        blocks.append(FeatureBlock(kind, atoms, record.get("options", {}), reference, record.get("name", "")))
    return blocks


def pdb_positions(topology: str) -> np.ndarray:
    """Positions (atom, 3) in nm of the first model of a PDB text."""
    rows = []
    for line in topology.splitlines():
        if line.startswith("ENDMDL"):
            break
        if line.startswith(("ATOM  ", "HETATM")):
            rows.append([float(line[i : i + 8]) for i in (30, 38, 46)])
    return np.array(rows) / 10
