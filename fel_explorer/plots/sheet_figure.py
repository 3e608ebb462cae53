"""A `Sheet` drawn by matplotlib, for files: text stays text, lines stay lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.plots.glyphs import without_math

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fel_explorer.plots.sheet import Sheet

POINTS = 72 / 96  # of a screen pixel
TEXT = 0.85  # of its size on the page
RIM = 2.0  # px
SEEN = 0.01  # opacity
MANY = 5_000  # dots: as vectors they would make a file that few programs open


def draw_sheet(axes: Axes, sheet: Sheet) -> None:
    """Draw ``sheet`` into matplotlib ``axes``."""
    page = sheet.linear()
    if page.image is not None:
        _image(axes, page.image)
    _areas(axes, page.areas, 3)
    _lines(axes, page.lines, "-", 4)
    _lines(axes, page.dashes, "--", 5)
    _areas(axes, page.heads, 6)
    _dots(axes, page.dots, 7)
    _words(axes, page.words, 8)
    for axis, name in enumerate("xy"):
        ticks = page.ticks[axis]
        words = [without_math(text) for _, text in ticks]
        getattr(axes, f"{name}axis").set_ticks([place for place, _ in ticks], words)
        getattr(axes, f"set_{name}label")(without_math(page.labels[axis]))
        getattr(axes, f"set_{name}lim")(
            *page.limits[axis]
        )  # last, because ticks beyond the limits widen them
    axes.spines[["top", "right"]].set_visible(False)


def _image(axes, image):
    from matplotlib.colors import ListedColormap

    x, y, values, colours = image
    ends = [(c[0] - (c[1] - c[0]) / 2, c[-1] + (c[1] - c[0]) / 2) for c in (x, y)]
    cmap = ListedColormap(list(colours)).with_extremes(bad=(0, 0, 0, 0))
    axes.imshow(
        np.ma.masked_invalid(values), extent=(*ends[0], *ends[1]), origin="lower", aspect="auto",
        vmin=0, vmax=1, cmap=cmap, interpolation="nearest", zorder=2,
    )  # fmt: skip


def _areas(axes, rows, order):
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    outlines = [np.column_stack([row["x"], row["y"]]) for row in rows]
    colours = [_faded(to_rgba(row["colour"]), row["alpha"]) for row in rows]
    collection = PolyCollection(outlines, facecolors=colours, edgecolors="none", zorder=order)
    axes.add_collection(collection, autolim=False)


def _faded(colour, alpha):
    red, green, blue, own = colour
    return red, green, blue, own * alpha


def _lines(axes, rows, style, order):
    from matplotlib.collections import LineCollection

    segments = [np.column_stack([row["x"], row["y"]]) for row in rows]
    widths = [row["width"] * POINTS for row in rows]
    colours = [row["colour"] for row in rows]
    collection = LineCollection(segments, colors=colours, linewidths=widths, linestyles=style, zorder=order)
    axes.add_collection(collection, autolim=False)


def _dots(axes, rows, order):
    rows = [row for row in rows if np.isfinite(row["x"]) and np.isfinite(row["y"])]
    if rows:
        axes.scatter(
            [row["x"] for row in rows], [row["y"] for row in rows],
            s=[(row["size"] * POINTS) ** 2 for row in rows], c=[row["colour"] for row in rows],
            edgecolors=[row["rim"] for row in rows], linewidths=RIM * POINTS, zorder=order,
            rasterized=len(rows) > MANY,
        )  # fmt: skip


def _words(axes, rows, order):
    from matplotlib.colors import to_rgba

    for row in rows:
        if not row["text"] or not np.isfinite(row["x"] + row["y"]):
            continue
        box = {"facecolor": row["ground"], "edgecolor": "none", "boxstyle": "round,pad=0.15"}
        axes.text(
            row["x"],
            row["y"],
            without_math(row["text"]),
            color=row["colour"],
            bbox=box if to_rgba(row["ground"])[3] > SEEN else None,
            fontsize=TEXT * float(row["size"].removesuffix("pt")),
            fontweight="bold" if "bold" in row["style"] else "normal",
            fontstyle="italic" if "italic" in row["style"] else "normal",
            ha=row["align"],
            va="center",
            zorder=order,
            clip_on=True,
        )
