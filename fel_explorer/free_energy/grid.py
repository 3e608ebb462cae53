"""Bins over one or two collective variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError

BLOCK = 2**18  # frames sorted at once: arrays of all of them may not fit the memory
PERIOD = (-180.0, 180.0)  # limits of a periodic axis: torsions in degrees
MARGIN = 0.04  # fraction of the data's span on both sides of them, at least


@dataclass(frozen=True)
class Grid:
    """Bins over one or two variables.

    Attributes
    ----------
    limits, shape, periodic
        Of each variable: (low, high), number of bins, whether its ends meet.
    """

    limits: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        bins: int | Sequence[int],
        periodic: bool | Sequence[bool],
        smoothing: float = 0.0,
    ) -> Grid:
        """Bins over all of ``values`` (frame, variable), NumPy or stored; an angle has 360 degrees.

        Around the data there is room for a kernel of ``smoothing`` bins, see `margin_of`.

        Raises
        ------
        FelError
            If a variable has no finite value.
        """
        n = values.shape[1]
        angles, shape = np.broadcast_to(periodic, n).tolist(), np.broadcast_to(bins, n).tolist()
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        for start in range(0, len(values), BLOCK):
            block = np.asarray(values[start : start + BLOCK])
            known = np.isfinite(block)
            low = np.minimum(low, np.where(known, block, np.inf).min(axis=0))
            high = np.maximum(high, np.where(known, block, -np.inf).max(axis=0))
        if not (low <= high).all():
            raise FelError("A variable that is NaN in all frames.", "Each has finite values.")
        ends = np.stack([low, high], axis=1)
        limits = [
            PERIOD if p else axis_limits(column, margin_of(count, smoothing))
            for p, column, count in zip(angles, ends, shape, strict=True)
        ]
        return cls(tuple(limits), tuple(shape), tuple(angles))

    @classmethod
    def of_edges(cls, edges: np.ndarray) -> Grid:
        """Bins of one variable between equidistant ``edges`` (bin + 1,)."""
        return cls(((float(edges[0]), float(edges[-1])),), (len(edges) - 1,), (False,))

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def modes(self) -> list[str]:
        """Boundary mode of a filter for each axis of an array (y, x) or (x,)."""
        return ["wrap" if p else "constant" for p in self.periodic[::-1]]

    @property
    def centres(self) -> list[np.ndarray]:
        """Centres (bin,) of the bins of each variable."""
        edges = [np.linspace(*limits, n + 1) for limits, n in zip(self.limits, self.shape, strict=True)]
        return [(e[1:] + e[:-1]) / 2 for e in edges]

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Flat index (frame,) of the cell of each frame of ``values`` (frame, variable), -1 outside."""
        flat, outside = np.zeros(len(values), np.int64), np.zeros(len(values), bool)
        for axis in reversed(range(len(self.shape))):
            column, (low, high), n = values[:, axis], self.limits[axis], self.shape[axis]
            known = np.isfinite(column)
            scaled = np.floor((np.where(known, column, low) - low) * (n / (high - low)))
            if self.periodic[axis]:
                scaled %= n
            else:
                known = known & (column >= low) & (column <= high)
            flat = flat * n + np.clip(scaled, 0, n - 1).astype(np.int64)  # the last bin holds its upper edge
            outside |= ~known
        flat[outside] = -1
        return flat

    def counts(self, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Number of frames in each cell, or sum of their weights; an array (y, x) or (x,).

        ``values`` (frame, variable) and ``weights`` (frame,) may be stored arrays, which are read in blocks.
        """
        total = np.zeros(self.size, np.int64 if weights is None else float)
        for start in range(0, len(values), BLOCK):
            cells = self.cells(np.asarray(values[start : start + BLOCK]))
            inside = cells >= 0
            own = None if weights is None else np.asarray(weights[start : start + BLOCK])[inside]
            total += np.bincount(cells[inside], own, minlength=self.size)
        return self.unflatten(total)

    def unflatten(self, values: np.ndarray) -> np.ndarray:
        """Array (..., y, x) or (..., x) of flat ones (..., cell)."""
        return values.reshape(*values.shape[:-1], *self.shape[::-1])

    def array(self, values: np.ndarray, name: str = "free energy", units: str = "kT") -> xr.DataArray:
        """``values`` (y, x) or (x,) over the bins' centres."""
        names = ("x", "y")[: len(self.shape)]
        centres = dict(zip(names, self.centres, strict=True))
        return xr.DataArray(values, dims=names[::-1], coords=centres, name=name, attrs={"units": units})


def margin_of(n_bins: int, smoothing: float) -> float:
    """Fraction of the data's span to leave free on both sides of them under ``n_bins`` bins: 4 % at least.

    A kernel of ``smoothing`` bins has room for two widths and half a bin, so that the outermost contour of a
    surface closes within the grid; at most a quarter of the bins on each side are left free.
    """
    free = min(2 * smoothing + 0.5, n_bins / 4) if smoothing > 0 else 0.0
    return max(MARGIN, free / (n_bins - 2 * free))


def axis_limits(values: np.ndarray, margin: float = MARGIN) -> tuple[float, float]:
    """Lowest and highest value with a margin (a fraction of the span) on both sides; never of zero width."""
    low, high = float(np.min(values)), float(np.max(values))
    span = (high - low) or max(abs(low), 1.0)
    return low - margin * span, high + margin * span


def default_bins(n_frames: int) -> int:
    """Number of bins along each axis for so many frames: 30 to 160, some 6 frames per cell of a surface."""
    return int(np.clip(np.sqrt(n_frames) / 2.5, 30, 160))
