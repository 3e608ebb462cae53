"""Energies of bonds, angles, torsions and CMAP corrections of many conformations at once, as in OpenMM.

Everywhere x is (3, atom, conformation): conformations come last, so that picking atoms copies whole rows.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.interpolate import CubicSpline
from torch import Tensor

# coefficients of a cubic over the unit interval from f(0), f(1), f'(0), f'(1)
HERMITE = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]], float)


def between(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Vectors (3, pair, conformation) from the first atoms to the second."""
    return x.index_select(1, second) - x.index_select(1, first)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (term, conformation) of vectors (3, term, conformation)."""
    (ax, ay, az), (bx, by, bz) = a.unbind(), b.unbind()
    return ax * bx + ay * by + az * bz


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Vector products (3, term, conformation)."""
    (ax, ay, az), (bx, by, bz) = a.unbind(), b.unbind()
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def norm(a: Tensor) -> Tensor:
    """Lengths (term, conformation); at zero the derivative is zero, not NaN."""
    return dot(a, a).clamp_min(torch.finfo(a.dtype).tiny).sqrt()


def angles(
    x: Float[Tensor, "3 atom conformation"], atoms: Int[Tensor, "3 angle"]
) -> Float[Tensor, "angle conformation"]:
    """Angles (term, conformation) in [0, pi] at the middle of three atoms, ``atoms`` (3, term)."""
    a, b = between(x, atoms[1], atoms[0]), between(x, atoms[1], atoms[2])
    return torch.atan2(norm(cross(a, b)), dot(a, b))


def torsions(
    x: Float[Tensor, "3 atom conformation"], atoms: Int[Tensor, "4 torsion"]
) -> Float[Tensor, "torsion conformation"]:
    """Torsions (term, conformation) in [-pi, pi], of the IUPAC's sign, ``atoms`` (4, term)."""
    a, b, c = (between(x, atoms[k], atoms[k + 1]) for k in range(3))
    m, n = cross(a, b), cross(b, c)
    return torch.atan2(norm(b) * dot(a, n), dot(m, n))


class Bonds:
    """sum k (r - r0)^2 / 2.  ``atoms`` (2, bond), lengths r0 (bond) in nm, k (bond) in kJ/mol/nm^2."""

    def __init__(self, atoms: Tensor, lengths: Tensor, stiffness: Tensor) -> None:
        self.atoms, self.lengths, self.stiffness = atoms, lengths[:, None], stiffness[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        extension = norm(between(x, *self.atoms)) - self.lengths
        return (0.5 * self.stiffness * extension**2).sum(0)


class Angles:
    """sum k (theta - theta0)^2 / 2.  ``atoms`` (3, angle), theta0 (angle) in rad, k in kJ/mol/rad^2."""

    def __init__(self, atoms: Tensor, angles: Tensor, stiffness: Tensor) -> None:
        self.atoms, self.angles, self.stiffness = atoms, angles[:, None], stiffness[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        return (0.5 * self.stiffness * (angles(x, self.atoms) - self.angles) ** 2).sum(0)


class Torsions:
    """sum k [1 + cos(n phi - phi0)].  ``atoms`` (4, term), n and phi0 (term) in rad, k (term) in kJ/mol.

    The many terms of one torsion use its angle once.
    """

    def __init__(self, atoms: Tensor, periodicity: Tensor, phase: Tensor, k: Tensor) -> None:
        self.atoms, self.which = torch.unique(atoms, dim=1, return_inverse=True)
        self.periodicity, self.phase, self.k = periodicity[:, None], phase[:, None], k[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        phi = torsions(x, self.atoms).index_select(0, self.which)
        return (self.k * (1 + torch.cos(self.periodicity * phi - self.phase))).sum(0)


class TorsionMaps:
    """Energies on a grid of two torsions, between its points a bicubic spline (CMAP), for maps of one size.

    Source: A. D. Mackerell, M. Feig and C. L. Brooks, J. Comput. Chem. 25, 1400 (2004),
    doi:10.1002/jcc.20065.

    ``atoms`` (8, term): four of the first torsion and four of the second; ``which`` (term): the map of each;
    ``maps`` (map, size, size): energies in kJ/mol at (2 pi i / size, 2 pi j / size), the first torsion first.
    """

    def __init__(self, atoms: Tensor, which: Tensor, maps: Tensor) -> None:
        self.atoms, self.which, self.size = atoms, which[:, None], maps.shape[1]
        patches = np.stack([spline_patches(values) for values in maps.cpu().numpy()])
        self.patches = torch.as_tensor(patches, dtype=maps.dtype, device=maps.device)

    def __call__(self, x: Tensor) -> Tensor:
        (i, a), (j, b) = (self._locate(torsions(x, atoms)) for atoms in (self.atoms[:4], self.atoms[4:]))
        patch = self.patches[self.which, i, j]  # (term, conformation, 4, 4)
        return torch.einsum("tcij,tci,tcj->c", patch, a, b)

    def _locate(self, phi: Tensor) -> tuple[Tensor, Tensor]:
        """The grid cell (term, conformation) of each torsion, and the powers 0 to 3 of its place within."""
        place = torch.remainder(phi / (2 * math.pi), 1.0) * self.size
        cell = place.detach().floor().clamp(max=self.size - 1)
        t = place - cell
        return cell.long(), torch.stack([torch.ones_like(t), t, t**2, t**3], dim=-1)


def spline_patches(values: np.ndarray) -> np.ndarray:
    """Bicubic coefficients (size, size, 4, 4) of each cell of a periodic grid (size, size).

    The derivatives at the grid points are those of periodic cubic splines along the rows and columns.
    """

    def slope(f: np.ndarray, axis: int) -> np.ndarray:
        closed = np.concatenate([f, f.take([0], axis)], axis)
        spline = CubicSpline(np.arange(closed.shape[axis]), closed, axis, bc_type="periodic")
        return spline(np.arange(f.shape[axis]), 1)

    by_first = slope(values, 0)
    corners = np.array([[values, slope(values, 1)], [by_first, slope(by_first, 1)]])

    def ends(f: np.ndarray, axis: int, of: int) -> np.ndarray:  # the values at a cell's two ends
        return np.stack([f, np.roll(f, -1, axis)], axis=of)

    table = ends(ends(corners, 2, 1), 4, 3)  # derivative 1, end 1, derivative 2, end 2, size, size
    table = table.reshape(4, 4, *values.shape)
    return np.einsum("ia,jb,abxy->xyij", HERMITE, HERMITE, table)
