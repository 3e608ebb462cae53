"""The interactive map: frames in grey, the selection in colour, contours, names and marks, in one overlay.

The overlay always has the same layers in the same order, empty ones too, because a DynamicMap updates its
layers by their place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import holoviews as hv
import numpy as np
import xarray as xr
from scipy.ndimage import distance_transform_edt

from fel_explorer.free_energy import free_energy_surface
from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import hooks
from fel_explorer.plots.colours import Scale, sequential_scale, underlay
from fel_explorer.plots.contours import contour_levels, draw_lines, plot_contours
from fel_explorer.plots.energy_units import KT, EnergyUnit
from fel_explorer.plots.landscape_marks import mark_layers
from fel_explorer.plots.pixels import Binned, Pixels, bin_frames, plot_pixels, rasterize
from fel_explorer.plots.points import MAX_POINTS, plot_points
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

WHEEL_RESTS = {"timeout": 80}  # ms without a turn, after which the frames are drawn anew; Bokeh's are 500
TOOLS = ["pan", "wheel_zoom", "box_zoom", "lasso_select", "box_select", "reset", "hover"]


@dataclass(frozen=True, eq=False)
class Landscape:
    """Everything that `plot_landscape` draws.

    Attributes
    ----------
    xy
        (frame, 2) positions.
    values, scale
        (frame,) what colours the frames, and how; frames whose value is NaN stay grey.
    surface
        Free energy in ``unit``: (y, x), or (x,) where the map is a profile.
    picture
        What is drawn in place of frames while nothing is selected, such as the surface, (y, x); or None.
    free_energy
        (frame,) in ``unit``, for the hover tool.
    state
        (frame,) int numbers of states from 1, for the hover tool, or None.
    selected
        (frame,) bool.
    labels
        Labels of the axes.
    limits
        ((left, right), (bottom, top)) that show everything.
    names
        {name of a state: its place (x, y)}.
    clicked, current
        Places of the clicked point and of the current frame.
    contours
        Whether to draw lines of equal free energy.
    unit
        Of the free energies.
    error
        (x,) standard error of a profile, in ``unit``, drawn as lines on both sides.
    path, anchors
        Places (image, 2) along a path in pieces that don't cross the ends of a period, and of its anchors.
    image
        Place of the current image of the path.
    trail, walker
        Last steps (segment, 2, 2) of a simulation, oldest first, and where it is.
    """

    xy: np.ndarray
    values: np.ndarray
    scale: Scale
    surface: xr.DataArray
    picture: xr.DataArray | None
    free_energy: np.ndarray
    state: np.ndarray | None
    selected: np.ndarray
    labels: tuple[str, str]
    limits: tuple[tuple[float, float], tuple[float, float]]
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
    clicked: tuple[float, float] | None = None
    current: tuple[float, float] | None = None
    contours: bool = True
    unit: EnergyUnit = KT
    error: xr.DataArray | None = None
    path: tuple = ()
    anchors: tuple = ()
    image: tuple[float, float] | None = None
    trail: tuple | np.ndarray = ()
    walker: tuple[float, float] | None = None


NO_LANDSCAPE = Landscape(
    xy=np.zeros((0, 2)),
    values=np.zeros(0),
    scale=sequential_scale("", np.zeros(0)),
    surface=xr.DataArray(np.full((2, 2), np.nan), dims=("y", "x"), coords={"y": [0, 1], "x": [0, 1]}),
    picture=None,
    free_energy=np.zeros(0),
    state=None,
    selected=np.zeros(0, bool),
    labels=("", ""),
    limits=((0.0, 1.0), (0.0, 1.0)),
    contours=False,
)


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
    shape: tuple[int, int] = (300, 240),
    *,
    dark: bool = False,
) -> hv.Overlay:
    """Overlay of the map within a window (default: everything), with ``shape`` pixels along (x, y)."""
    window = (x_range or landscape.limits[0], y_range or landscape.limits[1])
    frames = frame_layers(landscape, bin_frames(landscape.xy, *window, shape), dark=dark)
    return overlay(landscape, [*frames, *mark_layers(landscape, dark=dark)])


def overlay(landscape: Landscape, layers: Sequence) -> hv.Overlay:
    """The layers of `frame_layers` and `mark_layers` as one labelled map."""
    x, y = landscape.labels
    adjustments = [hooks.selection_is_ours, hooks.describe(description(landscape))]
    return hv.Overlay(layers).opts(
        xlabel=x, ylabel=y, show_legend=False, lod=WHEEL_RESTS, hooks=adjustments, **FRAME
    )


def description(landscape: Landscape) -> str:
    """Description of the map for a screen reader."""
    x, y = landscape.labels
    n, selected = len(landscape.xy), int(landscape.selected.sum())
    parts = [f"Map of {n:,} frames along {x} and {y}", f"coloured by {landscape.scale.label}"]
    parts += [f"{selected:,} selected"] if selected else []
    parts += [f"states {', '.join(landscape.names)}"] if landscape.names else []
    return "; ".join(parts) + "."


def frame_layers(landscape: Landscape, binned: Binned, *, dark: bool = False) -> list:
    """The frames of a window: grey and coloured, as pixels or as points, and the lines of the surface."""
    inside, selected = binned.frames, landscape.selected
    as_points = drawn_as_points(landscape.surface, inside)
    any_selected = bool(selected.any())
    coloured = inside[selected[inside]] if any_selected and as_points else inside
    if landscape.surface.ndim == 1:
        inside, coloured = (_one_per_column(landscape, part, binned) for part in (inside, coloured))
    whole_surface = landscape.picture is not None and not any_selected
    grey_needed = any_selected or not np.isfinite(landscape.values).all()
    nobody = inside[:0]
    image = _surface_pixels(landscape) if whole_surface else None
    if not whole_surface and not as_points:
        chosen = selected if any_selected else None
        image = binned.fill(landscape.values, landscape.scale.kind, chosen)
    grey_points = inside if grey_needed and as_points and not whole_surface else nobody
    n_sized = 100 if landscape.surface.ndim == 1 else len(inside)  # dots that stand out on a curve
    points = coloured if as_points and not whole_surface else nobody
    return [
        _grey_image(landscape, binned if grey_needed and not as_points else None, dark),
        _colour_image(landscape, image),
        _kept_lines(landscape, binned, dark),
        _kept_grey_points(landscape, binned, grey_points, dark, n_sized),
        _colour_points(landscape, points, n_sized),
    ]


def drawn_as_points(surface: xr.DataArray, inside: np.ndarray) -> bool:
    """Whether the frames ``inside`` a window are few enough for points; on a profile they always are."""
    return surface.ndim == 1 or len(inside) <= MAX_POINTS


def _one_per_column(landscape, frames, binned):
    """On a profile frames overlap along the curve: one of each column, at random, stands for all."""
    frames = np.random.default_rng(0).permutation(frames)
    left, _, right, _ = binned.bounds
    column = ((landscape.xy[frames, 0] - left) * (binned.shape[0] / (right - left))).astype(np.int64)
    return frames[np.unique(column, return_index=True)[1]]


def _surface_pixels(landscape):
    """The picture as an image, each known cell with its nearest frame for the hover tool."""
    surface = landscape.picture
    step = [float(surface[name][1] - surface[name][0]) for name in ("x", "y")]
    left, bottom = (float(surface[name][0]) - s / 2 for name, s in zip(("x", "y"), step, strict=True))
    right, top = (float(surface[name][-1]) + s / 2 for name, s in zip(("x", "y"), step, strict=True))
    pixels = rasterize(
        landscape.xy, None, x_range=(left, right), y_range=(bottom, top), shape=surface.shape[::-1]
    )
    nearest = distance_transform_edt(pixels.frame < 0, return_distances=False, return_indices=True)
    return Pixels(surface.values.astype(np.float32), pixels.frame[tuple(nearest)], pixels.bounds)


def _or_nothing(pixels, landscape):
    """``pixels`` and their opacity; instead of none or only empty ones an invisible speck in the corner."""
    if pixels is not None and np.isfinite(pixels.values).any():
        return pixels, 1.0
    (left, right), (bottom, top) = landscape.limits
    speck = (left, bottom, left + 1e-6 * (right - left), bottom + 1e-6 * (top - bottom))
    return Pixels(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32), speck), 0.0


def _hover_columns(landscape, frame):
    """Columns of the tooltip for each of ``frame`` (any shape); always the same columns."""
    if len(landscape.xy) == 0:
        return {name: np.zeros(np.shape(frame)) for name in ("F", "state")}
    state = np.zeros(np.shape(frame), np.int32) if landscape.state is None else landscape.state[frame]
    return {"F": landscape.free_energy[frame], "state": state}


def _tooltips(landscape):
    scale, state = landscape.scale, [("state", "@state")] if landscape.state is not None else []
    named = scale.label == landscape.unit.label or scale.kind == "categorical"
    shown = [] if named else [(scale.label, "$VALUE{0.00}")]
    unit = landscape.unit
    free_energy = ("free energy", f"@F{{0.{unit.decimals * '0'}}} {unit.name}")
    return [("frame", "@frame"), *state, free_energy, *shown]


def _colour_image(landscape, pixels):
    pixels, alpha = _or_nothing(pixels, landscape)
    columns = _hover_columns(landscape, pixels.frame)
    show_axes = hooks.axes(landscape.limits, landscape.labels)
    tooltips = [(name, text.replace("$VALUE", "@image")) for name, text in _tooltips(landscape)]
    return plot_pixels(pixels, landscape.scale, columns=columns).opts(
        apply_ranges=False,
        alpha=alpha,
        default_tools=[],
        tools=TOOLS,
        active_tools=["lasso_select", "wheel_zoom"],
        hover_tooltips=tooltips,
        hooks=[hooks.hover_only_over_data("@image"), hooks.colour_bar(landscape.scale), show_axes],
    )


def _grey_image(landscape, binned, dark):
    """All frames of the window, the same picture while the window stays; or nothing."""
    drawn = {} if binned is None else binned.drawn
    key = "grey", dark
    if key not in drawn:
        pixels, alpha = _or_nothing(None if binned is None else binned.fill(), landscape)
        flat = Scale("frames", "sequential", (0.0, 1.0), (underlay(dark),))
        drawn[key] = plot_pixels(pixels, flat).opts(colorbar=False, alpha=alpha, apply_ranges=False)
    return drawn[key]


def _colour_points(landscape, frames, n_shown):
    columns = {"frame": frames, **_hover_columns(landscape, frames)}
    tooltips = [(name, text.replace("$VALUE", "@value")) for name, text in _tooltips(landscape)]
    points = plot_points(
        landscape.xy[frames], landscape.values[frames], landscape.scale, columns=columns, n_shown=n_shown
    )
    return points.opts(apply_ranges=False, colorbar=False, tools=["hover"], hover_tooltips=tooltips)


def _grey_points(landscape, frames, dark, n_shown):
    flat = Scale("frames", "sequential", (0.0, 1.0), (underlay(dark),))
    points = plot_points(landscape.xy[frames], np.zeros(len(frames)), flat, alpha=0.5, n_shown=n_shown)
    return points.opts(apply_ranges=False, colorbar=False)


def _kept_grey_points(landscape, binned, frames, dark, n_shown):
    """The grey points; the same element while there are none."""
    if len(frames):
        return _grey_points(landscape, frames, dark, n_shown)
    key = "no grey points", dark
    if key not in binned.drawn:
        binned.drawn[key] = _grey_points(landscape, frames, dark, n_shown)
    return binned.drawn[key]


def _kept_lines(landscape, binned, dark):
    """The lines of the surface; the same element while the surface stays."""
    if landscape.surface.ndim == 1:
        return _lines(landscape, dark)
    key = "lines", dark, landscape.contours
    if key not in binned.drawn or binned.drawn[key][0] is not landscape.surface:
        binned.drawn[key] = landscape.surface, _lines(landscape, dark)
    return binned.drawn[key][1]


def _lines(landscape, dark):
    surface = landscape.surface
    if surface.ndim == 1:
        return draw_lines(_profiles(landscape), dark=dark, width=1.5).opts(apply_ranges=False)
    levels = np.zeros(0)
    if landscape.contours:
        top = float(np.nanmax(surface))
        levels = contour_levels(top, landscape.unit.step(top))
    return plot_contours(surface, levels, dark=dark).opts(apply_ranges=False)


def _profiles(landscape):
    """The profile, and where its error is known the lines one error above and below; NaN between them."""
    surface, error = landscape.surface, landscape.error
    heights = [surface.values]
    if error is not None:
        heights += [surface.values + error.values, surface.values - error.values]
    gap = np.full((1, 2), np.nan)
    rows = [part for height in heights for part in (np.column_stack([surface["x"].values, height]), gap)]
    return np.concatenate(rows[:-1])
