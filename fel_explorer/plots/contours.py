"""Contour lines of a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import contourpy
import numpy as np
import xarray as xr

from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from collections.abc import Iterable

    import holoviews as hv

MIN_VERTICES = 15  # shorter open lines are crumbs at the rim of the data


def contour_levels(top: float, step: float | None = None) -> np.ndarray:
    """Levels every ``step`` kT below ``top``; by default 1 kT, or more if they would crowd."""
    step = step or max(1.0, np.ceil(top / 10))
    return np.arange(step, top, step)


def contour_lines(
    surface: xr.DataArray, levels: Iterable[float], min_vertices: int = MIN_VERTICES
) -> np.ndarray:
    """Lines of equal value of ``surface`` (y, x), one after another with NaN between them, (vertex, 2).

    Open lines of fewer than ``min_vertices`` and closed ones of fewer than a quarter of them, crumbs at the
    rim of the data, are left out.
    """
    generator = contourpy.contour_generator(
        surface["x"].values, surface["y"].values, np.ma.masked_invalid(surface.values)
    )
    gap = np.full((1, 2), np.nan)
    lines = [np.asarray(line) for level in levels for line in generator.lines(level)]
    kept = [
        line
        for line in lines
        if len(line) >= (min_vertices // 4 if np.array_equal(line[0], line[-1]) else min_vertices)
    ]
    return np.concatenate([gap, *(part for line in kept for part in (line, gap))])


def _example(draw, rng, **theme):
    axis = np.linspace(-1, 1, 20)
    bowl = xr.DataArray(axis[:, None] ** 2 + axis**2, dims=("y", "x"), coords={"y": axis, "x": axis})
    return draw(bowl, [0.5, 1.0], **theme)


@register(_example)
def plot_contours(surface: xr.DataArray, levels: Iterable[float], *, dark: bool = False) -> hv.Curve:
    """Contour lines of ``surface`` (y, x; NaN where unknown) at ``levels``.

    One curve with gaps: as hundreds of separate lines they would take a redraw several times as long.
    """
    return draw_lines(contour_lines(surface, levels), dark=dark)


def draw_lines(
    vertices: np.ndarray, *, dark: bool = False, width: float = 0.9, alpha: float = 0.45
) -> hv.Curve:
    """Thin lines through ``vertices`` (vertex, 2), broken where they are NaN."""
    import holoviews as hv

    from fel_explorer.plots import style  # noqa: F401, options need its backend

    return hv.Curve((vertices[:, 0], vertices[:, 1]), "x", "y").opts(
        color="#ffffff" if dark else "#202020", line_width=width, alpha=alpha, show_legend=False
    )
