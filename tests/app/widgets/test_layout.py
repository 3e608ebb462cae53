"""Widgets that all panels share."""

import panel_material_ui as pmui

from fel_explorer.app.widgets.layout import offer


def test_the_page_hears_of_another_label_for_the_same_value():
    select = pmui.Select(label="State", options={"state 3-1": 0, "state 3-2": 1}, value=0)
    model = select.get_root()
    offer(select, {"state 2-1": 0, "state 2-2": 1}, 0)
    assert select.value == 0 and model.data.options == ["state 2-1", "state 2-2"]
    assert model.data.value == "state 2-1"
    offer(select, {"state 1-1": 7}, 7)
    assert model.data.value == "state 1-1"
