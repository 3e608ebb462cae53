"""The sheet that the plots of kinetics are drawn on: an image, areas, lines, dots and words.

Every plot on it has the same layers in the same order, on linear axes (logarithms are taken here): one
DynamicMap can show one plot after the other, and a page needs one Bokeh figure instead of many, each of which
costs a fifth of a second at its opening.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import holoviews as hv
import numpy as np

from fel_explorer.plots import drawing, hooks
from fel_explorer.plots.drawing import AXES, FAR, UNSEEN
from fel_explorer.plots.style import FRAME
from fel_explorer.plots.tick_places import linear_ticks, log_ticks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TIP: dict[str, Any] = {"about": ("tip",), "tooltips": "@tip"}


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
    about = {"align": align, "size": size, "style": style, "ground": ground or UNSEEN[0]}
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
        {0 or 1: [(place, word)]} for an axis with ticks of its own.
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

    def overlay(self) -> hv.Overlay:
        """The HoloViews overlay."""
        limits = tuple(self._scaled(values, axis) for axis, values in enumerate(self.limits))
        limits = tuple((float(low), float(high)) for low, high in limits)
        usual = [log_ticks if log else linear_ticks for log in self.log]
        marks = [self.ticks.get(axis) or usual[axis](limits[axis]) for axis in (0, 1)]
        layers = [
            _image(self.image, limits),
            drawing.areas(self._rows(self.areas)),
            _with_tips(drawing.lines(self._rows(self.lines), **TIP)),
            _with_tips(drawing.lines(self._rows(self.dashes), dash="dashed", **TIP)),
            drawing.areas(self._rows(self.heads)),
            _with_tips(drawing.dots([tuple(r.values()) for r in self._rows(self.dots)], **TIP)).opts(
                line_width=2
            ),
            _words(self._rows(self.words)),
        ]
        return hv.Overlay(layers).opts(
            xlabel=self.labels[0],
            ylabel=self.labels[1],
            xlim=limits[0],
            ylim=limits[1],
            show_legend=False,
            toolbar=None,
            default_tools=[],
            hooks=[hooks.axes(limits, self.labels), hooks.ticks(marks), hooks.font_sizes, self._described()],
            **FRAME,
        )

    def _described(self):
        """Labels and the words that are written in the plot, for a screen reader."""
        words = [str(row["text"]) for row in self.words if row["text"]]
        return hooks.describe(". ".join([f"Plot of {self.labels[1]} against {self.labels[0]}", *words[:12]]))

    def _scaled(self, values, axis):
        return np.log10(values) if self.log[axis] else np.asarray(values, float)

    def _rows(self, rows):
        return [{**row, "x": self._scaled(row["x"], 0), "y": self._scaled(row["y"], 1)} for row in rows]


def _image(image, limits):
    if image is None:  # a speck that nobody sees: an image of NaNs makes holoviews warn
        x, y = ([low, low + 1e-6 * (high - low)] for low, high in limits)
        image = x, y, np.ones((2, 2)), ["#00000000", "#00000000"]
    x, y, values, colours = image
    return hv.Image((x, y, values), AXES, "value").opts(
        cmap=list(colours), clim=(0.0, 1.0), apply_ranges=False, show_legend=False
    )


def _with_tips(element):
    """No tooltip where its text is empty."""
    return element.opts(hooks=[hooks.hover_only_with_words("tip")])


def _words(rows):
    unseen = [
        word(FAR[0], FAR[0], "", UNSEEN[0]),
        word(FAR[0], FAR[0], "", UNSEEN[1], align="left", size="1pt", style="bold", ground=UNSEEN[1]),
    ]
    rows = [tuple(row.values()) for row in [*unseen, *rows]]
    return hv.Labels(rows, AXES, ["text", "colour", "align", "size", "style", "ground"]).opts(
        text_color="colour",
        text_align="align",
        text_font_size="size",
        text_font_style="style",
        background_fill_color="ground",
        text_baseline="middle",
        border_radius=4,
        apply_ranges=False,
        show_legend=False,
    )
