"""The generative model of embedded physics: q(x) = integral N(z; 0, I) N(x; mu(z), diag sigma^2) dz.

Source: M. Schoeberl, N. Zabaras and P.-S. Koutsourelakis (2020), doi:10.48550/arXiv.2002.10148, Eqs. 20-27.
mu is a network, sigma are free parameters (Eqs. 20-22).  With one or two CVs the integral is done by
quadrature, so that ln q(x) and the posterior of z need no encoder; with more the encoder r(z|x) (Eqs. 23-27)
bounds it.  Coordinates may be periodic: their Gaussians are then wrapped around the circle.

Turns that CVs carry start as once around per CV, evenly, and their noise stays narrow: otherwise noise covers
the turn while hot, and as it narrows when cooled all but one of the modes are lost before mu(z) reaches them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fel_explorer.methods.nets import mlp

REACH = 4.0  # of the quadrature in each z
NODES = {1: 121, 2: 41}  # per z while learning; `quadrature` refines them for the numbers that are reported
WIDEST = 0.25  # periods: a wider wrapped Gaussian is uniform, and would need further images
NARROW = 0.08  # periods: the same of turns that are carried by the CVs
DRAWS = 200  # from the encoder, where ln q(x) is estimated by them
LOG_2PI = math.log(2 * math.pi)


class LatentDensity(nn.Module):
    """q(x) of x (sample, dim), with its CVs z (sample, cv).

    Parameters
    ----------
    centre, scale, period
        (dim,) of each coordinate: where the means start, their scale, and the period, 0 for none.
    width
        (dim,) sigma at the start.
    carried
        Indices of the periodic coordinates that the CVs start with, at most one a CV.
    hidden
        Widths of the decoder's hidden layers, tanh (Tables 2 and 4).
    encoder_hidden
        Those of the encoder, SELU and at last tanh (Table 1); None: no encoder.
    """

    centre: Tensor
    scale: Tensor
    period: Tensor
    around: Tensor
    widest: Tensor
    _plain: Tensor
    nodes: Tensor
    log_weights: Tensor
    encoder: nn.Sequential | None

    def __init__(
        self,
        n_dims: int,
        centre: Tensor,
        scale: Tensor,
        period: Tensor,
        width: Tensor,
        generator: torch.Generator,
        *,
        carried: Sequence[int] | Tensor = (),
        hidden: Sequence[int] = (100, 100),
        encoder_hidden: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.n_dims = n_dims
        for name, values in (("centre", centre), ("scale", scale), ("period", period)):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self._list_turns()
        carried = torch.as_tensor(carried, dtype=torch.long)[:n_dims]
        around = torch.zeros(n_dims, len(self.centre))
        around[torch.arange(len(carried)), carried] = self.period[carried]
        self.register_buffer("around", around, persistent=False)
        widest = torch.full_like(self.period, WIDEST)
        widest[carried] = NARROW
        self.register_buffer("widest", widest * self.period, persistent=False)
        self.decoder = mlp([n_dims, *hidden, len(self.centre)], generator, nn.Tanh)
        self.log_sigma = nn.Parameter(torch.as_tensor(width, dtype=torch.float32).log())
        self.encoder = None
        if encoder_hidden is not None:
            self.encoder = mlp([2 * len(self.centre), *encoder_hidden, 2 * n_dims], generator, nn.SELU)
            if encoder_hidden:
                self.encoder[2 * len(encoder_hidden) - 1] = nn.Tanh()
        nodes, log_weights = _quadrature(n_dims) if n_dims in NODES else (torch.empty(0, n_dims), [])
        self.register_buffer("nodes", nodes, persistent=False)
        self.register_buffer("log_weights", torch.as_tensor(log_weights), persistent=False)

    def _list_turns(self) -> None:
        """List the periodic coordinates on the host, so that no step has to ask the device for them."""
        self._turns = [(i, float(self.period[i])) for i in torch.nonzero(self.period)[:, 0].tolist()]
        self.register_buffer("_plain", torch.nonzero(self.period == 0)[:, 0], persistent=False)

    @property
    def exact(self) -> bool:
        """Whether ln q(x) is a quadrature."""
        return len(self.nodes) > 0

    def sigma(self) -> Float[Tensor, "dim"]:
        """(dim,); of periodic coordinates it bends towards the widest, where a bound would end learning."""
        sigma = self.log_sigma.exp()
        bent = sigma / torch.sqrt(1 + (sigma / self.widest.clamp(min=1e-6)).square())
        return torch.where(self.period > 0, bent, sigma)

    def mean(self, z: Float[Tensor, "sample cv"]) -> Float[Tensor, "sample dim"]:
        """mu(z) (sample, dim)."""
        return self.centre + self.scale * self.decoder(z) + (torch.special.ndtr(z) - 0.5) @ self.around

    def draw(
        self, n: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "{n} cv"], Float[Tensor, "{n} dim"]]:
        """z (n, cv) and reparametrised x (n, dim), Eq. 32; each z is stratified, which only lowers noise."""
        options: dict[str, Any] = {"generator": generator, "device": self.centre.device}
        strata = torch.stack([torch.randperm(n, **options) for _ in range(self.n_dims)], dim=1)
        u = (strata + torch.rand(n, self.n_dims, **options)) / n
        z = torch.special.ndtri(u.double().clamp(1e-9, 1 - 1e-9)).to(self.centre.dtype)
        noise = torch.randn(n, len(self.centre), dtype=self.centre.dtype, **options)
        return z, self.mean(z) + self.sigma() * noise

    def narrow(self, which: Bool[Tensor, "dim"], factor: float) -> LatentDensity:
        """A copy whose noise in some coordinates, ``which`` (dim,) bool, is ``factor`` as wide."""
        other = copy.deepcopy(self)
        with torch.no_grad():
            other.log_sigma[which.to(other.log_sigma.device)] += math.log(factor)
        return other

    def grid(self, node: Tensor, n_axis: int) -> tuple[Tensor, Tensor]:
        """z (node, cv) of nodes of a grid of ``n_axis`` per CV, and the ln of their weights (node,)."""
        axis = torch.linspace(-REACH, REACH, n_axis, dtype=torch.float64, device=node.device)
        index = [node // n_axis**power % n_axis for power in reversed(range(self.n_dims))]
        z = torch.stack([axis[i] for i in index], 1)
        log_norm = self.n_dims * torch.logsumexp(-0.5 * axis.square(), 0)
        return z.to(self.centre.dtype), -0.5 * z.square().sum(1) - log_norm

    # ---- densities

    def log_conditional(
        self, x: Float[Tensor, "*#n dim"], mean: Float[Tensor, "*#n dim"]
    ) -> Float[Tensor, "..."]:
        """ln q(x|z) (...) at x (..., dim) of means (..., dim)."""
        deviation, variance = self._nearest(x - mean), self.sigma().square()
        total = -0.5 * (deviation.square() / variance + variance.log() + LOG_2PI).sum(-1)
        for index, _ in self._turns:
            total = total + self._images(deviation[..., index], variance[index], index)
        return total

    def log_prob(self, x: Float[Tensor, "sample dim"]) -> Float[Tensor, "sample"]:
        """ln q(x) (sample,): by the fixed grid, or estimated by draws of the encoder."""
        if self.exact:
            return torch.logsumexp(self.log_components(x), 1)
        generator = torch.Generator(x.device).manual_seed(0)
        log_ratio = [self._bound(x, *self.posterior(x), generator) for _ in range(DRAWS)]
        return torch.logsumexp(torch.stack(log_ratio), 0) - math.log(DRAWS)

    def log_joint(
        self, z: Float[Tensor, "sample cv"], x: Float[Tensor, "sample dim"]
    ) -> Float[Tensor, "sample"]:
        """ln q(z) + ln q(x|z) - ln r(z|x) (sample,): ln q(x) but for the mismatch of the encoder, Eq. 12."""
        mean, log_variance = self.posterior(x)
        return self._prior(z) + self.log_conditional(x, self.mean(z)) - _log_normal(z, mean, log_variance)

    def lower_bound(
        self, x: Float[Tensor, "sample dim"], generator: torch.Generator
    ) -> Float[Tensor, "sample"]:
        """ln q(x) (sample,) from below, by a draw from the encoder: Eq. 18."""
        return self._bound(x, *self.posterior(x), generator)

    def posterior(
        self, x: Float[Tensor, "sample dim"]
    ) -> tuple[Float[Tensor, "sample cv"], Float[Tensor, "sample cv"]]:
        """Mean and ln variance (sample, cv) of the encoder r(z|x), Eq. 24."""
        turn = 2 * math.pi / torch.where(self.period > 0, self.period, 1.0)
        plain, periodic = (x - self.centre) / self.scale, self.period > 0
        first = torch.where(periodic, torch.sin(turn * x), plain)
        second = torch.where(periodic, torch.cos(turn * x), 0.0)
        assert self.encoder is not None
        mean, log_variance = self.encoder(torch.cat([first, second], 1)).chunk(2, dim=1)
        return mean, log_variance

    def encode(self, x: Float[Tensor, "sample dim"]) -> Float[Tensor, "sample cv"]:
        """CVs (sample, cv): the mean of the exact posterior, or of the encoder."""
        if self.encoder is not None:
            return self.posterior(x)[0]
        return torch.softmax(self.log_components(x), 1) @ self.nodes

    # ---- helpers

    def log_components(self, x: Tensor) -> Tensor:
        """ln of weight times density (sample, node), fixed grid; plain coordinates in one matrix product."""
        mean, variance, plain = self.mean(self.nodes), self.sigma().square(), self._plain
        root = variance[plain].sqrt()
        a, b = ((v[:, plain] - self.centre[plain]) / root for v in (x, mean))
        of_sample = -0.5 * (a.square().sum(1) + (variance.log() + LOG_2PI).sum())
        of_node = self.log_weights - 0.5 * b.square().sum(1)
        ones = torch.ones(len(b), 1, dtype=b.dtype, device=b.device)
        total = torch.addmm(of_node, torch.cat([a, of_sample[:, None]], 1), torch.cat([b, ones], 1).T)
        for index, period in self._turns:
            part = x[:, index], mean[:, index], variance[index], period
            total = total + WrappedExponent.apply(*part)
        return total

    def _nearest(self, deviation: Tensor, index=slice(None)) -> Tensor:
        """Periodic deviations brought within half a period."""
        period = self.period[index]
        return deviation - period * torch.round(deviation / torch.where(period > 0, period, math.inf))

    def _images(self, deviation: Tensor, variance: Tensor, index: int) -> Tensor:
        """What the two next images of a periodic coordinate add to its ln density."""
        period = self.period[index]
        sides = [torch.exp(-period * (period / 2 + sign * deviation) / variance) for sign in (1, -1)]
        return torch.log1p(sides[0] + sides[1])

    def _prior(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + LOG_2PI).sum(-1)

    def _bound(self, x, mean, log_variance, generator) -> Tensor:
        noise = torch.randn(mean.shape, generator=generator, device=x.device, dtype=x.dtype)
        z = mean + noise * (0.5 * log_variance).exp()
        return self._prior(z) + self.log_conditional(x, self.mean(z)) - _log_normal(z, mean, log_variance)


class WrappedExponent(torch.autograd.Function):
    """ln of a Gaussian around a circle and its two next images, but for its norm: (sample, node).

    Of x (sample,), means (node,), a variance and a period.  As `LatentDensity.log_conditional`, in half the
    time: training spends most of its own in this.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, period: float) -> Tensor:
        v, p = variance, period
        d = x[:, None] - mean
        d.sub_(torch.round(d / p), alpha=p)
        below = (d + p / 2).mul_(-p / v).exp_()
        above = (p / 2 - d).mul_(-p / v).exp_()
        total, square = (below + above).add_(1.0), d.square()
        exponent = torch.addcmul(total.log(), square, 0.5 / v, value=-1.0)
        if any(ctx.needs_input_grad):
            below.div_(total)
            above.div_(total)
            shift = (below - above).mul_(p)
            slope = (shift + d).div_(-v)
            by_variance = below.add_(above).mul_(0.5 * p**2).add_(square, alpha=0.5).add_(d.mul_(shift))
            ctx.save_for_backward(slope, by_variance.div_(v**2))
        return exponent

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        slope, by_variance = ctx.saved_tensors
        by_place = gradient * slope
        return by_place.sum(1), -by_place.sum(0), (gradient * by_variance).sum(), None


def _log_normal(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    return -0.5 * ((z - mean).square() * (-log_variance).exp() + log_variance + LOG_2PI).sum(-1)


def _quadrature(n_dims: int) -> tuple[Tensor, Tensor]:
    """Nodes (node, cv) of a grid and the logarithms of their weights (node,) under N(0, I)."""
    axis = torch.linspace(-REACH, REACH, NODES[n_dims])
    nodes = torch.cartesian_prod(*[axis] * n_dims).reshape(-1, n_dims)
    return nodes, torch.log_softmax(-0.5 * nodes.square().sum(1), 0)
