"""Origins of selections: a region of a map, or a state.  Immutable values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from fel_explorer.data import in_box, in_polygon
from fel_explorer.data.formulas import names_in

MAX_INTERVALS = 6


@dataclass(frozen=True)
class Region:
    """A polygon or box that was drawn on a map.

    Attributes
    ----------
    model
        Label of the model whose CVs axes may be; '' without one.
    axes
        Names of the map's axes.
    shape
        "lasso" or "box".
    vertices
        (x, y) along the axes, in order; of a box its left lower and its right upper corner.
    """

    model: str
    axes: tuple[str, ...]
    shape: str
    vertices: tuple[tuple[float, float], ...]

    @classmethod
    def drawn(cls, model: str, axes, shape: str, vertices) -> Region:
        """Of ``vertices`` (vertex, 2) in any form."""
        places = np.asarray(vertices, float).reshape(-1, 2).tolist()
        return cls(model, tuple(axes), shape, tuple(map(tuple, places)))

    def holds(self, xy: np.ndarray) -> np.ndarray:
        """Whether each point of ``xy`` (frame, 2) lies inside."""
        if self.shape == "box":
            return in_box(xy, (*self.vertices[0], *self.vertices[1]))
        return in_polygon(xy, np.array(self.vertices))


@dataclass(frozen=True)
class Intervals:
    """Intervals of one axis, open at both ends: what a region on a free-energy profile holds.

    ``model`` as for `Region`; ``axes`` is the one axis, ``bounds`` are (low, high), infinite where there is
    no end.
    """

    model: str
    axes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]

    @classmethod
    def around(cls, model: str, axis: str, x: np.ndarray, mask: np.ndarray) -> Intervals | None:
        """Those that hold the frames in ``mask`` of the values ``x`` (frame,); None where they are too many.

        Frames of equal values can't be separated by any interval.
        """
        order = np.argsort(x, kind="stable")
        values, inside = x[order].astype(float), mask[order]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
        if not 0 < len(edges) <= 2 * MAX_INTERVALS:
            return None
        ends = [_between(values, place) for place in edges]
        made = cls(model, (axis,), tuple(zip(ends[::2], ends[1::2], strict=True)))
        return made if np.array_equal(made.holds(x), mask) else None

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Whether each value of ``x`` (frame,) lies inside."""
        return np.any([(x > low) & (x < high) for low, high in self.bounds], axis=0)


def _between(values, place: int) -> float:
    """A number of few digits between the sorted values before and at ``place``."""
    if place in (0, len(values)):
        return -np.inf if place == 0 else np.inf
    low, high = values[place - 1 : place + 1]
    if low == high:
        return float(low)
    places = int(-np.floor(np.log10(high - low)))
    short = round(float(low + high) / 2, places)
    return short + 0.0 if low < short < high else round(float(low + high) / 2, places + 1)


@dataclass(frozen=True)
class StateFrames:
    """The frames of a state of a result: its label, the level of its tree, and the state."""

    model: str
    level: int
    state: int
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """Frames where a formula of the data's columns, torsions and features holds, see `data.select`.

    ``model`` is '', ``axes`` are the names in the formula.
    """

    formula: str
    axes: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def of(cls, formula: str) -> Condition:
        """The condition that ``formula`` states."""
        return cls(formula, tuple(dict.fromkeys(names_in(formula))))


Origin = Region | Intervals | StateFrames | Condition
KINDS = {kind.__name__: kind for kind in (Region, Intervals, StateFrames, Condition)}


class Step(NamedTuple):
    """One change of a selection: ``mode`` is one of `selection.MODES`, or "invert" without an origin."""

    mode: str
    origin: Origin | None = None

    def relabel(self, old: str, new: str) -> Step:
        """The same after a model was given another label."""
        if self.origin is None or self.origin.model != old:
            return self
        return Step(self.mode, replace(self.origin, model=new))


def to_json(steps: Sequence[Step] | None) -> list | None:
    """``steps`` as JSON types."""
    if steps is None:
        return None
    return [
        [mode] if origin is None else [mode, type(origin).__name__, asdict(origin)] for mode, origin in steps
    ]


def from_json(about: list | None) -> tuple[Step, ...] | None:
    """The steps of `to_json`."""
    if about is None:
        return None
    return tuple(Step(one[0], KINDS[one[1]](**_tuples(one[2])) if len(one) > 1 else None) for one in about)


def _tuples(value):
    """JSON's lists as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
