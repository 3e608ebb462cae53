"""Many frames as pixels: each pixel shows what its frames have in common.

Plain counting in NumPy, not datashader: 200,000 frames take some 10 ms, without the seconds of compilation
that datashader takes at its first use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import holoviews as hv
import numpy as np

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots.colours import Scale, sequential_scale
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, eq=False)
class Pixels:
    """Frames counted into pixels.

    ``values`` (y, x) float32, NaN where empty; ``frame`` (y, x) int32, one frame of each pixel, -1 where
    empty; ``bounds`` (left, bottom, right, top).
    """

    values: np.ndarray
    frame: np.ndarray
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Binned:
    """Frames sorted into the pixels of a window: what stays when only their colours or the selection change.

    ``frames`` (n,) indices of the frames inside, ascending; ``pixel`` (n,) flat index of the pixel of each;
    ``shape`` pixels along (x, y); ``bounds`` (left, bottom, right, top); ``drawn`` keeps pictures of all of
    them, which need not be drawn twice.
    """

    frames: np.ndarray
    pixel: np.ndarray
    shape: tuple[int, int]
    bounds: tuple[float, float, float, float]
    drawn: dict = field(default_factory=dict)

    def fill(
        self, values: np.ndarray | None = None, kind: str = "sequential", chosen: np.ndarray | None = None
    ) -> Pixels:
        """Pixels with their common value, as `rasterize`; ``chosen`` (frame,) bool leaves others out."""
        frames, pixel = self.frames, self.pixel
        for kept in (chosen, None if values is None else np.isfinite(values)):
            if kept is not None:
                here = kept[frames]
                frames, pixel = frames[here], pixel[here]
        n_pixels = self.shape[0] * self.shape[1]
        counts = np.bincount(pixel, minlength=n_pixels)
        summary = counts if values is None else _summaries[kind](pixel, values[frames], counts)
        image = np.where(counts > 0, summary, np.nan).astype(np.float32)
        frame = np.full(n_pixels, -1, np.int32)
        frame[pixel] = frames
        rows = self.shape[::-1]
        return Pixels(image.reshape(rows), frame.reshape(rows), self.bounds)


def bin_frames(
    xy: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float], shape: tuple[int, int]
) -> Binned:
    """Sort the frames at ``xy`` (frame, 2) into the pixels of a window; those outside it are left out."""
    x = (xy[:, 0] - x_range[0]) * (shape[0] / (x_range[1] - x_range[0]))
    y = (xy[:, 1] - y_range[0]) * (shape[1] / (y_range[1] - y_range[0]))
    frames = np.flatnonzero((x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1]))
    pixel = y[frames].astype(np.int64) * shape[0] + x[frames].astype(np.int64)
    return Binned(frames, pixel, shape, (x_range[0], y_range[0], x_range[1], y_range[1]))


def rasterize(
    xy: np.ndarray,
    values: np.ndarray | None = None,
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    shape: tuple[int, int],
    kind: str = "sequential",
) -> Pixels:
    """Count frames into pixels.

    Parameters
    ----------
    xy
        (frame, 2) positions.
    values
        (frame,) what is shown, NaN for frames to leave out; None counts the frames.
    x_range, y_range
        The shown window; frames outside it are left out.
    shape
        Pixels along (x, y).
    kind
        "sequential": mean; "cyclic": mean direction of angles in degrees; "categorical": the most frequent.
    """
    return bin_frames(xy, x_range, y_range, shape).fill(values, kind)


def _mean(flat, values, counts):
    return np.bincount(flat, values, minlength=len(counts)) / np.maximum(counts, 1)


def _mean_direction(flat, values, counts):
    angle = np.deg2rad(values)
    total = [np.bincount(flat, part, minlength=len(counts)) for part in (np.sin(angle), np.cos(angle))]
    return np.rad2deg(np.arctan2(*total))


def _most_frequent(flat, values, counts):
    categories = values.astype(np.int64)
    n = int(categories.max(initial=0)) + 1
    pairs, occurrences = np.unique(flat * n + categories, return_counts=True)
    order = np.argsort(occurrences, kind="stable")
    winner = np.zeros(len(counts))
    winner[pairs[order] // n] = pairs[order] % n  # the most frequent is written last
    return winner


_summaries = {"sequential": _mean, "cyclic": _mean_direction, "categorical": _most_frequent}


def _example(draw, rng, dark=False):
    xy = rng.normal(size=(50_000, 2))
    window: dict[str, Any] = {"x_range": axis_limits(xy[:, 0]), "y_range": axis_limits(xy[:, 1])}
    scale = sequential_scale("x", xy[:, 0], dark=dark)
    return draw(rasterize(xy, xy[:, 0], shape=(80, 60), **window), scale, dark=dark)


@register(_example)
def plot_pixels(
    pixels: Pixels, scale: Scale, *, columns: Mapping[str, np.ndarray] | None = None, dark: bool = False
) -> hv.Image:
    """Image of rasterized frames.

    ``columns`` {name: (y, x) array} are carried along for the hover tool, with the frame of each pixel.
    """
    columns = {"frame": pixels.frame, **(columns or {})}
    image = hv.Image(
        (*_axes(pixels), pixels.values, *columns.values()),
        ["x", "y"],
        ["value", *columns],
    )
    return image.opts(
        cmap=list(scale.palette),
        clim=scale.limits,
        colorbar=True,
        clabel=scale.label,
        colorbar_opts={"title_standoff": 8},
        **FRAME,
    )


def _axes(pixels):
    left, bottom, right, top = pixels.bounds
    ny, nx = pixels.values.shape
    x, y = np.linspace(left, right, nx + 1), np.linspace(bottom, top, ny + 1)
    return (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2
