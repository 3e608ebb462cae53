"""One measure of several models side by side, with errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.registry import register
from fel_explorer.plots.score import error_bar

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LETTERS = 90  # of all names together, beyond which every other one is put a line lower


def _example(draw, rng, **theme):
    labels = ["PCA 1", "TICA 1", "SRV 1", "IDM 1"]
    errors = [0.05, 0.03, 0.02, np.nan]
    return draw(labels, [0.8, 0.2, 0.05, 0.1], errors, name="slowest mode not explained", **theme)


@register(_example)
@sheet.SheetPlot
def plot_models(
    labels: Sequence[str],
    values: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    name: str = "",
    shown: str = "",
    dark: bool = False,
) -> sheet.Sheet:
    """A dot for each model, in their order, with its standard error where that is known.

    Parameters
    ----------
    labels, values, errors
        (model,) names, the measure and its standard error; a model without a value has an empty place.
    name
        Label of the axis.
    shown
        Name of the model that is ringed.
    """
    values = np.asarray(values, float)
    errors = np.full(len(values), np.nan) if errors is None else np.asarray(errors, float)
    spread = np.where(np.isfinite(errors), errors, 0.0)
    known = np.isfinite(values)
    ends = np.concatenate([(values - spread)[known], (values + spread)[known]])
    low, high = axis_limits(ends if len(ends) else np.array([0.0, 1.0]), 0.1)
    labels = list(labels)
    ticks = [(place + 1.0, label) for place, label in enumerate(labels)]
    if sum(map(len, labels)) > LETTERS:
        ticks = [(at, label if i % 2 == 0 else f"\n{label}") for i, (at, label) in enumerate(ticks)]
    page = sheet.Sheet(((0.5, len(labels) + 0.5), (low, high)), ("", name), ticks={0: ticks})
    colour = state_colours([0], dark=dark)[0]
    for (place, _), label, value, error in zip(ticks, labels, values, errors, strict=True):
        if not np.isfinite(value):
            continue
        tip = f"{label}: {value:.4g}"
        if np.isfinite(error):
            tip += f" ± {error:.2g}"
            page.lines += error_bar(page, place, value, error, colour, tip)
        page.dots.append(sheet.dot(place, value, colour, 10, tip=tip))
        if label == shown:
            page.dots.append(sheet.dot(place, value, "#00000000", 20, drawing.ink(dark), tip))
    return page
