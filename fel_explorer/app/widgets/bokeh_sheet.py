"""A `Sheet` as a live Bokeh figure: a new one is shown by changing columns of data, nothing is built anew.

A redraw by HoloViews takes tenths of a second, which a training at the same time needs.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, Range1d
from bokeh.plotting import figure

from fel_explorer.plots import drawing, hooks
from fel_explorer.plots.sheet import Sheet, linear_ticks

LEFT, RIGHT = 72, 18  # px of a plot next to its frame: frames below one another are in line
COLUMNS = {
    "areas": ("x", "y", "colour", "alpha"),
    "lines": ("x", "y", "colour", "width"),
    "dashes": ("x", "y", "colour", "width"),
    "dots": ("x", "y", "colour", "size", "rim"),
    "words": ("x", "y", "text", "colour", "align", "size", "style", "ground"),
}
IMAGE = ("image", "x", "y", "dw", "dh")


class BokehSheet:
    """One plot; `show` puts a sheet on it.

    Parameters
    ----------
    tap
        Called with the place (x, y) of a click.
    """

    def __init__(self, *, tap=None, min_height: int = 120):
        self.figure = figure(
            sizing_mode="stretch_both", min_height=min_height, min_width=120, toolbar_location=None, tools="",
            x_range=Range1d(0, 1), y_range=Range1d(0, 1), min_border_left=LEFT, min_border_right=RIGHT,
            output_backend="canvas",
        )  # fmt: skip
        self.figure.grid.visible = False
        for axis in (self.figure.xaxis[0], self.figure.yaxis[0]):
            axis.ticker = FixedTicker(ticks=[])
        layers = {**COLUMNS, "image": IMAGE}
        self._sources = {name: ColumnDataSource(_empty(columns)) for name, columns in layers.items()}
        self._mapper = LinearColorMapper(palette=["#000000"], low=0, high=1, nan_color="#00000000")
        self._image = None
        self._draw_layers()
        hooks.font_sizes(
            SimpleNamespace(handles={"xaxis": self.figure.xaxis[0], "yaxis": self.figure.yaxis[0]}), None
        )
        if tap is not None:
            self.figure.on_event(Tap, lambda event: tap(event.x, event.y))
        self.pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", min_height=min_height)

    def _draw_layers(self):
        plot, sources = self.figure, self._sources
        plot.image("image", "x", "y", "dw", "dh", color_mapper=self._mapper, source=sources["image"])
        plot.patches("x", "y", fill_color="colour", fill_alpha="alpha", line_alpha=0, source=sources["areas"])
        for name, dash in (("lines", "solid"), ("dashes", "dashed")):
            plot.multi_line(
                "x", "y", line_color="colour", line_width="width", line_dash=dash, source=sources[name]
            )
        plot.scatter(
            "x",
            "y",
            size="size",
            fill_color="colour",
            line_color="rim",
            line_width=1.5,
            source=sources["dots"],
        )
        plot.text(
            "x", "y", text="text", text_color="colour", text_align="align", text_font_size="size",
            text_font_style="style", background_fill_color="ground", text_baseline="middle", padding=4,
            border_radius=4, source=sources["words"],
        )  # fmt: skip

    def show(self, sheet: Sheet, *, dark: bool = False) -> None:
        """Put ``sheet``, on linear axes, in place of what is shown."""
        for axis, extent, (low, high) in zip("xy", ("x_range", "y_range"), sheet.limits, strict=True):
            place = "xy".index(axis)
            getattr(self.figure, extent).update(start=float(low), end=float(high))
            marks = {
                float(at): text for at, text in sheet.ticks.get(place) or linear_ticks(sheet.limits[place])
            }
            shown = (self.figure.xaxis, self.figure.yaxis)[place][0]
            if shown.axis_label != sheet.labels[place] or shown.major_label_overrides != marks:
                shown.ticker.ticks = list(marks)
                shown.update(axis_label=sheet.labels[place], major_label_overrides=marks)
            shown.update(major_label_text_color=drawing.faint(dark), axis_label_text_color=drawing.ink(dark))
        for name, columns in COLUMNS.items():
            rows = getattr(sheet, name)
            self._sources[name].data = {column: [row[column] for row in rows] for column in columns}
        self._show_image(sheet.image)

    def _show_image(self, image):
        if image is None:
            if self._image is not None:
                self._sources["image"].data = _empty(IMAGE)
        elif self._image is None or image[2] is not self._image[2] or image[3] != self._image[3]:
            x, y, values, colours = image
            (left, right), (bottom, top) = (
                (v[0] - (v[1] - v[0]) / 2, v[-1] + (v[1] - v[0]) / 2) for v in (x, y)
            )
            self._mapper.palette = list(colours)
            self._sources["image"].data = {
                "image": [np.asarray(values, np.float32)], "x": [left], "y": [bottom], "dw": [right - left],
                "dh": [top - bottom],
            }  # fmt: skip
        self._image = image

    @property
    def shown(self) -> dict[str, dict]:
        """{layer: columns} of what is shown."""
        return {name: dict(source.data) for name, source in self._sources.items()}


def _empty(columns) -> dict:
    return {column: [] for column in columns}
