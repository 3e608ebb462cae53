"""Python code for selections of frames, and for merged, split and named states.

Every selection is made anew from the numbers that are printed; where that does not give the frames of the
session, such as after another training under the same name, the frames themselves are printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from fel_explorer.app.codegen.polygon_simplification import simplify_region
from fel_explorer.app.codegen.positions import Scope, positions_code
from fel_explorer.app.session.result import Merge, Result
from fel_explorer.app.session.selection import Selection
from fel_explorer.app.session.selection_origin import Condition, Intervals, Region, StateFrames
from fel_explorer.data import select
from fel_explorer.errors import FelError
from fel_explorer.kinetics import merge_states, split_state

WIDTH = 100  # of a line
NOTHING = 'selected = np.zeros(data.sizes["frame"], bool)'
SIGNS = {"replace": "= ", "add": "|= ", "subtract": "&= ~", "intersect": "&= "}
MAX_RUNS = 24  # of frames in a row that are printed


class Part(NamedTuple):
    """Frames (frame,) bool, the expression that makes them, and the lines that this needs.

    ``places`` are assignments that need not come again while they hold, ``outline`` is the region's own.
    """

    mask: np.ndarray
    expression: str
    places: Sequence[str] = ()
    outline: Sequence[str] = ()


# ---- selections


def selection_lines(scope: Scope, selection: Selection) -> list[str]:
    """Lines that make ``selected`` (frame,) bool."""
    return _by_steps(scope, selection) or _by_frames(selection.mask)


def _by_steps(scope, selection) -> list[str] | None:
    """As it was done on the page; None where that is not known or no longer gives the same."""
    if not selection.steps:
        return None
    mask, lines, assigned = np.zeros(len(selection.mask), bool), [], {}
    if selection.steps[0].mode != "replace":
        lines.append(NOTHING)
    for mode, origin in selection.steps:
        if mode == "invert":
            mask = ~mask
            lines.append("selected = ~selected")
            continue
        part = _part(scope, origin)
        if part is None:
            return None
        mask = Selection(mask).combine(part.mask, "", mode).mask
        for line in part.places:
            name = line.partition(" = ")[0]
            lines += [line] * (assigned.get(name) != line)
            assigned[name] = line
        lines += [*part.outline, f"selected {SIGNS[mode]}{part.expression}"]
    return lines if np.array_equal(mask, selection.mask) else None


def _by_frames(mask) -> list[str]:
    """By numbers of frames, or where these are many by the file that the page exports."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    runs = [f"{first}:{last}" for first, last in edges.reshape(-1, 2)]
    if not runs:
        return [NOTHING]
    if len(runs) <= MAX_RUNS:
        return [NOTHING, *_folded("selected[np.r_[", runs, "]] = True")]
    return [
        "import pandas as pd",
        NOTHING,
        '# no short rule gives these frames: "selection.csv" is the CSV that the page exports of them',
        'selected[pd.read_csv("selection.csv", comment="#")["frame"]] = True',
    ]


def _part(scope, origin) -> Part | None:
    if isinstance(origin, StateFrames):
        result = scope.result
        if scope.states is None or (origin.model, origin.level) != (result.label, result.level):
            return None
        return Part(scope.states == origin.state, f"(states.values == {origin.state})")
    if isinstance(origin, Condition):
        return _condition(scope, origin)
    return _intervals(scope, origin) if isinstance(origin, Intervals) else _region(scope, origin)


# ---- regions


def _region(scope, region: Region) -> Part | None:
    found = positions_code(scope, region.model, region.axes)
    if found is None:
        return None
    xy, expression, lines = found
    short, places = simplify_region(region, xy), [*lines, f"xy = {expression}"]
    if region.shape == "box":
        (left, bottom), (right, top) = short.vertices
        box = f"({left!r}, {bottom!r}, {right!r}, {top!r})"
        return Part(short.holds(xy), f"fel.data.in_box(xy, {box})", places)
    outline = _folded("outline = [", [f"({x!r}, {y!r})" for x, y in short.vertices], "]")
    return Part(short.holds(xy), "fel.data.in_polygon(xy, outline)", places, outline)


def _condition(scope, origin: Condition) -> Part | None:
    try:
        mask = select(scope.session.dataset, origin.formula)
    except FelError:  # a column that is gone
        return None
    return Part(mask, f"fel.data.select(data, {origin.formula!r})")


def _intervals(scope, origin: Intervals) -> Part | None:
    found = positions_code(scope, origin.model, origin.axes)
    if found is None:
        return None
    values, expression, lines = found
    ends = [
        " & ".join(f"(x {sign} {end!r})" for sign, end in zip("><", pair, strict=True) if np.isfinite(end))
        for pair in origin.bounds
    ]
    if not all(ends):
        return None
    inside = " | ".join(f"({one})" for one in ends)
    return Part(origin.holds(values[:, 0]), f"({inside})", [*lines, f"x = {expression}[:, 0]"])


def _folded(start: str, items: list[str], end: str) -> list[str]:
    """``start`` items ``end`` in one line where they fit, else the items on lines of their own."""
    line = f"{start}{', '.join(items)}{end}"
    if len(line) <= WIDTH:
        return [line]
    # blanks inside of an item must not be broken at
    body = wrap(", ".join(item.replace(" ", "\0") for item in items) + ",", WIDTH - 4)
    return [start, *(f"    {part}".replace("\0", " ") for part in body), end]


# ---- states


def has_known_edits(result: Result) -> bool:
    """Return whether the edits that led to the states of ``result`` are known."""
    return not result.edited or bool(result.changes)


def edit_lines(scope: Scope) -> list[str]:
    """Lines that merge and split ``states`` and ``memberships`` as the user did."""
    result = scope.result
    base = scope.session.results[result.label].at(result.level)
    states, memberships, lines = base.state, base.membership, []
    if not has_known_edits(result):
        lines.append("# states were merged and split on the page by an older version, which did not note how")
    for change in result.changes:
        if isinstance(change, Merge):
            given = f"merge_states(states, memberships, {list(change.states)})"
            states, memberships = merge_states(states, memberships, change.states)
        else:
            lines += selection_lines(Scope(scope.session, result, states), change.selection)
            given = f"split_state(states, memberships, {change.state}, selected)"
            states, memberships = split_state(states, memberships, change.state, change.selection.mask)
        lines.append(f"states, memberships = fel.kinetics.{given}")
    return lines
