"""The tree of states of a session as it is drawn: levels one below the other, or bars over the lags."""

from __future__ import annotations

import numpy as np

from fel_explorer.app.session.result import MicrostateLevels, Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.session.tree_nodes import tree_colours, tree_names
from fel_explorer.plots.dendrogram import Dendrogram, plot_dendrogram
from fel_explorer.plots.persistence import Persistence, plot_persistence
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.sheet import Sheet

ALL = 0.99  # fraction of a state's frames from which it counts as selected


def tree_drawing(session: Session, *, dark: bool = False) -> Dendrogram | Persistence | None:
    """What is drawn of the shown result's tree, its level and the selection; None without a tree."""
    result = session.shown
    if result is None or result.tree is None:
        return None
    names = tree_names(result.tree)
    for node, about in result.tree.nodes(data=True):
        given = session.state_names.get((session.active, about["level"], about["state"]))
        said = result.words.get(node, "")
        names[node] = given or (f"{names[node]}: {said}" if said else names[node])
    kind = Persistence if is_scan(result) else Dendrogram
    return kind(
        result.tree, tree_colours(result.tree, dark=dark), names, result.level, selected_nodes(session)
    )


def draw_tree(drawing: Dendrogram | Persistence, **options) -> Sheet:
    """The figure of a tree; ``options`` are those of `plot_dendrogram` and `plot_persistence`."""
    if isinstance(drawing, Persistence):  # its rows need no more height
        return plot_persistence.sheet(drawing, **{k: v for k, v in options.items() if k != "height"})
    return plot_dendrogram.sheet(drawing, **options)


def is_scan(result: Result) -> bool:
    """Whether states were sought at each lag anew, so that the axis of lags is continuous."""
    return result.method.has_tree and result.method.has_microstates


def selected_nodes(session: Session) -> frozenset[str]:
    """Nodes of which (nearly) all frames are selected."""
    mask = session.selection.mask
    if not mask.any():
        return frozenset()
    levels = session.results[session.active].levels
    if isinstance(levels, MicrostateLevels):
        fractions = levels.fractions_inside(mask)
    else:
        fractions = [_fraction_inside(level, mask) for level in levels]
    return frozenset(
        f"{level + 1}-{state + 1}"
        for level, inside in enumerate(fractions)
        for state in np.flatnonzero(inside >= ALL)
    )


def _fraction_inside(result, mask):
    n = result.membership.shape[1]
    frames = np.bincount(result.state, minlength=n)
    return np.bincount(result.state[mask], minlength=n) / np.maximum(frames, 1)


def describe_level(result: Result) -> str:
    """How many states a scan has at the shown lag, and over which lags their number stays the same."""
    tree, unit = result.tree, result.tree.graph["time_unit"]
    levels = [about["level"] for about in tree.nodes.values()]
    counts, lags = np.bincount(levels), result.method.lags
    n = int(counts[result.level])
    other = np.flatnonzero(counts != n)
    first = int(max(other[other < result.level], default=-1)) + 1
    last = int(min(other[other > result.level], default=len(counts))) - 1
    found = f"{n} state{'s' * (n > 1)} at {time_text(lags[result.level], unit)}"
    if first == last:
        return f"{found}, at this lag only."
    said = f"{found}: the same number from {time_text(lags[first], unit)} to {time_text(lags[last], unit)}"
    if not first <= result.method.default_level <= last:
        return f"{said}."
    if n == 1:
        return f"{said}. No division has evidence at any lag."
    return f"{said}, the widest range of lags with {'2' if n == 2 else '3 or more'} states."
