"""Survival of the visits to a state, on a log axis, where an exponential decay is a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.quantities import axis_label, interval_text, time_text
from fel_explorer.plots.registry import register

LINE = 17.0  # px between two lines of the legend
LOWEST = 1e-3  # survival below it is noise of a few visits
LIFETIMES = 7  # how many of them the time axis holds at most


@dataclass(frozen=True, eq=False)
class Survival:
    """Survival curve of one state.

    Attributes
    ----------
    label, colour
        How it is called and drawn.
    curve
        Kaplan-Meier estimate from `kinetics.survival`: ``survival``, ``lower``, ``upper`` over ``time``.
    mean_lifetime, lower, upper
        Mean lifetime and its interval, from `kinetics.lifetimes`; the exponential is drawn with it.
    """

    label: str
    colour: str
    curve: xr.Dataset
    mean_lifetime: float
    lower: float
    upper: float


def survival_table(curves: Sequence[Survival]) -> pd.DataFrame:
    """One row per state and time, with the estimate and the exponential."""
    parts = []
    for one in curves:
        part = one.curve.to_dataframe().reset_index()
        part.insert(0, "state", one.label)
        part["exponential"] = _exponential(part["time"], one)
        parts.append(part)
    columns = ["state", "time", "survival", "lower", "upper", "exponential"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _example(draw, rng, dark=False):
    curves = []
    for label, colour, mean in (("state 1", "#0072b2", 40.0), ("KMeans 3", "#d55e00", 12.0)):
        time = np.sort(rng.exponential(mean, 300))
        alive = 1 - np.arange(1, 301) / 300
        columns = {"survival": alive, "lower": 0.9 * alive, "upper": np.minimum(1.1 * alive, 1)}
        curve = xr.Dataset({k: ("time", v) for k, v in columns.items()}, coords={"time": time})
        curves.append(Survival(label, colour, curve, mean, 0.9 * mean, 1.1 * mean))
    return draw(curves, dark=dark)


@register(_example)
@sheet.SheetPlot
def plot_survival(
    curves: Sequence[Survival], *, time_unit: str = "ps", dark: bool = False, height: float = 270
) -> sheet.Sheet:
    """Steps with their confidence band, and dashed the exponential with the mean lifetime.

    ``height`` of the frame in pixels decides how far the lines of the legend are apart.
    """
    curves = [one for one in curves if one.curve.sizes["time"]]
    limits = _limits(curves)
    bands, steps, fits, legend = [], [], [], []
    for one in curves:
        time = np.append(0.0, one.curve["time"].values)
        alive, low, high = (np.append(1.0, one.curve[n].values) for n in ("survival", "lower", "upper"))
        x = np.repeat(time, 2)[1:]
        alive, low, high = (np.repeat(np.maximum(c, LOWEST / 10), 2)[:-1] for c in (alive, low, high))
        bands.append(drawing.band(x, low, high, one.colour))
        steps.append(sheet.line(x, alive, one.colour, 2.5))
        end = min(limits[0][1], -one.mean_lifetime * np.log(LOWEST / 10))
        t = np.linspace(0, end, 60)
        fits.append(sheet.line(t, _exponential(t, one), drawing.ink(dark), 1.5))
        legend.append((_described(one, time_unit), one.colour))
    labels = (axis_label("time since entering the state", time_unit), "fraction still in the state")
    page = sheet.Sheet(limits, labels, log=(False, True))
    page.areas, page.lines, page.dashes = bands, steps, fits
    page.words = _legend(legend, limits, dark, LINE / max(height, 4 * LINE))
    return page


def _exponential(time, one):
    """exp(-t / lifetime), also for a lifetime of 0, where no visit lasts beyond its first frame."""
    return np.exp(-time / max(one.mean_lifetime, np.finfo(np.float32).tiny))


def _limits(curves):
    """Time up to where the slowest curve has decayed, but at most seven of its lifetimes."""
    ends = [min(float(c.curve["time"][-1]), LIFETIMES * c.mean_lifetime or np.inf) for c in curves]
    seen = [c.curve["survival"].values for c in curves]
    lowest = min((values[values > 0].min(initial=1.0) for values in seen), default=LOWEST)
    return (0.0, max(ends, default=1.0)), (float(np.clip(lowest / 1.5, LOWEST, 0.3)), 1.25)


def _described(one, unit):
    interval = interval_text(one.lower, one.upper, unit)
    text = f"{one.label}: {time_text(one.mean_lifetime, unit)}"
    return f"{text} ({interval})" if interval else text


def _legend(rows, limits, dark, apart):
    """Lines of text from the top right corner down."""
    (_, right), (bottom, top) = limits
    rows = [*rows, ("dashed: exponential", drawing.faint(dark))] if rows else []
    places = [bottom * (top / bottom) ** (1 - apart * (0.7 + i)) for i in range(len(rows))]
    return [
        sheet.word(0.985 * right, y, text, colour, align="right")
        for y, (text, colour) in zip(places, rows, strict=True)
    ]
