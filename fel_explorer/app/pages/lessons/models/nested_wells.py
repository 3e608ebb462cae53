"""Four wells behind barriers of three heights, and the states that they form at each time scale."""

from __future__ import annotations

import functools

import numpy as np
import scipy.linalg

from fel_explorer.app.pages.lessons.models.grid import Grid

DOMAIN = ((-1.75, 1.75), (-1.75, 1.75))
CELL = 0.125
WELLS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
ACROSS, ALONG, LEAN = 6.5, 4.0, 1.0  # kT: barrier between left and right; between up and down, and its change
TILT = 0.35, 0.2  # kT: the right and the upper wells are higher


def energy(points) -> np.ndarray:
    """U (point,) in kT at points (point, 2): 6.5 (x^2 - 1)^2 + (4 + x)(y^2 - 1)^2 + .35 x + .2 y.

    Up and down are separated by 3 kT on the left and by 5 kT on the right, left and right by 6.5 kT.
    """
    x, y = np.asarray(points, float).T
    return ACROSS * (x**2 - 1) ** 2 + (ALONG + LEAN * x) * (y**2 - 1) ** 2 + TILT[0] * x + TILT[1] * y


class NestedWells:
    """The metastable states of `energy` at every time resolution, from its generator on a grid; kT = 1.

    Attributes
    ----------
    grid
        The `Grid`.
    timescales
        (3,) of the processes that are slower than all others, longest first: at a resolution tau there
        is one state more than there are time scales above tau.
    labels
        {number of states: state (cell,)}: the likeliest state of each cell by the inner simplex of PCCA (P.
        Deuflhard and M. Weber, Linear Algebra Appl. 398, 161 (2005), doi:10.1016/j.laa.2004.10.026), whose
        corners are wells.  A state has the number of the well in it that is visited most.
    """

    def __init__(self):
        self.grid = Grid(energy, DOMAIN, CELL)
        self.weights = self.grid.weights(1.0)
        self._rates, vectors = scipy.linalg.eigh(self.grid.symmetric_generator(1.0).toarray())
        root = np.sqrt(self.weights)
        self._from, self._to = vectors / root[:, None], vectors * root[:, None]
        self.timescales = 1 / self._rates[1:4]
        self.wells = np.array([self.grid.cell_at(*well) for well in WELLS])
        self.labels = {1: np.full(len(root), self._heaviest(np.ones(4, bool)))}
        for n_states in (2, 3, 4):
            self.labels[n_states] = self._divide(n_states)

    def _divide(self, n_states):
        slow = self._from[:, :n_states]
        corners = _corners(slow[self.wells])
        memberships = slow @ np.linalg.inv(slow[self.wells[corners]])
        state = memberships.argmax(axis=1)
        names = [self._heaviest(state[self.wells] == found) for found in range(n_states)]
        return np.array(names)[state]

    def _heaviest(self, wells):
        return int(np.argmax(np.where(wells, self.weights[self.wells], 0)))

    def n_states(self, tau: float) -> int:
        """Number of states at the resolution ``tau``."""
        return 1 + int(np.sum(self.timescales > tau))

    def propagator(self, tau: float) -> np.ndarray:
        """Probability (from, to) to be in a cell a time ``tau`` later."""
        return (self._from * np.exp(-self._rates * tau)) @ self._to.T

    def spread(self, cell: int, tau: float) -> np.ndarray:
        """Probability (cell,) of where a walker from ``cell`` is a time ``tau`` later."""
        p = np.clip((self._from[cell] * np.exp(-self._rates * tau)) @ self._to.T, 0, None)
        return p / p.sum()

    def still_in_state(self, cell: int, tau: float) -> tuple[float, float]:
        """Fractions of walkers from ``cell`` that are in its state after ``tau``, and in the long run."""
        state = self.labels[self.n_states(tau)]
        inside = state == state[cell]
        return float(self.spread(cell, tau)[inside].sum()), float(self.weights[inside].sum())

    def scatter(self, cell: int, tau: float, n_walkers: int, seed=0) -> np.ndarray:
        """Positions (walker, 2) of walkers from ``cell`` a time ``tau`` later, random inside their cells."""
        rng = np.random.default_rng(seed)
        cells = rng.choice(len(self.weights), size=n_walkers, p=self.spread(cell, tau))
        return self.grid.points[cells] + self.grid.spacing * (rng.random((n_walkers, 2)) - 0.5)

    def merges(self) -> list[tuple[float, int, int]]:
        """(time scale, well, well) of the mergers, fastest first: the state of the second joins it."""
        merged = []
        for n_states in (4, 3, 2):
            before, after = (set(self.labels[n][self.wells].tolist()) for n in (n_states, n_states - 1))
            (lost,) = before - after
            winner = int(self.labels[n_states - 1][self.wells[lost]])
            merged.append((float(self.timescales[n_states - 2]), winner, lost))
        return merged


def _corners(points) -> list[int]:
    """The rows of ``points`` (point, n) that span the largest simplex, found one after the other."""
    apart = points - points.mean(axis=0)
    corners = [int(np.argmax(np.linalg.norm(apart, axis=1)))]
    apart = points - points[corners[0]]
    while len(corners) < points.shape[1]:
        corners.append(int(np.argmax(np.linalg.norm(apart, axis=1))))
        direction = apart[corners[-1]] / np.linalg.norm(apart[corners[-1]])
        apart = apart - np.outer(apart @ direction, direction)
    return corners


@functools.cache
def nested_wells() -> NestedWells:
    """The one instance: its numbers never change."""
    return NestedWells()
