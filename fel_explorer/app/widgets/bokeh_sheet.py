"""A `Sheet` as a live Bokeh figure: a new one is shown by changing columns of data, nothing is built anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import param
from bokeh.core.properties import value
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import Tap
from bokeh.models import (
    AllIndices,
    BasicTickFormatter,
    CDSView,
    ColumnDataSource,
    CustomJS,
    FixedTicker,
    Glyph,
    HoverTool,
    Image,
    LinearAxis,
    LinearColorMapper,
    MultiLine,
    Patches,
    Range1d,
    Scatter,
    Selection,
    Text,
    UnionRenderers,
)
from bokeh.plotting import figure

from fel_explorer.app.widgets.standing_figure import StandingFigure
from fel_explorer.plots import drawing as styles
from fel_explorer.plots.bokeh_settings import ONLY_WORDS, PAGE_SIZES, keep_font_sizes
from fel_explorer.plots.colours import legible
from fel_explorer.plots.sheet import ROWS, Sheet
from fel_explorer.plots.tick_places import readable_ticks

LEFT, RIGHT = 72, 18  # px of a plot next to its frame: frames below one another are in line
COLUMNS = {
    "areas": ("x", "y", "colour", "alpha"),
    "lines": ("x", "y", "colour", "width", "tip"),
    "dashes": ("x", "y", "colour", "width", "tip"),
    "heads": ("x", "y", "colour", "alpha"),
    "dots": ("x", "y", "colour", "size", "rim", "tip"),
    "words": ("x", "y", "text", "colour", "align", "size", "style", "ground"),
}
IMAGE = ("image", "x", "y", "dw", "dh")
REPORT_PAINTED = "requestAnimationFrame(() => setTimeout(() => { source.tags = [Date.now()] }))"
HOVERED = ("lines", "dashes", "dots")
FONT = "Roboto, Helvetica, Arial, sans-serif"  # the page's
LETTER, MARGIN = 7.0, 24  # px of a letter of a label, and by which a label may be longer than its axis
SHORT = 64  # vertices up to which a curve is sent as text: each array is a message of its own
SIZE = (700, 270)  # px, until a browser has said how large the plot is
EMPTY = Sheet(((0.0, 1.0), (0.0, 1.0)), ("", ""), ticks={0: [(-1.0, "")], 1: [(-1.0, "")]})
SHAPES: dict[str, dict[str, Any]] = {
    "areas": {"xs": "x", "ys": "y", "fill_color": "colour", "fill_alpha": "alpha", "line_alpha": 0},
    "lines": {"xs": "x", "ys": "y", "line_color": "colour", "line_width": "width"},
    "dashes": {"xs": "x", "ys": "y", "line_color": "colour", "line_width": "width", "line_dash": "dashed"},
    "dots": {
        "x": "x", "y": "y", "size": "size", "fill_color": "colour", "line_color": "rim", "line_width": 2,
    },
    "words": {
        "x": "x", "y": "y", "text": "text", "text_color": "colour", "text_align": "align",
        "text_font_size": "size", "text_font_style": "style", "background_fill_color": "ground",
        "text_baseline": "middle", "text_font": value(FONT), "padding": 4, "border_radius": 4,
    },
}  # fmt: skip
SHAPES["heads"] = SHAPES["areas"]
GLYPHS: dict[str, type[Glyph]] = {
    "areas": Patches, "lines": MultiLine, "dashes": MultiLine, "heads": Patches, "dots": Scatter,
    "words": Text,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SheetDrawing:
    """A `Sheet` on linear axes, and whether the page is dark."""

    sheet: Sheet
    dark: bool = False


class BokehSheet(StandingFigure):
    """A plot that shows one `Sheet` after another; each page has a figure of its own.

    Parameters
    ----------
    tap
        Called with the place (x, y) of a click, on linear axes: logarithms where the sheet's are.
    painted
        Called when a browser has painted changed dots; a notebook does not report it.
    borders
        px left and right of the frame, at least.
    """

    changes = param.Parameter(doc="(layer, {column: patches}) to what is shown.")
    size = param.Tuple(SIZE, doc="(width, height) of the frame in px, as the browser last reported it.")

    _rename: ClassVar = {"changes": None, "size": None}
    _manual_params: ClassVar = ["drawing", "changes"]

    def __init__(
        self,
        *,
        tap: Callable[[float, float], None] | None = None,
        painted: Callable[[], None] | None = None,
        borders: tuple[int, int] = (LEFT, RIGHT),
        **params: Any,
    ):
        self._tap, self._painted, self._borders = tap, painted, borders
        self._sizing = {"sizing_mode": "stretch_both", "min_height": 120, "margin": 0, **params}
        super().__init__(self._make_figure, drawing=SheetDrawing(EMPTY), **self._sizing)

    def show(self, sheet: Sheet, *, dark: bool = False) -> None:
        """Put ``sheet`` in place of what is shown."""
        self.drawing = SheetDrawing(sheet.linear(), dark)

    def change(self, layer: str, columns: dict[str, Any]) -> None:
        """Change the first values of some columns of a layer, without sending the rest."""
        self.changes = (layer, {name: [(slice(0, len(v)), v)] for name, v in columns.items()})

    @property
    def shown(self) -> dict[str, dict]:
        """{layer: columns} of what is shown."""
        return columns_of(self.drawing.sheet)

    def _make_figure(self):
        made = SheetFigure(*self._borders)
        made.figure.update(**self._sizing)
        made.figure.on_event(Tap, self._on_tap)
        for name in ("inner_width", "inner_height"):
            made.figure.on_change(name, self._on_size)
        if self._painted is not None:
            made.report_painted(lambda attr, old, new: self._painted())
        return made

    def _manual_update(self, events, model, doc, root, parent, comm):
        names = {event.name for event in events}
        if "drawing" in names:
            super()._manual_update(events, model, doc, root, parent, comm)
        if "changes" in names and root.ref["id"] in self._live:
            self._live[root.ref["id"]].change(*self.changes)

    def _on_tap(self, event):
        if self._tap is not None and event.x is not None:
            self._tap(event.x, event.y)

    def _on_size(self, _attr, _old, _new):
        sizes = [made.size for made in self.live]
        self.size = next((size for size in sizes if size is not None and size != self.size), self.size)


class SheetFigure:
    """The models of one figure."""

    def __init__(self, left: int, right: int):
        axes = [
            LinearAxis(
                ticker=FixedTicker(ticks=[]), formatter=BasicTickFormatter(), axis_label="", minor_tick_in=0,
                minor_tick_out=0,
            )
            for _ in range(2)
        ]  # fmt: skip
        self.axes = axes
        self.figure = figure(
            x_range=Range1d(0, 1), y_range=Range1d(0, 1), x_axis_type=None, y_axis_type=None, tools="",
            toolbar_location=None, min_width=120, min_border_left=left, min_border_right=right,
            output_backend="canvas", outline_line_color=None,
        )  # fmt: skip
        self.figure.update(below=axes[:1], left=axes[1:])
        # common to all layers, of which nothing is ever selected: each model costs the page time
        common = {"selected": Selection(), "selection_policy": UnionRenderers()}
        layers = {"image": IMAGE, **{name: COLUMNS[name] for name in ROWS}}
        self._sources = {
            name: ColumnDataSource({c: [] for c in columns}, **common) for name, columns in layers.items()
        }
        self._mapper = LinearColorMapper(palette=["#000000"], low=0, high=1, nan_color=styles.CLEAR)
        glyphs = {"image": Image(x="x", y="y", dw="dw", dh="dh", image="image", color_mapper=self._mapper)}
        for name in ROWS:
            glyphs[name] = GLYPHS[name](**SHAPES[name])
        everything = AllIndices()
        renderers = {
            name: self.figure.add_glyph(self._sources[name], glyph, view=CDSView(filter=everything))
            for name, glyph in glyphs.items()
        }
        self.figure.add_tools(
            HoverTool(
                renderers=[renderers[name] for name in HOVERED], tooltips="@tip",
                filters={"tip": CustomJS(code=ONLY_WORDS)},
            )
        )  # fmt: skip
        for axis in axes:
            keep_font_sizes(axis, PAGE_SIZES)
        self._image: tuple | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the frame in px; None before a browser has laid it out."""
        try:
            size = self.figure.inner_width, self.figure.inner_height
        except UnsetValueError:
            return None
        return size if min(size) > 0 else None

    def show(self, drawing: SheetDrawing) -> None:
        """Show another drawing."""
        sheet, dark = drawing.sheet, drawing.dark
        ranges = (self.figure.x_range, self.figure.y_range)
        for place, (axis, extent) in enumerate(zip(self.axes, ranges, strict=True)):
            low, high = sheet.limits[place]
            extent.update(start=float(low), end=float(high))
            ticks, label = sheet.ticks[place], sheet.labels[place]
            if self.size is not None:
                ticks = readable_ticks(ticks, (low, high), self.size[place], upright=place == 1)
                label = in_two_lines(label, self.size[place])
            marks = {float(at): text for at, text in ticks}
            if (axis.axis_label, axis.major_label_overrides) != (label, marks):
                axis.ticker.ticks = list(marks)
                axis.update(axis_label=label, major_label_overrides=marks)
            axis.update(major_label_text_color=styles.faint(dark), axis_label_text_color=styles.ink(dark))
        for name in ROWS:
            columns = _columns(getattr(sheet, name), COLUMNS[name])
            if name == "words":
                columns["colour"] = [legible(colour, dark=dark) for colour in columns["colour"]]
            if columns["x"] or self._sources[name].data["x"]:
                self._sources[name].data = columns
        if not same_image(self._image, sheet.image):
            if sheet.image is not None:
                self._mapper.palette = list(sheet.image[3])
            self._sources["image"].data = _image_columns(sheet.image)
            self._image = sheet.image
        attributes = {"role": "img", "aria-label": sheet.description()}
        if self.figure.html_attributes != attributes:
            self.figure.html_attributes = attributes

    def report_painted(self, callback) -> None:
        """Have ``callback(attr, old, new)`` called when changed dots are painted."""
        dots = self._sources["dots"]
        dots.js_on_change("patching", CustomJS(args={"source": dots}, code=REPORT_PAINTED))
        dots.on_change("tags", callback)

    def change(self, layer, patches) -> None:
        """Change values of a layer."""
        self._sources[layer].patch(patches)


def in_two_lines(label: str, length: float) -> str:
    """The label of an axis of ``length`` pixels, broken near its middle if it is longer."""
    spaces = [place for place, letter in enumerate(label) if letter == " "]
    if not spaces or LETTER * len(label) <= length + MARGIN:
        return label
    middle = min(spaces, key=lambda place: abs(place - len(label) / 2))
    return f"{label[:middle]}\n{label[middle + 1 :]}"


def columns_of(sheet: Sheet) -> dict[str, dict]:
    """{layer: columns} as a figure shows them."""
    layers = {name: _columns(getattr(sheet, name), columns) for name, columns in COLUMNS.items()}
    return {**layers, "image": _image_columns(sheet.image)}


def same_image(one: tuple | None, other: tuple | None) -> bool:
    """Whether two images of sheets hold the same array in the same colours."""
    if one is None or other is None:
        return one is other
    return one[2] is other[2] and one[3] == other[3]


def _columns(rows, names) -> dict:
    return {name: [_listed(row[name]) for row in rows] for name in names}


def _listed(values):
    return values.tolist() if isinstance(values, np.ndarray | np.generic) and values.size <= SHORT else values


def _image_columns(image) -> dict:
    if image is None:
        return {name: [] for name in IMAGE}
    x, y, values, _ = image
    (left, right), (bottom, top) = ((v[0] - (v[1] - v[0]) / 2, v[-1] + (v[1] - v[0]) / 2) for v in (x, y))
    return {
        "image": [np.asarray(values, np.float32)], "x": [left], "y": [bottom], "dw": [right - left],
        "dh": [top - bottom],
    }  # fmt: skip
