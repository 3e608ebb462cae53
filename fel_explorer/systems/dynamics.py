"""Overdamped and second-order Langevin dynamics of many walkers at once, all of mass m.

Overdamped, Euler-Maruyama with friction g:   x <- x - grad U(x) h / (g m) + sqrt(2 kT h / (g m)) xi
Second order, BAOAB (B. Leimkuhler and C. Matthews, Appl. Math. Res. Express 2013, 34 (2013),
doi:10.1093/amrx/abs010), with c = exp(-g h):
    B v <- v - grad U(x) h / 2m    A x <- x + v h / 2    O v <- c v + sqrt((1 - c^2) kT / m) xi    A    B
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fel_explorer.errors import FelError

KINDS = ("overdamped", "langevin")


@dataclass(frozen=True)
class Options:
    """How to integrate: kind of dynamics, time step, steps between frames, friction in 1 / time, mass."""

    dynamics: str
    time_step: float
    stride: int
    friction: float
    mass: float = 1.0


def run(
    gradient: Callable[[Tensor], Tensor],
    start: Float[Tensor, "walker dim"],
    *,
    kT: float,
    n_frames: int,
    options: Options,
    walls: tuple[tuple[float, float], ...] | None,
    generator: torch.Generator,
    velocity: Float[Tensor, "walker dim"] | None = None,
) -> tuple[Float[Tensor, "walker frame dim"], Float[Tensor, "walker frame dim"] | None]:
    """Integrate from ``start`` (walker, dim) and keep every ``options.stride``-th step.

    ``velocity`` (walker, dim) is that of the start; by default thermal.

    Returns
    -------
    Positions (walker, frame, dim) on the CPU, and for "langevin" velocities of the same shape, else None.
    With walls, walkers that leave the box are mirrored back and their velocity is reversed.
    """
    step = _overdamped if options.dynamics == "overdamped" else _baoab
    bounds = None if walls is None else torch.tensor(walls, dtype=start.dtype, device=start.device).T
    shape = (n_frames, *start.shape)
    xs = torch.empty(shape, dtype=start.dtype, device=start.device)
    vs = torch.empty_like(xs) if options.dynamics == "langevin" else None
    x, g = start, gradient(start)
    v = math.sqrt(kT / options.mass) * _normal(start, generator) if velocity is None else velocity
    with torch.no_grad():
        for frame in range(n_frames):
            for _ in range(options.stride):
                x, v, g = step(gradient, x, v, g, _normal(start, generator), kT, options, bounds)
            xs[frame] = x
            if vs is not None:
                vs[frame] = v
    _check_finite(x, options)
    velocities = None if vs is None else vs.transpose(0, 1).contiguous().cpu()
    return xs.transpose(0, 1).contiguous().cpu(), velocities


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _overdamped(gradient, x, v, g, xi, kT, options, bounds):
    h = options.time_step / (options.friction * options.mass)
    x, _ = _reflect(x - h * g + math.sqrt(2 * kT * h) * xi, v, bounds)
    return x, v, gradient(x)


def _baoab(gradient, x, v, g, xi, kT, options, bounds):
    h = options.time_step
    c, kick = math.exp(-options.friction * h), h / (2 * options.mass)
    v = v - kick * g
    x = x + (h / 2) * v
    v = c * v + math.sqrt(kT / options.mass * (1 - c * c)) * xi
    x, v = _reflect(x + (h / 2) * v, v, bounds)
    g = gradient(x)
    return x, v - kick * g, g


def _reflect(x, v, bounds):
    if bounds is None:
        return x, v
    low, high = bounds
    outside = (x < low) | (x > high)
    x = torch.where(x < low, 2 * low - x, torch.where(x > high, 2 * high - x, x))
    # A step longer than the box would need a second reflection; clamping keeps it inside.
    return torch.clamp(x, low, high), torch.where(outside, -v, v)


def _check_finite(x: Tensor, options: Options) -> None:
    if not x.isfinite().all():
        raise FelError(
            f"The walkers diverged at time_step={options.time_step:g}.",
            "The step must be small compared with the inverse of the potential's largest curvature.",
            "Take a smaller time_step or leave it out for the default.",
        )
