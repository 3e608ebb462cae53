"""Two-dimensional landscapes hidden in five dimensions, in eV, Angstrom, fs and amu."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.systems.descent import descend
from fel_explorer.systems.potential import Box, Potential, points

BOLTZMANN = 8.6173303e-5  # eV / K
AMU = 103.642697  # eV fs^2 / Angstrom^2
KCAL = 0.04337209302  # eV / (kcal/mol)
MIXING = 1e-7  # of x5^2 in the square of the first plane coordinate
WALL = 100.0  # Angstrom, of x5: without walls it would diffuse without end
CELL = 0.05  # Angstrom, of the grid that `sample` draws from


class EmbeddedPotential(Potential):
    """V(x1, ..., x5) = V_2D(x~, y~), x~ = sqrt(x1^2 + x2^2 + 1e-7 x5^2), y~ = sqrt(x3^2 + x4^2).

    The plane (x~, y~) decides on the energy; the angles of (x1, x2) and (x3, x4) and the position of x5,
    between reflecting walls at +-100 Angstrom, are free.  Units: eV, Angstrom, fs; the mass is 1 amu, the
    friction .01 / fs.  A subclass gives the plane's landscape.

    Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143, Eqs. 7-10.

    Attributes
    ----------
    plane_domain
        ((low, high), (low, high)) of (x~, y~): outside, the Boltzmann weight is negligible.
    plane_minima
        (minimum, 2) float64, the metastable ones.
    """

    coordinate_names = ("x1", "x2", "x3", "x4", "x5")
    default_time_step = {"overdamped": 1.0, "langevin": 1.0}
    mass, default_friction, time_unit, energy_unit = AMU, 0.01, "fs", "eV"
    n_flat = 3
    plane_domain: ClassVar[Box]
    plane_minima: ClassVar[Tensor]
    plane_saddles: ClassVar[Tensor]
    # every minimum of the plane, and which metastable one it belongs to
    _all_minima: ClassVar[Tensor]
    _belongs_to: ClassVar[tuple[int, ...]]
    _length: ClassVar[float]  # over which the landscape changes

    def __init__(self, *, temperature: float = 300.0) -> None:
        if not (math.isfinite(temperature) and temperature > 0):
            raise FelError(f"temperature={temperature!r}.", "The temperature is a positive number, in K.")
        super().__init__(kT=BOLTZMANN * temperature)
        self.temperature = float(temperature)
        reach = [high for _, high in self.plane_domain]
        self.domain = tuple((-r, r) for r in (reach[0], reach[0], reach[1], reach[1], WALL))
        self.walls = (*((-math.inf, math.inf),) * 4, (-WALL, WALL))
        self.minima = self.lift(self.plane_minima)
        self.saddles = self.lift(self.plane_saddles)

    def parameters(self) -> dict:
        return {"temperature": self.temperature}

    def plane_energy(self, p: Tensor) -> Tensor:
        """V_2D (...) at points (..., 2) of the plane."""
        raise NotImplementedError

    def plane_gradient(self, p: Tensor) -> Tensor:
        """Gradient (..., 2) of V_2D."""
        raise NotImplementedError

    def plane(self, x: Tensor | ArrayLike) -> Tensor:
        """(x~, y~), (..., 2), of points (..., 5)."""
        x1, x2, x3, x4, x5 = points(x, 5).unbind(-1)
        return torch.stack([(x1**2 + x2**2 + MIXING * x5**2).sqrt(), (x3**2 + x4**2).sqrt()], dim=-1)

    def lift(self, p: Tensor | ArrayLike, angles: Tensor | None = None, x5: Tensor | None = None) -> Tensor:
        """A point (..., 5) above each point (..., 2) of the plane.

        ``angles`` (..., 2), radians, are those of (x1, x2) and (x3, x4); default 0, as is ``x5`` (...).
        """
        p = points(p, 2)
        angles = torch.zeros_like(p) if angles is None else angles
        x5 = torch.zeros_like(p[..., 0]) if x5 is None else x5
        radius = torch.stack([(p[..., 0] ** 2 - MIXING * x5**2).clamp(min=0).sqrt(), p[..., 1]], dim=-1)
        pairs = torch.stack([radius * angles.cos(), radius * angles.sin()], dim=-1).flatten(-2)
        return torch.cat([pairs, x5[..., None]], dim=-1)

    def lift_randomly(self, p: Tensor | ArrayLike, generator: torch.Generator) -> Tensor:
        """A point (..., 5) above each point of the plane, uniform among all of them."""
        p = points(p, 2)
        angles = 2 * math.pi * torch.rand(p.shape, generator=generator, dtype=p.dtype)
        x5 = WALL * (2 * torch.rand(p.shape[:-1], generator=generator, dtype=p.dtype) - 1)
        return self.lift(p, angles, x5)

    def energy(self, x: Tensor | ArrayLike) -> Tensor:
        return self.plane_energy(self.plane(x))

    def gradient(self, x: Tensor | ArrayLike) -> Tensor:
        x = points(x, 5)
        p = self.plane(x)
        by_plane = self.plane_gradient(p) / p  # d x~ / d x1 = x1 / x~
        first, second = by_plane[..., :1], by_plane[..., 1:]
        return torch.cat([first * x[..., :2], second * x[..., 2:4], MIXING * first * x[..., 4:]], dim=-1)

    def basin(self, x: Tensor | ArrayLike) -> Tensor:
        """Index (...) of the metastable minimum that each point (..., 5) belongs to, by steepest descent."""
        depth = float(self.plane_energy(self.plane_saddles).max() - self.plane_energy(self._all_minima).min())
        reached = descend(
            self.plane_gradient,
            self.plane(x),
            self._all_minima,
            rate=0.02 * self._length**2 / depth,
            longest=0.01 * self._length,
            near=0.05 * self._length,
        )
        return torch.tensor(self._belongs_to, device=reached.device)[reached]

    def plane_grid(self, cell: float = CELL) -> tuple[Tensor, Tensor]:
        """Cell centres (cell, 2) of a grid over the plane and their Boltzmann probabilities (cell,).

        The volume above a cell is proportional to x~ y~.
        """
        axes = [
            torch.arange(low + cell / 2, high, cell, dtype=torch.float64) for low, high in self.plane_domain
        ]
        p = torch.cartesian_prod(*axes)
        energy = self.plane_energy(p)
        weight = torch.exp((energy.min() - energy) / self.kT) * p.prod(-1)
        return p, weight / weight.sum()

    def sample(self, n_samples: int, *, seed: int = 0) -> Tensor:
        """Independent draws (n_samples, 5) from the Boltzmann distribution, from a grid of .05 Angstrom."""
        if n_samples < 1:
            raise FelError(f"n_samples={n_samples}.", "At least one sample is drawn.")
        generator = torch.Generator().manual_seed(seed)
        p, weight = self.plane_grid()
        uniform = torch.rand(n_samples, generator=generator, dtype=torch.float64)
        cell = torch.searchsorted(weight.cumsum(0), uniform).clamp(max=len(p) - 1)
        within = torch.rand((n_samples, 2), generator=generator, dtype=torch.float64) - 0.5
        return self.lift_randomly(p[cell] + CELL * within, generator)


class MullerBrown5D(EmbeddedPotential):
    """Two states in five dimensions: A at (x~, y~) = (23.07, 31.07) and B, .33 eV higher, at (41.98, 8.45).

    The barrier is .92 eV from A and .59 eV from B.  A well .07 eV deep on the path belongs to B.

    Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143, section III
    A and Eq. 10; the potential of K. Müller and L. D. Brown, Theor. Chim. Acta 53, 75 (1979),
    doi:10.1007/BF00547608, scaled by .2, lengths by 16.
    """

    plane_domain = ((5.0, 60.0), (0.0, 50.0))
    _all_minima = torch.tensor(
        [
            [23.068421845872, 31.067613468875],
            [41.975990478894, 8.448604136459],
            [31.199826832029, 15.467105677952],
        ],
        dtype=torch.float64,
    )
    _belongs_to, _length = (0, 1, 1), 16.0
    plane_minima = _all_minima[:2]
    plane_saddles = torch.tensor([[18.847975060276, 17.989004845038]], dtype=torch.float64)
    saddle_pairs = [(0, 1)]

    _height = 0.2 * KCAL * torch.tensor([-200.0, -100.0, -170.0, 15.0], dtype=torch.float64)
    _quadratic = torch.tensor(  # of dx^2, dx dy, dy^2
        [[-1.0, -1.0, -6.5, 0.7], [0.0, 0.0, 11.0, 0.6], [-10.0, -10.0, -6.5, 0.7]], dtype=torch.float64
    )
    _centre = torch.tensor([[1.0, 0.0, -0.5, -1.0], [0.0, 0.5, 1.5, 1.0]], dtype=torch.float64)

    def _terms(self, p):
        """The four Gaussians (..., 4), distances to their centres in units of 16 A, and coefficients."""
        a, b, c = self._quadratic.to(p)
        x, y = self._centre.to(p)
        dx, dy = (p[..., :1] - 32.0) / 16.0 - x, (p[..., 1:] - 8.0) / 16.0 - y
        return self._height.to(p) * torch.exp(a * dx**2 + b * dx * dy + c * dy**2), dx, dy, (a, b, c)

    def plane_energy(self, p: Tensor) -> Tensor:
        return self._terms(p)[0].sum(-1)

    def plane_gradient(self, p: Tensor) -> Tensor:
        terms, dx, dy, (a, b, c) = self._terms(p)
        return (
            torch.stack(
                [(terms * (2 * a * dx + b * dy)).sum(-1), (terms * (b * dx + 2 * c * dy)).sum(-1)], -1
            )
            / 16.0
        )


class ThreeWell5D(EmbeddedPotential):
    """Three states in five dimensions: A and B at (x~, y~) = (7.5 -+ 4.19, 7.33), C at (7.5, 13.65).

    Barriers: 1.17 eV from A or B to C, .26 eV back, 1.31 eV from A straight to B.

    Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143, section III
    A; the potential of P. Metzner, C. Schuette and E. Vanden-Eijnden, J. Chem. Phys. 125, 084110 (2006),
    doi:10.1063/1.2335447, scaled. The confining terms are quartic with a plus, where Eq. 10 prints a minus
    and a cube.
    """

    plane_domain = ((0.0, 20.0), (0.0, 20.0))
    plane_minima = torch.tensor(
        [[3.307780028703, 7.331625334773], [11.692219971297, 7.331625334773], [7.5, 13.648328017798]],
        dtype=torch.float64,
    )
    _all_minima, _belongs_to, _length = plane_minima, (0, 1, 2), 4.0
    plane_saddles = torch.tensor(
        [[5.030910768494, 11.910938070032], [9.969089231506, 11.910938070032], [7.5, 6.236693798087]],
        dtype=torch.float64,
    )
    saddle_pairs = [(0, 2), (1, 2), (0, 1)]

    _height = torch.tensor([1.5, -1.5, -2.5, -2.5], dtype=torch.float64)
    _centre = torch.tensor([[0.0, 0.0, 1.0, -1.0], [1 / 3, 5 / 3, 0.0, 0.0]], dtype=torch.float64)

    def _terms(self, p):
        """The four Gaussians (..., 4), distances to their centres and to the quartic's, in units of 4 A."""
        x, y = self._centre.to(p)
        dx, dy = (p[..., :1] - 7.5) / 4.0 - x, (p[..., 1:] - 7.5) / 4.0 - y
        far = (p - 7.5) / 4.0 - torch.tensor([0.0, 1 / 3], dtype=p.dtype, device=p.device)
        return self._height.to(p) * torch.exp(-(dx**2) - dy**2), dx, dy, far

    def plane_energy(self, p: Tensor) -> Tensor:
        terms, _, _, far = self._terms(p)
        return terms.sum(-1) + 0.1 * (far**4).sum(-1) + 2.0

    def plane_gradient(self, p: Tensor) -> Tensor:
        terms, dx, dy, far = self._terms(p)
        return (torch.stack([(-2 * terms * dx).sum(-1), (-2 * terms * dy).sum(-1)], -1) + 0.4 * far**3) / 4.0
