"""A score of several runs against the hyperparameter in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.registry import register
from fel_explorer.plots.score import DECADES, error_bar

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _example(draw, rng, **theme):
    values = np.repeat([2.0, 5.0, 10.0, 20.0, 50.0], 3)
    scores = 2.5 - 0.2 * (np.log10(values) - 1) ** 2 + 0.03 * rng.normal(size=len(values))
    labels = [f"run {i + 1}" for i in range(len(values))]
    names = ("lag time (ps)", "VAMP-2")
    return draw(values, scores, ["IDM"] * len(values), labels=labels, names=names, **theme)


@register(_example)
@sheet.SheetPlot
def plot_sweep(
    values: ArrayLike,
    scores: ArrayLike,
    curves: Sequence[str],
    *,
    labels: Sequence[str],
    names: tuple[str, str] = ("", ""),
    shown: str = "",
    dark: bool = False,
) -> sheet.Sheet:
    """Dots are runs; a curve joins their means, with the standard error where several have the same value.

    Parameters
    ----------
    values, scores
        (run,) of the hyperparameter and of the score.
    curves, labels
        Names of the curve of each run, and of the run itself.
    names
        Labels of the axes.
    shown
        Label of the run that is ringed.
    """
    values, scores, of_run = np.asarray(values, float), np.asarray(scores, float), np.asarray(curves)
    log = _is_log(values)
    distinct = np.unique(values)
    ticks = {0: [(np.log10(v) if log else v, f"{v:g}") for v in distinct]} if len(distinct) <= 8 else {}
    page = sheet.Sheet(_limits(values, scores, log), names, log=(log, False), ticks=ticks)
    kinds = list(dict.fromkeys(of_run.tolist()))
    colours = state_colours(range(len(kinds)), dark=dark)
    for i, kind in enumerate(kinds):
        own = of_run == kind
        _draw(page, values[own], scores[own], np.asarray(labels)[own], colours[i], dark)
    for place, height, label in zip(values, scores, labels, strict=True):
        if label == shown:
            page.dots.append(sheet.dot(place, height, "#00000000", 18, drawing.ink(dark), label))
    if len(kinds) > 1:
        _name(page, kinds, colours)
    return page


def run_at(x: float, y: float, values: ArrayLike, scores: ArrayLike) -> int:
    """Index of the run whose dot is nearest to a place (x, y) on the plot of `plot_sweep`."""
    values, scores = np.asarray(values, float), np.asarray(scores, float)
    log = _is_log(values)
    (left, right), (low, high) = _limits(values, scores, log)
    places = np.log10([left, right]) if log else (left, right)
    across = ((np.log10(values) if log else values) - x) / (places[1] - places[0])
    return int(np.argmin(across**2 + ((scores - y) / (high - low)) ** 2))


def _is_log(values) -> bool:
    return bool(values.min() > 0 and np.log10(values.max() / values.min()) > DECADES)


def _limits(values, scores, log):
    low, high = axis_limits(scores, 0.1)
    left, right = axis_limits(np.log10(values) if log else values, 0.08)
    if log:
        left, right = 10.0**left, 10.0**right
    return (float(left), float(right)), (low, high + 0.14 * (high - low))


def _draw(page, values, scores, labels, colour, dark):
    places = np.unique(values)
    groups = [scores[values == place] for place in places]
    means = np.array([group.mean() for group in groups])
    page.lines.append(sheet.line(places, means, colour, 2.5))
    for place, mean, group in zip(places, means, groups, strict=True):
        if len(group) > 1:
            error = group.std(ddof=1) / np.sqrt(len(group))
            tip = f"{mean:.4g} ± {error:.2g}, {len(group)} runs"
            page.lines += error_bar(page, place, mean, error, colour, tip)
            page.dots.append(sheet.dot(place, mean, colour, 9, tip=tip))
    alone = np.array([np.count_nonzero(values == place) == 1 for place in values])
    for place, height, label, single in zip(values, scores, labels, alone, strict=True):
        fill, size = (colour, 9) if single else (drawing.faint(dark), 6)
        page.dots.append(sheet.dot(place, height, fill, size, tip=f"{label}: {height:.4g}"))


def _name(page, kinds, colours):
    """Names of the curves, in their colours, one below the other at the top left."""
    (left, right), (low, high) = page.limits
    x = left * (right / left) ** 0.02 if page.log[0] else left + 0.02 * (right - left)
    for i, kind in enumerate(kinds):
        y = high - (0.06 + 0.09 * i) * (high - low)
        page.words.append(sheet.word(x, y, kind, colours[i], align="left", style="bold"))
