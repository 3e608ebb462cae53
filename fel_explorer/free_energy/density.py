"""Free energies of densities, F = -kT ln p, and the smoothed density of counts."""

from __future__ import annotations

from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp

from fel_explorer.errors import FelError
from fel_explorer.free_energy.grid import Grid

SMOOTHING = 1.5  # width of the kernel in bins
TRUNCATE = 4.0  # widths of the kernel at which it ends


def from_density(density: np.ndarray, kT: float = 1.0) -> np.ndarray:
    """Free energy -kT ln p of a density, or of any numbers in proportion to it; NaN where it is 0.

    Parameters
    ----------
    density
        (...) not negative.
    kT
        In the unit of the free energy.

    Returns
    -------
    (...) free energies, up to a constant unless the density is normalized.
    """
    density = np.asarray(density, float)
    values = np.full(density.shape, np.nan)
    np.log(density, out=values, where=density > 0)
    return -kT * values


def marginal(energy: np.ndarray, axis: int, spacing: float = 1.0, kT: float = 1.0) -> np.ndarray:
    """Free energy along the other axes of an energy on a grid, normalized: -kT ln of the marginal density.

    Parameters
    ----------
    energy
        (...) on a grid, in the unit of kT.
    axis
        Over which the Boltzmann factors are summed.
    spacing
        Volume of a cell of the remaining axes.

    Returns
    -------
    (...) free energy without ``axis``.
    """
    reduced = -np.asarray(energy, float) / kT
    return -kT * (logsumexp(reduced, axis=axis) - logsumexp(reduced) - np.log(spacing))


def smooth(counts: np.ndarray, smoothing: float, grid: Grid) -> np.ndarray:
    """``counts`` (..., y, x) or (..., x) of a grid, smoothed by a Gaussian of ``smoothing`` bins."""
    counts = np.asarray(counts, float)
    if smoothing <= 0:
        return counts
    axes = tuple(range(-len(grid.shape), 0))
    return gaussian_filter(counts, smoothing, mode=grid.modes, truncate=TRUNCATE, axes=axes)


def near_frames(counts: np.ndarray, smoothing: float, grid: Grid) -> np.ndarray:
    """Where a cell (y, x) or (x,) is within two kernel widths of a frame, by the frames' ``counts``."""
    if smoothing <= 0:
        return counts > 0
    one_frame = np.exp(-2.0) / (2 * np.pi * smoothing**2) ** (counts.ndim / 2)
    return smooth(counts, smoothing, grid) >= one_frame


def check(
    values: ArrayLike | xr.DataArray, weights: ArrayLike | None, n_variables: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions (frame, variable) and weights (frame,) or None as arrays, or a `FelError`.

    Stored positions stay stored arrays, which are read in blocks.
    """
    stored = isinstance(values, xr.DataArray) and values.chunks is not None
    values = cast(np.ndarray, values if stored else np.asarray(values))  # the stored ones are read in blocks
    if values.ndim != 2 or values.shape[1] != n_variables or len(values) == 0:
        raise FelError(
            f"An array of shape {values.shape}.",
            f"Over {n_variables} variable(s) the shape is (frame, {n_variables}), with at least one frame.",
        )
    return values, check_weights(weights, len(values))


def check_weights(weights: ArrayLike | None, n_frames: int) -> np.ndarray | None:
    """Weights (frame,) as an array, or None; a `FelError` where they are not weights of the frames."""
    if weights is None:
        return None
    weights = np.asarray(weights, float)
    if weights.shape != (n_frames,):
        raise FelError(f"Weights of shape {weights.shape} for {n_frames} frames.", "One per frame.")
    if not (weights >= 0).all() or weights.sum() == 0:
        raise FelError("Weights that are negative, NaN or all zero.", "Weights are positive or zero.")
    return weights
