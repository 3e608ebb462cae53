"""Frames as points, for as many as a browser draws well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import holoviews as hv
import numpy as np

from fel_explorer.plots.colours import Scale, categorical_scale, state_colours
from fel_explorer.plots.landscape_layers import point_size
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping


def _example(draw, rng, dark=False):
    state = np.repeat([0, 1, 2], 50)
    scale = categorical_scale("state", state_colours(range(3), dark=dark), ["A", "B", "C"])
    return draw(rng.normal(size=(150, 2)) + state[:, None], state, scale)


@register(_example)
def plot_points(
    xy: np.ndarray,
    values: np.ndarray,
    scale: Scale,
    *,
    columns: Mapping[str, np.ndarray] | None = None,
    alpha: float = 0.8,
    n_shown: int | None = None,
) -> hv.Points:
    """Points coloured by ``values``.

    Parameters
    ----------
    xy, values
        (frame, 2) positions and (frame,) values; frames whose value is NaN are left out.
    scale
        How values become colours.
    columns
        {name: (frame,) array}, carried along for the hover tool.
    n_shown
        Number of points that the size is fit for, where this is a part of them.
    """
    shown = np.isfinite(values)
    columns = {name: np.asarray(column)[shown] for name, column in (columns or {}).items()}
    points = hv.Points(
        (xy[shown, 0], xy[shown, 1], np.asarray(values)[shown], *columns.values()),
        ["x", "y"],
        ["value", *columns],
    )
    return points.opts(
        color="value",
        cmap=list(scale.palette),
        clim=scale.limits,
        colorbar=True,
        clabel=scale.label,
        size=point_size(n_shown or len(points)),
        alpha=alpha,
        line_alpha=0,
        **FRAME,
    )
