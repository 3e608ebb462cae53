"""The network of SPIB: a Gaussian encoder, a decoder of states, and a mixture as the encoder's prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fel_explorer.methods.nets import mlp, output_layer
from fel_explorer.training.data import BLOCK

if TYPE_CHECKING:
    from fel_explorer.methods.spib.refinement import Refinement

FIRST_LOG_VARIANCE = -2.0  # of the noise before training: less than the spread of the embedding


class BottleneckNetwork(nn.Module):
    """q(z|x), q(y|z) and r(z) of a state predictive information bottleneck.

    States may be switched off: they have no probability and no part in the prior, but keep their place until
    `keep` leaves them out.

    Parameters
    ----------
    n_features, n_dims, n_states
        Sizes of x, of z and of y.
    hidden
        Widths of the encoder's hidden layers, and, in reverse, of the decoder's.
    generator
        Draws the weights (CPU).
    """

    alive: Tensor
    refinement: Refinement  # while it is trained

    def __init__(
        self, n_features: int, n_dims: int, n_states: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = mlp([n_features, *hidden, 2 * n_dims], generator)
        self.decoder = mlp([n_dims, *reversed(hidden), n_states], generator)
        self.pseudo_inputs = nn.Parameter(torch.zeros(n_states, n_features))  # u_k
        self.prior_logits = nn.Parameter(torch.zeros(n_states))  # ln of the weight w_k, not normalised
        self.register_buffer("alive", torch.ones(n_states, dtype=torch.bool))
        with torch.no_grad():
            output_layer(self.encoder).bias[n_dims:] += FIRST_LOG_VARIANCE

    def encode(
        self, x: Float[Tensor, "frame feature"]
    ) -> tuple[Float[Tensor, "frame cv"], Float[Tensor, "frame cv"]]:
        """Mean and log variance of q(z|x), both (frame, cv), of standardised features (frame, feature)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def log_probabilities(self, z: Float[Tensor, "point cv"]) -> Float[Tensor, "point state"]:
        """ln q(y|z), (point, state), of points (point, cv); -inf for states that are switched off."""
        return self.decoder(z).masked_fill(~self.alive, -torch.inf).log_softmax(1)

    def log_prior(self, z: Float[Tensor, "point cv"]) -> Float[Tensor, "point"]:
        """ln r(z) = ln sum_k w_k q(z|u_k), (point,), of points (point, cv)."""
        mean, log_variance = self.encode(self.pseudo_inputs)
        weight = self.prior_logits.masked_fill(~self.alive, -torch.inf).log_softmax(0)
        return torch.logsumexp(weight + log_normal(z[:, None], mean, log_variance), dim=1)

    def information(
        self,
        z: Float[Tensor, "#frame cv"],
        mean: Float[Tensor, "#frame cv"],
        log_variance: Float[Tensor, "#frame cv"],
    ) -> Float[Tensor, "frame"]:
        """ln q(z|x) - ln r(z), (frame,), in nats; its mean over z drawn from q(z|x) is KL(q(z|x) || r)."""
        return log_normal(z, mean, log_variance) - self.log_prior(z)

    @torch.no_grad()
    def embed(self, features: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame cv"]:
        """Mean of z (frame, cv) of all standardised features (frame, feature), wherever they are kept."""
        return torch.cat([self.encode(self._here(block))[0] for block in features.split(BLOCK)])

    @torch.no_grad()
    def decide(self, features: Float[Tensor, "frame feature"]) -> Int[Tensor, "frame"]:
        """Most probable state (frame,) at the mean of z, of the same."""
        return torch.cat([self.log_probabilities(z).argmax(1) for z in self.embed(features).split(BLOCK)])

    def _here(self, features: Tensor) -> Tensor:
        return features.to(self.alive.device)

    @torch.no_grad()
    def keep(self, states: Int[Tensor, "state"]) -> None:
        """Leave out all states but ``states`` (state,), and number them so."""
        last = output_layer(self.decoder)
        last.weight, last.bias = nn.Parameter(last.weight[states]), nn.Parameter(last.bias[states])
        last.out_features = len(states)
        self.pseudo_inputs = nn.Parameter(self.pseudo_inputs[states])
        self.prior_logits = nn.Parameter(self.prior_logits[states])
        self.alive = self.alive[states]


def log_normal(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln of the normal density with diagonal covariance, summed over the last dimension of z."""
    square = (z - mean).square() * (-log_variance).exp()
    return -0.5 * (square + log_variance + math.log(2 * math.pi)).sum(-1)
