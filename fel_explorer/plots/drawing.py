"""Layers of line drawings: areas, lines, dots and texts.

A plot has the same layers in the same order whatever the number of its curves: a DynamicMap can then pass
from one drawing to the next without new glyphs, which a live page takes badly.  For the same reason each
layer begins with two rows that nobody sees: HoloViews takes a column of one value for a constant, and an
empty one for numbers, and does not take that back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holoviews as hv
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

AXES = ["x", "y"]
FAR = np.full(3, 1e9)  # off every plot
UNSEEN = ("#00000000", "#00000001")  # transparent


def ink(dark: bool) -> str:
    """The colour of text and strong lines."""
    return "#e8eaed" if dark else "#202124"


def faint(dark: bool) -> str:
    """The colour of secondary lines and texts."""
    return "#9aa0a6" if dark else "#6b7075"


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#101010" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def area(x: ArrayLike, y: ArrayLike, colour: str, alpha: float = 0.25) -> dict:
    """A filled outline through (x, y)."""
    return {"x": np.asarray(x, float), "y": np.asarray(y, float), "colour": colour, "alpha": alpha}


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, alpha: float = 0.22) -> dict:
    """The region between two curves over ``x``."""
    return area(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]), colour, alpha)


def line(x: ArrayLike, y: ArrayLike, colour: str, width: float = 2.0, **about: Any) -> dict:
    """A curve; ``about`` are columns for its tooltip."""
    return {"x": np.asarray(x, float), "y": np.asarray(y, float), "colour": colour, "width": width, **about}


def areas(rows: Sequence[dict]) -> hv.Polygons:
    """Rows from `area` and `band`."""
    unseen = [area(FAR, FAR, colour, alpha) for colour, alpha in zip(UNSEEN, (0.0, 0.001), strict=True)]
    return hv.Polygons([*unseen, *rows], AXES, ["colour", "alpha"]).opts(
        color="colour", fill_alpha="alpha", line_alpha=0, apply_ranges=False, show_legend=False
    )


def lines(
    rows: Sequence[dict], *, dash: str = "solid", about: Sequence[str] = (), tooltips: str | None = None
) -> hv.Contours:
    """Rows from `line`; with ``tooltips`` hovering shows the columns ``about``."""
    blank = dict.fromkeys(about, "")
    unseen = [line(FAR, FAR, c, width, **blank) for c, width in zip(UNSEEN, (1.0, 2.0), strict=True)]
    curves = hv.Contours([*unseen, *rows], AXES, ["colour", "width", *about]).opts(
        color="colour", line_width="width", line_dash=dash, apply_ranges=False, show_legend=False
    )
    return curves.opts(tools=["hover"], hover_tooltips=tooltips) if tooltips else curves


def dots(rows: Sequence[tuple], *, about: Sequence[str] = (), tooltips: str | None = None) -> hv.Points:
    """Rows of (x, y, colour, size in pixels, colour of the rim, *about)."""
    blank = [""] * len(about)
    unseen = [(np.nan, np.nan, colour, size, colour, *blank) for size, colour in enumerate(UNSEEN, 1)]
    points = hv.Points([*unseen, *rows], AXES, ["colour", "size", "rim", *about]).opts(
        fill_color="colour", line_color="rim", size="size", apply_ranges=False, show_legend=False
    )
    return points.opts(tools=["hover"], hover_tooltips=tooltips) if tooltips else points
