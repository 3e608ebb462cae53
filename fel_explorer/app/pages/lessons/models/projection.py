"""A collective variable of Müller-Brown: its profile, its time scale and the ensemble at its barrier."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse

from fel_explorer.app.pages.lessons.models.grid import Grid
from fel_explorer.app.pages.lessons.models.walkers import Walkers
from fel_explorer.free_energy import from_density
from fel_explorer.systems import MullerBrown

CELL = 0.02
KNOTS = 48  # at which a CV is evaluated
CEILING = 14.0  # kT above the minimum: what lies higher is hardly ever visited, and left out
CORES = -6.3, -3.3  # energies below which a walker has arrived in A, in B
BUMP_WIDTH = 0.5  # of the Gaussians that the learned CV is made of
BUMP_CENTRES = np.linspace(-1.2, 1.0, 6), np.linspace(-0.2, 1.8, 6)
TIME_STEP, STRIDE = 4e-4, 100  # of the simulation that it is learned from


@dataclass(frozen=True, eq=False)
class Projection:
    """The view of a CV.

    Attributes
    ----------
    values
        (cell,) of the CV.
    length, free_energy
        (knot,) place along the CV as a length, which is 0 at state A's side, and the free energy (kT) there.
    levels
        (knot,) values of the CV.
    timescale
        Of the slowest process that functions of this CV can describe.
    top
        Index of the knot at the barrier's top; midway between A and B where the profile has none.
    has_barrier
        Whether the profile is highest between A and B.
    at_top
        (cell,) fraction of each cell in the ensemble at the top, or midway between A and B without one.
    """

    values: np.ndarray
    length: np.ndarray
    free_energy: np.ndarray
    levels: np.ndarray
    timescale: float
    top: int
    has_barrier: bool
    at_top: np.ndarray


class Reaction:
    """From the deep well of Müller-Brown (A) to the valley of the other two (B) at kT = 1, and CVs for it.

    Attributes
    ----------
    grid, weights
        The `Grid` and the Boltzmann weights (cell,) on it.
    committor
        (cell,) probability to reach B before A.
    timescale, slowest
        Of the slowest process, and its eigenfunction (cell,): the perfect CV.
    """

    kT = 1.0

    def __init__(self):
        self.system = MullerBrown(kT=self.kT)
        self.grid = Grid(lambda x: self.system.energy(x).numpy(), self.system.domain, CELL)
        self.weights = self.grid.weights(self.kT)
        x, y = self.grid.points.T
        a = (y > 1) & (self.grid.energy < CORES[0])
        b = (y < 0.8) & (x > -0.45) & (self.grid.energy < CORES[1])
        self.committor = self.grid.committor(self.kT, a, b)
        self.timescale, self.slowest = self.grid.slowest(self.kT)
        self.ends = [self.grid.cell_at(*self.system.minima[i].tolist()) for i in (0, 2)]
        self._seen = self.grid.energy < self.grid.energy.min() + CEILING
        root = np.sqrt(self.weights)
        scale = scipy.sparse.diags_array(root)
        self._flows = (scale @ self.grid.symmetric_generator(self.kT) @ scale).tocsr()

    def straight(self, degrees: float) -> np.ndarray:
        """x cos a + y sin a (cell,): 0 degrees is x, 90 is y."""
        angle = np.deg2rad(degrees)
        return self.grid.points @ [np.cos(angle), np.sin(angle)]

    @functools.cached_property
    def learned(self) -> np.ndarray:
        """(cell,) the slowest sum of Gaussian bumps in a simulation, by `fel_explorer.TICA`."""
        import fel_explorer as fel

        walkers = Walkers(self.system, self.system.sample(600).numpy(), time_step=TIME_STEP)
        runs = walkers.run(40, STRIDE)
        data = fel.as_dataset([_bumps(run) for run in runs], time_step=STRIDE * TIME_STEP)
        tica = fel.TICA(lag_time=0.2, n_dims=1).fit(data)
        return np.asarray(tica.transform(_bumps(self.grid.points)))[:, 0]

    def look_along(self, values) -> Projection:
        """View of the reaction along the CV with ``values`` (cell,)."""
        a, b = self.ends
        values = np.asarray(values, float) * np.sign(values[b] - values[a])
        hats, levels, step = self._hats(values)
        mass = hats.T @ self.weights
        length = np.cumsum(step) - step / 2
        free_energy = from_density(mass / step, self.kT)
        low, high = np.searchsorted(levels, [values[a], values[b]])
        top, has_barrier = _top(free_energy, low, high)
        ensemble = self.weights * hats[:, [top]].toarray()[:, 0]
        return Projection(
            values, length - length[low], free_energy, levels, self._timescale(hats), top, has_barrier,
            ensemble / ensemble.sum(),
        )  # fmt: skip

    def _hats(self, values):
        """Hat functions of the CV (cell, knot), their knots, and the length that belongs to each.

        Knots are dense where the CV hardly changes, as in the wells of a committor, and even elsewhere.  The
        length between two level sets is the change of the CV over its mean gradient: so the profile doesn't
        depend on how the CV is scaled, and for a straight one it is the usual profile.
        """
        seen = values[self._seen]
        order = np.argsort(seen)
        total = np.cumsum(self.weights[self._seen][order])
        span = (seen[order] - seen.min()) / np.ptp(seen)
        levels = np.interp(np.linspace(0, 1, KNOTS), (total / total[-1] + 3 * span) / 4, seen[order])
        left = np.clip(np.searchsorted(levels, values) - 1, 0, KNOTS - 2)
        right_share = np.clip((values - levels[left]) / (levels[left + 1] - levels[left]), 0, 1)
        cells = np.arange(len(values))
        hats = scipy.sparse.csr_array(
            (np.r_[1 - right_share, right_share], (np.r_[cells, cells], np.r_[left, left + 1]))
        )
        slope = np.hypot(*np.gradient(values.reshape(self.grid.shape), *self.grid.spacing[::-1])).ravel()
        mean_slope = (hats.T @ (self.weights * slope)) / (hats.T @ self.weights)
        return hats, levels, np.gradient(levels) / mean_slope

    def _timescale(self, hats):
        """By Ritz: the slowest of all functions of the CV that are linear between knots."""
        overlap = (hats.T @ (hats * self.weights[:, None])).toarray()
        flows = (hats.T @ (self._flows @ hats)).toarray()
        return 1 / scipy.linalg.eigh(flows, overlap, eigvals_only=True, subset_by_index=[1, 1])[0]


def _top(free_energy, low, high) -> tuple[int, bool]:
    """Index of the highest knot between ``low`` and ``high``, and whether it is neither of them."""
    top = low + int(np.argmax(free_energy[low : high + 1])) if high > low else low
    if top in (low, high):
        return (low + high) // 2, False
    return top, True


def _bumps(x):
    """Gaussian bumps (frame, bump) all over the box, at points (frame, 2): what the learned CV is made of."""
    centres = np.stack(np.meshgrid(*BUMP_CENTRES), axis=-1).reshape(-1, 2)
    return np.exp(-((x[:, None] - centres) ** 2).sum(axis=-1) / (2 * BUMP_WIDTH**2))


@functools.cache
def reaction() -> Reaction:
    """The one instance: its numbers never change."""
    return Reaction()
