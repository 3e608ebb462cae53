"""Free energy along a path, with its barrier and the image that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.energy_units import KT
from fel_explorer.plots.landscape_marks import PATH
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fel_explorer.free_energy import Barrier
    from fel_explorer.plots.energy_units import EnergyUnit


def _example(draw, rng, **theme):
    length = np.linspace(0, 4, 40)
    return draw(length, 3 - 3 * np.cos(1.5 * length), error=np.minimum(0.2 * length, 0.5), image=7, **theme)


@register(_example)
@sheet.SheetPlot
def plot_path_profile(
    length: ArrayLike,
    free_energy: ArrayLike,
    *,
    error: ArrayLike | None = None,
    barrier: Barrier | None = None,
    image: int | None = None,
    unit: EnergyUnit = KT,
    dark: bool = False,
) -> sheet.Sheet:
    """Curve of ``free_energy`` (image,) over ``length`` (image,), and its heights above both ends.

    Parameters
    ----------
    free_energy, error
        (image,) kT, shown in ``unit``; the error as a band of one standard error.
    barrier
        `free_energy.Barrier` of the path, for the errors of its heights.
    image
        Index of the image that is marked.
    """
    length, values = np.asarray(length, float), np.asarray(free_energy, float) * unit.kT
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(high - low, unit.kT)
    limits = ((-0.03 * length[-1], 1.03 * length[-1]), (low - 0.08 * room, high + 0.28 * room))
    page = sheet.Sheet(limits, ("distance along the path (standard deviations)", unit.label))
    top = int(np.nanargmax(values))
    ink, faint = drawing.ink(dark), drawing.faint(dark)
    page.areas.append(drawing.band(length, np.full(len(values), limits[1][0]), values, PATH, 0.12))
    if error is not None:
        width = np.nan_to_num(np.asarray(error, float)) * unit.kT
        page.areas.append(drawing.band(length, values - width, values + width, PATH, 0.25))
    page.lines.append(sheet.line(length, values, PATH, 3.0))
    page.dashes.append(sheet.line([length[0], length[-1]], [values[top]] * 2, faint, 1.5))
    for end, align in ((0, "left"), (-1, "right")):
        if values[top] - values[end] < 0.05 * unit.kT:
            continue
        x = length[end]
        page.dashes.append(sheet.line([x, x], [values[end], values[top]], faint, 1.5))
        side = "start" if end == 0 else "end"
        wrong = np.nan if barrier is None else barrier.left_error if end == 0 else barrier.right_error
        text = f"{unit.text((values[top] - values[end]) / unit.kT, wrong)} from {side}"
        page.words.append(sheet.word(x, high + 0.12 * room, text, ink, align=align))
    if image is not None:
        page.dots.append(sheet.dot(length[image], values[image], ink, 11, PATH))
    return page
