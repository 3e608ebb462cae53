"""Implied time scales against the lag, and the spectrum of time scales of one model."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import axis_label, time_text
from fel_explorer.plots.registry import register

GAP = 3.0  # a time scale this many times the next one is labelled as a gap


def _example_timescales(draw, rng, **theme):
    lags, dims = np.array([1.0, 2, 5, 10, 20]), ("lag_time", "process")
    values = np.array([60.0, 9.0]) * (1 - np.exp(-lags[:, None] / 3))
    table = {"timescale": (dims, values), "lower": (dims, 0.8 * values), "upper": (dims, 1.2 * values)}
    return draw(xr.Dataset(table, coords={"lag_time": lags, "process": [1, 2]}), **theme)


@register(_example_timescales)
@sheet.SheetPlot
def plot_implied_timescales(
    table: xr.Dataset, *, time_unit: str = "ps", lag_time: float | None = None, dark: bool = False
) -> sheet.Sheet:
    """Time scales with intervals from `kinetics.implied_timescales`; none is resolved below the lag (grey).

    ``lag_time`` is marked by a dashed line.
    """
    lags = table["lag_time"].values
    colours = state_colours(range(table.sizes["process"]), dark=dark)
    limits = _limits(lags, table)
    (left, right), (bottom, top) = limits
    edge = np.geomspace(left, right, 50)
    shaded = [drawing.band(edge, np.full(50, bottom / 10), edge, drawing.faint(dark), 0.25)]
    bands, curves, points = [], [], []
    for index in range(table.sizes["process"]):
        one, colour = table.isel(process=index), colours[index]
        known = np.isfinite(one["timescale"].values)
        x, y = lags[known], one["timescale"].values[known]
        if not len(x):
            continue
        low, high = (np.where(np.isfinite(v := one[n].values[known]), v, y) for n in ("lower", "upper"))
        bands.append(drawing.band(x, np.maximum(low, bottom / 10), high, colour))
        curves.append(sheet.line(x, y, colour, 2.5))
        points += [sheet.dot(a, b, colour, 7) for a, b in zip(x, y, strict=True)]
    mark = [sheet.line([lag_time] * 2, [bottom, top], drawing.ink(dark), 1.5)] if lag_time else []
    labels = (axis_label("lag time", time_unit), axis_label("implied time scale", time_unit))
    page = sheet.Sheet(limits, labels, log=(True, True))
    page.areas, page.lines, page.dashes, page.dots = [*shaded, *bands], curves, mark, points
    place = (right, np.sqrt(right * bottom))
    page.words = [sheet.word(*place, "faster than the lag ", drawing.faint(dark), align="right")]
    return page


def _limits(lags, table):
    left, right = lags.min() / 1.1, lags.max() * 1.1
    known = table["timescale"].values
    highest = np.nanmax([table["upper"].max(), *known[np.isfinite(known)], 1.5 * right])
    lowest = np.nanmin([*known[np.isfinite(known)], left])
    return (float(left), float(right)), (float(lowest / 1.5), float(highest * 1.5))


def _example_spectrum(draw, rng, **theme):
    values = np.array([900.0, 60.0, 41.0])
    table = {"timescale": values, "lower": 0.8 * values, "upper": 1.3 * values}
    return draw(xr.Dataset({k: ("process", v) for k, v in table.items()}), **theme)


@register(_example_spectrum)
@sheet.SheetPlot
def plot_spectrum(
    spectrum: xr.Dataset, *, time_unit: str = "ps", max_processes: int = 12, dark: bool = False
) -> sheet.Sheet:
    """Bars of the slowest time scales (``timescale``, ``lower``, ``upper`` over ``process``), slowest first.

    Where one is at least three times the next, the largest such gap is marked: the processes before it are
    slow compared with all others.
    """
    values, low, high = (spectrum[n].values[:max_processes] for n in ("timescale", "lower", "upper"))
    low, high = np.where(np.isfinite(low), low, values), np.where(np.isfinite(high), high, values)
    bottom, top = float(low.min(initial=3.0) / 3), float(high.max(initial=3.0) * 4)
    colour, bars, whiskers, words = state_colours([0], dark=dark)[0], [], [], []
    for place, (value, a, b) in enumerate(zip(values, low, high, strict=True), 1):
        x = [place - 0.33, place + 0.33, place + 0.33, place - 0.33]
        bars.append(drawing.area(x, [bottom / 10, bottom / 10, value, value], colour, 0.75))
        whiskers.append(sheet.line([place, place], [a, b], drawing.ink(dark), 2.0))
        above = b * (top / bottom) ** 0.05
        words.append(sheet.word(place, above, time_text(value, time_unit), drawing.ink(dark)))
    marks, notes = _gap(values, (bottom, top), dark)
    limits = (0.4, len(values) + max(1.0, 0.14 * len(values)) + 0.3), (bottom, top)
    labels = ("process, slowest first", axis_label("time scale", time_unit))
    ticks = [(place, str(place)) for place in range(1, len(values) + 1)]
    page = sheet.Sheet(limits, labels, log=(False, True), ticks={0: ticks})
    page.areas, page.lines, page.dashes, page.words = bars, whiskers, marks, [*words, *notes]
    return page


def _gap(values, limits, dark):
    """The line behind the last slow process, and what it says."""
    if len(values) < 2:
        return [], []
    ratios = values[:-1] / values[1:]
    slow = int(ratios.argmax()) + 1
    if ratios.max() < GAP:
        return [], []
    bottom, top = limits
    line = sheet.line([slow + 0.5] * 2, [bottom, top], drawing.faint(dark), 1.5)
    place = bottom * (top / bottom) ** 0.93
    about = {"align": "left", "style": "italic"}
    text = f"gap: {ratios.max():.2g} times slower"
    return [line], [sheet.word(slow + 0.55, place, text, drawing.faint(dark), **about)]
