"""Distributions of one quantity in two sets of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.registry import register

NEUTRAL = "#8a8f98"


def _example(draw, rng, **theme):
    edges = np.linspace(-180, 180, 61)
    sets = [np.histogram(rng.normal(m, 30, 2000), edges, density=True)[0] for m in (-70, 40)]
    centres = (edges[1:] + edges[:-1]) / 2
    table = xr.DataArray(np.stack(sets), dims=("set", "value"), coords={"value": centres})
    return draw(table, ("state 1", "state 2"), label="phi (degrees)", **theme)


@register(_example)
@sheet.SheetPlot
def plot_distributions(
    densities: xr.DataArray,
    names: Sequence[str],
    *,
    colours: Sequence[str] = (),
    label: str = "",
    note: str = "",
    dark: bool = False,
) -> sheet.Sheet:
    """Filled densities (set, value) of `structures.distributions` with their names, and a ``note`` below.

    ``colours`` are those of the sets; '' or none gives a neutral one, which is not that of a state.
    """
    neutral = drawing.ink(dark), NEUTRAL
    colours = [given or other for given, other in zip(colours or ("", ""), neutral, strict=True)]
    value, tops = densities["value"].values, densities.values
    step = value[1] - value[0]
    left, right = float(value[0] - step / 2), float(value[-1] + step / 2)
    top = 1.6 * float(tops.max())  # room for the words
    page = sheet.Sheet(((left, right), (0.0, top)), (label, "density"))
    for density, colour in zip(tops, colours, strict=False):
        edges = np.append(value - step / 2, right)
        x, y = np.repeat(edges, 2)[1:-1], np.repeat(density, 2)
        page.areas.append(drawing.band(x, np.zeros_like(x), y, colour))
        page.lines.append(sheet.line(x, y, colour, 2.5))
    rows = [*zip(names, colours, strict=False), (note, drawing.faint(dark))]
    place = right - 0.01 * (right - left)
    for i, (text, colour) in enumerate(row for row in rows if row[0]):
        page.words.append(sheet.word(place, top * (0.94 - 0.1 * i), text, colour, align="right"))
    return page
