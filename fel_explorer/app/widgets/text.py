"""Text on the page, as Markdown without HTML, pictures, and links.

All components of the page that interpret a string as HTML are made here; where drawings and tables are
written as HTML, strings go through `html.escape` (`tests/app/widgets/test_text.py`).
"""

from __future__ import annotations

from html import escape
from typing import Any

import panel_material_ui as pmui

from fel_explorer.app.widgets.markdown import to_html


class Text(pmui.Typography):
    """A paragraph in the Markdown of `to_html`; names in it go through `literal`."""

    def _transform_object(self, obj: Any) -> dict[str, Any]:
        return {"object": escape(to_html(str(obj or "")))}


class Notice(pmui.Alert):
    """A box with a severity and a text in the Markdown of `to_html`."""

    def __init__(self, text: str = "", **params: Any) -> None:
        super().__init__(object=text, **params)

    def _process_param_change(self, params: dict[str, Any]) -> dict[str, Any]:
        text = params.pop("object", None)
        params = super()._process_param_change(params)
        return params if text is None else params | {"object": escape(to_html(text))}
