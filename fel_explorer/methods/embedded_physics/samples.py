"""Samples of a model with importance weights: drawn for the purpose, or remembered from its training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fel_explorer.methods.embedded_physics.density import LatentDensity
from fel_explorer.methods.embedded_physics.quadrature import refined_log_prob
from fel_explorer.methods.embedded_physics.target import Target
from fel_explorer.methods.embedded_physics.tempering import truncated_weights

BLOCK = 2_000  # samples drawn at once


@dataclass(frozen=True)
class Weighted:
    """Samples of a model: y (sample, dim), z (sample, cv), ln of pi / q (sample,), pi not normalised."""

    y: Tensor
    z: Tensor
    log_weights: Tensor
    log_target: Tensor

    def __add__(self, other: Weighted) -> Weighted:
        """Both together: either set of weights has the same normalisation."""
        return Weighted(*(torch.cat([getattr(self, n), getattr(other, n)]) for n in self.__annotations__))

    @property
    def weights(self) -> Tensor:
        """(sample,) normalised."""
        return torch.softmax(self.log_weights, 0)


@torch.no_grad()
def weighted_samples(
    network: LatentDensity, target: Target, n: int, generator: torch.Generator, beta: float = 1.0
) -> Weighted:
    """``n`` samples of the model with their importance weights for the target at ``beta``."""
    blocks = []
    for start in range(0, n, BLOCK):
        z, y = network.draw(min(BLOCK, n - start), generator)
        log_target, _ = target.log_density(y, beta)
        blocks.append(Weighted(y, z, log_target - refined_log_prob(network, y), log_target))
    return Weighted(*(torch.cat([getattr(b, name) for b in blocks]) for name in Weighted.__annotations__))


class Memory:
    """The last ``size`` samples y (sample, dim); older ones are written over.

    Each counts as drawn from the model of its own time: any set of samples with weights pi / q has the same
    normalisation, so sets may be put together (Eqs. 48-50).
    """

    def __init__(self, size: int, dim: int, device: torch.device, dtype: torch.dtype) -> None:
        self._y = torch.zeros(size, dim, device=device, dtype=dtype)
        self._terms = torch.zeros(3, size, device=device, dtype=torch.float64)
        self._count = torch.zeros((), dtype=torch.long)

    def __len__(self) -> int:
        return min(int(self._count), len(self._y))

    def add(self, y: Tensor, energy: Tensor, rest: Tensor, log_q: Tensor) -> None:
        """Remember samples with U / kT, the part of -ln pi that is not tempered, and ln q, (sample,) each."""
        terms = torch.stack([v.detach().double() for v in (energy, rest, log_q)])
        first = int(self._count) % len(self._y)  # the count is on the host
        n = min(len(y), len(self._y) - first)
        for to, of in ((slice(first, first + n), slice(0, n)), (slice(0, len(y) - n), slice(n, len(y)))):
            self._y[to] = y[of].detach()
            self._terms[:, to] = terms[:, of]
        self._count += len(y)

    @property
    def y(self) -> Tensor:
        """(sample, dim)."""
        return self._y[: len(self)]

    def log_target(self, beta: float = 1.0) -> Tensor:
        """ln pi_beta (sample,), not normalised."""
        energy, rest, _ = self._terms[:, : len(self)]
        return -(beta * energy + rest)

    def log_weights(self, beta: float = 1.0) -> Tensor:
        """ln of pi_beta / q (sample,)."""
        return self.log_target(beta) - self._terms[2, : len(self)]

    def choose(self, n: int, beta: float, generator: torch.Generator) -> Tensor:
        """``n`` of the samples (n, dim) as if they were drawn from pi_beta, by truncated weights."""
        weights = truncated_weights(self.log_weights(beta))
        return self.y[torch.multinomial(weights, n, True, generator=generator)]

    def state(self) -> dict[str, Tensor]:
        """Its tensors, which go on changing."""
        return {"y": self._y, "terms": self._terms, "count": self._count}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved `state`."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
