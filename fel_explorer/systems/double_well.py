"""The asymmetric double well whose small mode a variational fit tends to miss."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.systems.potential import Potential, points

STATIONARY = np.sort(np.roots([1.0, 0.0, -6.0, 1.0]).real)  # x1^3 - 6 x1 + 1 = 0


class DoubleWell(Potential):
    """U = x1^4 / 4 - 3 x1^2 + x1 + x2^2 / 2: a deep well at x1 = -2.53 and one 4.9 higher at x1 = 2.36.

    The barrier is 11.6 from the deep well and 6.7 from the other; at the default ``kT`` = 1 the second well
    weighs 0.8 %.  To see crossings in a short run take kT = 3.

    Source: M. Schoeberl, N. Zabaras and P.-S. Koutsourelakis (2020), doi:10.48550/arXiv.2002.10148, Eq. 37.
    """

    coordinate_names = ("x1", "x2")
    default_time_step = {"overdamped": 1e-3, "langevin": 0.05}

    def __init__(self, *, kT: float = 1.0) -> None:
        super().__init__(kT=kT)
        left, top, right = STATIONARY.tolist()
        self.minima = torch.tensor([[left, 0.0], [right, 0.0]], dtype=torch.float64)
        self.saddles = torch.tensor([[top, 0.0]], dtype=torch.float64)
        self.saddle_pairs = [(0, 1)]
        reach = 2 * self.kT**0.5
        self.domain = ((-4.5 - reach, 4.5 + reach), (-3 * reach, 3 * reach))

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n"]:
        x1, x2 = points(x, 2).unbind(-1)
        return x1**4 / 4 - 3 * x1**2 + x1 + x2**2 / 2

    def gradient(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n dim"]:
        x1, x2 = points(x, 2).unbind(-1)
        return torch.stack([x1**3 - 6 * x1 + 1, x2], dim=-1)

    def basin(self, x: Tensor | ArrayLike) -> Int[Tensor, "*n"]:
        """Index (...) of the well of each point (..., 2): 0 left of the saddle, 1 right of it."""
        return (points(x, 2)[..., 0] > STATIONARY[1]).long()
