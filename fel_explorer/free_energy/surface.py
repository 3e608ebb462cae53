"""Free energies of collective variables by counting, F = -ln p, in kT.

F(z) = -ln p(z) + const, with p the (weighted) density of frames over z and F = 0 at the deepest point.
The density is a histogram smoothed by a Gaussian kernel; where no frame is within reach F is NaN, not
infinity, so that what was not sampled is never drawn as a number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.free_energy import density
from fel_explorer.free_energy.estimator import estimate
from fel_explorer.free_energy.grid import Grid
from fel_explorer.resampling import N_BLOCKS, N_DRAWS


def free_energy_surface(
    xy: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    bins: int | Sequence[int] = 150,
    smoothing: float = density.SMOOTHING,
    periodic: bool | Sequence[bool] = (False, False),
) -> xr.DataArray:
    """Free energy over two collective variables.

    Parameters
    ----------
    xy
        (frame, 2) values of the two variables; a stored array, such as ``transform(data, out=...)`` returns,
        is read in blocks.
    weights
        Optional (frame,) weights of biased sampling, not negative.
    bins
        Number of bins along each axis.
    smoothing
        Width (standard deviation) of the Gaussian kernel in bins; 0 gives the bare histogram.
    periodic
        Whether each axis is an angle in degrees, -180 to 180, so that its ends meet.

    Returns
    -------
    xarray.DataArray
        (y, x) in kT, minimum 0, NaN where there are no data; coordinates are the bins' centres.

    Raises
    ------
    FelError
        If there are no frames, shapes don't fit, or a weight is negative or all are zero.
    """
    xy, weights = density.check(xy, weights, 2)
    return _free_energy(xy, weights, Grid.of(xy, bins, periodic, smoothing), smoothing)


def free_energy_profile(
    x: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    bins: int = 150,
    smoothing: float = density.SMOOTHING,
    periodic: bool = False,
) -> xr.DataArray:
    """Free energy along one collective variable; arguments as `free_energy_surface`, ``x`` is (frame,).

    Returns
    -------
    xarray.DataArray
        (x,) in kT, minimum 0, NaN where there are no data.
    """
    x, weights = density.check(np.asarray(x)[:, None], weights, 1)
    return _free_energy(x, weights, Grid.of(x, bins, periodic, smoothing), smoothing)


def free_energy_error(
    values: np.ndarray,
    weights: np.ndarray | None = None,
    trajectory: np.ndarray | None = None,
    *,
    bins: int | Sequence[int] = 150,
    smoothing: float = density.SMOOTHING,
    periodic: bool | Sequence[bool] = False,
    n_blocks: int = N_BLOCKS,
    n_resamples: int = N_DRAWS,
    seed: int = 0,
) -> xr.DataArray:
    """Standard error of a free energy over one or two variables, relative to its lowest cell.

    Whole trajectories are drawn with replacement where there are enough of them, else blocks of consecutive
    frames, because frames that follow each other are not independent.  The error is too small where a block
    is shorter than the slowest process.

    Parameters
    ----------
    values
        (frame, 1 or 2) values of the variables.
    weights
        Optional (frame,) weights, as in `free_energy_surface`.
    trajectory
        (frame,) trajectory of each frame; None for one trajectory.
    bins, smoothing, periodic
        As for the free energy itself.
    n_blocks
        Number of blocks wanted, 2 or more; see `resampling.Blocks.of_lengths`.
    n_resamples
        Number of bootstrap samples.

    Returns
    -------
    xarray.DataArray
        (y, x) or (x,) in kT on the grid of `free_energy_surface` or `free_energy_profile`; NaN where there
        are no data, or so few that one in ten samples holds none.

    Raises
    ------
    FelError
        If shapes don't fit, a weight is negative, or there are fewer frames than blocks.
    """
    return estimate(
        values, weights, trajectory, bins=bins, smoothing=smoothing, periodic=periodic, n_blocks=n_blocks,
        n_draws=n_resamples, seed=seed,
    ).error  # fmt: skip


def _free_energy(values, weights, grid, smoothing) -> xr.DataArray:
    counts = grid.counts(values)
    weighted = counts if weights is None else grid.counts(values, weights)
    known = density.near_frames(counts, smoothing, grid)
    f = np.where(known, density.from_density(density.smooth(weighted, smoothing, grid)), np.nan)
    return grid.array(f - np.nanmin(f))
