"""Free energies of two conditions next to each other, and their difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import DIVERGING, DIVERGING_DARK, FREE_ENERGY, sequential, state_colours
from fel_explorer.plots.contours import contour_lines
from fel_explorer.plots.registry import register

HIGHEST = 10.0  # in kT: what lies above has the last colour
SPAN = 3.0  # in kT: of the colours of a difference
TICKS = (0.1, 0.5, 0.9)  # where, on each axis of a picture
GAP = 0.08  # between the pictures, of their width


def _example(draw, rng, **theme):
    from fel_explorer.comparison import free_energies

    blobs = [rng.normal(centre, 0.5, (1500, 2)) for centre in ((-1, 0), (1, 0.4), (-1, 0))]
    names = np.repeat(["apo", "holo"], [1500, 3000])
    trajectory = np.repeat(np.arange(45), 100)
    found = free_energies(np.concatenate(blobs), names, trajectory, bins=30, n_draws=20)
    return draw(found, "apo", "holo", **theme)


@register(_example)
@sheet.SheetPlot
def plot_conditions(
    comparison: xr.Dataset,
    first: str,
    second: str,
    *,
    labels: Sequence[str] = ("CV 1", "CV 2"),
    unit: str = "kT",
    dark: bool = False,
) -> sheet.Sheet:
    """Free energies of two conditions and their difference, of `comparison.free_energies`.

    Over two variables: three maps, of which the third is the second minus the first, with outlines around
    what is significant; over one: two curves with their errors, and bars below where they differ.
    """
    if "y" not in comparison.dims:
        return _profiles(comparison, first, second, labels, unit, dark)
    f = comparison["free_energy"]
    kT = float(comparison.attrs.get("kT", 1.0))
    scale = HIGHEST * kT
    maps = [f.sel(condition=name).values / scale for name in (first, second)]
    maps = [values - np.nanmin(f.values) / scale for values in maps]
    difference, significant = _difference(comparison, first, second)
    return _three(
        comparison, maps, difference / (SPAN * kT), significant, (first, second), labels, unit, dark
    )


def _difference(comparison, first, second):
    """Second minus first, and where it is significant; known against the reference only."""
    reference = comparison.attrs["reference"]
    f = comparison["free_energy"]
    difference = (f.sel(condition=second) - f.sel(condition=first)).values
    other = second if first == reference else first
    if reference not in (first, second) or other == reference:
        return difference, np.zeros(difference.shape, bool)
    return difference, comparison["significant"].sel(compared=other).values


def _three(comparison, maps, difference, significant, names, labels, unit, dark):
    x, y = comparison["x"].values, comparison["y"].values
    n, gap = len(x), max(1, round(GAP * len(x)))
    palettes = list(sequential(FREE_ENERGY, dark)), _shades(DIVERGING_DARK if dark else DIVERGING)
    shades = [np.clip(values, 0.0, 1.0) for values in maps]
    total = len(palettes[0]) + len(palettes[1])
    low = [np.floor(values * (len(palettes[0]) - 1)) for values in shades]
    high = len(palettes[0]) + np.floor((np.clip(difference, -1, 1) + 1) / 2 * (len(palettes[1]) - 1))
    empty = np.full((len(y), gap), np.nan)
    picture = np.concatenate([low[0], empty, low[1], empty, high], axis=1)
    columns, rows = np.arange(picture.shape[1], dtype=float), np.arange(len(y), dtype=float)
    top = 1.16 * (len(y) - 0.5)
    reach = SPAN * float(comparison.attrs.get("kT", 1.0))
    page = sheet.Sheet(((-0.5, len(columns) - 0.5), (-0.5, top)), tuple(labels))
    page.image = columns, rows, (picture + 0.5) / total, [*palettes[0], *palettes[1]]
    across, up = ([round(place * (len(axis) - 1)) for place in TICKS] for axis in (x, y))
    starts = 0, n + gap, 2 * (n + gap)
    page.ticks[0] = [(float(start + m), f"{x[m]:.2g}") for start in starts for m in across]
    page.ticks[1] = [(float(m), f"{y[m]:.2g}") for m in up]
    height = len(y) - 0.5 + 0.5 * (top - len(y) + 0.5)
    titles = *names, f"{names[1]} - {names[0]}, ±{reach:.3g} {unit}"
    for start, title in zip(starts, titles, strict=True):
        page.words.append(
            sheet.word(start - 0.5, height, f" {title}", drawing.ink(dark), align="left", style="bold")
        )
    marks = xr.DataArray(significant.astype(float), dims=("y", "x"), coords={"y": rows, "x": columns[:n]})
    for piece in _pieces(contour_lines(marks, [0.5], 4)):
        page.lines.append(sheet.line(piece[:, 0] + starts[2], piece[:, 1], drawing.ink(dark), 1.5))
    return page


def _shades(colours: Sequence[str], n: int = 128) -> list[str]:
    """``n`` colours between those given, at equal distances."""
    given = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours], float)
    places = np.linspace(0, len(colours) - 1, n)
    channels = [np.interp(places, np.arange(len(colours)), channel) for channel in given.T]
    return ["#" + "".join(f"{round(value):02x}" for value in rgb) for rgb in zip(*channels, strict=True)]


def _pieces(lines: np.ndarray) -> list[np.ndarray]:
    """Lines between the NaN that separate them."""
    if not len(lines):
        return []
    breaks = np.flatnonzero(np.isnan(lines[:, 0]))
    return [part[~np.isnan(part[:, 0])] for part in np.split(lines, breaks) if len(part) > 2]


def _profiles(comparison, first, second, labels, unit, dark):
    x, f, error = comparison["x"].values, comparison["free_energy"], comparison["error"]
    colours = [state_colours([k], dark=dark)[k] for k in (0, 1)]
    top = float(np.nanmax(f.values)) * 1.25 + 1e-9
    page = sheet.Sheet(((float(x[0]), float(x[-1])), (0.0, top)), (labels[0], f"free energy ({unit})"))
    for i, (name, colour) in enumerate(zip((first, second), colours, strict=True)):
        values, spread = f.sel(condition=name).values, error.sel(condition=name).values
        known = np.isfinite(values)
        wide = np.where(np.isfinite(spread), 2 * spread, 0.0)[known]
        page.areas.append(drawing.band(x[known], values[known] - wide, values[known] + wide, colour))
        page.lines.append(sheet.line(x[known], values[known], colour, 2.5))
        place = top * (0.95 - 0.09 * i)
        page.words.append(sheet.word(x[-1] - 0.01 * np.ptp(x), place, name, colour, align="right"))
    _, significant = _difference(comparison, first, second)
    step = x[1] - x[0]
    for start, stop in _runs(significant):
        ends = [x[start] - step / 2, x[stop - 1] + step / 2]
        page.lines.append(sheet.line(ends, [0.015 * top] * 2, drawing.ink(dark), 5, "significant difference"))
    return page


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
