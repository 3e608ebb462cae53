"""A map as a live Bokeh figure: another landscape is shown by changing columns of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from bokeh.events import PanStart, RangesUpdate, Reset, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    HoverTool,
    Image,
    ImageRGBA,
    LassoSelectTool,
    Line,
    MultiLine,
    PanTool,
    Range1d,
    ResetTool,
    Scatter,
    Text,
    WheelZoomTool,
)
from bokeh.plotting import figure

from fel_explorer.plots.bokeh_settings import ONLY_NUMBERS, PAGE_SIZES, keep_font_sizes
from fel_explorer.plots.landscape_data import Landscape, description
from fel_explorer.plots.landscape_layers import LandscapeLayers, tooltips
from fel_explorer.plots.landscape_marks import SMALL_NAMES

WHEEL_RESTS = 80  # ms without a turn, after which all points are drawn again; Bokeh's are 500
ONLY_KEYBOARD = ":host(:focus:not(:focus-visible)) {outline: none}"  # whose user has to see the focus
STATE_NAME = "return names[value] || String(value)"
IMAGE = ("x", "y", "dw", "dh", "image")
HOVER = ("frame", "state", "F", "value")
COLUMNS = {
    "picture": IMAGE,
    "hover": ("x", "y", "dw", "dh", *HOVER),
    "lines": ("x", "y"),
    "points": ("x", "y", "colour", "size", *HOVER),
    "routes": ("x", "y", "colour", "width"),
    "marks": ("x", "y", "size", "fill", "line", "width"),
    "names": ("x", "y", "text", "colour", "ground", "size"),
}


@dataclass(frozen=True, eq=False)
class MapScene:
    """What a `BokehLandscape` shows.

    Attributes
    ----------
    landscape, layers
        What is shown, and its layers in the window.
    dark
        Whether the page is dark.
    view
        Number of the view: with another one the figure shows all of the landscape's limits.
    """

    landscape: Landscape
    layers: LandscapeLayers
    dark: bool = False
    view: int = 0


@dataclass(frozen=True)
class Gestures:
    """What is called when the user acts on the figure.

    Attributes
    ----------
    drag_started
        With {"shift", "ctrl", "alt": bool} of the keys that are held.
    lasso
        With vertices (vertex, 2).
    box
        With (left, bottom, right, top).
    tap
        With (x, y).
    window
        With ((left, right), (bottom, top)) of another window, or None where all is shown.
    size
        With (width, height) of the frame in screen pixels.
    """

    drag_started: Callable
    lasso: Callable
    box: Callable
    tap: Callable
    window: Callable
    size: Callable


class BokehLandscape:
    """One figure of a map; `show` puts another `MapScene` on it."""

    def __init__(self, gestures: Gestures, *, min_height: int = 240):
        self.figure = figure(
            sizing_mode="stretch_both", min_height=min_height, min_width=120, tools="",
            x_range=Range1d(0, 1), y_range=Range1d(0, 1), output_backend="canvas", lod_timeout=WHEEL_RESTS,
            stylesheets=[ONLY_KEYBOARD], background_fill_alpha=0.0, border_fill_alpha=0.0,
        )  # fmt: skip
        self.figure.grid.visible = False
        self.figure.outline_line_color = None
        self._sources = {name: ColumnDataSource(_empty(columns)) for name, columns in COLUMNS.items()}
        self._shown: MapScene | None = None
        self._glyphs = self._draw_layers()
        self._names = CustomJSHover(args={"names": []}, code=STATE_NAME)
        self._hover = self._make_tools()
        for axis in (self.figure.xaxis[0], self.figure.yaxis[0]):
            keep_font_sizes(axis, PAGE_SIZES)
        self._listen(gestures)

    def _draw_layers(self):
        place = {"x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        glyphs = {
            "picture": ImageRGBA(image="image", **place),
            "hover": Image(image="value", global_alpha=0.0, **place),
            "lines": Line(x="x", y="y"),
            "points": Scatter(x="x", y="y", size="size", fill_color="colour", line_alpha=0.0),
            "routes": MultiLine(xs="x", ys="y", line_color="colour", line_width="width", line_join="round"),
            "marks": Scatter(
                x="x", y="y", size="size", fill_color="fill", line_color="line", line_width="width"
            ),
            "names": Text(
                x="x", y="y", text="text", text_color="colour", text_align="center", text_baseline="middle",
                text_font_size="size", text_font_style="bold", background_fill_color="ground", padding=4,
                border_radius=5,
            ),
        }  # fmt: skip
        for name, glyph in glyphs.items():
            self.figure.add_glyph(
                self._sources[name], glyph, name=name, nonselection_glyph=None, selection_glyph=None,
                muted_glyph=None,
            )  # fmt: skip
        return glyphs

    def _make_tools(self):
        hovered = [one for one in self.figure.renderers if one.name in ("hover", "points")]
        hover = HoverTool(
            renderers=hovered,
            tooltips=[("frame", "@frame")],
            formatters={"@state": self._names},
            filters={"@value": CustomJS(code=ONLY_NUMBERS)},
        )
        # the selection is the session's: Bokeh selects no rows
        lasso, wheel = LassoSelectTool(renderers=[]), WheelZoomTool()
        tools = PanTool(), wheel, BoxZoomTool(), lasso, BoxSelectTool(renderers=[]), ResetTool(), hover
        self.figure.add_tools(*tools)
        self.figure.toolbar.update(active_drag=lasso, active_scroll=wheel, logo=None)
        self._lasso = lasso
        return hover

    def _listen(self, gestures):
        def geometry(event):
            if not event.final:
                return
            drawn = event.geometry
            if drawn["type"] == "poly":
                gestures.lasso(np.column_stack([drawn["x"], drawn["y"]]).astype(float))
            elif drawn["type"] == "rect":
                gestures.box(tuple(float(drawn[name]) for name in ("x0", "y0", "x1", "y1")))

        def window(event):
            gestures.window(((event.x0, event.x1), (event.y0, event.y1)))

        known = {}  # the browser sets one after the other

        def size(attr, old, new):
            known[attr] = new
            if len(known) == 2:
                gestures.size((known["inner_width"], known["inner_height"]))

        self.figure.on_event(PanStart, lambda event: gestures.drag_started(event.modifiers or {}))
        self.figure.on_event(SelectionGeometry, geometry)
        self.figure.on_event(Tap, lambda event: gestures.tap(event.x, event.y))
        self.figure.on_event(RangesUpdate, window)
        self.figure.on_event(Reset, lambda event: gestures.window(None))
        self.figure.on_change("inner_width", size)
        self.figure.on_change("inner_height", size)

    def activate_lasso(self) -> None:
        """Make the lasso what a drag does."""
        self.figure.toolbar.active_drag = self._lasso

    # ---- showing

    def show(self, scene: MapScene) -> None:
        """Show ``scene``; of its layers only those that are other objects than before are sent."""
        before, self._shown = self._shown, scene
        old = None if before is None else before.layers
        layers, landscape = scene.layers, scene.landscape
        self._show_axes(scene, before)
        for name, columns in (("picture", _picture_columns), ("hover", _hover_columns)):
            layer = getattr(layers, name)
            if old is None or getattr(old, name) is not layer:
                self._sources[name].data = _empty(COLUMNS[name]) if layer is None else columns(layer)
        if old is None or old.lines is not layers.lines:
            self._sources["lines"].data = {"x": layers.lines[:, 0], "y": layers.lines[:, 1]}
        if old is None or old.points is not layers.points:
            self._sources["points"].data = dict(layers.points)
        for name in ("routes", "marks", "names"):
            self._show_rows(name, getattr(layers, name), () if old is None else getattr(old, name))
        _update(
            self._glyphs["names"], padding=3 if any(row["size"] == SMALL_NAMES for row in layers.names) else 4
        )
        profile = landscape.surface.ndim == 1
        ink = "#ffffff" if scene.dark else "#202020"
        _update(self._glyphs["lines"], line_color=ink, line_width=1.5 if profile else 0.9, line_alpha=0.45)
        rows = tooltips(landscape)
        if self._hover.tooltips != rows:
            self._hover.tooltips = rows
        names = [landscape.state_names.get(n, "") for n in range(max(landscape.state_names, default=-1) + 1)]
        if self._names.args["names"] != names:
            self._names.args = {"names": names}
        _update(self.figure, html_attributes={"role": "img", "aria-label": description(landscape)})

    def _show_axes(self, scene, before):
        landscape = scene.landscape
        for axis, label in zip((self.figure.xaxis[0], self.figure.yaxis[0]), landscape.labels, strict=True):
            _update(axis, axis_label=label)
        if before is None or before.view != scene.view:
            for extent, (low, high) in zip(
                (self.figure.x_range, self.figure.y_range), landscape.limits, strict=True
            ):
                low, high = float(low), float(high)
                extent.update(start=low, end=high, reset_start=low, reset_end=high)

    def _show_rows(self, name, rows, before):
        if len(rows) or len(before) or not len(self._sources[name].data["x"]):
            columns = {column: [row[column] for row in rows] for column in COLUMNS[name]}
            if not _equal(self._sources[name].data, columns):
                self._sources[name].data = columns

    @property
    def shown(self) -> dict[str, dict]:
        """{layer: columns} of what is shown."""
        return {name: dict(source.data) for name, source in self._sources.items()}


def _picture_columns(picture):
    colours = np.ascontiguousarray(picture.colours).view(np.uint32)[..., 0]
    return {**_place(picture.bounds), "image": [colours]}


def _hover_columns(hover):
    return {**_place(hover.bounds), **{name: [grid] for name, grid in hover.columns.items()}}


def _place(bounds):
    left, bottom, right, top = map(float, bounds)
    return {"x": [left], "y": [bottom], "dw": [right - left], "dh": [top - bottom]}


def _equal(old, new) -> bool:
    """Whether columns of rows hold the same."""
    return all(
        len(old[name]) == len(new[name])
        and all(
            np.array_equal(a, b, equal_nan=True) if isinstance(b, np.ndarray) else a == b
            for a, b in zip(old[name], new[name], strict=True)
        )
        for name in new
    )


def _update(model, **values) -> None:
    """Set the ``values`` that are others than before: each one that is set is sent to the page."""
    model.update(**{name: value for name, value in values.items() if getattr(model, name) != value})


def _empty(columns) -> dict:
    return {column: [] for column in columns}
