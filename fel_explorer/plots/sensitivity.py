"""Ranked bars: which features move a collective variable."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.registry import register

MAX_BARS = 12
THICKNESS = 0.36  # half a bar


def _example(draw, rng, **theme):
    names = ["psi ALA2", "phi ALA2", "d ACE1-CH3 ALA2-CB", "omega ALA2"]
    share = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.7, 0.1, 0.1]])
    return draw(
        xr.Dataset({"share": (("cv", "group"), share)}, coords={"group": names, "cv": [0, 1]}), **theme
    )


@register(_example)
@sheet.SheetPlot
def plot_sensitivity(
    table: xr.Dataset, *, of: int = 0, name: str = "", n_bars: int = MAX_BARS, dark: bool = False
) -> sheet.Sheet:
    """The features that move one variable the most, the largest on top, with their contributions in per cent.

    Parameters
    ----------
    table
        From `methods.sensitivity`: ``share`` (cv or state, group).
    of
        Which variable (or state), from 0.
    name
        Of the variable, in plain words; default its number.
    n_bars
        Bars at most; the sum of the others is written below.
    """
    dim = table["share"].dims[0]
    percent = 100 * table["share"].isel({dim: of}).values
    order = np.argsort(-percent, kind="stable")
    shown, rest = order[:n_bars], order[n_bars:]
    top = float(percent[shown].max(initial=1.0))
    colour, ink = state_colours([of], dark=dark)[of], drawing.ink(dark)
    bottom = 0.4 if len(rest) == 0 else -0.5
    limits = (0.0, 1.2 * top), (bottom, len(shown) + 0.6)
    heights = range(len(shown), 0, -1)
    names = table["group"].values[shown]
    ticks = {1: [(float(h), str(name)) for h, name in zip(heights, names, strict=True)]}
    what = name or f"{'membership in state' if dim == 'state' else 'variable'} {of + 1}"
    page = sheet.Sheet(limits, (f"contribution to {what} (%)", ""), ticks=ticks)
    for height, value, feature in zip(heights, percent[shown], names, strict=True):
        y = [height - THICKNESS, height - THICKNESS, height + THICKNESS, height + THICKNESS]
        page.areas.append(drawing.area([0.0, value, value, 0.0], y, colour, 0.8))
        page.lines.append(
            sheet.line([0.0, value], [height, height], "#00000000", 14.0, f"{feature}: {value:.1f} %")
        )
        page.words.append(sheet.word(value + 0.015 * top, height, f"{value:.3g} %", ink, align="left"))
    if len(rest):
        text = f"{len(rest)} others together: {percent[rest].sum():.3g} %"
        page.words.append(
            sheet.word(0.015 * top, 0.0, text, drawing.faint(dark), align="left", style="italic")
        )
    return page
