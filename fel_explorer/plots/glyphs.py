"""Bokeh's glyphs drawn by matplotlib: those that the plots use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bokeh.models import LinearColorMapper
    from bokeh.models.glyph import Glyph as BokehGlyph
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

POINTS = 72 / 96  # of a screen pixel
DASHES = {"solid": "-", "dashed": "--", "dotted": ":", "dotdash": "-.", "dashdot": "-."}
SEEN = 0.01  # opacity
MANY = 5_000  # points: as vectors they would make a file that few programs open


def without_math(text: str) -> str:
    """``text`` for matplotlib, which would read what stands between dollar signs as TeX."""
    return str(text).replace("$", r"\$")


def draw(axes: Axes, glyph: BokehGlyph, data: Mapping[str, Any], order: int) -> None:
    """Draw a ``glyph`` and its columns ``data``; glyphs of higher ``order`` lie above."""
    name = type(glyph).__name__
    if name not in _drawers:
        raise FelError(f"A plot with a glyph '{name}'.", f"Figures are made of {', '.join(_drawers)}.")
    _drawers[name](axes, Glyph(glyph, data), order + 2)


def colour_scale(mapper: LinearColorMapper) -> tuple[Normalize, Colormap]:
    """Norm and colour map of a Bokeh colour mapper; NaN is transparent."""
    from matplotlib.colors import ListedColormap, Normalize

    colours = ListedColormap([_rgba(colour) for colour in mapper.palette])
    return Normalize(mapper.low, mapper.high), colours.with_extremes(bad=(0, 0, 0, 0))


class Glyph:
    """The properties of a glyph for each of its items."""

    def __init__(self, glyph: BokehGlyph, data: Mapping[str, Any]) -> None:
        self._properties = glyph.properties_with_values(include_defaults=True)
        self._data = data
        self.mapper = getattr(glyph, "color_mapper", None)
        self.n = next((len(v) for v in data.values()), 0)

    def each(self, name: str) -> list:
        """The property ``name`` of each item; numbers behind a colour mapper become colours."""
        spec = self._properties[name]
        field = getattr(spec, "field", None)
        if field is None:
            return [getattr(spec, "value", spec)] * self.n
        column = self._data[field]
        if hasattr(spec.transform, "palette"):
            norm, colours = colour_scale(spec.transform)
            return [colours(norm(float(value))) for value in column]
        return list(column)

    def one(self, name: str) -> Any:
        """A property common to all items."""
        spec = self._properties[name]
        return getattr(spec, "value", spec)

    def numbers(self, name: str) -> np.ndarray:
        return np.array(self.each(name), float)

    def colours(self, kind: str) -> np.ndarray:
        """Colours with their opacity, (item, 4); ``kind`` is "line", "fill", "text", "background_fill"."""
        pairs = zip(self.each(f"{kind}_color"), self.each(f"{kind}_alpha"), strict=True)
        return np.array([_rgba(colour, alpha) for colour, alpha in pairs]).reshape(-1, 4)


def _rgba(colour, alpha=1.0):
    from matplotlib.colors import to_rgba

    if colour is None:
        return 0.0, 0.0, 0.0, 0.0
    plain: Any = str(colour) if isinstance(colour, str) else tuple(float(part) for part in colour)
    red, green, blue, own = to_rgba(plain)
    return red, green, blue, own * float(alpha)


def _lines(axes, xs, ys, glyph, order):
    from matplotlib.collections import LineCollection

    n, dash = len(xs), glyph.one("line_dash")
    colours, widths = glyph.colours("line")[:n], glyph.numbers("line_width")[:n] * POINTS
    drawn = colours[:, 3] > SEEN
    segments = [np.column_stack([x, y]) for x, y, seen in zip(xs, ys, drawn, strict=True) if seen]
    style = DASHES.get(dash, "-") if isinstance(dash, str) else "--" if dash else "-"
    collection = LineCollection(
        segments, colors=colours[drawn], linewidths=widths[drawn], linestyles=style, zorder=order
    )
    axes.add_collection(collection, autolim=False)


def _multi_line(axes, glyph, order):
    _lines(axes, glyph.each("xs"), glyph.each("ys"), glyph, order)


def _line(axes, glyph, order):
    if glyph.n:
        _lines(axes, [glyph.each("x")], [glyph.each("y")], glyph, order)


def _polygons(axes, glyph, order):
    from matplotlib.collections import PolyCollection

    colours = glyph.colours("fill")
    drawn = colours[:, 3] > SEEN
    # of each item the outer ring of its first part: the areas here have no holes
    rings = zip(glyph.each("xs"), glyph.each("ys"), drawn, strict=True)
    outlines = [np.column_stack([x[0][0], y[0][0]]) for x, y, seen in rings if seen]
    collection = PolyCollection(outlines, facecolors=colours[drawn], edgecolors="none", zorder=order)
    axes.add_collection(collection, autolim=False)


def _scatter(axes, glyph, order):
    x, y = glyph.numbers("x"), glyph.numbers("y")
    known = np.isfinite(x) & np.isfinite(y)
    if known.any():
        axes.scatter(
            x[known],
            y[known],
            s=(glyph.numbers("size")[known] * POINTS) ** 2,
            c=glyph.colours("fill")[known],
            edgecolors=glyph.colours("line")[known],
            linewidths=glyph.numbers("line_width")[known] * POINTS,
            zorder=order,
            rasterized=len(x) > MANY,
        )


def _image(axes, glyph, order):
    if not glyph.one("global_alpha"):
        return
    norm, colours = colour_scale(glyph.mapper)
    limits = axes.get_xlim(), axes.get_ylim()
    places = (glyph.numbers(name) for name in ("x", "y", "dw", "dh"))
    for values, x, y, dw, dh in zip(glyph.each("image"), *places, strict=True):
        axes.imshow(
            np.ma.masked_invalid(values),
            extent=(x, x + dw, y, y + dh),
            origin="lower",
            aspect="auto",
            norm=norm,
            cmap=colours,
            alpha=float(glyph.one("global_alpha")),
            interpolation="nearest",
            zorder=order,
        )
    axes.set(xlim=limits[0], ylim=limits[1])


def _image_rgba(axes, glyph, order):
    limits = axes.get_xlim(), axes.get_ylim()
    places = (glyph.numbers(name) for name in ("x", "y", "dw", "dh"))
    for packed, x, y, dw, dh in zip(glyph.each("image"), *places, strict=True):
        colours = np.ascontiguousarray(packed, np.uint32).view(np.uint8).reshape(*packed.shape, 4)
        if colours[..., 3].any():
            axes.imshow(colours, extent=(x, x + dw, y, y + dh), origin="lower", aspect="auto", zorder=order)
    axes.set(xlim=limits[0], ylim=limits[1])


def _text(axes, glyph, order):
    grounds, colours = glyph.colours("background_fill"), glyph.colours("text")
    about = (glyph.each(f"text_{name}") for name in ("font_size", "font_style", "align", "baseline"))
    places = glyph.numbers("x"), glyph.numbers("y")
    rows = zip(*places, glyph.each("text"), colours, grounds, *about, strict=True)
    for x, y, text, colour, ground, size, style, align, baseline in rows:
        if not text or not np.isfinite(x + y):
            continue
        box = {"facecolor": ground, "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        axes.text(
            x,
            y,
            without_math(text),
            color=colour,
            bbox=box if ground[3] > SEEN else None,
            fontsize=0.85 * _font_size(size),
            fontweight="bold" if "bold" in style else "normal",
            fontstyle="italic" if "italic" in style else "normal",
            ha=align,
            va={"middle": "center", "alphabetic": "baseline"}.get(baseline, baseline),
            zorder=order,
            clip_on=True,
        )


def _font_size(size: str) -> float:
    """Points of "12pt" or "16px"."""
    return float(size[:-2]) * (POINTS if size.endswith("px") else 1.0)


_drawers = {
    "MultiLine": _multi_line,
    "Line": _line,
    "MultiPolygons": _polygons,
    "Scatter": _scatter,
    "Image": _image,
    "ImageRGBA": _image_rgba,
    "Text": _text,
}
