"""Local minima of free-energy surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import ndimage

RIPPLE = 0.5  # kT; lower barriers are within the noise of a surface


def nearest_minimum(
    surface: xr.DataArray,
    point: Sequence[float],
    *,
    periodic: Sequence[bool] = (False, False),
    ripple: float = RIPPLE,
) -> tuple[float, float]:
    """The minimum of a free-energy surface into whose basin a point belongs.

    From the cell of the point, or the nearest with data, it goes down to the lowest neighbour again and
    again, and across barriers below ``ripple``.

    Parameters
    ----------
    surface
        (y, x) in kT, NaN where there are no data, as `free_energy_surface` makes it.
    point
        (x, y).
    periodic
        Whether the axes x and y are angles whose ends meet.
    ripple
        kT.

    Returns
    -------
    tuple of float
        (x, y), the centre of a cell.
    """
    f = np.where(np.isfinite(surface.values), surface.values, np.inf)
    axes = [surface[name].values for name in surface.dims]  # y, x
    wrap = tuple(periodic)[::-1]
    at = _cell(f, axes, tuple(point)[::-1], wrap)
    while True:
        at = _bottom(f, at, wrap)
        lower = _lowest_within(f, at, f[at] + ripple, wrap)
        if f[lower] >= f[at]:
            break
        at = lower
    return float(axes[1][at[1]]), float(axes[0][at[0]])


def _cell(f, axes, place, wrap) -> tuple[int, ...]:
    """Cell with data that is nearest to ``place``, in cells."""
    distances = np.zeros(f.shape)
    for number, (axis, value, periodic) in enumerate(zip(axes, place, wrap, strict=True)):
        step = np.abs(axis - value) / (axis[1] - axis[0])
        step = np.minimum(step, len(axis) - step) if periodic else step
        distances = distances + np.expand_dims(step**2, 1 - number)
    return _index(np.where(np.isfinite(f), distances, np.inf).argmin(), f.shape)


def _bottom(f, at, wrap) -> tuple[int, ...]:
    """Local minimum below a cell, by steepest descent over its eight neighbours."""
    while True:
        rows, columns = (
            (np.arange(one - 1, one + 2) % n if periodic else np.arange(max(one - 1, 0), min(one + 2, n)))
            for one, n, periodic in zip(at, f.shape, wrap, strict=True)
        )
        around = f[np.ix_(rows, columns)]
        row, column = _index(around.argmin(), around.shape)
        if around[row, column] >= f[at]:
            return at
        at = int(rows[row]), int(columns[column])


def _lowest_within(f, at, level, wrap) -> tuple[int, ...]:
    """Lowest of the cells that are connected with ``at`` below a level."""
    pads = [(n, n) if periodic else (0, 0) for n, periodic in zip(f.shape, wrap, strict=True)]
    low = np.pad(f <= level, pads, mode="wrap")
    labels, _ = ndimage.label(low, np.ones((3, 3)))
    place = tuple(one + pad for one, (pad, _) in zip(at, pads, strict=True))
    found = np.argwhere(labels == labels[place]) - [pad for pad, _ in pads]
    cells = tuple((found % f.shape).T)
    best = int(f[cells].argmin())
    return int(cells[0][best]), int(cells[1][best])


def _index(flat, shape) -> tuple[int, ...]:
    return tuple(int(one) for one in np.unravel_index(flat, shape))
