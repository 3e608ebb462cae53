"""Walkers that can be watched: overdamped Langevin dynamics with forces from a table.

`Potential.simulate` takes half a millisecond a step, most of it the overhead of torch on small arrays; a page
that shows fifty steps a picture has a tenth of that.
"""

from __future__ import annotations

import math

import numpy as np

from fel_explorer.systems.potential import Potential

CELLS = 400  # of the table along each axis


class Walkers:
    """Independent walkers x <- x - grad U(x) h + sqrt(2 kT h) xi (friction 1) in a two-dimensional system.

    The edges of ``system.domain`` reflect.

    Parameters
    ----------
    start
        (walker, 2) first positions.
    kT
        Temperature; the system's own by default.  It may be changed at any time.
    time_step
        h, in units of time; the system's default by default.

    Attributes
    ----------
    x
        (walker, 2) positions.
    """

    def __init__(self, system: Potential, start, *, kT=None, time_step=None, seed=0):
        self.kT = system.kT if kT is None else float(kT)
        self.time_step = time_step or system.default_time_step["overdamped"]
        self.x = np.array(start, float)
        self._low, self._high = np.array(system.domain, float).T
        self._force = _force_table(system, self._low, self._high)
        self._rng = np.random.default_rng(seed)

    def step(self, n_steps: int) -> np.ndarray:
        """Positions (walker, 2) after ``n_steps`` more steps."""
        scale = CELLS / (self._high - self._low)
        noise = math.sqrt(2 * self.kT * self.time_step)
        x = self.x
        for kick in self._rng.normal(scale=noise, size=(n_steps, *x.shape)):
            i, j = np.minimum(((x - self._low) * scale).astype(np.intp), CELLS - 1).T
            x = x + self.time_step * self._force[i * CELLS + j] + kick
            x = self._high - np.abs(self._high - self._low - np.abs(x - self._low))
        self.x = x
        return x

    def run(self, n_frames: int, stride: int) -> np.ndarray:
        """Positions (walker, frame, 2), every ``stride`` steps."""
        return np.stack([self.step(stride) for _ in range(n_frames)], axis=1)


def _force_table(system, low, high):
    """-grad U (cell, 2) in the middle of each cell; cells along y are next to each other."""
    x, y = (a + (b - a) * (np.arange(CELLS) + 0.5) / CELLS for a, b in zip(low, high, strict=True))
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return -system.gradient(points).numpy()
