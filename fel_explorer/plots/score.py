"""Cross-validated scores against what was varied: a lag, a size, the features."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import axis_label
from fel_explorer.plots.registry import register

CAP = 0.012  # half the width of an error bar's cap, as a fraction of the axis
DECADES = 1.0  # numbers that span more are drawn on a logarithmic axis


def _example(draw, rng, **theme):
    lags, dims = [1.0, 2.0, 5.0, 10.0, 20.0], ("lag_time", "fold")
    score = np.array([2.4, 2.6, 2.7, 2.65, 2.5])[:, None] + 0.05 * rng.normal(size=(5, 4))
    table = xr.Dataset(
        {"score": (dims, score), "train_score": (dims, score + 0.1)}, coords={"lag_time": lags}
    )
    table["mean"], table["error"] = table["score"].mean("fold"), table["score"].std("fold") / 2
    return draw(table.assign_attrs(kind="VAMP-2", time_unit="ps"), **theme)


@register(_example)
@sheet.SheetPlot
def plot_score(table: xr.Dataset, *, label: str = "", dark: bool = False) -> sheet.Sheet:
    """Mean score on held-out data with its standard error; small dots are folds, dashed the training data.

    Parameters
    ----------
    table
        From `methods.cross_validate`, with a parameter or several features.  Of two dimensions the first
        gives a curve for each of its values.  A ring marks the best.
    label
        Of what was varied, in plain words; default its name.
    """
    names = [str(name) for name in table["score"].dims if name != "fold"] or ["fold"]
    if names == ["fold"]:
        table = table.expand_dims(method=[table.attrs.get("method", "")])
        names = ["method"]
    along, curves = names[-1], [table]
    if len(names) == 2:
        curves = [table.isel({names[0]: i}) for i in range(table.sizes[names[0]])]
    places, ticks, log = _axis(table[along].values)
    named = table[along].dtype.kind not in "iuf"
    unit = table.attrs.get("time_unit", "1") if along.startswith("lag_time") else "1"
    labels = (
        axis_label(label or along.replace("_", " "), unit),
        f"{table.attrs.get('kind', '')} score, held-out data",
    )
    page = sheet.Sheet(
        _limits(places, table, log, named), labels, log=(log, False), ticks={0: ticks} if ticks else {}
    )
    colours = state_colours(range(len(curves)), dark=dark)
    for index, curve in enumerate(curves):
        _draw(page, places, curve, colours[index], dark, joined=not named)
    best = [float(curve["mean"].max()) for curve in curves]
    if np.isfinite(best).any():
        curve = curves[int(np.nanargmax(best))]
        at = int(np.nanargmax(curve["mean"].values))
        page.dots.append(sheet.dot(places[at], float(curve["mean"][at]), "#00000000", 20, drawing.ink(dark)))
    if len(names) == 2:
        _name(page, curves, names[0], colours)
    return page


def _axis(values):
    """Places of the values, their ticks (None: the usual ones), and whether the axis is logarithmic."""
    if values.dtype.kind not in "iuf":
        places = np.arange(1.0, len(values) + 1)
        return places, [(place, str(value)) for place, value in zip(places, values, strict=True)], False
    places = values.astype(float)
    log = places.min() > 0 and np.log10(places.max() / places.min()) > DECADES
    ticks = [(place, f"{place:g}") for place in places] if values.dtype.kind in "iu" and not log else None
    return places, ticks, bool(log)


def _limits(places, table, log, named):
    shown = np.concatenate([table[name].values.ravel() for name in ("score", "train_score")])
    shown = shown[np.isfinite(shown)]
    low, high = axis_limits(shown if len(shown) else np.array([0.0, 1.0]), 0.08)
    left, right = axis_limits(np.log10(places) if log else places, 0.08)
    if named:
        left, right = 0.5, len(places) + 0.5
    elif log:
        left, right = 10.0**left, 10.0**right
    return (float(left), float(right)), (low, high + 0.12 * (high - low))


def _draw(page, places, curve, colour, dark, *, joined):
    mean, error = curve["mean"].values, curve["error"].values
    known = np.isfinite(mean)
    trained = curve["train_score"].mean("fold").values
    if joined:
        page.lines.append(sheet.line(places[known], mean[known], colour, 2.5))
        faint = drawing.faint(dark)
        page.dashes.append(sheet.line(places[known], trained[known], faint, 1.5, "training data"))
    else:
        page.dashes += [
            sheet.line([place - 0.2, place + 0.2], [value, value], drawing.faint(dark), 1.5, "training data")
            for place, value in zip(places[known], trained[known], strict=True)
        ]
    for place, m, e, folds in zip(places, mean, error, curve["score"].values, strict=True):
        if not np.isfinite(m):
            continue
        tip = f"{m:.3f} ± {e:.3f}"
        page.dots += [
            sheet.dot(place, value, drawing.faint(dark), 4) for value in folds if np.isfinite(value)
        ]
        page.dots.append(sheet.dot(place, m, colour, 9, tip=tip))
        if np.isfinite(e):
            page.lines += error_bar(page, place, m, e, colour, tip)


def error_bar(page: sheet.Sheet, place: float, mean: float, error: float, colour: str, tip: str = "") -> list:
    """Lines of an error bar with caps."""
    ends = (mean - error, mean + error)
    caps = [sheet.line(_cap(page, place), [end, end], colour, 2.5) for end in ends]
    return [sheet.line([place, place], ends, colour, 2.5, tip), *caps]


def _cap(page, place):
    """Ends of an error bar's cap."""
    left, right = page.limits[0]
    if page.log[0]:
        factor = (right / left) ** CAP
        return [place / factor, place * factor]
    half = CAP * (right - left)
    return [place - half, place + half]


def _name(page, curves, dimension, colours):
    """Names of the curves, in their colours, along the top."""
    (left, right), (low, high) = page.limits
    for index, curve in enumerate(curves):
        fraction = (index + 0.5) / len(curves)
        x = left * (right / left) ** fraction if page.log[0] else left + fraction * (right - left)
        text = str(curve[dimension].values)
        page.words.append(sheet.word(x, high - 0.05 * (high - low), text, colours[index], style="bold"))


def _example_lags(draw, rng, **theme):
    lags = np.array([1.0, 2, 5, 10, 20])
    score = 1 + np.exp(-lags / 30) + np.exp(-lags / 5)
    columns = {"score": score, "lower": score - 0.05, "upper": score + 0.05}
    table = xr.Dataset({k: ("lag_time", v) for k, v in columns.items()}, coords={"lag_time": lags})
    return draw(table.assign_attrs(time_unit="ps"), lag_time=5.0, **theme)


@register(_example_lags)
@sheet.SheetPlot
def plot_score_over_lags(
    table: xr.Dataset, *, lag_time: float | None = None, dark: bool = False
) -> sheet.Sheet:
    """VAMP-2 score of an embedding at several lags, with 95 % intervals; ``lag_time`` is dashed.

    Parameters
    ----------
    table
        ``tables["vamp2"]`` of a `Certificate`.
    """
    lags, score = table["lag_time"].values, table["score"].values
    low, high = (np.where(np.isfinite(v := table[n].values), v, score) for n in ("lower", "upper"))
    known = np.isfinite(score)
    bottom, top = axis_limits(np.concatenate([low[known], high[known], [1.0]]), 0.08)
    limits = ((float(lags.min()) / 1.1, float(lags.max()) * 1.1), (bottom, top))
    labels = (axis_label("lag time", table.attrs.get("time_unit", "1")), "VAMP-2 score, these data")
    page = sheet.Sheet(limits, labels, log=(True, False))
    colour = state_colours([0], dark=dark)[0]
    page.areas = [drawing.band(lags[known], low[known], high[known], colour)]
    page.lines = [sheet.line(lags[known], score[known], colour, 2.5)]
    page.dots = [
        sheet.dot(x, y, colour, 7, tip=f"{y:.3f}") for x, y in zip(lags[known], score[known], strict=True)
    ]
    if lag_time:
        page.dashes = [sheet.line([lag_time] * 2, [bottom, top], drawing.ink(dark), 1.5)]
    return page
