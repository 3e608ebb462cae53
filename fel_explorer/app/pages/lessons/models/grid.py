"""A two-dimensional system on a grid of cells, with exact results for the lessons."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.special import logsumexp

from fel_explorer.free_energy import marginal


class Grid:
    """Energies, Boltzmann weights and the generator of overdamped dynamics (friction 1) on square-ish cells.

    Neighbouring cells i, j exchange at the rate kT / h^2 exp(-(U_j - U_i) / 2 kT), the square-root
    approximation (H. C. Lie, K. Fackeldey and M. Weber, SIAM J. Matrix Anal. Appl. 34, 738 (2013)
    [lie2013sqra]); edges reflect.

    Parameters
    ----------
    energy
        Function of points (cell, 2), which returns U (cell,).
    domain
        ((left, right), (bottom, top)).
    cell
        Length of a cell; rounded so that a whole number fits along each axis.

    Attributes
    ----------
    x, y
        Middles of the columns and rows of cells.
    points, energy
        (cell, 2) and (cell,); cell = row * len(x) + column.
    """

    def __init__(self, energy, domain, cell: float):
        self.domain = domain
        self.x, self.y = (_middles(low, high, round((high - low) / cell)) for low, high in domain)
        self.points = np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)
        self.energy = np.asarray(energy(self.points), float)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of cells."""
        return len(self.y), len(self.x)

    @property
    def spacing(self) -> tuple[float, float]:
        """Length of a cell along x and y."""
        return self.x[1] - self.x[0], self.y[1] - self.y[0]

    def cell_at(self, x: float, y: float) -> int:
        """The cell that holds a point; the nearest one for points outside."""
        (left, right), (bottom, top) = self.domain
        column = int(np.clip((x - left) / (right - left) * len(self.x), 0, len(self.x) - 1))
        row = int(np.clip((y - bottom) / (top - bottom) * len(self.y), 0, len(self.y) - 1))
        return row * len(self.x) + column

    def weights(self, kT: float) -> np.ndarray:
        """Boltzmann weight (cell,) of each cell; their sum is 1."""
        return np.exp(-self.energy / kT - logsumexp(-self.energy / kT))

    def profile(self, kT: float) -> np.ndarray:
        """Free energy along x (column,): -kT ln p(x), p the density per unit of length."""
        return marginal(self.energy.reshape(self.shape), 0, self.spacing[0], kT)

    def symmetric_generator(self, kT: float) -> scipy.sparse.csc_matrix:
        """The generator times -1, scaled by the roots of the weights: sqrt(w_i) (-K_ij) / sqrt(w_j)."""
        u, index = self.energy / kT, np.arange(len(self.energy)).reshape(self.shape)
        pairs = [
            (index[:, 1:].ravel(), index[:, :-1].ravel(), kT / self.spacing[0] ** 2),
            (index[1:].ravel(), index[:-1].ravel(), kT / self.spacing[1] ** 2),
        ]
        n = len(u)
        total = scipy.sparse.csc_matrix((n, n))
        for i, j, rate in pairs:
            off = np.full(len(i), -rate)
            out = np.bincount(i, rate * np.exp((u[i] - u[j]) / 2), n)
            out += np.bincount(j, rate * np.exp((u[j] - u[i]) / 2), n)
            total += scipy.sparse.csc_matrix((off, (i, j)), (n, n)) + scipy.sparse.csc_matrix(
                (off, (j, i)), (n, n)
            )
            total += scipy.sparse.diags_array(out).tocsc()
        return total

    def slowest(self, kT: float) -> tuple[float, np.ndarray]:
        """Time scale of the slowest process, and its eigenfunction (cell,) of the generator."""
        values, vectors = scipy.sparse.linalg.eigsh(
            self.symmetric_generator(kT), k=2, sigma=-0.01, v0=np.ones(len(self.energy))
        )
        slow = np.argsort(values)[1]
        return float(1 / values[slow]), vectors[:, slow] / np.sqrt(self.weights(kT))

    def committor(self, kT: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Probability (cell,) to reach the cells ``b`` before ``a``, disjoint masks (cell,)."""
        root = np.sqrt(self.weights(kT))
        backward = self.symmetric_generator(kT)
        inside = ~(a | b)
        # K q = 0 between the two sets, in the symmetric scale where q is multiplied by the root of the weight
        known = backward[inside][:, b] @ root[b]
        q = b.astype(float)
        q[inside] = scipy.sparse.linalg.spsolve(backward[inside][:, inside], -known) / root[inside]
        return np.clip(q, 0.0, 1.0)


def _middles(low, high, n):
    return low + (high - low) * (np.arange(n) + 0.5) / n
