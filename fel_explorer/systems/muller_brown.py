"""The Müller-Brown potential: three minima on a curved valley."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.systems.descent import descend
from fel_explorer.systems.potential import Box, Potential, points

A = torch.tensor([-200.0, -100.0, -170.0, 15.0], dtype=torch.float64)
QUADRATIC = torch.tensor(  # a, b, c of a (x - x0)^2 + b (x - x0)(y - y0) + c (y - y0)^2
    [[-1.0, 0.0, -10.0], [-1.0, 0.0, -10.0], [-6.5, 11.0, -6.5], [0.7, 0.6, 0.7]], dtype=torch.float64
)
CENTRE = torch.tensor([[1.0, 0.0], [0.0, 0.5], [-0.5, 1.5], [-1.0, 1.0]], dtype=torch.float64)
BOX: Box = ((-1.5, 1.25), (-0.4, 2.05))
# Stationary points by Newton's method from the values printed in the literature.
MINIMA = [
    [-0.558223634633, 1.441725841805],
    [-0.050010822998, 0.466694104872],
    [0.623499404931, 0.028037758529],
]
SADDLES = [[-0.822001558733, 0.624312802815], [0.212486582001, 0.292988325107]]


class MullerBrown(Potential):
    """V = scale * sum_i A_i exp[a_i (x - x_i)^2 + b_i (x - x_i)(y - y_i) + c_i (y - y_i)^2].

    Minima: 0 the deep one at (-.56, 1.44), 1 the shallow one in the middle, 2 the one at (.62, .03).  With
    the defaults ``scale`` = .05, ``kT`` = 1 the barriers are 5.3 kT from minimum 0 and 3.4 kT from 2, low
    enough for unbiased crossings.

    ``walls`` = True puts reflecting walls at x in [-1.5, 1.25], y in [-.4, 2.05].  They fix the spectrum
    of the generator: without them a high plateau becomes a slow mode.  With friction 1 it then is
    .2257, 4.98, 10.44 per unit of time (square-root approximation on a grid of .01).

    Source: K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979), doi:10.1007/BF00547608.
    """

    coordinate_names = ("x", "y")

    def __init__(self, *, scale: float = 0.05, kT: float = 1.0, walls: bool = True) -> None:
        super().__init__(kT=kT)
        if not (np.isfinite(scale) and scale > 0):
            raise FelError(f"scale={scale!r}.", "The scale is positive; 1 is the original potential.")
        self.scale = float(scale)
        # The largest curvature is 4068 * scale.
        self.default_time_step = {"overdamped": 1e-5 / scale, "langevin": 0.002 / scale**0.5}
        self.walls = BOX if walls else None
        self.domain = BOX if walls else ((-3.5, 3.0), (-2.5, 4.0))
        self.minima = torch.tensor(MINIMA, dtype=torch.float64)
        self.saddles = torch.tensor(SADDLES, dtype=torch.float64)
        self.saddle_pairs = [(0, 1), (1, 2)]

    def parameters(self) -> dict:
        return {"scale": self.scale, "kT": self.kT, "walls": self.walls is not None}

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n"]:
        return self._terms(points(x, 2))[0].sum(-1)

    def gradient(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n dim"]:
        terms, dx, dy, (a, b, c) = self._terms(points(x, 2))
        return torch.stack(
            [(terms * (2 * a * dx + b * dy)).sum(-1), (terms * (b * dx + 2 * c * dy)).sum(-1)], dim=-1
        )

    def _terms(self, x: Tensor):
        """The four Gaussians (..., 4), the distances to their centres, and their coefficients."""
        a, b, c = QUADRATIC.to(x).T
        dx, dy = (x[..., :1] - CENTRE[:, 0].to(x)), (x[..., 1:] - CENTRE[:, 1].to(x))
        terms = self.scale * A.to(x) * torch.exp(a * dx**2 + b * dx * dy + c * dy**2)
        return terms, dx, dy, (a, b, c)

    def basin(self, x: Tensor | ArrayLike) -> Int[Tensor, "*n"]:
        """Index (...) of the minimum that steepest descent reaches from each point (..., 2)."""
        return descend(
            self.gradient, points(x, 2), self.minima, rate=2e-4 / self.scale, longest=0.01, near=0.1
        )
