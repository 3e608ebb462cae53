"""The layers of a map as plain data: picture, contour lines, points, routes, marks and names.

`LandscapePainter` makes them of a `Landscape` and keeps what did not change since the last one: a layer that
is the same object need not be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from fel_explorer.plots.colours import underlay
from fel_explorer.plots.contours import contour_levels, contour_lines
from fel_explorer.plots.landscape_marks import line_rows, mark_rows, name_rows
from fel_explorer.plots.shading import (
    Picture,
    RefinedSurface,
    colour_numbers,
    frames_picture,
    refine,
    surface_picture,
)

if TYPE_CHECKING:
    import xarray as xr

    from fel_explorer.plots.binning import Binned
    from fel_explorer.plots.colours import Scale
    from fel_explorer.plots.landscape_data import Landscape

MAX_POINTS = 20_000  # more are drawn as pixels
FEW = 1.1  # frames of an occupied pixel, up to which a dot counts as a frame
HOVER = 3  # pixels along each side of a cell of the hover tool
NO_LINE = np.full((1, 2), np.nan)
MIN_VERTICES = 80  # shorter open lines are crumbs at the rim of the data


@dataclass(frozen=True, eq=False)
class HoverGrid:
    """What the hover tool shows over a picture: ``columns`` {name: (y, x) array} within ``bounds``.

    ``of_surface`` says whether the picture is a surface, not frames.
    """

    columns: dict[str, np.ndarray]
    bounds: tuple[float, float, float, float]
    of_surface: bool = False


@dataclass(frozen=True, eq=False)
class LandscapeLayers:
    """Everything that is drawn of a map in a window.

    Attributes
    ----------
    picture
        Surface or frames as an image, or None.
    hover
        What the hover tool shows over the picture, or None.
    lines
        (vertex, 2) contour lines or a profile, NaN between lines.
    points
        Columns of frames that are drawn one by one: x, y, colour, size, frame, state, F, value.
    routes, marks, names
        Rows of `landscape_marks`.
    crowded
        Whether a dot of the picture may hold several frames.
    """

    picture: Picture | None
    hover: HoverGrid | None
    lines: np.ndarray
    points: dict[str, np.ndarray]
    routes: list[dict]
    marks: list[dict]
    names: list[dict]
    crowded: bool


class LandscapePainter:
    """Layers of one landscape after another."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple, Any]] = {}

    def paint(self, landscape: Landscape, binned: Binned, *, dark: bool = False) -> LandscapeLayers:
        """Layers of a landscape in a window, whose frames are ``binned``."""
        selected = landscape.selected if landscape.selected.any() else None
        as_surface = landscape.picture is not None and selected is None
        as_points = not as_surface and drawn_as_points(landscape.surface, binned.frames)
        frames = landscape.xy, binned, landscape.values, landscape.free_energy, landscape.state
        picture = hover = None
        if as_surface:
            picture, hover = self._surface(landscape, binned, frames)
        elif not as_points:
            looks: tuple = binned, landscape.values, landscape.scale, selected, dark
            picture = self._keep("picture", looks, _frames, *looks)
            hover = self._keep("hover", frames, _frames_hover, landscape, binned)
        about = landscape.surface, landscape.error, landscape.contours, landscape.unit
        shown = as_points, *frames, landscape.scale, selected, dark
        single = binned if as_points else None
        return LandscapeLayers(
            picture=picture,
            hover=hover,
            lines=self._keep("lines", about, self._lines, landscape),
            points=self._keep("points", shown, _points, landscape, single, selected, dark),
            routes=line_rows(landscape, dark=dark),
            marks=mark_rows(landscape, dark=dark),
            names=name_rows(landscape, dark=dark),
            crowded=picture is not None and not as_surface and _is_crowded(binned),
        )

    def _surface(self, landscape, binned, frames):
        surface = self._keep("refined", (landscape.picture,), refine, landscape.picture)
        looks = surface, landscape.scale, binned.bounds, binned.shape
        picture = self._keep("picture", looks, surface_picture, *looks)
        return picture, self._keep("hover", (surface, *frames), _surface_hover, surface, landscape, binned)

    def _lines(self, landscape):
        if landscape.surface.ndim == 1:
            return _profile(landscape.surface, landscape.error)
        if not landscape.contours:
            return NO_LINE
        fine = self._keep("refined for lines", (landscape.surface,), refine, landscape.surface)
        top = float(np.nanmax(landscape.surface))
        levels = contour_levels(top, landscape.unit.step(top))
        return contour_lines(_as_array(fine), levels, MIN_VERTICES)

    def _keep(self, name, about, make, *arguments):
        """What ``make`` returned for the last ``arguments``, if it was ``about`` the same."""
        known = self._kept.get(name)
        if known is None or len(known[0]) != len(about) or not all(map(_same, known[0], about)):
            self._kept[name] = known = about, make(*arguments)
        return known[1]


def _same(one, other) -> bool:
    plain = bool, int, float, str, tuple
    return one is other or (isinstance(one, plain) and isinstance(other, plain) and one == other)


def drawn_as_points(surface: xr.DataArray, inside: np.ndarray) -> bool:
    """Whether the frames ``inside`` a window are few enough for points; on a profile they always are."""
    return surface.ndim == 1 or len(inside) <= MAX_POINTS


def _is_crowded(binned: Binned) -> bool:
    """Whether many frames share their pixel with others."""
    return bool(len(binned.frames) > FEW * np.count_nonzero(binned.all_counts()))


def point_size(n: int) -> float:
    """Diameter in screen units: large for few points, small for many."""
    return float(np.clip(60 / np.sqrt(max(n, 1)), 2.5, 7.0))


def _frames(binned, values, scale, selected, dark) -> Picture:
    return frames_picture(binned, values, scale, selected=selected, dark=dark)


def _as_array(surface: RefinedSurface) -> xr.DataArray:
    import xarray as xr

    x, y = surface.centres
    values = np.where(surface.known >= 0.5, surface.values, np.nan)
    return xr.DataArray(values, dims=("y", "x"), coords={"x": x, "y": y})


def _profile(surface, error):
    """The profile, and where its error is known the lines one error above and below; NaN between them."""
    heights = [surface.values]
    if error is not None:
        heights += [surface.values + error.values, surface.values - error.values]
    rows = [part for h in heights for part in (np.column_stack([surface["x"].values, h]), NO_LINE)]
    return np.concatenate(rows[:-1])


# ---- points


def _points(landscape, binned, selected, dark):
    """Columns of the points: grey ones below coloured ones; none without ``binned``."""
    if binned is None:
        nobody = np.zeros(0, np.int64)
        return _columns(landscape, nobody, np.zeros(0, "U9"), 0.0)
    inside = binned.frames
    known = np.isfinite(landscape.values[inside])
    coloured = inside[known if selected is None else known & selected[inside]]
    n_sized = len(inside)
    if landscape.surface.ndim == 1:
        inside, coloured = (_one_per_column(landscape, part, binned) for part in (inside, coloured))
        n_sized = 100  # dots that stand out on a curve
    grey = inside if len(coloured) < len(inside) else inside[:0]
    palette = np.array([colour + "cc" for colour in landscape.scale.palette])
    colours = np.concatenate(
        [
            np.full(len(grey), underlay(dark) + "80"),
            palette[colour_numbers(landscape.values[coloured], landscape.scale)],
        ]
    )
    return _columns(landscape, np.concatenate([grey, coloured]), colours, point_size(n_sized))


def _columns(landscape, frames, colours, size):
    return {
        "x": landscape.xy[frames, 0],
        "y": landscape.xy[frames, 1],
        "colour": colours,
        "size": np.full(len(frames), size),
        **_about(landscape, frames),
    }


def _about(landscape, frames) -> dict[str, np.ndarray]:
    """What the hover tool shows of ``frames`` (any shape), which are not negative."""
    if len(landscape.xy) == 0:
        blank = np.zeros(np.shape(frames), np.int32)
        return {
            "frame": blank,
            "state": blank,
            "F": blank.astype(np.float32),
            "value": blank.astype(np.float32),
        }
    state = landscape.state
    return {
        "frame": np.asarray(frames, np.int32),
        "state": np.zeros(np.shape(frames), np.int32) if state is None else state[frames].astype(np.int32),
        "F": landscape.free_energy[frames].astype(np.float32),
        "value": landscape.values[frames].astype(np.float32),
    }


def _one_per_column(landscape, frames, binned):
    """On a profile frames overlap along the curve: one of each column, at random, stands for all."""
    frames = np.random.default_rng(0).permutation(frames)
    left, _, right, _ = binned.bounds
    column = ((landscape.xy[frames, 0] - left) * (binned.shape[0] / (right - left))).astype(np.int64)
    return frames[np.unique(column, return_index=True)[1]]


# ---- the hover tool


def _frame_cells(binned: Binned) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A frame of each cell of the hover tool (y, x), -1 in empty ones, and the bounds of all cells."""
    if "cells" not in binned.kept:
        (nx, ny), (left, bottom, right, top) = binned.shape, binned.bounds
        wide, high = -(-nx // HOVER), -(-ny // HOVER)
        frame = np.full((high * HOVER, wide * HOVER), -1, np.int32)
        frame[binned.pixel // nx, binned.pixel % nx] = binned.frames
        cells = frame.reshape(high, HOVER, wide, HOVER).max(axis=(1, 3))
        across, up = (right - left) * HOVER * wide / nx, (top - bottom) * HOVER * high / ny
        binned.kept["cells"] = cells, (left, bottom, left + across, bottom + up)
    return binned.kept["cells"]


def _frames_hover(landscape, binned) -> HoverGrid:
    cells, bounds = _frame_cells(binned)
    columns = _about(landscape, np.maximum(cells, 0))
    columns["value"] = np.where(cells < 0, np.nan, columns["value"]).astype(np.float32)
    return HoverGrid(columns, bounds)


def _surface_hover(surface: RefinedSurface, landscape, binned) -> HoverGrid:
    """Of each known place the surface there and the nearest frame."""
    cells, bounds = _frame_cells(binned)
    if (cells >= 0).any():
        nearest = distance_transform_edt(cells < 0, return_distances=False, return_indices=True)
        cells = cells[tuple(nearest)]
    values, known = surface.sample(bounds, cells.shape[::-1])
    columns = _about(landscape, np.maximum(cells, 0))
    columns["value"] = np.where(known >= 0.5, values, np.nan).astype(np.float32)
    if landscape.picture is landscape.surface:
        columns["F"] = values.astype(np.float32)
    return HoverGrid(columns, bounds, of_surface=True)


def tooltips(landscape: Landscape) -> list[tuple[str, str]]:
    """Rows of the tooltip: title and template of Bokeh."""
    scale: Scale = landscape.scale
    state = [("state", "@state{custom}")] if landscape.state is not None else []
    named = scale.label == landscape.unit.label or scale.kind == "categorical"
    shown = [] if named else [(scale.label, "@value{0.00}")]
    unit = landscape.unit
    free_energy = ("free energy", f"@F{{0.{unit.decimals * '0'}}} {unit.name}")
    return [("frame", "@frame"), *state, free_energy, *shown]
