"""Settings of Bokeh models that plots by HoloViews and live figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import CustomJS

from fel_explorer.plots.drawing import FONT_SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bokeh.models import Axis

PAGE_SIZES = {"labels": "14px", "ticks": "13px"}  # as the words around a figure
ONLY_NUMBERS = "export default (args, tool, {value}) => isFinite(value)"
ONLY_WORDS = "export default (args, tool, {value}) => Boolean(value && value.trim())"
# not for ever: should a theme ever answer each change with one of its own, the page would hang
_KEEP_SIZE = """
cb_obj._kept = (cb_obj._kept ?? 0) + 1
if (cb_obj[name] != size && cb_obj._kept < 100) cb_obj[name] = size
"""


def keep_font_sizes(axis: Axis, sizes: Mapping[str, str] = FONT_SIZES) -> None:
    """Set sizes of labels and ticks permanently: the theme of a page sets others later."""
    sizes = {
        "axis_label_text_font_size": sizes["labels"],
        "major_label_text_font_size": sizes["ticks"],
    }
    axis.update(**sizes)
    for attribute, size in sizes.items():  # each change of the page's theme sets its own on the page
        if f"change:{attribute}" not in axis.js_property_callbacks:
            axis.js_on_change(attribute, CustomJS(args={"name": attribute, "size": size}, code=_KEEP_SIZE))
