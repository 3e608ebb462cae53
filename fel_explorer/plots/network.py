"""The states and the significant rates between them, drawn where the states lie on the map."""

from __future__ import annotations

from dataclasses import dataclass

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.plots import drawing
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.plots.registry import register

SHAPE = (720, 420)  # screen pixels for which the arrows are bent and cut
MARGINS = (90, 70)  # of them for axes and their labels
BEND = 0.16  # of an arrow's length: both directions are seen
MAX_LABELS = 14


@dataclass(frozen=True, eq=False)
class Network:
    """Everything that `plot_network` draws.

    Attributes
    ----------
    states, names
        Numbers and names of the states.
    places, populations
        (state, 2) where they lie on the map; (state,) their shares.
    rates
        From `CoarseMasterEquation.to_dataset`: ``rate``, ``lower``, ``upper``, ``significant`` (to, from).
    surface
        Free energy (y, x) in kT that is shown below in grey, or None.
    limits, labels
        ((left, right), (bottom, top)) and labels of the map's axes.
    time_unit
        Of the data.
    """

    states: list[int]
    names: list[str]
    places: np.ndarray
    populations: np.ndarray
    rates: xr.Dataset
    surface: xr.DataArray | None
    limits: tuple[tuple[float, float], tuple[float, float]]
    labels: tuple[str, str]
    time_unit: str = "ps"

    def arrows(self) -> pd.DataFrame:
        """The significant rates, strongest flux first: from, to, rate, lower, upper, time, flux."""
        rows = [
            {
                "from": self.names[j],
                "to": self.names[i],
                **{name: float(self.rates[name][i, j]) for name in ("rate", "lower", "upper")},
                "time": 1 / float(self.rates["rate"][i, j]),
                "flux": float(self.rates["rate"][i, j] * self.rates["stationary_distribution"][j]),
                "i": i,
                "j": j,
            }
            for i in range(len(self.states))
            for j in range(len(self.states))
            if bool(self.rates["significant"][i, j])
        ]
        columns = ["from", "to", "rate", "lower", "upper", "time", "flux", "i", "j"]
        return pd.DataFrame(rows, columns=columns).sort_values("flux", ascending=False, kind="stable")


def _example(draw, rng, **theme):
    rate = np.array([[-0.03, 0.01, 0.0], [0.02, -0.06, 0.04], [0.01, 0.05, -0.04]])
    dims, states = ("to", "from"), [0, 1, 4]
    rates = xr.Dataset(
        {
            "rate": (dims, rate),
            "lower": (dims, 0.8 * rate),
            "upper": (dims, 1.2 * rate),
            "significant": (dims, rate > 0),
            "stationary_distribution": ("from", [0.5, 0.3, 0.2]),
        },
        coords={"to": states, "from": states},
    )
    axis = np.linspace(-1, 1, 30)
    bowl = 4 * (axis[:, None] ** 2 + axis**2)
    surface = xr.DataArray(bowl, dims=("y", "x"), coords={"y": axis, "x": axis})
    places = np.array([[-0.6, -0.4], [0.6, -0.3], [0.0, 0.6]])
    limits = ((-1.0, 1.0), (-1.0, 1.0))
    shares = np.array([0.5, 0.3, 0.2])
    network = Network(states, ["A", "B", "C"], places, shares, rates, surface, limits, ("CV 1", "CV 2"))
    return draw(network, **theme)


@register(_example)
def plot_network(network: Network, *, shape=SHAPE, selected=None, dark=False):
    """Nodes sized by population, arrows with widths by rate, labelled "1 / 85 ps", over the free energy.

    ``shape`` is the plot's size in screen pixels, for which arrows end at the rim of their nodes;
    ``selected`` is a state to ring.
    """
    canvas = _Canvas(network.limits, shape)
    colours = state_colours(network.states, dark=dark)
    sizes = 18 + 38 * np.sqrt(network.populations)
    arrows = network.arrows()
    widths = _widths(arrows["rate"].to_numpy())
    shafts, heads, labels = [], [], []
    for rank, (row, width) in enumerate(zip(arrows.itertuples(), widths, strict=True)):
        colour = colours[network.states[row.j]]
        curve, head, middle = _arrow(canvas, network.places, sizes, row.j, row.i, width)
        about = {
            "pathway": f"{network.names[row.j]} to {network.names[row.i]}",
            "rate": f"1 / {time_text(row.time, network.time_unit)}",
            "interval": _times(row, network.time_unit),
        }
        shafts.append(drawing.line(*curve.T, colour, width, **about))
        heads.append(drawing.area(*head.T, colour, 1.0))
        if rank < MAX_LABELS:
            labels.append((*middle, about["rate"], drawing.ink(dark)))
    about = ("pathway", "rate", "interval")
    layers = [
        _underlay(network, dark),
        drawing.lines(shafts, about=about, tooltips=[(name, f"@{name}") for name in about]),
        drawing.areas(heads),
        _nodes(network, colours, sizes, selected, dark),
        drawing.words(labels, size="10pt", **_ground(dark)),
        _names(network, canvas, sizes, dark),
    ]
    return drawing.figure(layers, limits=network.limits, labels=network.labels)


class _Canvas:
    """Data coordinates to screen pixels and back."""

    def __init__(self, limits, shape):
        self.origin = np.array([limits[0][0], limits[1][0]])
        span = np.array([limits[0][1], limits[1][1]]) - self.origin
        self.scale = np.maximum(np.subtract(shape, MARGINS), 50) / span

    def pixels(self, xy):
        return (np.asarray(xy) - self.origin) * self.scale

    def data(self, pixels):
        return pixels / self.scale + self.origin


def _arrow(canvas, places, sizes, source, target, width):
    """Shaft (point, 2), head (3, 2) and middle (2,) of a bent arrow, in data coordinates."""
    start, end = canvas.pixels(places[source]), canvas.pixels(places[target])
    across = np.array([start[1] - end[1], end[0] - start[0]])
    control = (start + end) / 2 + 2 * BEND * across
    t = np.linspace(0, 1, 120)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    head = 7 + 1.6 * width
    left = np.linalg.norm(curve - start, axis=1) > sizes[source] / 2 + 2
    tip_zone = np.linalg.norm(curve - end, axis=1) > sizes[target] / 2 + 2
    outside = np.flatnonzero(left & tip_zone)
    if len(outside) < 3:  # the nodes touch: a bare head between them
        outside = np.array([58, 60, 62])
    tip = curve[outside[-1]]
    base = outside[np.linalg.norm(curve[outside] - tip, axis=1) >= head]
    base = base[-1] if len(base) else outside[0]
    along = tip - curve[base]
    along /= np.linalg.norm(along) or 1.0
    normal = np.array([-along[1], along[0]])
    foot = tip - head * along
    wings = np.array([tip, foot + 0.5 * head * normal, foot - 0.5 * head * normal])
    shaft = np.vstack([curve[outside[0] : base + 1], foot])
    return canvas.data(shaft), canvas.data(wings), canvas.data(curve[60])


def _widths(rates):
    """1.5 to 6 pixels, by the logarithm of the rate."""
    if len(rates) < 2 or rates.max() == rates.min():
        return np.full(len(rates), 3.0)
    logs = np.log(rates)
    return 1.5 + 4.5 * (logs - logs.min()) / np.ptp(logs)


def _times(row, unit):
    if not np.isfinite(row.lower + row.upper) or row.upper <= 0:
        return ""
    return interval_text(1 / row.upper, 1 / row.lower if row.lower > 0 else np.inf, unit)


def _underlay(network, dark):
    """The free energy in grey: darker (in a dark room lighter) where it is low."""
    surface = network.surface
    if surface is None:
        (left, right), (bottom, top) = network.limits
        empty = np.full((2, 2), np.nan)
        surface = xr.DataArray(empty, dims=("y", "x"), coords={"y": [bottom, top], "x": [left, right]})
    highest = float(np.nanmax(surface)) if np.isfinite(surface).any() else 1.0
    scaled = surface / (highest or 1.0)
    greys = ["#565b61", "#2c2f33"] if dark else ["#c3c7cc", "#f1f3f4"]
    return hv.Image((scaled["x"].values, scaled["y"].values, scaled.values), drawing.AXES, "F").opts(
        cmap=_ramp(*greys),
        clim=(0.0, 1.0),
        apply_ranges=False,
        show_legend=False,
    )


def _ramp(first, last, n=24):
    a, b = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (first, last))
    return ["#" + "".join(f"{round(v):02x}" for v in a + (b - a) * k / (n - 1)) for k in range(n)]


def _ground(dark):
    return {
        "background_fill_color": "#202124" if dark else "#ffffff",
        "background_fill_alpha": 0.75,
        "border_radius": 4,
    }


def _nodes(network, colours, sizes, selected, dark):
    rows = []
    for i, state in enumerate(network.states):
        rim = drawing.ink(dark) if state == selected else colours[state]
        share = f"{100 * network.populations[i]:.3g} %"
        rows.append((*network.places[i], colours[state], sizes[i], rim, network.names[i], share))
    tooltips = [("state", "@state"), ("population", "@population")]
    nodes = drawing.dots(rows, about=("state", "population"), tooltips=tooltips)
    return nodes.opts(line_width=4)


def _names(network, canvas, sizes, dark):
    """Above each node, or below where it lies near the top."""
    rows, height = [], canvas.pixels([network.limits[0][1], network.limits[1][1]])[1]
    for i, name in enumerate(network.names):
        x, y = canvas.pixels(network.places[i])
        shift = sizes[i] / 2 + 12
        place = canvas.data(np.array([x, y + shift if y + shift + 10 < height else y - shift]))
        rows.append((*place, name, drawing.ink(dark)))
    return drawing.words(rows, size="12pt", style="bold")
