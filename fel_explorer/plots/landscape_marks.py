"""Marks above the frames of a map: paths, trails, marks and names; all of a `landscape_data.Landscape`.

Rows are plain: lines {"x", "y", "colour", "width"}, dots {"x", "y", "size", "fill", "line", "width"} and
words {"x", "y", "text", "colour", "ground", "size"}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.plots.arrangement import MANY_NAMES
from fel_explorer.plots.drawing import line

if TYPE_CHECKING:
    from fel_explorer.plots.landscape_data import Landscape

PATH = "#d6006c"  # on no map's scale
WALK = "#ff7a1a"  # likewise
FADED = ("40", "8c", "ff")  # opacity of the trail, oldest part first
CLEAR = "#00000000"
NAMES, SMALL_NAMES = "11pt", "9pt"  # sizes of type


def line_rows(landscape: Landscape, *, dark: bool = False) -> list[dict]:
    """The path, with a rim that parts it from any colour below, and the trail, which fades with age."""
    rows = []
    if len(landscape.path):
        x, y = _joined(landscape.path)
        rows = [line(x, y, "#000000" if dark else "#ffffff", 6.0), line(x, y, PATH, 3.5)]
    if len(landscape.trail):
        thirds = np.array_split(np.asarray(landscape.trail), len(FADED))
        for part, alpha in zip(thirds, FADED, strict=True):
            x, y = _joined(part)
            rows.append(line(x, y, WALK + alpha, 3.0))
    return rows


def _joined(pieces):
    """x and y of the pieces (vertex, 2) one after another, with NaN between them."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate([gap, *(part for piece in pieces for part in (piece, gap))]).T


def mark_rows(landscape: Landscape, *, dark: bool = False) -> list[dict]:
    """A ring where was clicked, dots at the current frame, the path's anchors and where a simulation is."""
    ink, paper = ("#ffffff", "#000000") if dark else ("#000000", "#ffffff")
    marks = []
    if landscape.current is not None:
        marks.append(_mark(landscape.current, 9, ink, paper, 1.5))
    marks += [_mark(anchor, 11, PATH, paper, 2.0) for anchor in landscape.anchors]
    if landscape.image is not None:
        marks.append(_mark(landscape.image, 16, paper, PATH, 4.0))
    if landscape.walker is not None:
        marks.append(_mark(landscape.walker, 15, WALK, paper, 2.5))
    if landscape.clicked is not None:
        marks.append(_mark(landscape.clicked, 19, CLEAR, ink, 3.0))
    return marks


def _mark(place, size, fill, rim, width):
    x, y = place
    return {"x": float(x), "y": float(y), "size": size, "fill": fill, "line": rim, "width": width}


def name_rows(landscape: Landscape, *, dark: bool = False) -> list[dict]:
    """Names of states on a ground that keeps them readable on any colour."""
    colour, ground = ("#ffffff", "#202124cc") if dark else ("#101010", "#ffffffcc")
    size = SMALL_NAMES if len(landscape.names) > MANY_NAMES else NAMES
    return [
        {"x": float(x), "y": float(y), "text": name, "colour": colour, "ground": ground, "size": size}
        for name, (x, y) in landscape.names.items()
    ]
