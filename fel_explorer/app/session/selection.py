"""Selections and clicked points: immutable values, so that undo is a list of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fel_explorer.app.session.selection_origin import Origin, Step
from fel_explorer.errors import FelError

MODES = ("replace", "add", "subtract", "intersect")


@dataclass(frozen=True)
class PathAnchors:
    """Anchors of a path that were set on a map.

    Attributes
    ----------
    axes
        Names of the map's axes.
    anchors
        Positions (x, y) along them, in order.
    """

    axes: tuple[str, str]
    anchors: tuple[tuple[float, float], ...] = ()

    def then(self, x: float, y: float) -> PathAnchors:
        """With one more anchor."""
        return PathAnchors(self.axes, (*self.anchors, (float(x), float(y))))


@dataclass(frozen=True, eq=False)
class Selection:
    """An immutable set of frames and how it was made.

    Attributes
    ----------
    mask
        (frame,) bool, read-only.
    how
        For people and for exports: "lasso on IDM 1, added state 2".
    steps
        The same for programs, in order; None where it is not known how the frames were chosen.
    """

    mask: np.ndarray
    how: str = "nothing selected"
    steps: tuple[Step, ...] | None = ()

    def __post_init__(self):
        mask = np.array(self.mask, dtype=bool)
        mask.flags.writeable = False
        object.__setattr__(self, "mask", mask)

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.mask))

    @property
    def frames(self) -> np.ndarray:
        """Indices of the selected frames, ascending."""
        return np.flatnonzero(self.mask)

    @property
    def axes(self) -> set[str]:
        """Names of all axes along which regions were drawn."""
        return {name for step in self.steps or () if step.origin is not None for name in step.origin.axes}

    def combine(
        self, mask: np.ndarray, how: str, mode: str = "replace", origin: Origin | None = None
    ) -> Selection:
        """A new selection: ``mask`` replaces this one, is added, subtracted, or intersected with it.

        ``origin`` is what ``mask`` was made by, None where that is not known.
        """
        if mode not in MODES:
            raise FelError(f"mode={mode!r}.", f"Modes are {', '.join(MODES)}.")
        if len(mask) != len(self.mask):
            raise FelError(f"A mask of {len(mask)} frames for a dataset of {len(self.mask)} frames.")
        if mode == "replace" or (self.count == 0 and mode == "add"):
            return Selection(mask, how, self._then("replace", origin))
        steps = self._then(mode, origin)
        if mode == "add":
            return Selection(self.mask | mask, f"{self.how}; added {how}", steps)
        if mode == "subtract":
            return Selection(self.mask & ~mask, f"{self.how}; removed {how}", steps)
        return Selection(self.mask & mask, f"{self.how}; kept within {how}", steps)

    def invert(self) -> Selection:
        """All other frames."""
        steps = None if self.steps is None else (*self.steps, Step("invert"))
        how = f"all but ({self.how})" if self.mask.any() else "all frames"
        return Selection(~self.mask, how, steps)

    def relabel(self, old: str, new: str) -> Selection:
        """The same after a model was given another label."""
        steps = None if self.steps is None else tuple(step.relabel(old, new) for step in self.steps)
        return self if steps == self.steps else replace(self, steps=steps)

    def _then(self, mode, origin):
        if origin is None or (self.steps is None and mode != "replace"):
            return None
        return (*(self.steps if mode != "replace" else ()), Step(mode, origin))


@dataclass(frozen=True, eq=False)
class Point:
    """A clicked point of a model's embedding.

    Attributes
    ----------
    model
        Label of the model whose embedding was clicked.
    position
        (cv,) in the embedding's coordinates; axes not shown on the map are those of the nearest frame.
    frame
        Index of the nearest observed frame.
    distance
        Distance from ``position`` to that frame in the embedding.
    off_manifold
        Whether the distance is large compared with the spacing of the data, so that a decoded structure there
        is an extrapolation.
    """

    model: str
    position: np.ndarray
    frame: int
    distance: float
    off_manifold: bool
