"""Names and colours of the states of a tree, and which of its nodes are the same state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import networkx
import numpy as np
import xarray as xr

from fel_explorer.plots.colours import state_colours, tints
from fel_explorer.structures.state_description import describe_levels


def short_name(name: str) -> str:
    """The name of a state where room is scarce: "3-1: extended" of "state 3-1: extended"."""
    return name.removeprefix("state ") if ": " in name else name


def proposed_names(states: Sequence[np.ndarray], tree, dataset: xr.Dataset) -> dict[str, str]:
    """``{node: name}`` of the states of each level, by what sets them apart in the dataset.

    Parameters
    ----------
    states
        (frame,) int for each level.
    tree
        None where there is one level.
    """
    parents: list[list[int]] = [[] for _ in states]
    for node, level in () if tree is None else tree.nodes(data="level"):
        above = next(iter(tree.predecessors(node)), None)
        parents[level] += [] if above is None else [tree.nodes[above]["state"]]
    found = describe_levels(
        states,
        [np.array(one, int) for one in parents[1:]],
        dataset,
        unique=tree is None or not _has_branches(tree),
    )
    named = enumerate(found, 1)
    return {f"{level}-{i}": said for level, names in named for i, said in enumerate(names, 1) if said}


@lru_cache(maxsize=16)
def branch_numbers(tree) -> dict[int, int]:
    """``{branch: number}`` of a tree whose nodes have branches, for their names and colours.

    Of the branches into which one divides the most populated keeps its number; the others, and those that
    have no parent, have the lowest number that nothing has at the same lags.
    """
    lags: dict[int, list[int]] = {}
    first: dict[int, str] = {}
    for node, about in tree.nodes(data=True):  # from the longest lag on, the most populated first
        lags.setdefault(about["branch"], []).append(about["level"])
        first.setdefault(about["branch"], node)
    numbers: dict[int, int] = {}
    for branch, node in first.items():
        parents = [tree.nodes[parent]["branch"] for parent in tree.predecessors(node)]
        taken = {number for other, number in numbers.items() if set(lags[other]) & set(lags[branch])}
        wanted = [numbers[parent] for parent in parents if numbers[parent] not in taken]
        free = (number for number in range(len(first)) if number not in taken)
        numbers[branch] = wanted[0] if wanted else next(free)
    return numbers


def tree_names(tree) -> dict[str, str]:
    """``{node: name}``: "state 2-3", level and index; "state 3" where a state has a branch over the lags."""
    if _has_branches(tree):
        numbers = branch_numbers(tree)
        return {node: f"state {numbers[branch] + 1}" for node, branch in tree.nodes(data="branch")}
    return {node: f"state {node}" for node in tree}


def undivided(tree, node) -> list[str]:
    """The nodes that are the same state: only children, and parents of one."""
    chain = [node]
    while len(above := list(tree.predecessors(chain[0]))) == 1 and tree.out_degree(above[0]) == 1:
        chain.insert(0, above[0])
    while len(below := list(tree.successors(chain[-1]))) == 1:
        chain.append(below[0])
    return chain


def _has_branches(tree) -> bool:
    return all("branch" in about for about in tree.nodes.values())


def tree_colours(tree, *, dark: bool = False) -> dict[str, str]:
    """``{node: colour}`` of a tree of states: hues at the top, tints of the parent's below.

    In a tree with branches over the lags each branch has a hue. Nodes that refine other states have theirs.
    """
    given = networkx.get_node_attributes(tree, "hue")
    if given:
        hues = state_colours(range(1 + max(given.values())), dark=dark)
        return {node: hues[hue] for node, hue in given.items()}
    if _has_branches(tree):
        numbers = branch_numbers(tree)
        hues = state_colours(range(len(numbers)), dark=dark)
        return {node: hues[numbers[branch]] for node, branch in tree.nodes(data="branch")}
    colours = {}
    top = [node for node, degree in tree.in_degree if not degree]
    for index, node in enumerate(top):
        colours[node] = state_colours([index], dark=dark)[index]
    waiting = list(top)
    while waiting:
        node = waiting.pop()
        children = list(tree.successors(node))
        colours |= zip(children, tints(colours[node], len(children)), strict=True)
        waiting += children
    return colours
