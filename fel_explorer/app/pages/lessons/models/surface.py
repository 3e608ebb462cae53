"""Müller-Brown at any temperature: exact distribution, and that of walkers."""

from __future__ import annotations

import functools

import numpy as np

from fel_explorer.app.pages.lessons.models.grid import Grid
from fel_explorer.free_energy import from_density
from fel_explorer.systems import MullerBrown

CELL = 0.025
TIME_STEP = 4e-4
WELLS = "ABC"


class Surface:
    """The energy on a grid, its wells, and what follows from them at a temperature kT.

    Attributes
    ----------
    system, grid
        The potential, whose energy unit is a fifth of the barrier out of the deepest well, and its `Grid`.
    well
        (cell,) which of the wells A, B, C (0, 1, 2) steepest descent reaches.
    """

    def __init__(self):
        self.system = MullerBrown()
        self.grid = Grid(lambda x: self.system.energy(x).numpy(), self.system.domain, CELL)
        self.well = self.system.basin(self.grid.points).numpy()

    def populations(self, kT: float) -> np.ndarray:
        """Boltzmann fraction (well,) of each well."""
        return np.bincount(self.well, self.grid.weights(kT), len(WELLS))

    def count(self, x) -> np.ndarray:
        """Share (well,) of walkers at ``x`` (walker, 2) that are in each well."""
        return np.bincount(self.well[self._cells(x)], minlength=len(WELLS)) / len(x)

    def _cells(self, x):
        (left, _), (bottom, _) = self.grid.domain
        width, height = self.grid.spacing
        rows, columns = self.grid.shape
        column = np.clip(((x[:, 0] - left) / width).astype(int), 0, columns - 1)
        row = np.clip(((x[:, 1] - bottom) / height).astype(int), 0, rows - 1)
        return row * columns + column

    def start_in(self, well: int, n_walkers: int) -> np.ndarray:
        """(walker, 2) positions near the bottom of a well."""
        spread = np.random.default_rng(0).normal(scale=0.03, size=(n_walkers, 2))
        return self.system.minima[well].numpy() + spread


class RunningProfile:
    """The free energy along x that has been seen: a histogram whose weights decay with time.

    Parameters
    ----------
    bounds
        Ends of the axis.
    memory
        Number of pictures after which what was seen counts 1/e.
    """

    def __init__(self, bounds: tuple[float, float], *, bins=55, memory=300):
        self.edges = np.linspace(*bounds, bins + 1)
        self._keep = 1 - 1 / memory
        self.clear()

    @property
    def x(self) -> np.ndarray:
        """Middles (bin,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def clear(self) -> None:
        """Delete everything."""
        self._counts = np.zeros(len(self.edges) - 1)

    def add(self, x) -> None:
        """See walkers at ``x`` (walker,)."""
        self._counts = self._keep * self._counts + np.histogram(x, self.edges)[0]

    def free_energy(self, kT: float) -> np.ndarray:
        """-kT ln p(x) (bin,), NaN where nobody was seen."""
        return from_density(self._counts / max(self._counts.sum(), 1) / np.diff(self.edges), kT)


@functools.cache
def surface() -> Surface:
    """The one instance: its numbers never change."""
    return Surface()
