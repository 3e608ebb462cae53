"""Many frames as pixels: each pixel shows what its frames have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holoviews as hv
import numpy as np

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots.binning import Pixels, rasterize
from fel_explorer.plots.colours import Scale, sequential_scale
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping


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
