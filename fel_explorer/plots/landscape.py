"""A map as a HoloViews overlay, for notebooks and figures; `landscape_layers` says what is drawn."""

from __future__ import annotations

import holoviews as hv
import numpy as np

from fel_explorer.free_energy import free_energy_surface
from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import hooks
from fel_explorer.plots.binning import Pixels, bin_frames
from fel_explorer.plots.colours import sequential_scale
from fel_explorer.plots.contours import draw_lines
from fel_explorer.plots.landscape_data import NO_LANDSCAPE, Landscape, description
from fel_explorer.plots.landscape_layers import LandscapeLayers, LandscapePainter, tooltips
from fel_explorer.plots.pixels import plot_pixels
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME

__all__ = ["NO_LANDSCAPE", "Landscape", "plot_landscape"]
AXES = ["x", "y"]
TOOLS = ["pan", "wheel_zoom", "box_zoom", "reset", "hover"]


def _example(draw, rng, **theme):
    xy = rng.normal(size=(2000, 2))
    surface = free_energy_surface(xy, bins=40)
    x = xy[:, 0].astype(np.float32)
    landscape = Landscape(
        xy=xy,
        values=x,
        scale=sequential_scale("x", x, **theme),
        surface=surface,
        picture=None,
        free_energy=x,
        state=None,
        selected=x > 0,
        labels=("CV 1", "CV 2"),
        limits=(axis_limits(xy[:, 0]), axis_limits(xy[:, 1])),
        names={"right": (1.0, 0.0)},
        clicked=(0.0, 0.0),
        current=(0.5, 0.5),
        trail=np.array([[[-1.0, 0.5], [-0.5, 1.0]], [[-0.5, 1.0], [0.2, 0.8]]]),
        walker=(0.2, 0.8),
    )
    return draw(landscape, **theme)


@register(_example)
def plot_landscape(
    landscape: Landscape,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    shape: tuple[int, int] = (600, 480),
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Overlay of the map within a window (default: everything), with ``shape`` pixels along (x, y)."""
    window = (x_range or landscape.limits[0], y_range or landscape.limits[1])
    layers = LandscapePainter().paint(landscape, bin_frames(landscape.xy, *window, shape), dark=dark)
    x, y = landscape.labels
    return hv.Overlay(_elements(landscape, layers, dark)).opts(
        xlabel=x,
        ylabel=y,
        xlim=window[0],
        ylim=window[1],
        show_legend=False,
        hooks=[hooks.describe(description(landscape))],
        **FRAME,
    )


def _elements(landscape: Landscape, layers: LandscapeLayers, dark: bool) -> list:
    """The layers from below to above; one without content is an empty element."""
    profile = landscape.surface.ndim == 1
    lines = {"width": 1.5} if profile else {}
    return [
        _picture(landscape, layers.picture),
        _hover(landscape, layers.hover),
        draw_lines(layers.lines, dark=dark, **lines).opts(apply_ranges=False),
        _points(layers.points),
        *(_route(row) for row in layers.routes),
        _marks(layers.marks),
        _names(layers.names),
    ]


def _speck(landscape):
    """Bounds of a place in the corner that nobody sees."""
    (left, right), (bottom, top) = landscape.limits
    return left, bottom, left + 1e-6 * (right - left), bottom + 1e-6 * (top - bottom)


def _picture(landscape, picture):
    colours = np.zeros((2, 2, 4), np.uint8) if picture is None else picture.colours
    bounds = _speck(landscape) if picture is None else picture.bounds
    return hv.RGB(colours[::-1], AXES, bounds=bounds, vdims=list("RGBA")).opts(apply_ranges=False)


def _hover(landscape, hover):
    """An image that is not seen: it carries the colour bar and the words of the tooltip."""
    if hover is None:
        pixels = Pixels(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32), _speck(landscape))
        columns = {}
    else:
        columns = {name: hover.columns[name] for name in ("state", "F")}
        pixels = Pixels(hover.columns["value"], hover.columns["frame"], hover.bounds)
    rows = [(title, text.replace("@value", "@image")) for title, text in tooltips(landscape)]
    rows = [(title, text.replace("{custom}", "")) for title, text in rows]
    bar = [hooks.hover_only_over_data("@image"), hooks.colour_bar(landscape.scale)]
    return plot_pixels(pixels, landscape.scale, columns=columns).opts(
        apply_ranges=False, alpha=0.0, default_tools=[], tools=TOOLS, hover_tooltips=rows, hooks=bar
    )


def _points(columns):
    size = float(columns["size"][0]) if len(columns["size"]) else 1.0
    points = hv.Points(
        (columns["x"], columns["y"], columns["colour"], columns["frame"]), AXES, ["colour", "frame"]
    )
    return points.opts(color="colour", size=size, line_alpha=0, apply_ranges=False, show_legend=False)


def _route(row):
    return hv.Curve((row["x"], row["y"]), *AXES).opts(
        color=row["colour"][:7],
        alpha=int(row["colour"][7:] or "ff", 16) / 255,
        line_width=row["width"],
        apply_ranges=False,
        show_legend=False,
    )


def _marks(rows):
    return hv.Points([tuple(row.values()) for row in rows], AXES, ["size", "fill", "line", "width"]).opts(
        size="size",
        fill_color="fill",
        line_color="line",
        line_width="width",
        apply_ranges=False,
        show_legend=False,
    )


def _names(rows):
    about = rows[0] if rows else {"colour": "#000000", "ground": "#ffffff", "size": "11pt"}
    return hv.Labels([(row["x"], row["y"], row["text"]) for row in rows], AXES, "name").opts(
        text_color=about["colour"],
        background_fill_color=about["ground"],
        border_radius=5,
        text_font_size=about["size"],
        text_font_style="bold",
        hooks=[hooks.text_padding],
        apply_ranges=False,
        show_legend=False,
    )
