"""Base of the methods whose encoder can be dense layers or a graph network, and the choice between them."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.encoders.graph_network import GraphNetwork
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.network_method import NetworkMethod
from fel_explorer.training.data import Scaling

EVALUATION_PAIRS = 2000  # of each side of the validation: more cost as much as the training
SAMPLE = 256  # frames over which the first weights are standardised


class EncoderMethod(NetworkMethod):
    """Base of methods with a choice of encoder; not a method itself.  A subclass builds it by `_encoder`."""

    encoder = parameters.encoder()
    cutoff = parameters.cutoff()
    n_interactions = parameters.n_interactions()
    atom_width = parameters.atom_width()

    _elements: np.ndarray | None = None
    _sample: torch.Tensor | None = None  # positions (frame, atom, 3) of some frames, for the first weights

    @property
    def ignores_rigid_motion(self) -> bool:  # type: ignore[override]  # a class attribute elsewhere
        return self.encoder == "graph"

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        self._elements = self._sample = None
        if self.encoder == "graph":
            self._elements = elements_of(dataset)
            frames = np.unique(np.linspace(0, dataset.sizes["frame"] - 1, SAMPLE, dtype=int))
            values = np.asarray(dataset["features"][frames].values, np.float32)
            self._sample = torch.from_numpy(values.reshape(len(frames), -1, 3))
        super()._fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)
        self._sample = None

    def _evaluation_pairs(self):
        return EVALUATION_PAIRS if self.encoder == "graph" else super()._evaluation_pairs()

    def _encoder(
        self, n_outputs: int, generator: torch.Generator, activation: type[nn.Module] = nn.SiLU
    ) -> nn.Sequential:
        """The untrained encoder of standardised features; a file that is read fills in the elements."""
        if self.encoder == "dense":
            return mlp([self._scaling.n_kept, *self.hidden, n_outputs], generator, activation)
        n_atoms = len(self._scaling.mean) // 3
        elements = np.zeros(n_atoms, int) if self._elements is None else self._elements
        network = GraphNetwork(
            torch.as_tensor(elements),
            n_outputs,
            width=self.atom_width,
            n_interactions=self.n_interactions,
            cutoff=self.cutoff,
            generator=generator,
        )
        if self._sample is not None:
            network.standardise(self._sample)
        return nn.Sequential(Positions(self._scaling), network)


class Positions(nn.Module):
    """Positions of atoms (frame, atom, 3) from standardised coordinates (frame, kept)."""

    mean: Tensor
    scale: Tensor
    kept: Tensor

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        for name in ("mean", "scale", "kept"):  # in a model's file they are those of the scaling
            self.register_buffer(name, getattr(scaling, name).clone(), persistent=False)

    def forward(self, values: Float[Tensor, "frame kept"]) -> Float[Tensor, "frame atom 3"]:
        moved = torch.zeros(len(values), len(self.mean), dtype=values.dtype, device=values.device)
        moved = moved.index_copy(1, self.kept, values * self.scale[self.kept])
        return (self.mean + moved).reshape(len(values), -1, 3)


def elements_of(dataset: xr.Dataset) -> np.ndarray:
    """Atomic numbers (atom,) of the atoms whose coordinates the features are.

    Raises
    ------
    FelError
        If the features are something else than coordinates of atoms.
    """
    from fel_explorer.data.topology_text import read_topology  # mdtraj takes a second to import
    from fel_explorer.features.blocks import read_blocks

    blocks = read_blocks(dataset.attrs) if "featurizers" in dataset.attrs else []
    if len(blocks) != 1 or blocks[0].kind.name != "coordinate":
        kinds = ", ".join(block.name or block.kind.name for block in blocks) or "arrays"
        raise FelError(
            f"encoder='graph' on features that are {kinds}.",
            "A graph network takes coordinates of atoms and nothing else.",
            "Featurize with fel.Coordinates(selection), or take encoder='dense'.",
        )
    atoms = blocks[0].atoms[:, 0]
    if dataset.sizes["feature"] != 3 * len(atoms):
        raise FelError(
            f"{dataset.sizes['feature']} features for the coordinates of {len(atoms)} atoms.",
            "They are x, y and z of each atom, none dropped.",
        )
    topology = read_topology(dataset.attrs["topology"])
    return np.array([topology.atom(i).element.number for i in atoms.tolist()])
