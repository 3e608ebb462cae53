"""Mixture density networks: a mixture of Gaussians over the next point, given by a network of this one.

    p(y | x) = sum_c alpha_c(x) N(y; mu_c(x), diag sigma_c(x)^2)

x and y (frame, dim) are standardised latents a lag apart.

Source: C. M. Bishop, NCRG/94/004 (1994) [bishop1994mdn]; H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11,
9459 (2020), doi:10.1039/d0sc03635h, Eq. 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fel_explorer.methods.latent_simulator.latent_support import Support
from fel_explorer.methods.nets import mlp
from fel_explorer.progress import Callback, Progress
from fel_explorer.training.loop import REPORT_INTERVAL

DRAWN = 128  # steps whose random numbers are drawn at once; part of what a seed means
COLLINEAR = 1e-12  # of the largest variance: latents that are combinations of others, but for float32
MIN_WIDTH = 1e-3  # of the width of a kernel, in its scale: no kernel shrinks onto one frame


@dataclass(frozen=True)
class Mixture:
    """A mixture at each of several points: log weights (frame, kernel), the others (frame, kernel, dim)."""

    log_weights: Tensor
    means: Tensor
    widths: Tensor

    def log_likelihood(self, y: Float[Tensor, "frame dim"]) -> Float[Tensor, "frame"]:
        """ln p(y), (frame,), of y (frame, dim)."""
        deviation = (y[:, None] - self.means) / self.widths
        dim = y.shape[1]
        kernel = (
            -0.5 * deviation.square().sum(-1) - self.widths.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        )
        return torch.logsumexp(self.log_weights + kernel, dim=1)

    def draw(self, uniform: Tensor, normal: Tensor) -> Tensor:
        """A point of each mixture (frame, dim), from uniform (frame, 1) and normal (frame, dim) numbers."""
        chosen = (self.log_weights.exp().cumsum(1) < uniform).sum(1).clamp_(max=self.log_weights.shape[1] - 1)
        chosen = chosen[:, None, None].expand(-1, 1, normal.shape[1])
        return self.means.gather(1, chosen)[:, 0] + self.widths.gather(1, chosen)[:, 0] * normal

    def cumulative(self, y: Tensor) -> Tensor:
        """P(next point < y), (frame, edge), in one dimension; y (edge,)."""
        z = (y - self.means) / self.widths  # (frame, kernel, edge): dim is 1
        return (self.log_weights.exp()[:, :, None] * torch.special.ndtr(z)).sum(1)


class MixtureNetwork(nn.Module):
    """The mixture as a function of the point.

    Parameters
    ----------
    n_dims, n_kernels, hidden
        Sizes.
    form
        "residual": mu = A x + b + s net, sigma = s softplus(net), where A x + b is the linear prediction from
        one point to the next and s the spread around it: an untrained net already is a linear process.
        "bounded", as published: mu = sigmoid(net) and sigma = elu(net) + 1 of latents scaled to [0, 1].
    generator
        Draws the weights.
    """

    matrix: Tensor
    offset: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self, n_dims: int, n_kernels: int, hidden: Sequence[int], form: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.n_dims, self.n_kernels, self.form = n_dims, n_kernels, form
        sizes = [n_dims, *hidden, n_kernels * (1 + 2 * n_dims)]
        # ReLU as published: its kinks lie all over the data and resolve narrow wells, which SiLU smooths over
        self.net = mlp(sizes, generator, activation=nn.ReLU)
        self.register_buffer("matrix", torch.eye(n_dims))
        for name, value in (("offset", 0.0), ("scale", 1.0), ("low", -1.0), ("high", 1.0)):
            self.register_buffer(name, torch.full((n_dims,), value))

    def set_data(
        self,
        x: Float[Tensor, "pair dim"],
        y: Float[Tensor, "pair dim"],
        low: Float[Tensor, "dim"],
        high: Float[Tensor, "dim"],
    ) -> None:
        """Take the linear prediction from pairs x, y (pair, dim), and the range of the data (dim,)."""
        x, y = x.double(), y.double()
        centred = x - x.mean(0)
        # normal equations: collinear latents have no solution by "gels", the only driver of lstsq on CUDA
        inverse = torch.linalg.pinv(centred.T @ centred, rtol=COLLINEAR, hermitian=True)
        matrix = (inverse @ (centred.T @ (y - y.mean(0)))).T
        self.matrix.copy_(matrix)
        self.offset.copy_(y.mean(0) - matrix @ x.mean(0))
        self.scale.copy_((y - y.mean(0) - centred @ matrix.T).std(0, correction=0).clamp_min(1e-6))
        self.low.copy_(low)
        self.high.copy_(high)

    def linear(self, x: Float[Tensor, "frame dim"]) -> Float[Tensor, "frame dim"]:
        """The linear prediction A x + b, (frame, dim)."""
        return x @ self.matrix.T + self.offset

    def forward(self, x: Float[Tensor, "frame dim"]) -> Mixture:
        bounded = self.form == "bounded"
        span = self.high - self.low
        out = self.net((x - self.low) / span if bounded else x)
        logits, means, widths = out.split(
            [self.n_kernels, self.n_kernels * self.n_dims, self.n_kernels * self.n_dims], dim=1
        )
        means, widths = (v.unflatten(1, (self.n_kernels, self.n_dims)) for v in (means, widths))
        if bounded:
            means = self.low + span * torch.sigmoid(means)
            widths = span * (functional.elu(widths) + 1.0 + MIN_WIDTH * self.scale)
        else:
            means = self.linear(x)[:, None] + self.scale * means
            widths = self.scale * (functional.softplus(widths + 0.5413) + MIN_WIDTH)  # 1 where the net is 0
        return Mixture(functional.log_softmax(logits, dim=1), means, widths)


def propagate(
    network: MixtureNetwork,
    x: Tensor,
    support: Support,
    n_steps: int,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> tuple[Tensor, float]:
    """Draw ``n_steps`` steps from points ``x`` (trajectory, dim), each clipped to ``support``.

    ``callback`` gets a `Progress` every `REPORT_INTERVAL` seconds and ends the run by returning True.

    Returns
    -------
    The points (step, trajectory, dim) on the CPU, and the fraction of steps that were clipped.
    """
    began = reported = time.monotonic()
    frames = torch.empty((n_steps, *x.shape))
    clipped, done = torch.zeros((), device=x.device), 0
    with torch.inference_mode():
        while done < n_steps:
            size = min(DRAWN, n_steps - done)
            uniform = torch.rand((size, len(x), 1), device=x.device, generator=generator)
            normal = torch.randn((size, *x.shape), device=x.device, generator=generator)
            block = torch.empty_like(normal)
            for i in range(size):
                x, outside = support.clip(network(x).draw(uniform[i], normal[i]))
                block[i] = x
                clipped += outside.sum()
            frames[done : done + size] = block
            done += size
            now = time.monotonic()
            if callback is not None and (now - reported > REPORT_INTERVAL or done == n_steps):
                reported = now
                eta = (now - began) / done * (n_steps - done)
                if callback(Progress(done, n_steps, {}, eta, "Simulating in the latent space")):
                    break
    return frames[:done], float(clipped) / (done * len(x))
