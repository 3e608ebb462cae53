"""The pathways between two sets of states, as transition path theory finds them, where the states lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.plots import sheet
from fel_explorer.plots.network import SHAPE, Arrow, Network, draw_network
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping


MIN_FRACTION = 0.005  # of the total flux, for an arrow


def _example(draw, rng, **theme):
    net = np.array([[0.0, 0.8, 0.2], [0.0, 0.0, 0.8], [0.0, 0.0, 0.0]])
    states, dims = [0, 1, 2], ("from", "to")
    table = xr.Dataset(
        {
            "net_flux": (dims, 0.01 * net),
            "net_flux_lower": (dims, 0.008 * net),
            "net_flux_upper": (dims, 0.012 * net),
            "committor": ("state", [0.0, 0.4, 1.0]),
            "committor_lower": ("state", [0.0, 0.3, 1.0]),
            "committor_upper": ("state", [0.0, 0.5, 1.0]),
            "stationary_distribution": ("state", [0.5, 0.3, 0.2]),
            "stationary_distribution_lower": ("state", [0.45, 0.25, 0.15]),
            "stationary_distribution_upper": ("state", [0.55, 0.35, 0.25]),
            "total_flux": 0.01,
        },
        coords={"state": states, "from": states, "to": states},
        attrs={"source": [0], "target": [2]},
    )
    axis = np.linspace(-1, 1, 30)
    surface = xr.DataArray(4 * (axis[:, None] ** 2 + axis**2), dims=("y", "x"), coords={"y": axis, "x": axis})
    places = np.array([[-0.6, -0.4], [0.0, 0.6], [0.6, -0.3]])
    limits, populations = ((-1.0, 1.0), (-1.0, 1.0)), np.array([0.5, 0.3, 0.2])
    network = Network(states, ["A", "B", "C"], places, populations, None, surface, limits, ("CV 1", "CV 2"))
    return draw(network, table, **theme)


@register(_example)
@sheet.SheetPlot
def plot_pathways(
    network: Network,
    table: xr.Dataset,
    *,
    shape: tuple[int, int] = SHAPE,
    colours: Mapping[int, str] | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """Arrows with widths by net flux, labelled by the fraction of the total flux that they carry.

    Parameters
    ----------
    network
        States and places; its rates are not needed.
    table
        From `kinetics.transition_paths`, with intervals or without.
    shape, colours, dark
        As for `plot_network`.  Source and target have a rim.
    """
    place = {state: i for i, state in enumerate(network.states)}
    total = float(table["total_flux"])
    found = []
    for one in table["from"].values:
        for other in table["to"].values:
            edge = table.sel({"from": one, "to": other})
            fraction = float(edge["net_flux"]) / total
            if fraction < MIN_FRACTION or one not in place or other not in place:
                continue
            text = f"{100 * fraction:.0f} %"
            names = [network.names[place[state]] for state in (one, other)]
            per_time = _with_interval(edge, "net_flux", f"{{:.3g}} / {network.time_unit}")
            tip = f"{names[0]} to {names[1]}: {text} of the flux, {per_time}"
            found.append((fraction, Arrow(place[one], place[other], 1.5 + 5.5 * fraction, text, tip)))
    arrows = [arrow for _, arrow in sorted(found, key=lambda row: -row[0])]
    ringed = (*table.attrs["source"], *table.attrs["target"])
    tips = [_tip(name, state, table) for name, state in zip(network.names, network.states, strict=True)]
    return draw_network(network, arrows, shape=shape, ringed=ringed, tips=tips, colours=colours, dark=dark)


def _tip(name, state, table):
    """Population and committor of a state."""
    if state not in table["state"].values:
        return f"{name}: not visited back and forth at this lag"
    row = table.sel(state=state)
    population = _with_interval(100 * row, "stationary_distribution", "{:.3g} %")
    committor = _with_interval(row, "committor", "{:.2f}")
    return f"{name}: population {population}, committor {committor}"


def _with_interval(row, name, form):
    """The number ``name`` of ``row`` as text, with its interval where there is one."""
    text = form.format(float(row[name]))
    if f"{name}_lower" not in row:
        return text
    low, high = (float(row[f"{name}_{side}"]) for side in ("lower", "upper"))
    if not np.isfinite(low + high) or low == high:
        return text
    return f"{text} ({form.format(low)} to {form.format(high)})"
