"""How well a free energy is known: its standard error by the block bootstrap."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from fel_explorer.errors import FelError
from fel_explorer.plots.free_energy import Grid, check, free_energy_profile, free_energy_surface

KNOWN = 0.9  # share of the resamples that must reach a cell


def free_energy_error(
    values,
    weights=None,
    trajectory=None,
    *,
    bins=150,
    smoothing=1.5,
    periodic=False,
    n_blocks=20,
    n_resamples=100,
    seed=0,
):
    """Standard error of -ln p over one or two collective variables.

    Whole trajectories are drawn with replacement or, where there are fewer than ``n_blocks``, stretches of
    them; so frames that follow each other are not taken for independent ones.  The error is too small where
    a stretch is shorter than the slowest process.

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
        Least number of stretches, 2 or more.
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
        If shapes don't fit, a weight is negative, or there are fewer frames than stretches.
    """
    values = np.asarray(values)
    columns = values.shape[1] if values.ndim == 2 and values.shape[1] in (1, 2) else 2
    values, weights = check(values, weights, columns)
    blocks = stretches(len(values), trajectory, n_blocks)
    grid, n = Grid.of(values, bins, periodic), int(blocks.max()) + 1
    size = int(np.prod(grid.shape))
    counts = np.bincount(blocks * size + grid.cells(values), weights, minlength=n * size).reshape(n, size)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    # the same cells are known as in the free energy itself
    if columns == 1:
        whole = free_energy_profile(
            values[:, 0], weights, bins=grid.shape[0], smoothing=smoothing, periodic=grid.periodic[0]
        )
    else:
        whole = free_energy_surface(
            values, weights, bins=grid.shape, smoothing=smoothing, periodic=grid.periodic
        )
    error = _spread(draws, counts, grid, smoothing)
    return grid.array(np.where(np.isfinite(whole.values), error, np.nan), "error of the free energy")


def stretches(n_frames: int, trajectory, n_blocks: int) -> np.ndarray:
    """Number (frame,) of the stretch of each frame: whole trajectories, or equal parts of them."""
    trajectory = np.zeros(n_frames, int) if trajectory is None else np.asarray(trajectory)
    if trajectory.shape != (n_frames,):
        raise FelError(f"Trajectories of shape {trajectory.shape} for {n_frames} frames.", "One per frame.")
    if n_blocks < 2 or n_frames < n_blocks:
        raise FelError(
            f"n_blocks={n_blocks} for {n_frames} frames.",
            "There are at least 2 stretches, and at least one frame in each.",
            "Take fewer stretches, or more frames.",
        )
    starts = np.flatnonzero(np.r_[True, trajectory[1:] != trajectory[:-1]])
    lengths = np.diff(np.r_[starts, n_frames])
    parts = -(-n_blocks // len(starts))  # of each trajectory
    pieces = [np.arange(length) * min(parts, length) // length for length in lengths]
    before = np.cumsum([0, *(piece[-1] + 1 for piece in pieces[:-1])])
    return np.concatenate([piece + offset for piece, offset in zip(pieces, before, strict=True)])


def _spread(draws, counts, grid, smoothing) -> np.ndarray:
    """Standard deviation of -ln p over the samples, NaN where too few of them reach."""
    shape = grid.shape[::-1]

    def minus_log(times):
        density = (times @ counts).reshape(shape)
        if smoothing > 0:
            density = gaussian_filter(density, smoothing, mode=grid.modes, truncate=4.0)
        with np.errstate(divide="ignore"):
            return -np.log(density / density.sum())

    reference = minus_log(np.ones(len(counts)))
    total, squares, reached = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for times in draws:
        sample = minus_log(times.astype(float))
        finite = np.isfinite(sample)
        deviation = np.where(finite, sample - np.where(finite, reference, 0.0), 0.0)
        total += deviation
        squares += deviation**2
        reached += finite
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (squares - total**2 / reached) / (reached - 1)
    return np.where(reached >= KNOWN * len(draws), np.sqrt(np.maximum(variance, 0.0)), np.nan)
