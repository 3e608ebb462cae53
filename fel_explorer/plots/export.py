"""Any plot as a figure for print: SVG, PDF (both with real text and lines) or PNG, without a browser.

A `Sheet` is drawn by matplotlib. Of other plots HoloViews makes Bokeh models, and these are drawn once more
by matplotlib: so each plot is styled in one place only, and what is on the page is what is on paper.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.errors import FelError
from fel_explorer.plots import glyphs
from fel_explorer.plots.sheet import Sheet
from fel_explorer.plots.sheet_figure import draw_sheet

if TYPE_CHECKING:
    import holoviews as hv
    from bokeh.models import Plot
    from matplotlib.axes import Axes

KINDS = ("svg", "pdf", "png")
SIZE = (16.0, 10.0)  # cm: a column and a half
CM = 1 / 2.54
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "fel_explorer",
    "font.family": "sans-serif",
}


def save(element: hv.core.Dimensioned | Sheet, path: str | Path, *, size: tuple[float, float] = SIZE) -> Path:
    """Write ``element``, what a ``plot_`` function returned, to ``path``; its ending says as what.

    Raises
    ------
    FelError
        If the ending is none of svg, pdf, png.
    """
    path = Path(path)
    content = figure_bytes(element, path.suffix.lower().lstrip("."), size=size)
    with whole_file(path) as partial:
        partial.write_bytes(content)
    return path


def figure_bytes(
    element: hv.core.Dimensioned | Sheet, kind: str, *, size: tuple[float, float] = SIZE
) -> bytes:
    """Content of a file of ``element``, an overlay or a `Sheet`; ``kind`` of `KINDS`, ``size`` in cm."""
    if kind not in KINDS:
        raise FelError(f"A figure as '{kind}'.", f"Figures are written as {', '.join(KINDS)}.")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer, stamp = io.BytesIO(), {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(CM * size[0], CM * size[1]), layout="constrained")
        if isinstance(element, Sheet):
            draw_sheet(figure.add_subplot(), element)
        else:
            draw(figure.add_subplot(), _rendered(element))
        figure.savefig(buffer, format=kind, dpi=300, metadata=stamp)
    return buffer.getvalue()


def _rendered(element):
    import holoviews as hv  # which a `Sheet` does not need

    return hv.render(element, backend="bokeh")


def draw(axes: Axes, model: Plot) -> None:
    """Draw a Bokeh figure into matplotlib ``axes``."""
    _frame(axes, model)
    renderers: list[Any] = list(model.renderers)  # those of glyphs
    for order, renderer in enumerate(renderers):
        if renderer.visible:
            glyphs.draw(axes, renderer.glyph, renderer.data_source.data, order)
    for bar in [item for item in model.right if type(item).__name__ == "ColorBar"]:
        _colour_bar(axes, bar)


def _frame(axes, model):
    """Scales, limits, labels and ticks."""
    for name, range_, shown in (
        ("x", model.x_range, model.xaxis[0]),
        ("y", model.y_range, model.yaxis[0]),
    ):
        log = type(getattr(model, f"{name}_scale")).__name__ == "LogScale"
        axis = getattr(axes, f"{name}axis")
        if log:
            getattr(axes, f"set_{name}scale")("log")
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        getattr(axes, f"set_{name}label")(glyphs.without_math(shown.axis_label or ""))
        ticks = getattr(shown.ticker, "ticks", None)
        if ticks is not None:
            words = shown.major_label_overrides
            axis.set_ticks(ticks, [glyphs.without_math(words.get(place, f"{place:g}")) for place in ticks])
        # last, because ticks beyond the limits widen them
        getattr(axes, f"set_{name}lim")(range_.start, range_.end)
    axes.spines[["top", "right"]].set_visible(False)


def _colour_bar(axes, bar):
    from matplotlib.cm import ScalarMappable

    mapped = ScalarMappable(*glyphs.colour_scale(bar.color_mapper))
    bar_axes = axes.figure.colorbar(mapped, ax=axes, label=glyphs.without_math(bar.title or ""))
    ticks = getattr(bar.ticker, "ticks", None)
    if ticks:
        labels = (bar.major_label_overrides.get(t, f"{t:g}") for t in ticks)
        bar_axes.set_ticks(ticks, labels=list(map(glyphs.without_math, labels)))
