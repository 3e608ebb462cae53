"""Umbrella windows: how the CV is distributed in each, and where neighbours do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.registry import register

HUES = 6  # of neighbouring windows, which then never look alike


def _example(draw, rng, **theme):
    z, places = np.linspace(-2, 2, 120), np.array([-1.5, -1.0, -0.5, 0.5, 1.0, 1.5])
    density = np.exp(-0.5 * ((z - places[:, None]) / 0.2) ** 2)
    table = xr.Dataset(
        {"density": (("window", "bin"), density)},
        coords={"centre": ("bin", z), "place": ("window", places)},
    )
    return draw(table, gaps=[(-0.5, 0.5, 0.001)], **theme)


@register(_example)
@sheet.SheetPlot
def plot_windows(
    histograms: xr.Dataset, *, gaps: Sequence = (), label: str = "CV 1", dark: bool = False
) -> sheet.Sheet:
    """A filled curve for each window; gaps between neighbours are marked.

    Parameters
    ----------
    histograms
        ``density`` (window, bin) over the coordinates ``centre`` (bin) and ``place`` (window).
    gaps
        (centre, centre, overlap) of neighbours that overlap too little.
    """
    x, density = histograms["centre"].values, histograms["density"].values
    top = 1.15 * float(density.max())
    page = sheet.Sheet((axis_limits(x, 0.02), (0.0, 1.1 * top)), (label, "frames in each window"))
    page.ticks = {1: [(0.0, "")]}
    colours = state_colours(range(HUES), dark=dark)
    floor = np.zeros(len(x))
    for i, (row, place) in enumerate(zip(density, histograms["place"].values, strict=True)):
        page.areas.append(drawing.band(x, floor, row, colours[i % HUES], 0.3))
        page.lines.append(sheet.line(x, row, colours[i % HUES], 2.0, f"window {i + 1} at {place:.3g}"))
    ink = drawing.ink(dark)
    for low, high, overlap in gaps:
        ends = np.array([low, high])
        page.areas.append(drawing.band(ends, np.zeros(2), np.full(2, top), drawing.faint(dark), 0.25))
        page.words.append(sheet.word((low + high) / 2, 1.05 * top, f"gap: {overlap:.1%}", ink, style="bold"))
    return page
