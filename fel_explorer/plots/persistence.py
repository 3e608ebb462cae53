"""Persistence of states over lag times: a bar for each state over the lags at which it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import networkx
import numpy as np
import pandas as pd

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.dendrogram import CHARACTER, percent_text, wrap
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.registry import register

WIDTH, AXIS = 420, 24  # screen pixels of the plot, and of its margins
NAMES = 172  # px right of the bars, for names and populations
REACH = 0.5  # rows, from a click to a bar
FAR = -1e9
FEW_DECADES = 2.5  # up to which the axis has ticks at 2 and 5 too


@dataclass(frozen=True)
class Persistence:
    """Everything that `plot_persistence` draws.

    Attributes
    ----------
    graph
        The states of all lags, as ``DiscreteIDM.graph`` has them.
    colours, names
        ``{node: colour}`` and ``{node: name}`` of its nodes.
    level
        The level shown elsewhere, which is marked; None marks none.
    selected
        Nodes to mark.
    """

    graph: networkx.DiGraph
    colours: Mapping[str, str]
    names: Mapping[str, str]
    level: int | None = None
    selected: frozenset = field(default_factory=frozenset)

    @cached_property
    def lags(self) -> np.ndarray:
        """Lag (level,) of each level, longest first."""
        lags = {about["level"]: about["lag_time"] for about in self.graph.nodes.values()}
        return np.array([lags[level] for level in sorted(lags)])

    @cached_property
    def places(self) -> np.ndarray:
        """Place (level,) of each lag along x: minus its decadic logarithm, so that long lags are left."""
        return -np.log10(self.lags)

    @cached_property
    def edges(self) -> np.ndarray:
        """Ends (level + 1,) of the segments of the levels, halfway to their neighbours."""
        middle = (self.places[1:] + self.places[:-1]) / 2
        steps = np.diff(self.places) if len(self.places) > 1 else np.array([0.2])
        ends = self.places[0] - steps[0] / 2, self.places[-1] + steps[-1] / 2
        return np.concatenate([[ends[0]], middle, [ends[1]]])

    @cached_property
    def parents(self) -> dict[int, int | None]:
        """{branch: the branch that it is part of at longer lags}, None for those at the longest lag."""
        parents: dict[int, int | None] = {}
        for node, branch in self.graph.nodes(data="branch"):
            above = next(iter(self.graph.predecessors(node)), None)
            parents.setdefault(branch, None if above is None else self.graph.nodes[above]["branch"])
        return parents

    @cached_property
    def rows(self) -> dict[int, float]:
        """{branch: y}: leaves at y = 0, -1, ..., those that divide amid their parts."""
        children: dict[int | None, list[int]] = {}
        for branch, parent in self.parents.items():
            children.setdefault(parent, []).append(branch)
        rows: dict[int, float] = {}
        n_leaves = 0

        def place(branch):
            nonlocal n_leaves
            parts = children.get(branch, [])
            if parts:
                rows[branch] = float(np.mean([place(part) for part in parts]))
            else:
                rows[branch], n_leaves = -float(n_leaves), n_leaves + 1
            return rows[branch]

        for branch in children.get(None, []):
            place(branch)
        return rows

    def node_at(self, x: float, y: float) -> str | None:
        """The state at a clicked place, or None."""
        if not self.edges[0] <= x <= self.edges[-1]:
            return None
        level = int(np.clip(np.searchsorted(self.edges, x) - 1, 0, len(self.lags) - 1))
        away = {
            node: abs(self.rows[about["branch"]] - y)
            for node, about in self.graph.nodes(data=True)
            if about["level"] == level
        }
        node = min(away, key=lambda one: away[one])
        return node if away[node] < REACH else None

    def table(self) -> pd.DataFrame:
        """One row per state and lag: what is known of it, with its parent."""
        rows = [
            {"node": node, "name": self.names[node], "parent": next(iter(self.graph.predecessors(node)), "")}
            | {key: value for key, value in about.items() if key != "state"}
            for node, about in self.graph.nodes(data=True)
        ]
        return pd.DataFrame(rows)


def _example(draw, rng, **theme):
    graph = networkx.DiGraph(time_unit="ps")
    lags = [50.0, 20.0, 8.0, 3.0, 1.0]
    states = [[(0, 1.0)], [(1, 0.9), (2, 0.1)], [(1, 0.9), (2, 0.1)], [(3, 0.5), (4, 0.4), (2, 0.1)]]
    states.append(states[-1])
    for level, (lag, found) in enumerate(zip(lags, states, strict=True)):
        for state, (branch, population) in enumerate(found):
            at = [lags[k] for k, there in enumerate(states) if branch in dict(there)]
            evidence = {"gain": 0.05, "error": 0.01, "visits": 80.0} if level else {"gain": np.inf}
            graph.add_node(
                f"{level + 1}-{state + 1}", level=level, state=state, lag_time=lag, branch=branch,
                population=population, mean_lifetime=100.0, appears=max(at), disappears=min(at),
                **({"error": np.inf, "visits": 0.0} | evidence),
            )  # fmt: skip
    edges = "1-1 2-1 1-1 2-2 2-1 3-1 2-2 3-2 3-1 4-1 3-1 4-2 3-2 4-3 4-1 5-1 4-2 5-2 4-3 5-3".split()
    graph.add_edges_from(zip(edges[::2], edges[1::2], strict=True))
    hues = {0: "#0072b2", 1: "#0072b2", 2: "#e69f00", 3: "#0072b2", 4: "#009e73"}
    colours = {node: hues[branch] for node, branch in graph.nodes(data="branch")}
    numbers = {0: 1, 1: 1, 2: 2, 3: 1, 4: 3}
    names = {node: f"state {numbers[branch]}" for node, branch in graph.nodes(data="branch")}
    return draw(Persistence(graph, colours, names, 2, frozenset({"3-1"})), **theme)


@register(_example)
@sheet.SheetPlot
def plot_persistence(states: Persistence, *, width: int = WIDTH, dark: bool = False) -> sheet.Sheet:
    """States along a logarithmic axis of lags; widths by population, the shown lag and the selection marked.

    ``width`` is the plot's in screen pixels.
    """
    rows, edges, unit = states.rows, states.edges, states.graph.graph["time_unit"]
    pixel = (edges[-1] - edges[0]) / max(width - AXIS - NAMES, 60)
    limits = ((edges[0] - 6 * pixel, edges[-1] + NAMES * pixel), (min(rows.values()) - 0.7, 0.7))
    ticks = {0: _ticks(states.lags, unit), 1: [(FAR, "")]}
    page = sheet.Sheet(limits, ("time resolution (lag)", ""), ticks=ticks)
    page.lines = [*_connectors(states), *_marked(states, dark), *_bars(states, unit, pixel)]
    if states.level is not None:
        low, high = edges[states.level], edges[states.level + 1]
        page.areas = [
            drawing.area([low, high, high, low], np.repeat(limits[1], 2), drawing.faint(dark), 0.22)
        ]
        page.dots = _dots(states, unit, dark)
    page.words = _words(states, pixel, drawing.ink(dark))
    return page


def describe_state(about: Mapping, name: str, unit: str) -> str:
    """What is known of a state at a lag, of a node's attributes, in a sentence."""
    parts = [f"{100 * about['population']:.3g} %"]
    if np.isfinite(about["gain"]):
        parts.append(f"gain {about['gain']:.2g} ± {about['error']:.1g} nats")
        parts.append(f"{about['visits']:.0f} visits")
        parts.append(f"lifetime {time_text(about['mean_lifetime'], unit)}")
    else:
        parts.append("the only state")
    ends = [time_text(about[end], unit) for end in ("appears", "disappears")]
    lags = f"at {ends[0]} only" if ends[0] == ends[1] else f"appears at {ends[0]}, disappears at {ends[1]}"
    return f"{name} at {time_text(about['lag_time'], unit)}: {', '.join(parts)}; {lags}"


def _ticks(lags, unit):
    """Places and words of round lags."""
    longest, shortest = float(lags[0]), float(lags[-1])
    few = np.log10(longest / shortest) < FEW_DECADES
    decades = range(int(np.floor(np.log10(shortest))), int(np.ceil(np.log10(longest))) + 1)
    found = [one * 10.0**decade for decade in decades for one in ((1, 2, 5) if few else (1,))]
    found = [lag for lag in found if 0.95 * shortest <= lag <= 1.05 * longest]
    return [(-np.log10(lag), time_text(lag, unit)) for lag in found or [longest]]


def _bars(states, unit, pixel):
    """A segment for each state at each lag, as wide as its population; they overlap, or gaps would show."""
    rows, overlap = [], np.array([-pixel / 2, pixel / 2])
    for node, about in states.graph.nodes(data=True):
        x, y = states.edges[about["level"] : about["level"] + 2] + overlap, states.rows[about["branch"]]
        tip = describe_state(about, states.names[node], unit)
        rows.append(sheet.line(x, [y, y], states.colours[node], _width(about), tip=tip))
    return rows


def _connectors(states):
    """From each state to the parts into which it divides."""
    rows = []
    for above, below in states.graph.edges:
        old, new = states.graph.nodes[above], states.graph.nodes[below]
        if old["branch"] != new["branch"]:
            x, y = states.edges[new["level"]], [states.rows[one["branch"]] for one in (old, new)]
            rows.append(sheet.line([x, x], y, states.colours[below], 1.5))
    return rows


def _marked(states, dark):
    """Outlines of the bars of selected states."""
    rows = []
    for node in states.selected:
        about = states.graph.nodes[node]
        x, y = states.edges[about["level"] : about["level"] + 2], states.rows[about["branch"]]
        rows.append(sheet.line(x, [y, y], drawing.ink(dark), _width(about) + 5))
    return rows


def _dots(states, unit, dark):
    """The states at the shown lag."""
    rows = []
    for node, about in states.graph.nodes(data=True):
        if about["level"] == states.level:
            tip = describe_state(about, states.names[node], unit)
            x, y = states.places[states.level], states.rows[about["branch"]]
            size, rim = _width(about) + 6, drawing.ink(dark) if node in states.selected else ""
            rows.append(sheet.dot(x, y, states.colours[node], size, rim, tip=tip))
    return rows


def _words(states, pixel, ink):
    """Name and population of each state that does not divide, right of its bar."""
    last = {about["branch"]: node for node, about in states.graph.nodes(data=True)}
    leaves = states.rows.keys() - set(states.parents.values())
    rows, room = [], int((NAMES - 8) / CHARACTER)
    for branch in sorted(leaves):
        about, name = states.graph.nodes[last[branch]], states.names[last[branch]]
        name = name.removeprefix("state ") if ": " in name else name
        x, percent = states.edges[about["level"] + 1] + 8 * pixel, percent_text(about["population"])
        text = f"{wrap(name, room - len(percent) - 2, 1)[0]}, {percent}"
        rows.append(sheet.word(x, states.rows[branch], text, ink, align="left", size="10pt"))
    return rows


def _width(about):
    return 2.5 + 9 * about["population"]
