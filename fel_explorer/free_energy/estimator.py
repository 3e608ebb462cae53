"""A free energy with bootstrap samples, from which its error and those of its differences follow.

A free energy has no absolute value, so it is given relative to its lowest cell, and so are its samples: the
error of a cell is that of the difference, which is 0 in the lowest cell itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError
from fel_explorer.free_energy import density
from fel_explorer.free_energy.grid import Grid
from fel_explorer.free_energy.interpolation import at_points
from fel_explorer.resampling import N_BLOCKS, N_DRAWS, Blocks, standard_error

MIN_FRAMES = 200  # of which the errors that are drawn are estimated


@dataclass(frozen=True, eq=False)
class FreeEnergy:
    """A free energy over a grid, or at points along a path.

    Attributes
    ----------
    values
        (y, x), (x,) or (point,) in its attrs["units"], 0 in the lowest cell; NaN where there are no data.
    error
        Standard error of ``values``; NaN where it is not known.
    samples
        (draw, ...) bootstrap samples of ``values``.
    n_blocks
        Number of blocks that were drawn from.
    """

    values: xr.DataArray
    error: xr.DataArray
    samples: np.ndarray
    n_blocks: int

    def difference(self, first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
        """F(second) - F(first) and its standard error; both are indices of a cell, such as (row, column)."""
        first, second = tuple(np.atleast_1d(first)), tuple(np.atleast_1d(second))
        change = self.samples[(..., *second)] - self.samples[(..., *first)]
        f = self.values.values
        return float(f[second] - f[first]), float(standard_error(change, self.n_blocks))

    def at(self, points: np.ndarray) -> FreeEnergy:
        """Free energy at ``points`` (point, 1 or 2), as `at_points` interpolates."""

        def along(values, name=None):
            return xr.DataArray(at_points(values, points), dims="point", name=name, attrs=self.values.attrs)

        samples = [at_points(self.values.copy(data=sample), points) for sample in self.samples]
        return FreeEnergy(along(self.values), along(self.error), np.array(samples), self.n_blocks)

    def to_dataset(self) -> xr.Dataset:
        """Profile as a dataset.

        Returns
        -------
        Dataset over ``bin``, coordinate ``centre``: ``free_energy``, ``error`` and ``sample`` (draw, bin),
        attrs["n_blocks"].
        """
        units = dict(self.values.attrs)
        return xr.Dataset(
            {
                "free_energy": ("bin", self.values.values, units),
                "error": ("bin", self.error.values, units),
                "sample": (("draw", "bin"), self.samples, units),
            },
            coords={"centre": ("bin", self.values["x"].values)},
            attrs={"n_blocks": self.n_blocks},
        )

    @classmethod
    def from_dataset(cls, profile: xr.Dataset) -> FreeEnergy:
        """Profile of a dataset as from `to_dataset`; without ``sample`` its differences have no errors."""
        f = profile["free_energy"]
        plain = cls.without_error(f.values, profile["centre"].values, f.attrs.get("units", "kT"))
        error = profile["error"].values if "error" in profile else plain.error.values
        samples = profile["sample"].values if "sample" in profile else plain.samples
        return cls(
            plain.values, plain.values.copy(data=error), samples, int(profile.attrs.get("n_blocks", 1))
        )

    @classmethod
    def without_error(cls, values: np.ndarray, x: np.ndarray | None = None, units: str = "kT") -> FreeEnergy:
        """Free energy ``values`` (point,) at ``x`` (point,), whose errors are not known (NaN)."""
        values = np.asarray(values, float)
        x = np.arange(len(values)) if x is None else x
        array = xr.DataArray(values, dims="x", coords={"x": x}, attrs={"units": units})
        missing = np.full(len(values), np.nan)
        return cls(array, array.copy(data=missing), missing[None], 1)


def estimate(
    values: np.ndarray,
    weights: np.ndarray | None = None,
    trajectory: np.ndarray | None = None,
    *,
    bins: int | Sequence[int] = 150,
    smoothing: float = density.SMOOTHING,
    periodic: bool | Sequence[bool] = False,
    grid: Grid | None = None,
    lowest: int | None = None,
    kT: float = 1.0,
    n_blocks: int = N_BLOCKS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> FreeEnergy:
    """Free energy of one or two variables with its error.

    Parameters
    ----------
    values
        (frame, 1 or 2) values of the variables.
    weights
        Optional (frame,) weights of biased sampling, not negative.
    trajectory
        (frame,) trajectory of each frame; None for one trajectory.
    bins, smoothing, periodic
        As for `free_energy_surface`.
    grid
        The bins themselves, in place of ``bins`` and ``periodic``; frames outside are left out.
    lowest
        Flat index of the cell where F is 0; default: the deepest.
    kT
        In the unit of the free energy.
    n_blocks, n_draws, seed
        Of the bootstrap; see `resampling.Blocks.of_lengths`.

    Raises
    ------
    FelError
        If shapes don't fit, a weight is negative, or there are fewer frames than blocks.

    Examples
    --------
    >>> z = model.transform(data).values  # (frame, cv)
    >>> profile = fel.free_energy.estimate(z[:, [0]], trajectory=data["trajectory"].values, bins=40)
    >>> profile.error.sizes["x"]
    40
    >>> height, error = fel.free_energy.barrier(profile, (z[:, 0].min(), z[:, 0].max()))
    """
    values = np.asarray(values)
    n_variables = values.shape[1] if values.ndim == 2 and values.shape[1] in (1, 2) else 2
    values, weights = density.check(values, weights, n_variables)
    blocks = blocks_of(len(values), trajectory, n_blocks)
    grid = Grid.of(values, bins, periodic, smoothing) if grid is None else grid
    cells = grid.cells(values)
    per_block = grid.unflatten(blocks.sums(cells, grid.size, weights))
    frames = per_block.sum(axis=0) if weights is None else grid.counts(values)
    known = density.near_frames(frames, smoothing, grid)
    per_block = density.smooth(per_block, smoothing, grid)
    samples = blocks.draw(n_draws, seed=seed).sums(per_block)
    return from_samples(
        per_block.sum(axis=0), samples, grid, n_blocks=len(blocks), known=known, lowest=lowest, kT=kT
    )


def from_samples(
    whole: np.ndarray,
    samples: np.ndarray,
    grid: Grid,
    *,
    n_blocks: int,
    known: np.ndarray | None = None,
    lowest: int | None = None,
    kT: float = 1.0,
    units: str = "kT",
) -> FreeEnergy:
    """Free energy of a density ``whole`` (...) on a grid and of bootstrap samples of it (draw, ...).

    ``known`` (...) says where there are data, by default where the density is positive; ``lowest`` and ``kT``
    are as for `estimate`.
    """
    known = whole > 0 if known is None else known & (whole > 0)
    values = np.where(known, density.from_density(whole, kT), np.nan)
    if lowest is None:
        if not known.any():
            raise FelError("No frame lies on the grid.", "At least one does.", "Choose other limits.")
        lowest = int(np.nanargmin(values))
    f = density.from_density(samples[:, known], kT)
    f -= density.from_density(samples.reshape(len(samples), -1)[:, [lowest]], kT)
    drawn = np.full(samples.shape, np.nan, np.float32)
    drawn[:, known] = f
    error = np.full(whole.shape, np.nan)
    error[known] = standard_error(f, n_blocks)
    return FreeEnergy(
        grid.array(values - values.ravel()[lowest], units=units),
        grid.array(error, "error of the free energy", units),
        drawn,
        n_blocks,
    )


def blocks_of(n_frames: int, trajectory: np.ndarray | None, n_blocks: int) -> Blocks:
    """Units that the bootstrap of ``n_frames`` frames of trajectories (frame,) draws."""
    trajectory = np.zeros(n_frames, int) if trajectory is None else np.asarray(trajectory)
    if trajectory.shape != (n_frames,):
        raise FelError(f"Trajectories of shape {trajectory.shape} for {n_frames} frames.", "One per frame.")
    if n_frames < n_blocks:
        raise FelError(
            f"n_blocks={n_blocks} for {n_frames} frames.",
            "There is at least one frame in each block.",
            "Take fewer blocks, or more frames.",
        )
    return Blocks.of_frames(trajectory, n_blocks=n_blocks)
