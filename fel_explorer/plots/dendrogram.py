"""The tree of states over time scales: the states at each lag, and how they divide."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

import networkx
import numpy as np
import pandas as pd

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.registry import register

ROOT = "all frames"
WIDTH, HEIGHT, AXIS = 420, 220, 80  # screen pixels of the plot, and of its left axis
TWO_HIGH = 38  # px between levels that hold two lines of text
TWO_LINES, ONE_LINE = 120, 26  # px between leaves at which names stand next to them, or take at least
CHARACTER, LINE, LEAF_LINES = 7, 13, 3  # px of a character and of a line; lines of the name of a leaf
STEM = 0.35  # of the distance between levels, from a node to where it divides
FAR = -1e9


@dataclass(frozen=True)
class Dendrogram:
    """Everything that `plot_dendrogram` draws.

    Attributes
    ----------
    graph
        The tree, as ``DivisiveIDM.graph`` has it.
    colours, names
        ``{node: colour}`` and ``{node: name}`` of its nodes.
    level
        The level shown elsewhere, which is marked; None marks none.
    selected
        Nodes to ring.
    """

    graph: networkx.DiGraph
    colours: Mapping[str, str]
    names: Mapping[str, str]
    level: int | None = None
    selected: frozenset = field(default_factory=frozenset)

    @property
    def lags(self) -> list[float]:
        """Lag of each level, longest first."""
        lags = {about["level"]: about["lag_time"] for _, about in self.graph.nodes(data=True)}
        return [lags[level] for level in sorted(lags)]

    def places(self) -> dict[str, tuple[float, float]]:
        """``{node: (x, y)}``: levels at y = -1, -2, ..., the whole at 0, parents amid their children."""
        places, next_leaf = {}, 0

        def place(node, depth):
            nonlocal next_leaf
            children = self.children(node)
            if children:
                x = float(np.mean([place(child, depth + 1) for child in children]))
            else:
                x, next_leaf = float(next_leaf), next_leaf + 1
            places[node] = (x, -float(depth))
            return x

        place(ROOT, 0)
        return places

    def children(self, node: str) -> list[str]:
        """Nodes that a node, or the whole, divides into."""
        if node == ROOT:
            return [n for n, degree in self.graph.in_degree if not degree]
        return list(self.graph.successors(node))

    def node_at(self, x: float, y: float, reach: float = 0.45) -> str | None:
        """The node at a clicked place, or None; ``reach`` is in units of the distance between nodes."""
        places = {node: place for node, place in self.places().items() if node != ROOT}
        node = min(places, key=lambda n: (places[n][0] - x) ** 2 + (places[n][1] - y) ** 2)
        near = abs(places[node][0] - x) < reach and abs(places[node][1] - y) < reach
        return node if near else None

    def table(self) -> pd.DataFrame:
        """One row per node: its attributes, with its parent."""
        rows = [
            {"node": node, "name": self.names[node], "parent": next(iter(self.graph.predecessors(node)), "")}
            | {key: value for key, value in about.items() if key != "state"}
            for node, about in self.graph.nodes(data=True)
        ]
        return pd.DataFrame(rows)


def _example(draw, rng, **theme):
    graph = networkx.DiGraph(time_unit="ps")
    fractions = {"1-1": 0.9, "1-2": 0.1, "2-1": 0.5, "2-2": 0.4, "2-3": 0.1}
    for node, fraction in fractions.items():
        level = int(node[0]) - 1
        graph.add_node(
            node,
            level=level,
            state=int(node[2]) - 1,
            population=fraction,
            lag_time=[50.0, 8.0][level],
            mean_lifetime=100.0,
            gain=0.05,
            gain_error=0.01,
            visits=80.0,
            stability=0.98,
            representative=0,
        )
    graph.add_edges_from([("1-1", "2-1"), ("1-1", "2-2"), ("1-2", "2-3")])
    colours = dict(zip(fractions, ("#0072b2", "#e69f00", "#4ea3e0", "#004a80", "#e69f00"), strict=True))
    names = {node: f"state {node}" for node in fractions}
    return draw(Dendrogram(graph, colours, names, 1, frozenset({"2-1"})), **theme)


@register(_example)
@sheet.SheetPlot
def plot_dendrogram(
    tree: Dendrogram, *, width: int = WIDTH, height: int = HEIGHT, dark: bool = False
) -> sheet.Sheet:
    """Levels from the longest lag down; widths and dots by population, the level and the selection marked.

    ``width`` and ``height`` are the frame's in screen pixels.
    """
    places, lags, unit = tree.places(), tree.lags, tree.graph.graph["time_unit"]
    right = max(x for x, _ in places.values()) + 0.9
    ink, pixel = drawing.ink(dark), (right + 0.6) / (width - AXIS)
    below = 1 / pixel < TWO_LINES  # no room next to the leaves
    if below:
        right -= 0.3
        pixel = (right + 0.6) / (width - AXIS)
    limits = ((-0.6, right), (-len(lags) - (_foot(tree, height, pixel) if below else 0.62), 0.45))
    marks = [(-level - 1, time_text(lag, unit)) for level, lag in enumerate(lags)]
    page = sheet.Sheet(limits, ("", "time resolution (lag)"), ticks={0: [(FAR, "")], 1: marks})
    if tree.level is not None:
        low, high = -tree.level - 1.5, -tree.level - 0.62
        low = limits[1][0] if tree.level == len(lags) - 1 else low
        x = np.repeat(limits[0], 2)
        page.areas = [drawing.area(x, [low, high, high, low], drawing.faint(dark), 0.16)]
    page.lines = _branches(tree, places, dark)
    page.dots = _nodes(tree, places, unit, dark)
    page.words = [sheet.word(places[ROOT][0], 0.2, ROOT, ink)]
    high = (limits[1][1] - limits[1][0]) / height
    page.words += _words(tree, places, right, pixel, high, below, 1 / high < TWO_HIGH, ink)
    return page


def _foot(tree, height, pixel):
    """Room below the leaves for their names, in units of the distance between levels."""
    names = [tree.names[node].removeprefix("state ") for node in tree.graph if not tree.children(node)]
    lines = 1 + max(len(wrap(name, int(1 / pixel / CHARACTER), LEAF_LINES)) for name in names)
    taken = min(LINE * lines + 16, height / 2)
    return taken * (len(tree.lags) + 0.45) / (height - taken)


def _words(tree, places, right, pixel, high, below, low, ink):
    """Name, fraction and lifetime next to each node where there is room; under the leaves if ``below``.

    A screen pixel is ``pixel`` wide and ``high``. Between levels that are ``low`` there is room for one line.
    """
    rows, lowest, unit = [], -len(tree.lags), tree.graph.graph["time_unit"]
    for node, about in tree.graph.nodes(data=True):
        x, y = places[node]
        name, percent = tree.names[node].removeprefix("state "), percent_text(about["population"])
        if below and y == lowest:
            lines = wrap(name, int(1 / pixel / CHARACTER), LEAF_LINES)
            lines += [percent] if 1 / pixel >= ONE_LINE + 10 else []
            down = high * (_size(about) / 2 + 4 + LINE * len(lines) / 2)
            rows.append(sheet.word(x, y - down, "\n".join(lines), ink, size="10pt"))
            continue
        start = x + pixel * (_size(about) / 2 + 7)
        others = [places[n][0] for n in tree.graph if places[n][1] == y and places[n][0] > x]
        room = (min(others, default=right) - start) / pixel
        # an empty word where there is no room: bokeh 3.9 fails to draw fewer words when they change in haste
        text = _beside(name, percent, time_text(about["mean_lifetime"], unit), room / CHARACTER, low)
        higher = 0.14 if len(tree.children(node)) > 1 else 0.0  # than its branch
        rows.append(sheet.word(start, y + higher, text, ink, align="left", size="10pt"))
    return rows


def _beside(name, percent, lifetime, characters, low):
    """One or two lines in a room of so many characters; "" where there is too little."""
    short = name.split(":")[0]
    long = [f"{percent}, {lifetime}", percent]
    second = next((text for text in long if len(text) <= characters), "")
    if low:
        texts = [f"{name} {percent}", name]
        texts += wrap(name, int(characters), 1) if characters >= len(short) + 6 else []
        return next((text for text in (*texts, short) if len(text) <= characters), "")
    if len(name) <= characters:
        return f"{name}\n{second}".strip()
    cut = wrap(name, int(characters), 1)[0] if characters >= len(short) + 4 else short
    return f"{cut}\n{second}".strip() if len(short) <= characters else ""


def percent_text(fraction: float) -> str:
    """ "41 %", "4.1 %"."""
    return f"{100 * fraction:.0f} %" if fraction >= 0.1 else f"{100 * fraction:.2g} %"


def wrap(name: str, characters: int, most: int) -> list[str]:
    """A name in lines of so many characters, ``most`` of them; what is left out is an ellipsis."""
    lines = textwrap.wrap(name, max(characters, 3), break_long_words=True) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])[: max(characters, 3) - 1].rstrip() + "…"]
    return lines


def _branches(tree, places, dark):
    """A stem below each node that divides and elbows to its children, as wide as their populations."""
    rows = []
    for node in [ROOT, *tree.graph]:
        if len(tree.children(node)) > 1:
            (x, y), about = places[node], tree.graph.nodes.get(node, {"population": 1.0})
            colour = tree.colours.get(node, drawing.faint(dark))
            rows.append(sheet.line([x, x], [y, y - STEM], colour, _width(about)))
    for node, about in tree.graph.nodes(data=True):
        x, y = places[node]
        parent = next(iter(tree.graph.predecessors(node)), ROOT)
        above, top = places[parent]
        top -= STEM if len(tree.children(parent)) > 1 else 0
        rows.append(sheet.line([above, x, x], [top, top, y], tree.colours[node], _width(about)))
    return sorted(rows, key=lambda row: -row["width"])


def _width(about):
    return 1.5 + 9 * about["population"]


def _size(about):
    return 10 + 13 * np.sqrt(about["population"])


def describe_node(tree: Dendrogram, node: str, unit: str) -> str:
    """What is known of a state of the tree, in a sentence: size, evidence, where it comes and goes."""
    graph, about = tree.graph, tree.graph.nodes[node]
    first = last = node
    while parents := [one for one in graph.predecessors(first) if graph.out_degree(one) == 1]:
        first = parents[0]
    while len(children := list(graph.successors(last))) == 1:
        last = children[0]
    split = graph.nodes[first]  # the states before it divided into this one and others
    parts = [f"{100 * about['population']:.3g} % of all frames"]
    parts.append(f"mean lifetime {time_text(about['mean_lifetime'], unit)}")
    if np.isfinite(split.get("gain", np.nan)):
        parts.append(f"gain {split['gain']:.2g} ± {split['gain_error']:.1g} nats")
        parts.append(f"{split['visits']:.0f} visits")
    if not np.isnan(split["stability"]):
        parts.append(f"stability {split['stability']:.2f} (agreement of restarts, at most 1)")
    ends = [f"appears at {time_text(split['lag_time'], unit)}"]
    if children:
        ends.append(f"divides at {time_text(graph.nodes[children[0]]['lag_time'], unit)}")
    return f"{tree.names[node]}: {', '.join(parts)}; {', '.join(ends)}"


def _nodes(tree, places, unit, dark):
    rows = []
    for node, about in tree.graph.nodes(data=True):
        size, colour, tip = _size(about), tree.colours[node], describe_node(tree, node, unit)
        x, y = places[node]
        if node in tree.selected:
            rows.append(sheet.dot(x, y, drawing.ink(dark), size + 8))
        rows.append(sheet.dot(x, y, colour, size, tip=tip))
    return rows
