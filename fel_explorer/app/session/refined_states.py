"""States of one result among those of another on the same frames: their names, colours and levels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import numpy as np

from fel_explorer.app.session.result import Result
from fel_explorer.app.session.tree_nodes import branch_numbers

SAME = 0.5  # frames in both over frames in either, from which two states are the same one


def nearest_level(result: Result, lag_time: float) -> int:
    """The level of a tree whose lag is nearest to ``lag_time``, on a logarithmic axis."""
    lags = np.array(result.method.lags[: result.n_levels], float)
    return int(np.abs(np.log(lags / lag_time)).argmin())


def overlap(first: Result, second: Result) -> np.ndarray:
    """Frames (state of the first, state of the second) that are in both."""
    n = first.membership.shape[1], second.membership.shape[1]
    return np.bincount(first.state * n[1] + second.state, minlength=n[0] * n[1]).reshape(n)


def origins(first: Result, refined: Result) -> dict[tuple[int, int], tuple[int, int]]:
    """``{(level, state): (level, state)}`` of refined states and of the states of ``first`` that they are."""
    found = {}
    for level in range(refined.n_levels):
        new, place = refined.at(level), nearest_level(first, refined.method.lags[level])
        shared = overlap(first.at(place), new)
        either = shared.sum(1, keepdims=True) + shared.sum(0) - shared
        for state, origin in enumerate(shared.argmax(0)):
            if shared[origin, state] > SAME * either[origin, state]:
                found[level, state] = place, int(origin)
    return found


def carried_names(names: Mapping[tuple, str], first: Result, refined: Result) -> dict[tuple, str]:
    """``{(label, level, state): name}`` of refined states, from those of the states that they were.

    Parameters
    ----------
    names
        Given to states of ``first``, and others.
    """
    known = {place: names.get((first.label, *origin)) for place, origin in origins(first, refined).items()}
    return {(refined.label, *place): name for place, name in known.items() if name}


def carried_hues(first: Result, refined: Result) -> dict[str, int]:
    """``{node: number of its hue}`` of a refined tree: that of the state that it was, or a free one.

    ``first`` has a tree with branches over the lags.
    """
    numbers, nodes = branch_numbers(first.tree), first.tree.nodes
    hues: dict[tuple[int, int], int] = {}
    for place, (level, state) in origins(first, refined).items():
        hues[place] = numbers[nodes[f"{level + 1}-{state + 1}"]["branch"]]
    for _, about in sorted(refined.tree.nodes(data=True)):
        place = about["level"], about["state"]
        taken = {hue for (level, _), hue in hues.items() if level == place[0]}
        hues.setdefault(place, next(hue for hue in count() if hue not in taken))
    return {node: hues[about["level"], about["state"]] for node, about in refined.tree.nodes(data=True)}
