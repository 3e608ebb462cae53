"""Widgets that all panels share."""

import ast
from pathlib import Path

import panel_material_ui as pmui
import pytest

import fel_explorer
from fel_explorer.app.widgets.layout import lay_out, offer

APP = Path(fel_explorer.__file__).parent / "app"


def test_the_page_hears_of_another_label_for_the_same_value():
    select = pmui.Select(label="State", options={"state 3-1": 0, "state 3-2": 1}, value=0)
    model = select.get_root()
    offer(select, {"state 2-1": 0, "state 2-2": 1}, 0)
    assert select.value == 0 and model.data.options == ["state 2-1", "state 2-2"]
    assert model.data.value == "state 2-1"
    offer(select, {"state 1-1": 7}, 7)
    assert model.data.value == "state 1-1"


def test_parts_are_laid_out_in_order_when_they_are_first_visible():
    first, second, third = (pmui.Column(visible=shown) for shown in (False, True, False))
    layout = pmui.Row()
    lay_out(layout, first, second, third)
    assert layout.objects == [second]
    third.visible = True
    third.visible = False
    assert layout.objects == [second, third]
    first.visible = True
    assert layout.objects == [first, second, third]


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.name)
def test_html_is_emptied_and_not_hidden(path):
    """Panel 1.9 fails in a browser when a pane of HTML is shown that has not been drawn yet."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("pane.HTML"):
            assert "visible" not in [keyword.arg for keyword in node.keywords], node.lineno
