"""The one-dimensional four-well potential, a test of slow modes and propagators."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.systems.potential import Potential, points

HEIGHT = torch.tensor([0.8, 0.2, 0.5], dtype=torch.float64)
STEEPNESS = torch.tensor([80.0, 80.0, 40.0], dtype=torch.float64)
CENTRE = torch.tensor([0.0, 0.5, -0.5], dtype=torch.float64)
# Stationary points by Newton's method.
MINIMA = [[-0.739430178161], [-0.223737578195], [0.269149351319], [0.673296354778]]
SADDLES = [[-0.501597952434], [-0.000007095394], [0.502009381316]]


class FourWell(Potential):
    """V = 2 (x^8 + .8 e^(-80 x^2) + .2 e^(-80 (x - .5)^2) + .5 e^(-40 (x + .5)^2)): four wells on a line.

    From left to right the barriers between them are 1.01, 1.60 and .41 high at energies of the wells between
    .01 and .28: at ``kT`` = 1 motion is nearly free diffusion and every well is left often.  With friction 1
    the generator's time scales are .4723, .0934 and .0560 (square-root approximation on a fine grid), which
    are the 472k, 93k and 56k steps of `PAPER_STEP`.

    Source: J.-H. Prinz et al., J. Chem. Phys. 134, 174105 (2011), doi:10.1063/1.3565032, with the prefactor
    of H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section 3.1.

    Attributes
    ----------
    PAPER_STEP
        Time, at friction 1, of one step of Sidky et al.: a diffusion of 2e-6 a step.
    """

    PAPER_STEP = 1e-6
    coordinate_names = ("x",)
    default_time_step = {"overdamped": 1e-4, "langevin": 0.01}

    def __init__(self, *, kT: float = 1.0) -> None:
        super().__init__(kT=kT)
        self.minima = torch.tensor(MINIMA, dtype=torch.float64)
        self.saddles = torch.tensor(SADDLES, dtype=torch.float64)
        self.saddle_pairs = [(0, 1), (1, 2), (2, 3)]
        reach = 1.45 * max(1.0, self.kT) ** 0.125
        self.domain = ((-reach, reach),)

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n"]:
        x, bumps, _ = self._bumps(x)
        return 2 * (x[..., 0] ** 8 + bumps.sum(-1))

    def gradient(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n dim"]:
        x, bumps, slopes = self._bumps(x)
        return 2 * (8 * x**7 + (bumps * slopes).sum(-1, keepdim=True))

    def basin(self, x: Tensor | ArrayLike) -> Int[Tensor, "*n"]:
        """Index (...) of the well of each point (..., 1), counted from the left."""
        x = points(x, 1)
        return torch.bucketize(x[..., 0].contiguous(), self.saddles[:, 0].to(x))

    def _bumps(self, x) -> tuple[Tensor, Tensor, Tensor]:
        """The points (..., 1), the three Gaussians (..., 3) and the slopes of their exponents."""
        x = points(x, 1)
        offset = x - CENTRE.to(x)
        slopes = -2 * STEEPNESS.to(x) * offset
        return x, HEIGHT.to(x) * torch.exp(slopes * offset / 2), slopes
