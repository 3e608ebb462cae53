"""A `Sheet` as a HoloViews overlay.

It has the same layers in the same order whatever the number of its curves: a DynamicMap can then pass from
one drawing to the next without new glyphs, which a live page takes badly.  For the same reason each layer
begins with two rows that nobody sees: HoloViews takes a column of one value for a constant, and an empty one
for numbers, and does not take that back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holoviews as hv
import numpy as np

from fel_explorer.plots import drawing, hooks
from fel_explorer.plots.style import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fel_explorer.plots.sheet import Sheet

AXES = ["x", "y"]
FAR = np.full(3, 1e9)  # off every plot
UNSEEN = ("#00000000", "#00000001")  # transparent
TIP: dict[str, Any] = {"tools": ["hover"], "hover_tooltips": "@tip"}


def overlay_of(sheet: Sheet) -> hv.Overlay:
    """The overlay of the layers of ``sheet``, on linear axes."""
    page = sheet.linear()
    layers = [
        _image(page.image, page.limits),
        _areas(page.areas),
        _lines(page.lines),
        _lines(page.dashes, dash="dashed"),
        _areas(page.heads),
        _dots(page.dots),
        _words(page.words),
    ]
    adjustments = [
        hooks.axes(page.limits, page.labels),
        hooks.ticks([page.ticks[axis] for axis in (0, 1)]),
        hooks.font_sizes,
        hooks.describe(sheet.description()),
    ]
    return hv.Overlay(layers).opts(
        xlabel=page.labels[0],
        ylabel=page.labels[1],
        xlim=page.limits[0],
        ylim=page.limits[1],
        show_legend=False,
        toolbar=None,
        default_tools=[],
        hooks=adjustments,
        **FRAME,
    )


def _image(image, limits):
    if image is None:  # a speck that nobody sees: an image of NaNs makes holoviews warn
        x, y = ([low, low + 1e-6 * (high - low)] for low, high in limits)
        image = x, y, np.ones((2, 2)), [drawing.CLEAR, drawing.CLEAR]
    x, y, values, colours = image
    return hv.Image((x, y, values), AXES, "value").opts(
        cmap=list(colours), clim=(0.0, 1.0), apply_ranges=False, show_legend=False
    )


def _areas(rows: Sequence[dict]) -> hv.Polygons:
    unseen = [
        drawing.area(FAR, FAR, colour, alpha) for colour, alpha in zip(UNSEEN, (0.0, 0.001), strict=True)
    ]
    return hv.Polygons([*unseen, *rows], AXES, ["colour", "alpha"]).opts(
        color="colour", fill_alpha="alpha", line_alpha=0, apply_ranges=False, show_legend=False
    )


def _lines(rows: Sequence[dict], dash: str = "solid") -> hv.Contours:
    unseen = [drawing.line(FAR, FAR, c, width, tip="") for c, width in zip(UNSEEN, (1.0, 2.0), strict=True)]
    curves = hv.Contours([*unseen, *rows], AXES, ["colour", "width", "tip"]).opts(
        color="colour", line_width="width", line_dash=dash, apply_ranges=False, show_legend=False, **TIP
    )
    return _with_tips(curves)


def _dots(rows: Sequence[dict]) -> hv.Points:
    unseen = [(np.nan, np.nan, colour, size, colour, "") for size, colour in enumerate(UNSEEN, 1)]
    points = hv.Points(
        [*unseen, *(tuple(row.values()) for row in rows)], AXES, ["colour", "size", "rim", "tip"]
    )
    points = points.opts(
        fill_color="colour", line_color="rim", size="size", line_width=2, apply_ranges=False,
        show_legend=False, **TIP,
    )  # fmt: skip
    return _with_tips(points)


def _with_tips(element):
    """No tooltip where its text is empty."""
    return element.opts(hooks=[hooks.hover_only_with_words("tip")])


def _words(rows: Sequence[dict]) -> hv.Labels:
    far = {"x": FAR[0], "y": FAR[0], "text": ""}
    unseen = [
        {
            **far,
            "colour": UNSEEN[0],
            "align": "center",
            "size": "11pt",
            "style": "normal",
            "ground": UNSEEN[0],
        },
        {**far, "colour": UNSEEN[1], "align": "left", "size": "1pt", "style": "bold", "ground": UNSEEN[1]},
    ]
    values = [tuple(row.values()) for row in [*unseen, *rows]]
    return hv.Labels(values, AXES, ["text", "colour", "align", "size", "style", "ground"]).opts(
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
