"""Features of molecules as differentiable functions of the atoms' positions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.features.blocks import read_blocks, read_molecules
from fel_explorer.features.kind_base import FeatureBlock


def differentiable_blocks(attrs: Mapping) -> list[FeatureBlock]:
    """The blocks of a dataset's features, all of which have derivatives.

    Raises
    ------
    FelError
        If the dataset does not say what its features are, or some have no derivatives.
    """
    blocks = read_blocks(attrs)
    for block in blocks:
        if reason := block.kind.reason_no_derivative(block.options):
            raise FelError(
                f"The features {block.name} ({block.options}) of kind '{block.kind.name}'. {reason}",
                "Gradients by the positions need features with derivatives, such as distances and torsions.",
                "Featurize with those and train again.",
            )
    return blocks


class MolecularFeatures(nn.Module):
    """Positions (..., atom, 3) in nm -> features (..., feature), as `fel.featurize` computes them.

    Molecules are whole in the positions; between them features are to nearest images where a box is given.

    Parameters
    ----------
    attrs
        ``dataset.attrs``: "featurizers" (JSON), and "topology" (PDB text) for kinds that need a reference.
    own_atoms_only
        Whether positions are those of `atoms` only, instead of all atoms of the topology.

    Attributes
    ----------
    atoms : ndarray (atom,)
        Sorted indices, in the topology, of the atoms that the features depend on.

    Raises
    ------
    FelError
        If the dataset does not say what its features are, or some have no derivatives.
    """

    def __init__(self, attrs: Mapping, *, own_atoms_only: bool = False) -> None:
        super().__init__()
        self.blocks = differentiable_blocks(attrs)
        self.atoms = np.unique(np.concatenate([block.used_atoms() for block in self.blocks]))
        self._attrs, self._own_atoms_only = attrs, own_atoms_only
        if own_atoms_only:
            self.blocks = [block.renumbered(self.atoms) for block in self.blocks]

    def forward(self, positions: Tensor, box: Tensor | None = None) -> Tensor:
        """Features (..., feature) of whole molecules.

        Parameters
        ----------
        positions
            (..., atom, 3) in nm.
        box
            Periodic box vectors in rows, nm: (3, 3), or (frame, 3, 3) for positions (frame, atom, 3).
        """
        blocks = self.blocks
        if box is not None:
            self._find_molecules()
            blocks = [block.in_box(box) for block in blocks]
        return torch.cat([block.kind.evaluate(positions, block) for block in blocks], dim=-1)

    def needs_box(self) -> bool:
        """Whether features between molecules depend on a periodic box."""
        self._find_molecules()
        return any(len(block.joining()) for block in self.blocks)

    def _find_molecules(self) -> None:
        if self.blocks[0].molecule is None:
            label = read_molecules(self._attrs).label
            label = label[self.atoms] if self._own_atoms_only else label
            for block in self.blocks:
                block.molecule = label[block.atoms]
