"""Graph network of atoms whose outputs do not change when a molecule moves, turns or is mirrored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fel_explorer.methods.nets import mlp

N_ELEMENTS = 119  # atomic numbers, from 0 for unknown ones
N_GAUSSIANS = 24
MAX_PAIRS = 2**20  # pairs of atoms at once where no gradient is wanted


class GraphNetwork(nn.Module):
    """Continuous-filter convolutions over the pairs of atoms that are closer than a cutoff.

    Atoms begin with a vector for their element.  Each interaction adds to an atom's vector what its
    neighbours send, filtered by functions of the distance that go to zero at the cutoff with their slope.
    Outputs are made from the means over atoms.  They depend on distances and elements only: rotations,
    translations, reflections and exchanges of equal atoms change nothing.

    Source: K. T. Schuett et al., J. Chem. Phys. 148, 241722 (2018), doi:10.1063/1.5019779.  Fewer
    interactions, SiLU and a network behind the mean instead of a sum over atoms are this package's own.

    Parameters
    ----------
    elements
        (atom,) atomic numbers.
    n_outputs
        Values for each conformation.
    width, n_interactions
        Of an atom's vector, and how often neighbours exchange them.
    cutoff
        Distance in the unit of the positions (nm).
    """

    elements: Tensor
    pairs: Tensor
    centres: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        elements: Sequence[int] | Int[Tensor, "atom"],
        n_outputs: int,
        *,
        width: int,
        n_interactions: int,
        cutoff: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.cutoff = float(cutoff)
        self.register_buffer("elements", torch.as_tensor(elements, dtype=torch.long).clone())
        first, second = torch.triu_indices(len(self.elements), len(self.elements), offset=1)
        self.register_buffer("pairs", torch.stack([first, second]), persistent=False)
        centres = torch.linspace(0.0, self.cutoff, N_GAUSSIANS)
        self.register_buffer("centres", centres, persistent=False)
        self.embedding = nn.Parameter(torch.randn((N_ELEMENTS, width), generator=generator))
        self.interactions = nn.ModuleList([Interaction(width, generator) for _ in range(n_interactions)])
        self.atoms = mlp([width, width, width], generator)
        self.output = mlp([width, width, n_outputs], generator)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    @torch.no_grad()
    def standardise(self, positions: Float[Tensor, "frame atom 3"]) -> None:
        """Let the means over atoms have mean 0 and variance 1 over these conformations.

        Untrained they hardly depend on the conformation, so that outputs would begin as constants.
        """
        self.mean.zero_()
        self.scale.fill_(1.0)
        values = self._means(positions)
        self.mean.copy_(values.mean(0))
        self.scale.copy_(values.std(0).clamp(min=1e-6))

    def forward(self, positions: Float[Tensor, "frame atom 3"]) -> Float[Tensor, "frame output"]:
        """Outputs of conformations, whose memory grows with the pairs within the cutoff."""
        step = max(1, MAX_PAIRS // max(1, self.pairs.shape[1]))
        if torch.is_grad_enabled() or len(positions) <= step:
            return self._outputs(positions)
        return torch.cat([self._outputs(part) for part in positions.split(step)])

    def _outputs(self, positions):
        return self.output((self._means(positions) - self.mean) / self.scale)

    def _means(self, positions):
        """Mean (frame, width) over atoms of what they know after the interactions."""
        first, second = self.pairs
        square = (positions[:, first] - positions[:, second]).square().sum(-1)
        frame, pair = (square < self.cutoff**2).nonzero().unbind(1)
        distance = (square[frame, pair] + 1e-12).sqrt()  # the root has no slope at 0
        basis, envelope = self._radial(distance)
        n_frames, n_atoms = positions.shape[:2]
        one, other = frame * n_atoms + first[pair], frame * n_atoms + second[pair]
        vectors = self.embedding[self.elements].repeat(n_frames, 1)
        for layer in self.interactions:
            assert isinstance(layer, Interaction)
            filters, sent = layer.filter(basis) * envelope, layer.sent(vectors)
            received = torch.zeros_like(vectors).index_add(0, one, filters * sent[other])
            received = received.index_add(0, other, filters * sent[one])
            vectors = vectors + layer.change(received)
        return self.atoms(vectors).reshape(n_frames, n_atoms, vectors.shape[1]).mean(1)

    def _radial(self, distance):
        """Gaussians of the distances (pair, gaussian), and the factor (pair, 1) that ends at the cutoff."""
        width = self.cutoff / (N_GAUSSIANS - 1)
        basis = torch.exp(-0.5 * ((distance[:, None] - self.centres) / width).square())
        envelope = 0.5 * (torch.cos(math.pi / self.cutoff * distance) + 1.0)
        return basis, envelope[:, None]


class Interaction(nn.Module):
    """Networks of one exchange: what atoms send, how distances filter it, and what is made of the sum."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.sent = mlp([width, width], generator)
        self.filter = mlp([N_GAUSSIANS, width, width], generator)
        self.change = mlp([width, width, width], generator)
