"""The states and the significant rates between them, drawn where the states lie on the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.arrangement import LETTER, Canvas, Labels, arrow, spread
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.plots.registry import register

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


MIN_TAP = 14  # pixels within which a click meets a small node
SHAPE = (720, 420)  # screen pixels for which the arrows are bent and cut


@dataclass(frozen=True, eq=False)
class Network:
    """Everything that `plot_network` draws.

    Attributes
    ----------
    states, names
        Numbers and names of the states.
    places, populations
        (state, 2) where they lie on the map; (state,) their fractions.
    rates
        From `CoarseMasterEquation.to_dataset`: ``rate``, ``lower``, ``upper``, ``significant`` (to, from);
        `plot_pathways` needs none.
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
    rates: xr.Dataset | None
    surface: xr.DataArray | None
    limits: tuple[tuple[float, float], tuple[float, float]]
    labels: tuple[str, str]
    time_unit: str = "ps"

    def arrows(self) -> pd.DataFrame:
        """The significant rates, strongest flux first: from, to, rate, lower, upper, time, flux."""
        rates = self.rates
        if rates is None:
            raise FelError(
                "The network has no rates.", remedy="Give those of `CoarseMasterEquation.to_dataset`."
            )
        rows = [
            {
                "from": self.names[j],
                "to": self.names[i],
                **{name: float(rates[name][i, j]) for name in ("rate", "lower", "upper")},
                "time": 1 / float(rates["rate"][i, j]),
                "flux": float(rates["rate"][i, j] * rates["stationary_distribution"][j]),
                "i": i,
                "j": j,
            }
            for i in range(len(self.states))
            for j in range(len(self.states))
            if bool(rates["significant"][i, j])
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
    populations = np.array([0.5, 0.3, 0.2])
    network = Network(states, ["A", "B", "C"], places, populations, rates, surface, limits, ("CV 1", "CV 2"))
    return draw(network, **theme)


@register(_example)
@sheet.SheetPlot
def plot_network(
    network: Network,
    *,
    shape: tuple[int, int] = SHAPE,
    selected: int | None = None,
    colours: Mapping[int, str] | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """Nodes sized by population, arrows with widths by rate, labelled "1 / 85 ps", over the free energy.

    ``shape`` is the plot's size in screen pixels, for which arrows end at the rim of their nodes and nodes
    that would touch are moved apart;
    ``selected`` is a state to ring, ``colours`` {state: colour} for other than the usual ones.
    """
    rows = network.arrows()
    arrows = []
    for row, width in zip(rows.itertuples(), _widths(rows["rate"].to_numpy()), strict=True):
        text = f"1 / {time_text(row.time, network.time_unit)}"
        interval = _times(row, network.time_unit)
        tip = f"{network.names[row.j]} to {network.names[row.i]}: {text}" + f", {interval}" * bool(interval)
        arrows.append(Arrow(row.j, row.i, width, text, tip))
    ringed = () if selected is None else (selected,)
    return draw_network(network, arrows, shape=shape, ringed=ringed, colours=colours, dark=dark)


@dataclass(frozen=True)
class Arrow:
    """An arrow between two nodes: their indices, its width in pixels, its label, and its tooltip."""

    source: int
    target: int
    width: float
    text: str
    tip: str


def draw_network(
    network: Network,
    arrows: Sequence[Arrow],
    *,
    shape: tuple[int, int] = SHAPE,
    ringed: Collection[int] = (),
    tips: Sequence[str] | None = None,
    colours: Mapping[int, str] | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """Nodes with ``arrows``, the most important first: where labels meet, the later one goes.

    ``ringed`` are states with a rim, ``tips`` (node,) what hovering over nodes says.
    """
    canvas = Canvas(network.limits, shape)
    colours = colours or state_colours(network.states, dark=dark)
    places, sizes = _places(network, canvas)
    names = _names(network, places, sizes, colours, canvas, dark)
    tips = tips or [
        f"{name}: {100 * population:.3g} % population"
        for name, population in zip(network.names, network.populations, strict=True)
    ]
    page = sheet.Sheet(network.limits, network.labels, image=_underlay(network, dark))
    page.lines, page.heads, page.words = _arrows(network, arrows, canvas, places, sizes, names, colours, dark)
    page.dots = [
        sheet.dot(x, y, colours[state], size, drawing.ink(dark) if state in ringed else colours[state], tip)
        for state, (x, y), size, tip in zip(network.states, canvas.data(places), sizes, tips, strict=True)
    ]
    page.words += [sheet.word(*canvas.data(p), *about, size="12pt", style="bold") for p, *about in names]
    return page


def node_at(network: Network, x: float, y: float, shape: tuple[int, int] = SHAPE) -> int | None:
    """The state whose node is drawn at (x, y) in data coordinates, or None where there is none."""
    canvas = Canvas(network.limits, shape)
    places, sizes = _places(network, canvas)
    distance = np.linalg.norm(places - canvas.pixels((x, y)), axis=1)
    nearest = int(distance.argmin())
    return network.states[nearest] if distance[nearest] <= max(sizes[nearest] / 2, MIN_TAP) else None


def _places(network, canvas):
    """Places (node, 2) and diameters (node,) in pixels."""
    sizes = 18 + 38 * np.sqrt(network.populations)
    return spread(canvas.pixels(network.places), sizes, canvas.size), sizes


def _arrows(network, arrows, canvas, places, sizes, names, colours, dark):
    """Rows of shafts, heads and labels."""
    free = Labels(places, sizes)
    ground = "#202124c0" if dark else "#ffffffc0"
    for place, name, _ in names:
        free.take(place, name)
    shafts, heads, labels = [], [], []
    for one in arrows:
        colour, ends = colours[network.states[one.source]], [one.source, one.target]
        start, end = places[ends]
        shaft, head, curve = arrow(start, end, sizes[ends] / 2, one.width)
        x, y = canvas.data(shaft).T
        shafts.append(sheet.line(x, y, colour, one.width, one.tip))
        x, y = canvas.data(head).T
        heads.append(drawing.area(x, y, colour, 1.0))
        place = free.find(curve, one.text)
        if place is not None:
            x, y = canvas.data(place)
            labels.append(sheet.word(x, y, one.text, drawing.ink(dark), size="10pt", ground=ground))
    return shafts, heads, labels


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
    if network.surface is None:
        return None
    values = network.surface.values / (float(np.nanmax(network.surface)) or 1.0)
    greys = _ramp("#565b61", "#2c2f33") if dark else _ramp("#c3c7cc", "#f1f3f4")
    return network.surface["x"].values, network.surface["y"].values, values, greys


def _ramp(first, last, n=24):
    a, b = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (first, last))
    return ["#" + "".join(f"{round(v):02x}" for v in a + (b - a) * k / (n - 1)) for k in range(n)]


def _names(network, places, sizes, colours, canvas, dark):
    """(place, name, colour) in each node; long ones above it, or below where it lies near the top."""
    rows = []
    for state, name, (x, y), size in zip(network.states, network.names, places, sizes, strict=True):
        short = name.removeprefix("state ")
        if len(short) * LETTER < size:
            rows.append(((x, y), short, drawing.ink_on(colours[state])))
        else:
            shift = size / 2 + 12
            y = y + shift if y + shift + 10 < canvas.size[1] else y - shift
            rows.append(((x, y), name, drawing.ink(dark)))
    return rows
