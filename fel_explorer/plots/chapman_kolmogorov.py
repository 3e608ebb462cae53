"""The Chapman-Kolmogorov test: predictions of the model compared with estimates from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import axis_label, time_text
from fel_explorer.plots.registry import register

MAX_STATES = 5
WIDTH = 0.8  # of a small multiple; the rest of its unit of x is a gap


def _example(draw, rng, **theme):
    multiples, matrix = [1, 2, 4, 8], np.array([[0.9, 0.1], [0.2, 0.8]])
    predicted = np.array([np.linalg.matrix_power(matrix, n) for n in multiples])
    dims = ("multiple", "from", "to")
    columns = {"predicted": 0, "estimated": 0.01, "lower": -0.02, "upper": 0.03}
    table = xr.Dataset(
        {name: (dims, predicted + shift) for name, shift in columns.items()},
        coords={"multiple": multiples, "from": [0, 1], "to": [0, 1]},
        attrs={"lag_time": 5.0, "worst": 0.01},
    )
    return draw(table, {0: "A", 1: "B"}, **theme)


@register(_example)
@sheet.SheetPlot
def plot_ck_test(
    test: xr.Dataset,
    names: dict[int, str],
    *,
    states: Sequence[int] | None = None,
    colours: Mapping[int, str] | None = None,
    time_unit: str = "ps",
    dark: bool = False,
) -> sheet.Sheet:
    """Probability to be in a state again n lags later: predictions as lines, estimates as dots.

    Parameters
    ----------
    test
        From `kinetics.ck_test`.
    names
        {state: name}.
    states
        Which to draw, side by side, at most five; by default the first ones.
    colours
        {state: colour}, for other than the usual ones.
    """
    known = test["from"].values.tolist()
    shown = [s for s in (known if states is None else states) if s in known][:MAX_STATES]
    colours = colours or state_colours(shown, dark=dark)
    time = np.append(0, test["multiple"].values)
    step = WIDTH / time[-1]
    frames, curves, bars, points, titles = [], [], [], [], []
    for place, state in enumerate(shown):
        own, colour, x = test.sel({"from": state, "to": state}), colours[state], place + time * step
        frames.append(_frame(place, dark))
        curves.append(sheet.line(x, np.append(1, own["predicted"].values), colour, 2.5))
        name = names.get(state, str(state))
        titles.append(sheet.word(place + WIDTH / 2, 1.09, name, drawing.ink(dark), style="bold"))
        for at, value, low, high in zip(
            x[1:], own["estimated"].values, own["lower"].values, own["upper"].values, strict=True
        ):
            points.append(sheet.dot(at, value, colour, 8, drawing.ink(dark)))
            if np.isfinite(low + high):
                bars.append(sheet.line([at, at], [low, high], drawing.ink(dark), 1.5))
    lag, last = test.attrs["lag_time"], int(time[-1])
    marks = [(i + n * step, time_text(n * lag, "1")) for i in range(len(shown)) for n in (0, last // 2, last)]
    labels = (axis_label("time", time_unit), "probability of return")
    limits = (-0.08, max(len(shown), 1) - (1 - WIDTH) + 0.08), (0.0, 1.18)
    ticks = {0: marks, 1: [(value, f"{value:g}") for value in (0, 0.5, 1)]}
    page = sheet.Sheet(limits, labels, ticks=ticks)
    page.areas, page.lines, page.dots, page.words = frames, [*curves, *bars], points, titles
    return page


def _frame(place, dark):
    """The grey ground of one small multiple."""
    x, y = [place, place + WIDTH, place + WIDTH, place], [0, 0, 1, 1]
    return drawing.area(x, y, drawing.faint(dark), 0.1)


def _example_modes(draw, rng, **theme):
    multiples, dims = np.array([1, 2, 3, 4, 6, 8]), ("multiple", "process")
    predicted = np.array([0.9, 0.5]) ** multiples[:, None]
    estimated = predicted + 0.02
    columns = {"predicted": predicted, "estimated": estimated}
    columns |= {"lower": estimated - 0.03, "upper": estimated + 0.03}
    table = xr.Dataset(
        {name: (dims, values) for name, values in columns.items()},
        coords={"multiple": multiples, "process": [1, 2]},
        attrs={"lag_time": 2.0, "time_unit": "ps"},
    )
    return draw(table, **theme)


@register(_example_modes)
@sheet.SheetPlot
def plot_ck_modes(test: xr.Dataset, *, dark: bool = False) -> sheet.Sheet:
    """Correlation of slow modes with themselves n lags later: predictions as lines, estimates as dots.

    Parameters
    ----------
    test
        ``tables["chapman_kolmogorov"]`` of a `Certificate`.
    """
    lag, colours = float(test.attrs["lag_time"]), state_colours(range(test.sizes["process"]), dark=dark)
    time = lag * test["multiple"].values
    right = 1.04 * float(time[-1])
    shown = [test[name].values for name in ("estimated", "lower", "predicted")]
    low = min(0.0, *(float(np.nanmin(values)) for values in shown if np.isfinite(values).any()))
    labels = (axis_label("time", test.attrs.get("time_unit", "1")), "correlation of a slow mode with itself")
    page = sheet.Sheet(((0.0, right), (low - 0.03, 1.08)), labels)
    for index in range(test.sizes["process"]):
        one, colour = test.isel(process=index), colours[index]
        if not np.isfinite(one["predicted"].values[0]):
            continue
        page.lines.append(sheet.line([0.0, *time], [1.0, *one["predicted"].values], colour, 2.5))
        columns = (one[name].values for name in ("predicted", "estimated", "lower", "upper"))
        for at, predicted, value, *ends in zip(time, *columns, strict=True):
            tip = f"{value:.3f}, predicted {predicted:.3f}"
            page.dots.append(sheet.dot(at, value, colour, 8, drawing.ink(dark), tip))
            if np.isfinite(ends).all():
                page.lines.append(sheet.line([at, at], ends, drawing.ink(dark), 1.5))
    return page
