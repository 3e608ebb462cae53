"""Adjustments of Bokeh models that HoloViews makes once and does not update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from bokeh.models import BoxSelectTool, CustomJS, FixedTicker, LassoSelectTool

from fel_explorer.plots.bokeh_settings import ONLY_NUMBERS, ONLY_WORDS, keep_font_sizes
from fel_explorer.plots.colours import Scale
from fel_explorer.plots.tick_places import linear_ticks

Hook: TypeAlias = Callable[[Any, Any], None]
"""HoloViews calls it with its plot and its element after each change."""


def colour_bar(scale: Scale) -> Hook:
    """Keep title and ticks of the colour bar in step with ``scale``.

    The page makes the bar's axis once and never looks for another ticker (bokeh 3.9): only the ticks of the
    first one can change.
    """

    def hook(plot, element):
        bar = plot.handles.get("colorbar")
        if bar is None:
            return
        ticks, overrides = bar_ticks(scale), dict(enumerate(scale.names))
        if not isinstance(bar.ticker, FixedTicker):
            bar.ticker = FixedTicker(ticks=ticks)
        elif list(bar.ticker.ticks) != ticks:
            bar.ticker.ticks = ticks
        if (bar.title, bar.major_label_overrides) != (scale.label, overrides):
            bar.update(title=scale.label, major_label_overrides=overrides)

    return hook


def bar_ticks(scale: Scale) -> list[float]:
    """Where a colour bar has ticks: at the categories, at right angles, or at some five round numbers."""
    if scale.kind == "categorical":
        return list(map(float, range(len(scale.names))))
    if scale.kind == "cyclic":
        return [-180.0, -90.0, 0.0, 90.0, 180.0]
    return [place for place, _ in linear_ticks(scale.limits)]


def axes(limits: tuple[tuple[float, float], tuple[float, float]], labels: tuple[str, str]) -> Hook:
    """Label the axes, and show ``limits`` whenever they are others than before."""

    def hook(plot, element):
        x_range, y_range = plot.handles["x_range"], plot.handles["y_range"]
        plot.handles["xaxis"].axis_label, plot.handles["yaxis"].axis_label = labels
        if plot.handles.get("shown limits") == (limits, labels):
            return
        plot.handles["shown limits"] = (limits, labels)
        for axis, (low, high) in ((x_range, limits[0]), (y_range, limits[1])):
            axis.update(start=low, end=high, reset_start=low, reset_end=high)

    return hook


def describe(words: str) -> Hook:
    """Set the description of the plot for screen readers, which can't read its canvas."""

    def hook(plot, element):
        attributes = {"role": "img", "aria-label": words}
        if plot.state.html_attributes != attributes:
            plot.state.html_attributes = attributes

    return hook


def hover_only_over_data(field: str) -> Hook:
    """No tooltip where ``field`` is NaN."""

    def hook(plot, element):
        hover = plot.handles.get("hover")
        if hover is not None and field not in hover.filters:
            hover.filters = {field: CustomJS(code=ONLY_NUMBERS)}

    return hook


def hover_only_with_words(field: str) -> Hook:
    """No tooltip where the text ``field`` is empty."""

    def hook(plot, element):
        hover = plot.handles.get("hover")
        if hover is not None and field not in hover.filters:
            hover.filters = {field: CustomJS(code=ONLY_WORDS)}

    return hook


def ticks(marks: Sequence[Sequence[tuple[float, str]]]) -> Hook:
    """Ticks of the x and of the y axis, [(place, word)] each."""

    def hook(plot, element):
        for name, rows in zip(("xaxis", "yaxis"), marks, strict=True):
            axis, words = plot.handles[name], {float(place): word for place, word in rows}
            if getattr(axis.ticker, "ticks", None) != list(words) or axis.major_label_overrides != words:
                axis.update(ticker=FixedTicker(ticks=list(words)), major_label_overrides=words)

    return hook


def font_sizes(plot: Any, element: Any) -> None:
    """Set the font sizes of the axes permanently: the theme of a page sets others after HoloViews."""
    for name in ("xaxis", "yaxis"):
        keep_font_sizes(plot.handles[name])


def selection_is_ours(plot: Any, element: Any) -> None:
    """Keep Bokeh's select tools from dimming glyphs: the selection is drawn from the session's mask."""
    for tool in plot.state.toolbar.tools:
        if isinstance(tool, LassoSelectTool | BoxSelectTool):
            tool.renderers = []


def text_padding(plot: Any, element: Any) -> None:
    """Room between a text and the edge of its background."""
    plot.handles["text_1_glyph" if "text_1_glyph" in plot.handles else "glyph"].padding = 4
