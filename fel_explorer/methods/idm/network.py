"""The matching network of IDM: encoder G, prototypes through g, and the decoder of the auxiliary task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fel_explorer.methods.idm.objective import log_memberships
from fel_explorer.methods.nets import mlp

PROTOTYPE_WIDTH = 64


class MatchingNetwork(nn.Module):
    """Maps frames and prototypes to one space, where their similarity gives the memberships.

    Parameters
    ----------
    encoder
        G: standardised features (frame, feature) to the matching space (frame, cv).
    n_features, n_dims
        Width of the input and of the matching space.
    hidden
        Widths of the decoder's hidden layers, in reverse.
    codes
        What stands for the prototypes: one-hot vectors (prototype, prototype), or standardised structures
        (prototype, feature).
    n_states
        Number of states, at least that of prototypes; the states after it have no membership.
    structures
        Whether ``codes`` are structures, so that g = G; else g is a small network of its own.
    """

    codes: Tensor
    target: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        n_features: int,
        n_dims: int,
        hidden: Sequence[int],
        codes: Tensor,
        *,
        n_states: int,
        structures: bool,
        similarity: str,
        gamma: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.similarity, self.gamma = similarity, gamma
        self.encoder = encoder
        self.decoder = mlp([n_dims, *reversed(hidden), n_features], generator)
        self.prototype_net = None
        if not structures:
            self.prototype_net = mlp([len(codes), PROTOTYPE_WIDTH, n_dims], generator)
        self.register_buffer("codes", codes)
        self.register_buffer("target", torch.eye(len(codes), n_states))  # what each prototype counts to

    def prototypes(self) -> Float[Tensor, "prototype cv"]:
        """Position of each prototype, (prototype, cv)."""
        return (self.prototype_net or self.encoder)(self.codes)

    def memberships(self, z: Float[Tensor, "frame cv"]) -> Float[Tensor, "frame state"]:
        """chi (frame, state) of points z (frame, cv) of the matching space."""
        return self.log_memberships(z).exp() @ self.target

    def log_memberships(self, z: Float[Tensor, "frame cv"]) -> Float[Tensor, "frame prototype"]:
        """ln chi (frame, prototype) of points z (frame, cv), before prototypes are merged to states."""
        return log_memberships(z, self.prototypes(), self.gamma, self.similarity)

    def merge(self, target: Int[Tensor, "state"]) -> None:
        """Let each state i count to state ``target[i]`` (state,) from now on."""
        self.target.copy_(self.target @ torch.eye(len(target), device=target.device)[target])

    def reorder(self, order: Int[Tensor, "state"]) -> None:
        """Renumber the states: new state i is the old ``order[i]``."""
        self.target.copy_(self.target[:, order])
