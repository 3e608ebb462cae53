"""Level sets of an embedding: what it leaves unexplained, where its decoder is wrong, and its curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import FREE_ENERGY, sequential, state_colours
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

HIGHEST = 12.0  # kT shown of a free energy
FEWEST = 5  # frames of a cell that has a colour: those of fewer say nothing of a variance
DIAMETER = 6  # pixels, of a conditional mean
MIDDLE_WIDTH, SIDE_WIDTH = 3.5, 1.5  # of a decoder's curve, and of the lines of a surface


def _example(draw, rng, **theme):
    z = np.linspace(-1.0, 1.0, 40)
    mean = np.stack([z, z**2], axis=1)
    table = xr.Dataset(
        {
            "mean": (("cell", "feature"), mean),
            "variance": (("cell", "feature"), np.full((40, 2), 0.02)),
            "unexplained": ("cell", 0.1 + 0.05 * z**2),
            "decoded": (("cell", "feature"), mean + 0.05),
            "decoder_error": ("cell", 0.02 * z**2),
        },
        coords={"cv": (("cell", "dimension"), z[:, None]), "feature": ["x", "y"]},
    )
    return draw(table, **theme)


@register(_example)
@sheet.SheetPlot
def plot_level_sets(
    table: xr.Dataset,
    *,
    feature: str | None = None,
    names: Sequence[str] = ("CV 1", "CV 2"),
    dark: bool = False,
) -> sheet.Sheet:
    """Variance of the features that is left where the embedding has one value.

    Of one dimension: the fraction of their variance in per cent, and the error of the decoder in the same
    unit; or one feature's conditional mean with its standard deviation, and what the decoder makes of it
    dashed. Of two dimensions: the fraction as an image.

    Parameters
    ----------
    table
        From `methods.level_sets`.
    feature
        Which to show instead of all together; of one-dimensional embeddings only.
    names
        Of the dimensions.
    """
    if table.sizes["dimension"] == 2:
        return _image(table, names, dark)
    order = np.argsort(table["cv"].values[:, 0])
    x = table["cv"].values[order, 0]
    own, other = state_colours([0, 5], dark=dark).values()
    if feature is None:
        left = 100 * table["unexplained"].values[order]
        curves = [("left within level sets", left, own)]
        if "decoder_error" in table:
            curves.append(("error of the decoder", 100 * table["decoder_error"].values[order], other))
        top = 1.25 * max(float(values.max()) for _, values, _ in curves)
        page = sheet.Sheet(
            (axis_limits(x, 0.02), (0.0, max(top, 1e-3))), (names[0], "unexplained variance (%)")
        )
        page.areas.append(drawing.band(x, np.zeros(len(x)), left, own, 0.25))
        for name, values, colour in curves:
            page.lines.append(sheet.line(x, values, colour, 3.0, name))
        _legend(page, [(name, colour) for name, _, colour in curves])
        return page
    one = table.sel(feature=feature)
    mean, spread = one["mean"].values[order], np.sqrt(one["variance"].values[order])
    shown = [mean - spread, mean + spread, *([one["decoded"].values[order]] if "decoded" in one else [])]
    low, high = float(np.min(shown)), float(np.max(shown))
    room = 0.2 * max(high - low, 1e-6)
    limits = (axis_limits(x, 0.02), (low - 0.3 * room, high + room))
    page = sheet.Sheet(limits, (names[0], feature))
    page.areas.append(drawing.band(x, mean - spread, mean + spread, own, 0.25))
    page.lines.append(sheet.line(x, mean, own, 3.0))
    legend = [("mean ± standard deviation", own)]
    if "decoded" in one:
        page.dashes.append(sheet.line(x, one["decoded"].values[order], other, 3.0))
        legend.append(("decoder, dashed", other))
    _legend(page, legend)
    return page


def _image(table, names, dark):
    n_bins = table["bin"].values.max(axis=0) + 1
    known = table["n_frames"].values >= FEWEST
    bins, percent = table["bin"].values[known], 100 * table["unexplained"].values[known]
    picture = np.full((n_bins[1], n_bins[0]), np.nan)
    top = float(percent.max(initial=1e-9))
    picture[bins[:, 1], bins[:, 0]] = percent / top
    limits = [axis_limits(z, 0.0) for z in table["cv"].values.T]
    centres = [
        low + (high - low) * (np.arange(n) + 0.5) / n for (low, high), n in zip(limits, n_bins, strict=True)
    ]
    page = sheet.Sheet(tuple(limits), tuple(names[:2]))
    page.image = (*centres, picture, sequential(FREE_ENERGY, dark))
    (left, right), (bottom, up) = limits
    place = right - 0.01 * (right - left), up - 0.06 * (up - bottom)
    text = f"left within level sets: up to {top:.0f} % of the variance (brightest)"
    page.words.append(sheet.word(*place, text, drawing.ink(dark), align="right", style="bold"))
    return page


def _legend(page, entries):
    (left, right), (bottom, top) = page.limits
    for i, (text, colour) in enumerate(entries):
        x = left + (i + 0.5) / len(entries) * (right - left)
        page.words.append(sheet.word(x, top - 0.07 * (top - bottom), text, colour, style="bold"))


def _example_decoder(draw, rng, **theme):
    x, y = np.linspace(-2, 2, 50), np.linspace(-1, 3, 40)
    energy = 2 * (x**2 - 1) ** 2 + 4 * (y[:, None] - x**2) ** 2
    curve = np.stack([np.linspace(-1.3, 1.3, 40), np.linspace(-1.3, 1.3, 40) ** 2], axis=1)
    plane = xr.Dataset(
        {"energy": (("y", "x"), energy), "lines": (("line", "point", "axis"), curve[None])},
        coords={"x": x, "y": y, "axis": ["x", "y"]},
    )
    return draw(plane, means=curve[::4], **theme)


@register(_example_decoder)
@sheet.SheetPlot
def plot_decoder(plane: xr.Dataset, *, means: ArrayLike = (), dark: bool = False) -> sheet.Sheet:
    """Decoded features of an embedding, in the plane of two features: a curve, or a surface's lines.

    Parameters
    ----------
    plane
        ``energy`` (y, x) in kT, and ``lines`` (line, point, axis) with the names of the features as ``axis``.
    means
        (cell, 2) conditional means of the features on level sets, drawn as dots.
    """
    energy, colour = plane["energy"].values, state_colours([5], dark=dark)[5]
    x, y = plane["x"].values, plane["y"].values
    limits = ((float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))
    across, up = map(str, plane["axis"].values)
    page = sheet.Sheet(limits, (across, up))
    values = np.where(energy < HIGHEST, energy / HIGHEST, np.nan)
    page.image = (x, y, values, sequential(FREE_ENERGY, dark))
    width = MIDDLE_WIDTH if plane.sizes["line"] == 1 else SIDE_WIDTH
    for points in plane["lines"].values:
        page.lines.append(sheet.line(points[:, 0], points[:, 1], colour, width))
    for left, bottom in np.asarray(means, float).reshape(-1, 2):
        page.dots.append(sheet.dot(left, bottom, "#ffffff", DIAMETER, "#202124"))
    return page
