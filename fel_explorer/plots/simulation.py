"""A latent space simulator against the data: free energies, time scales, and one trajectory over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.landscape_marks import WALK
from fel_explorer.plots.quantities import axis_label
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

ENSEMBLES = {"md": "MD", "synthetic": "synthetic"}
GAP = 0.06  # of the axis, between two lines of the legend


def ensemble_colours(dark: bool = False) -> dict[str, str]:
    """{"md": colour, "synthetic": colour}."""
    return {"md": state_colours([0], dark=dark)[0], "synthetic": WALK}


def _example_profile(draw, rng, **theme):
    psi, dims = np.linspace(-2, 2, 30), ("ensemble", "psi_1")
    values = np.stack([2 * (psi**2 - 1) ** 2, 1.8 * (psi**2 - 1.05) ** 2])
    table = {"free_energy": (dims, values), "error": (dims, np.full((2, 30), 0.2))}
    coords = {"ensemble": list(ENSEMBLES), "psi_1": psi}
    return draw(xr.Dataset(table, coords=coords, attrs={"rms": 0.3, "borders": [0.0]}), **theme)


@register(_example_profile)
@sheet.SheetPlot
def plot_simulated_profile(profiles: xr.Dataset, *, dark: bool = False) -> sheet.Sheet:
    """Free energies along psi_1 with errors: ``free_energy`` and ``error`` (ensemble, psi_1) in kT.

    attrs: ``rms`` of their difference, and ``borders`` of the basins, which are marked.
    """
    psi, colours = profiles["psi_1"].values, ensemble_colours(dark)
    highest = float(np.nanmax(profiles["free_energy"].values[np.isfinite(profiles["free_energy"].values)]))
    (left, right), top = (psi[0], psi[-1]), 1.3 * max(highest, 1.0)
    page = sheet.Sheet(((left, right), (-0.05 * top, top)), ("ψ₁", "free energy (kT)"))
    for border in profiles.attrs.get("borders", ()):
        page.dashes.append(sheet.line([border, border], [-0.05 * top, 0.8 * top], drawing.faint(dark), 1.2))
    for name, colour in colours.items():
        one = profiles.sel(ensemble=name)
        known = np.isfinite(one["free_energy"].values)
        x, y = psi[known], one["free_energy"].values[known]
        error = np.nan_to_num(one["error"].values[known])
        page.areas.append(drawing.band(x, y - error, y + error, colour, 0.2))
        page.lines.append(sheet.line(x, y, colour, 2.5))
    page.words += legend(page.limits, colours)
    rms = profiles.attrs.get("rms")
    if rms is not None:
        place = left + 0.03 * (right - left), 0.93 * top
        text = f"RMS difference {rms:.2f} kT"
        page.words.append(sheet.word(*place, text, drawing.ink(dark), align="left"))
    return page


def legend(
    limits: tuple[tuple[float, float], tuple[float, float]], colours: Mapping[str, str], *, log: bool = False
) -> list[dict]:
    """Words for both ensembles at the upper right; ``log`` where the y axis is logarithmic."""
    (left, right), (bottom, top) = limits
    x = right - 0.03 * (right - left) if not log else right * (left / right) ** 0.03
    words = []
    for number, (name, colour) in enumerate(colours.items()):
        part = 0.07 + number * (GAP + 0.02)
        y = top * (bottom / top) ** part if log else top - part * (top - bottom)
        words.append(sheet.word(x, y, ENSEMBLES[name], colour, align="right", style="bold"))
    return words


def _example_memory(draw, rng, **theme):
    dims = ("ensemble", "multiple", "process")
    values = np.array([[[90.0, 9.0], [95, 9.5], [99, 9.2]], [[80.0, 8.8], [83, 9], [85, 8]]])
    table = {"time": (dims, values), "error": (dims, 0.1 * values)}
    coords = {"ensemble": list(ENSEMBLES), "multiple": [1, 2, 4]}
    return draw(xr.Dataset(table, coords=coords, attrs={"lag_time": 2.0}), time_unit="ps", **theme)


@register(_example_memory)
@sheet.SheetPlot
def plot_simulated_timescales(
    memory: xr.Dataset, *, time_unit: str = "ps", dark: bool = False
) -> sheet.Sheet:
    """Time scales at multiples of the lag, of the data and of the simulation, with errors.

    ``time`` and ``error`` (ensemble, multiple, process); attrs ``lag_time``.  Where they rise, one lag is not
    enough; below the lag (grey) nothing is resolved.
    """
    lags, colours = memory["multiple"].values * memory.attrs["lag_time"], ensemble_colours(dark)
    known = memory["time"].values[np.isfinite(memory["time"].values)]
    known = known[known > 0]  # where an eigenvalue is not positive there is no time scale
    left, right = lags[0] / 1.25, lags[-1] * 1.25
    bottom, top = min(known.min(initial=left), left) / 1.5, max(known.max(initial=right), right) * 3
    edge = np.geomspace(left, right, 40)
    grey = drawing.band(edge, np.full(40, bottom / 10), edge, drawing.faint(dark), 0.25)
    labels = (axis_label("lag time", time_unit), axis_label("time scale", time_unit))
    ticks = [(float(np.log10(lag)), f"{lag:g}") for lag in lags]
    limits = ((left, right), (bottom, top))
    page = sheet.Sheet(limits, labels, log=(True, True), ticks={0: ticks}, areas=[grey])
    for place, (name, colour) in enumerate(colours.items()):
        one, x = memory.sel(ensemble=name), lags * (1 + 0.03 * (2 * place - 1))  # next to each other
        for process in range(memory.sizes["process"]):
            y = one["time"].values[:, process]
            error = np.nan_to_num(one["error"].values[:, process])
            seen = np.isfinite(y) & (y > 0)
            page.lines.append(sheet.line(x[seen], y[seen], colour, 2.0))
            for a, b, c in zip(x[seen], y[seen], error[seen], strict=True):
                page.lines.append(sheet.line([a, a], [max(b - c, bottom / 10), b + c], colour, 2.0))
                page.dots.append(sheet.dot(a, b, colour, 8))
    page.words += legend(limits, colours, log=True)
    return page


def _example_walk(draw, rng, **theme):
    psi = np.cumsum(rng.normal(size=200))
    return draw(np.arange(1, 201) * 0.5, psi, limits=(psi.min(), psi.max()), current=80, **theme)


@register(_example_walk)
@sheet.SheetPlot
def plot_simulated_walk(
    time: ArrayLike,
    psi: ArrayLike,
    *,
    limits: tuple[float, float],
    current: int | None = None,
    time_unit: str = "ps",
    dark: bool = False,
) -> sheet.Sheet:
    """psi_1 (frame,) of one simulated trajectory over ``time`` (frame,); the frame ``current`` is marked.

    ``limits`` are those of the data.
    """
    time, psi = np.asarray(time, float), np.asarray(psi, float)
    room = 0.06 * (limits[1] - limits[0])
    across = (time[0] - 0.01 * np.ptp(time), time[-1] + 0.01 * np.ptp(time)) if len(time) > 1 else (0.0, 1.0)
    page = sheet.Sheet((across, (limits[0] - room, limits[1] + room)), (axis_label("time", time_unit), "ψ₁"))
    page.lines.append(sheet.line(time, psi, WALK, 1.5))
    if current is not None:
        x, ink = time[current], drawing.ink(dark)
        page.dashes.append(sheet.line([x, x], page.limits[1], drawing.faint(dark), 1.5))
        page.dots.append(sheet.dot(x, psi[current], WALK, 13, ink))
    return page
