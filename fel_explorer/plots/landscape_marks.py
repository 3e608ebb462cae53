"""Marks above the frames of a map: paths, trails, marks and names; all of a `landscape.Landscape`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import holoviews as hv
import numpy as np

from fel_explorer.plots import hooks

if TYPE_CHECKING:
    from fel_explorer.plots.landscape import Landscape

PATH = "#d6006c"  # on no map's scale
WALK = "#ff7a1a"  # likewise
FADED = (0.25, 0.55, 1.0)  # opacity of the trail, oldest part first


def mark_layers(landscape: Landscape, *, dark: bool = False) -> list:
    """Marks above the frames: path, trail, clicked point, current frame and image, names of states."""
    return [*_lines(landscape, dark), _marks(landscape, dark), _names(landscape, dark)]


def _lines(landscape, dark):
    """The path, with a rim that parts it from any colour below, and the trail, which fades with age."""
    thirds = np.array_split(np.asarray(landscape.trail), len(FADED)) if len(landscape.trail) else [()] * 3
    return [
        _curve(_joined(landscape.path), "#000000" if dark else "#ffffff", 6.0, 1.0),
        _curve(_joined(landscape.path), PATH, 3.5, 1.0),
        *(_curve(_joined(part), WALK, 3.0, alpha) for part, alpha in zip(thirds, FADED, strict=True)),
    ]


def _joined(pieces) -> bytes:
    """The pieces (vertex, 2) one after another, with NaN between them."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate([gap, *(part for piece in pieces for part in (piece, gap))]).tobytes()


@functools.lru_cache(maxsize=32)  # the same element for the same line is not drawn again
def _curve(vertices: bytes, colour, width, alpha):
    x, y = np.frombuffer(vertices).reshape(-1, 2).T
    return hv.Curve((x, y), "x", "y").opts(
        color=colour, line_width=width, alpha=alpha, apply_ranges=False, show_legend=False
    )


def _marks(landscape, dark):
    """A ring where was clicked, dots at the current frame, the path's anchors and where a simulation is."""
    ink, paper = ("#ffffff", "#000000") if dark else ("#000000", "#ffffff")
    marks = []
    if landscape.current is not None:
        marks.append((*landscape.current, 9, ink, paper, 1.5))
    marks += [(*anchor, 11, PATH, paper, 2.0) for anchor in landscape.anchors]
    if landscape.image is not None:
        marks.append((*landscape.image, 16, paper, PATH, 4.0))
    if landscape.walker is not None:
        marks.append((*landscape.walker, 15, WALK, paper, 2.5))
    if landscape.clicked is not None:
        marks.append((*landscape.clicked, 19, "#00000000", ink, 3.0))
    return hv.Points(marks, ["x", "y"], ["size", "fill", "line", "width"]).opts(
        size="size",
        fill_color="fill",
        line_color="line",
        line_width="width",
        apply_ranges=False,
        show_legend=False,
    )


def _names(landscape, dark):
    rows = [(x, y, name) for name, (x, y) in landscape.names.items()]
    return hv.Labels(rows, ["x", "y"], "name").opts(
        text_color="#ffffff" if dark else "#101010",
        background_fill_color="#202124" if dark else "#ffffff",
        background_fill_alpha=0.75,
        border_radius=5,
        text_font_size="12pt",
        text_font_style="bold",
        hooks=[hooks.text_padding],
        apply_ranges=False,
        show_legend=False,
    )
