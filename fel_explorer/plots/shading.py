"""Pictures of maps at the resolution of the screen: frames as soft dots, surfaces as smooth colours.

Frames are counted into pixels and smoothed by a kernel of the size of a dot, which is larger where frames are
few.  Opacity follows the smoothed count, and the colour is the mean (of categories the most frequent one)
under the kernel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

from fel_explorer.plots.colours import underlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xarray as xr

    from fel_explorer.plots.binning import Binned
    from fel_explorer.plots.colours import Scale

KERNEL = (0.6, 2.0)  # least and largest width of the kernel in pixels
TRUNCATE = 3.0  # widths of the kernel at which it ends
SINGLE = 1.4  # optical depth at the centre of a single frame
PALEST = 0.45  # opacity of the emptiest part of a category, next to its densest
BLOCK = 4  # pixels along a square, by which the area of the data is measured
MANY = 15_000_000  # counts held at once
FINE = 320  # cells along an axis of a refined surface


@dataclass(frozen=True, eq=False)
class Picture:
    """Colours (y, x, 4) uint8, the first row lowest, within ``bounds`` (left, bottom, right, top)."""

    colours: np.ndarray
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class RefinedSurface:
    """A surface on a finer grid.

    Attributes
    ----------
    values
        (y, x) float32, known cells continued into the unknown ones.
    known
        (y, x) float32, from 0 where nothing is known to 1.
    bounds
        (left, bottom, right, top).
    """

    values: np.ndarray
    known: np.ndarray
    bounds: tuple[float, float, float, float]

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres of the cells along x and y."""
        left, bottom, right, top = self.bounds
        edges = [
            np.linspace(low, high, n + 1)
            for (low, high), n in zip(((left, right), (bottom, top)), self.values.shape[::-1], strict=True)
        ]
        return (edges[0][1:] + edges[0][:-1]) / 2, (edges[1][1:] + edges[1][:-1]) / 2

    def sample(self, bounds: Sequence[float], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Values and known fraction, (y, x) each, in ``shape`` pixels (x, y) of a window; linear between."""
        left, bottom, right, top = bounds
        columns = self._steps(0, left, right, shape[0])
        rows = self._steps(1, bottom, top, shape[1])
        inside = (rows[2][:, None] & columns[2]).astype(np.float32)
        values, known = (_between(grid, rows, columns) for grid in (self.values, self.known))
        return values, known * inside

    def _steps(self, axis, low, high, n):
        """Lower cell, fraction of the way to the next, and whether it is inside, of ``n`` pixels."""
        first, last = self.bounds[axis], self.bounds[axis + 2]
        cells = self.values.shape[1 - axis]
        places = low + (np.arange(n) + 0.5) * ((high - low) / n)
        scaled = (places - first) * (cells / (last - first)) - 0.5
        inside = (places >= first) & (places <= last)
        scaled = np.clip(scaled, 0, cells - 1)
        cell = np.minimum(scaled.astype(np.int64), cells - 2)
        return cell, (scaled - cell).astype(np.float32), inside


def refine(surface: xr.DataArray) -> RefinedSurface:
    """``surface`` (y, x; NaN where unknown) by cubic splines on a grid of some `FINE` cells."""
    factor = [max(1, round(FINE / n)) for n in surface.shape]
    bounds = _bounds(surface)
    missing = ~np.isfinite(surface.values)
    filled = np.nan_to_num(surface.values).astype(np.float32)
    if missing.any() and not missing.all():
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        filled = filled[tuple(nearest)]
    fine = zoom(filled, factor, order=3, mode="nearest", grid_mode=True)
    known = zoom((~missing).astype(np.float32), factor, order=1, mode="nearest", grid_mode=True)
    known = gaussian_filter(known, 0.5 * max(factor), mode="nearest")  # round corners
    return RefinedSurface(np.clip(fine, filled.min(), filled.max()), known, bounds)


def _bounds(surface):
    x, y = surface["x"].values, surface["y"].values
    dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    return float(x[0] - dx), float(y[0] - dy), float(x[-1] + dx), float(y[-1] + dy)


def _between(grid, rows, columns):
    """Linear interpolation of ``grid`` first along its rows, then along its columns."""
    (row, up, _), (column, right, _) = rows, columns
    lines = grid[row] * (1 - up[:, None]) + grid[row + 1] * up[:, None]
    return lines[:, column] * (1 - right) + lines[:, column + 1] * right


def surface_picture(
    surface: RefinedSurface, scale: Scale, bounds: tuple[float, float, float, float], shape: tuple[int, int]
) -> Picture:
    """The surface within ``bounds`` in ``shape`` pixels (x, y), transparent where nothing is known."""
    values, known = surface.sample(bounds, shape)
    per_cell = max(1.0, shape[0] * (surface.bounds[2] - surface.bounds[0]) / (bounds[2] - bounds[0]) / FINE)
    opacity = np.clip((known - 0.5) * 4 * per_cell + 0.5, 0, 1)
    return Picture(_with_opacity(_colours(values, scale), opacity), bounds)


def kernel_width(binned: Binned) -> float:
    """Width in pixels of the kernel that makes the frames of a window a cloud and not single specks."""
    if "kernel" not in binned.kept:
        filled = binned.all_counts() > 0
        ny, nx = (-(-n // BLOCK) * BLOCK for n in filled.shape)
        padded = np.zeros((ny, nx), bool)
        padded[: filled.shape[0], : filled.shape[1]] = filled
        blocks = padded.reshape(ny // BLOCK, BLOCK, nx // BLOCK, BLOCK).any(axis=(1, 3))
        area = np.count_nonzero(blocks) * BLOCK**2 / max(len(binned.pixel), 1)  # pixels of a frame
        binned.kept["kernel"] = float(np.clip(0.6 * np.sqrt(area), *KERNEL))
    return binned.kept["kernel"]


def frames_picture(
    binned: Binned,
    values: np.ndarray,
    scale: Scale,
    *,
    selected: np.ndarray | None = None,
    dark: bool = False,
) -> Picture:
    """The frames of a window in the colours of ``values`` (frame,), over all frames in grey.

    Frames that are not in ``selected`` (frame,) bool and those whose value is NaN are grey.
    """
    known = np.isfinite(values)
    known = None if known.all() else known
    frames, pixel = binned.chosen(selected, known)
    width = kernel_width(binned)
    if scale.kind == "categorical":
        top = _categories(binned, pixel, values[frames].astype(np.int64), scale, width)
    else:
        top = _means(binned, pixel, values[frames], scale, width)
    if selected is not None or known is not None:
        top = _over(top, grey_picture(binned, dark).colours)
    return Picture(top, binned.bounds)


def grey_picture(binned: Binned, dark: bool) -> Picture:
    """All frames of a window in grey; kept with ``binned``."""
    if ("grey", dark) not in binned.kept:
        width = kernel_width(binned)
        opacity = _opacity(_smooth(binned.all_counts(), width), width)
        colour = colour_table((underlay(dark),))[0]
        grey = np.broadcast_to(colour, (*opacity.shape, 3))
        binned.kept["grey", dark] = Picture(_with_opacity(grey, opacity), binned.bounds)
    return binned.kept["grey", dark]


def _means(binned, pixel, values, scale, width):
    counts = _smooth(binned.all_counts() if pixel is binned.pixel else binned.counts(pixel), width)
    if scale.kind == "cyclic":
        angle = np.deg2rad(values)
        parts = [_smooth(binned.counts(pixel, part), width) for part in (np.sin(angle), np.cos(angle))]
        mean = np.rad2deg(np.arctan2(*parts))
    else:
        mean = _smooth(binned.counts(pixel, values), width) / np.maximum(counts, 1e-20)
    return _with_opacity(_colours(mean, scale), _opacity(counts, width))


def _categories(binned, pixel, category, scale, width):
    """Each pixel in the colour of its most frequent category, the denser the more opaque."""
    best, total = (np.zeros(binned.shape[::-1], np.float32) for _ in range(2))
    leader = np.zeros(best.shape, np.int64)
    reach = int(np.ceil(TRUNCATE * width))
    for number, counts in enumerate(_counts_each(binned, pixel, category, len(scale.palette))):
        window = _occupied(counts, reach)
        if window is None:
            continue
        smoothed = _smooth(counts[window], width)
        better = smoothed > best[window]
        best[window][better] = smoothed[better]
        leader[window][better] = number
        total[window] += smoothed
    table = colour_table(scale.palette)
    return _with_opacity(table[leader], _opacity(total, width) * _shade(total, width))


def _counts_each(binned, pixel, category, n) -> Iterable[np.ndarray]:
    """Counts (y, x) of each category."""
    if n * binned.n_pixels <= MANY:
        found = np.bincount(category * binned.n_pixels + pixel, minlength=n * binned.n_pixels)
        yield from found.reshape(n, *binned.shape[::-1])
    else:
        yield from (binned.counts(pixel[category == number]) for number in range(n))


def _occupied(counts, reach):
    """Slices (y, x) that hold everything that is not 0, and ``reach`` pixels around it."""
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return tuple(slice(max(0, int(at[0]) - reach), int(at[-1]) + reach + 1) for at in (rows, columns))


def _smooth(counts, width):
    return gaussian_filter(counts.astype(np.float32), width, truncate=TRUNCATE, mode="constant")


def _depth(width):
    """Smoothed count at the centre of a single frame."""
    offsets = np.arange(-int(TRUNCATE * width + 0.5), int(TRUNCATE * width + 0.5) + 1)
    return 1.0 / np.exp(-(offsets**2) / (2 * width**2)).sum() ** 2


def _opacity(counts, width):
    """From 0 where there is no frame to 1 where there are several."""
    return 1 - np.exp(counts * np.float32(-SINGLE / _depth(width)))


def _shade(counts, width):
    """From `PALEST` where frames are few to 1 where they are dense."""
    depth = np.log1p(counts / np.float32(_depth(width)))
    occupied = depth[::3, ::3][counts[::3, ::3] > 0]
    top = float(np.quantile(occupied, 0.98)) if len(occupied) else 1.0
    return PALEST + (1 - PALEST) * np.minimum(depth / max(top, 1e-6), 1)


@functools.lru_cache(maxsize=64)
def colour_table(palette: tuple[str, ...]) -> np.ndarray:
    """(colour, 3) uint8 of colours "#rrggbb"."""
    return np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in palette], np.uint8)


def colour_numbers(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Index of the colour of each value in the palette of ``scale``."""
    low, high = scale.limits
    n = len(scale.palette)
    scaled = (np.asarray(values, np.float32) - np.float32(low)) * np.float32(n / (high - low))
    return np.clip(scaled, 0, n - 1).astype(np.int64)


def _colours(values, scale):
    return colour_table(scale.palette)[colour_numbers(values, scale)]


def _with_opacity(colours, opacity):
    """(y, x, 4) uint8 of colours (y, x, 3) uint8 and an opacity (y, x) from 0 to 1."""
    made = np.empty((*opacity.shape, 4), np.uint8)
    made[..., :3] = colours
    np.multiply(opacity, 255, out=made[..., 3], casting="unsafe")
    return made


def _over(top, bottom):
    """Colours (y, x, 4) uint8 of ``top`` painted over ``bottom``."""
    above = top[..., 3:].astype(np.float32) / 255
    below = bottom[..., 3:].astype(np.float32) / 255 * (1 - above)
    opacity = above + below
    mixed = (top[..., :3] * above + bottom[..., :3] * below) / np.maximum(opacity, 1e-6)
    return _with_opacity(mixed.astype(np.uint8), opacity[..., 0])
