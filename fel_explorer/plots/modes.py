"""The spectrum of the modes of one model: sticks with errors, and the largest gap between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import axis_label, time_text
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MAX_MODES = 12
WORTH_NAMING = 1.5  # smaller gaps are not marked


def _example(draw, rng, **theme):
    values = np.array([300.0, 16.0, 9.0, 2.0])
    table = {"timescale": values, "lower": 0.8 * values, "upper": 1.3 * values}
    return draw(xr.Dataset({k: ("process", v) for k, v in table.items()}), lag_time=5.0, **theme)


@register(_example)
@sheet.SheetPlot
def plot_modes(
    spectrum: xr.Dataset,
    *,
    show: str = "timescale",
    lag_time: float | None = None,
    time_unit: str = "ps",
    chosen: int | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """A stick for each mode, slowest first, with its error; the band is the largest gap.

    Parameters
    ----------
    spectrum
        ``timescale``, ``lower``, ``upper`` over ``process``, such as `methods.mode_spectrum` gives; modes
        without a finite time scale above 0 are left out.
    show
        "timescale", or "rate", the inverse.
    lag_time
        What is faster is not resolved and drawn in grey.
    chosen
        A mode to point out, from 1.
    """
    rates = show == "rate"
    order = [spectrum[name].values.astype(float) for name in ("timescale", "lower", "upper")]
    known = np.isfinite(order[0]) & (order[0] > 0)
    value, low, high = (v[known][:MAX_MODES] for v in order)
    low, high = np.where(np.isfinite(low) & (low > 0), low, value), np.where(np.isfinite(high), high, value)
    if rates:
        value, low, high = 1 / value, 1 / high, 1 / low
    fast = (
        np.zeros(len(value), bool) if not lag_time else (value > 1 / lag_time if rates else value < lag_time)
    )
    bottom, top = float(low.min(initial=1.0)) / 3, float(high.max(initial=1.0)) * 8
    colour, ink, faint = state_colours([0], dark=dark)[0], drawing.ink(dark), drawing.faint(dark)
    name, unit = ("rate", _per(time_unit)) if rates else ("time scale", time_unit)
    limits = (0.3, len(value) + 0.7), (bottom, top)
    ticks = {0: [(place, str(place)) for place in range(1, len(value) + 1)]}
    page = sheet.Sheet(
        limits, ("mode, slowest first", axis_label(name, unit)), log=(False, True), ticks=ticks
    )
    for place, (v, a, b, unresolved) in enumerate(zip(value, low, high, fast, strict=True), 1):
        own = faint if unresolved else colour
        tip = f"mode {place}: {_text(v, unit, rates)}"
        if b > a:
            tip += f", {_text(a, unit, rates)} to {_text(b, unit, rates)}"
        page.lines.append(sheet.line([place, place], [bottom, v], own, 5.0, tip))
        page.lines.append(sheet.line([place, place], [a, b], ink, 2.0))
        if place == chosen:
            page.dots.append(sheet.dot(place, v, "#00000000", 22, ink))
        page.dots.append(sheet.dot(place, v, own, 11, tip=tip))
        page.words.append(sheet.word(place, b * (top / bottom) ** 0.1, _text(v, unit, rates), ink))
    _mark_gap(page, value, (bottom, top), dark)
    return page


def largest_gap(values: ArrayLike) -> tuple[int, float] | None:
    """Number of modes before the largest gap in ``values`` (mode,) and its factor; None where it is small.

    ``values`` are time scales or rates, slowest first.
    """
    values = np.asarray(values, float)
    ratios = np.maximum(values[:-1] / values[1:], values[1:] / values[:-1])
    if not len(ratios) or ratios.max() < WORTH_NAMING:
        return None
    return int(ratios.argmax()) + 1, float(ratios.max())


def _mark_gap(page, values, limits, dark):
    """A band over the largest gap, with a text on its size."""
    gap = largest_gap(values)
    if gap is None:
        return
    (slow, ratio), (bottom, top) = gap, limits
    low, high = sorted(values[slow - 1 : slow + 1])
    edges = np.array(page.limits[0])
    page.areas.append(drawing.band(edges, np.full(2, low), np.full(2, high), drawing.faint(dark), 0.2))
    text = f"gap: {ratio:.2g} times "
    place = edges[1], top * (bottom / top) ** 0.04
    page.words.append(sheet.word(*place, text, drawing.ink(dark), align="right", size="12pt", style="bold"))


def _per(unit: str) -> str:
    return "1" if unit in ("", "1") else f"1/{unit}"


def _text(value, unit, rates):
    if rates:
        return f"{value:.3g}{unit.removeprefix('1')}"
    return time_text(value, unit)
