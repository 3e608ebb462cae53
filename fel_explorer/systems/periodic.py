"""The three-dimensional periodic potential with eight wells, a test of manifold learning."""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.systems.potential import Potential, points


class PeriodicPotential(Potential):
    """V = exp[3 (3 - sin^4 x - sin^4 y - sin^4 z)] - 1, periodic in 2 pi: eight equal wells of energy 0.

    Neighbouring wells differ in the sign of one sine and are joined by two saddles of height e^3 - 1, which
    are flat across (the curvature along the path vanishes).  Features are the cosines and sines, so that
    models see the period.

    Source: potential, ``kT`` = 0.25 (e^3 - 1) and barriers of 4 kT as in J. Zhang et al., J. Phys. Chem.
    Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, caption of Fig. 2.
    """

    coordinate_names = ("x", "y", "z")
    # The curvature across a saddle is 12 e^3 = 241.
    default_time_step = {"overdamped": 5e-4, "langevin": 0.02}

    def __init__(self, *, kT: float = 0.25 * (math.e**3 - 1)) -> None:
        super().__init__(kT=kT)
        self.domain = ((-math.pi, math.pi),) * 3
        signs = list(itertools.product((-1.0, 1.0), repeat=3))
        self.minima = math.pi / 2 * torch.tensor(signs, dtype=torch.float64)
        saddles, self.saddle_pairs = [], []
        for axis, crossing in itertools.product(range(3), (0.0, -math.pi)):
            for low in (index for index, sign in enumerate(signs) if sign[axis] < 0):
                saddle = self.minima[low].clone()
                saddle[axis] = crossing
                saddles.append(saddle)
                self.saddle_pairs.append((low, low + 2 ** (2 - axis)))
        self.saddles = torch.stack(saddles)

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n"]:
        sine4 = torch.sin(points(x, 3)) ** 4
        return torch.exp(3 * (3 - sine4.sum(-1))) - 1

    def gradient(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n dim"]:
        x = points(x, 3)
        sine, cosine = torch.sin(x), torch.cos(x)
        height = torch.exp(3 * (3 - (sine**4).sum(-1, keepdim=True)))
        return -12 * height * sine**3 * cosine

    def basin(self, x: Tensor | ArrayLike) -> Int[Tensor, "*n"]:
        """Index (...) of the well of each point (..., 3): the signs of the sines, read as a binary number."""
        x_bit, y_bit, z_bit = (torch.sin(points(x, 3)) > 0).long().unbind(-1)
        return 4 * x_bit + 2 * y_bit + z_bit

    def features(self, x: Tensor) -> tuple[list[str], Tensor]:
        """cos and sin of each coordinate: names and values (..., 6)."""
        names = [f"{function} {name}" for name in self.coordinate_names for function in ("cos", "sin")]
        return names, torch.stack([torch.cos(x), torch.sin(x)], dim=-1).flatten(-2)

    def wrap(self, x: Tensor) -> Tensor:
        """Points (..., 3) brought into [-pi, pi)."""
        return torch.remainder(x + math.pi, 2 * math.pi) - math.pi
