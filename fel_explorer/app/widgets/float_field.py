"""Field for a number, which shows it as it is: panel's own shows 0.00003, and an empty field, as 0.0."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui
from bokeh.models import CustomJSTickFormatter

SHOWN = """
if (tick === null || !Number.isFinite(tick)) return ""
if (tick !== 0 && Math.abs(tick) < 1e-6) return String(tick)
return tick.toLocaleString("en-US", {maximumSignificantDigits: 12})
"""


class FloatField(pmui.FloatInput):
    """`pmui.FloatInput` with all digits."""

    def _get_properties(self, doc: Any) -> dict[str, Any]:
        properties = super()._get_properties(doc)
        if self.format is None:
            properties["data"].format = CustomJSTickFormatter(code=SHOWN)
        return properties
