"""A drawing as plain data: an image, areas, lines, dots and words on two axes.

Three things show a `Sheet`: the page by a standing Bokeh figure (`app/widgets/bokeh_sheet.py`), notebooks by
HoloViews (`Sheet.overlay`), files by matplotlib (`plots/sheet_figure.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, ParamSpec

import numpy as np

from fel_explorer.plots import drawing
from fel_explorer.plots.tick_places import linear_ticks, log_ticks

if TYPE_CHECKING:
    import holoviews as hv
    from numpy.typing import ArrayLike

P = ParamSpec("P")
ROWS = ("areas", "lines", "dashes", "heads", "dots", "words")  # from below to above
MAX_WORDS = 12  # in the description for screen readers


def line(x: ArrayLike, y: ArrayLike, colour: str, width: float = 2.0, tip: str = "") -> dict:
    """A curve; ``tip`` is shown when it is hovered."""
    return drawing.line(x, y, colour, width, tip=tip)


def dot(x: float, y: float, colour: str, size: float = 8.0, rim: str = "", tip: str = "") -> dict:
    """A disc of diameter ``size`` in pixels with a ``rim`` of another colour."""
    return {"x": x, "y": y, "colour": colour, "size": size, "rim": rim or colour, "tip": tip}


def word(
    x: float,
    y: float,
    text: str,
    colour: str,
    *,
    align: str = "center",
    size: str = "11pt",
    style: str = "normal",
    ground: str = "",
) -> dict:
    """Text at a point, on a ``ground`` of a colour or on none."""
    about = {"align": align, "size": size, "style": style, "ground": ground or drawing.CLEAR}
    return {"x": x, "y": y, "text": text, "colour": colour, **about}


@dataclass
class Sheet:
    """The layers of a drawing, from below to above; rows are made by the functions of this module.

    Attributes
    ----------
    limits, labels
        ((left, right), (bottom, top)) and labels of the axes.
    image
        (x, y, values between 0 and 1, colours), or None.
    log
        Whether the x and the y axis are logarithmic.
    ticks
        {0 or 1: [(place, word)]} for an axis with ticks of its own; places on a logarithmic axis are
        logarithms.
    """

    limits: tuple
    labels: tuple[str, str]
    image: tuple | None = None
    areas: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    dashes: list = field(default_factory=list)
    heads: list = field(default_factory=list)
    dots: list = field(default_factory=list)
    words: list = field(default_factory=list)
    log: tuple[bool, bool] = (False, False)
    ticks: dict = field(default_factory=dict)

    def linear(self) -> Sheet:
        """The same drawing on linear axes of decadic logarithms where they were logarithmic, with all ticks.

        A figure can then show one sheet after another without other axes.
        """
        limits = tuple(tuple(map(float, self._scaled(ends, axis))) for axis, ends in enumerate(self.limits))
        ticks = {
            axis: self.ticks.get(axis) or (log_ticks if log else linear_ticks)(limits[axis])
            for axis, log in enumerate(self.log)
        }
        rows = {name: getattr(self, name) for name in ROWS}
        if any(self.log):
            rows = {name: self._rows(layer) for name, layer in rows.items()}
        return replace(self, limits=limits, log=(False, False), ticks=ticks, **rows)

    def description(self) -> str:
        """Labels and the words that are written in the plot, for a screen reader."""
        words = [str(row["text"]) for row in self.words if row["text"]]
        about = " against ".join(filter(None, (self.labels[1], self.labels[0])))
        return ". ".join([f"Plot of {about}", *words[:MAX_WORDS]])

    def overlay(self) -> hv.Overlay:
        """The HoloViews overlay."""
        from fel_explorer.plots.sheet_overlay import overlay_of  # HoloViews, which the page does not need

        return overlay_of(self)

    def _scaled(self, values, axis):
        return np.log10(values) if self.log[axis] else np.asarray(values, float)

    def _rows(self, rows):
        return [{**row, "x": self._scaled(row["x"], 0), "y": self._scaled(row["y"], 1)} for row in rows]


class SheetPlot(Generic[P]):
    """A plot made from a function that returns a `Sheet`: called, it returns the HoloViews overlay of that.

    Attributes
    ----------
    sheet
        The function itself, for the page and for files.
    """

    def __init__(self, sheet: Callable[P, Sheet]) -> None:
        functools.update_wrapper(self, sheet)
        self.sheet = sheet

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> hv.Overlay:
        return self.sheet(*args, **kwargs).overlay()
