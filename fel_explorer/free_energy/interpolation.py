"""Free energies at positions between the cells of a grid."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates


def at_points(free_energy: xr.DataArray, points: np.ndarray) -> np.ndarray:
    """Free energy (point,) at ``points`` (point, 1 or 2), by linear interpolation.

    Next to cells without data it is that of the nearest cell, so that each frame has a free energy.
    """
    axes = [free_energy[name].values for name in reversed(free_energy.dims)]
    points = np.asarray(points, float).reshape(-1, len(axes))
    coordinates = [
        (column - axis[0]) / (axis[1] - axis[0]) for column, axis in zip(points.T, axes, strict=True)
    ]
    linear = map_coordinates(free_energy.values, coordinates[::-1], order=1, mode="nearest")
    nearest = map_coordinates(free_energy.values, coordinates[::-1], order=0, mode="nearest")
    return np.where(np.isfinite(linear), linear, nearest).astype(np.float32)
