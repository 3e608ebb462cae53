"""Buttons of one component."""

import pytest

from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar


@pytest.fixture
def clicked():
    return []


@pytest.fixture
def bar(clicked):
    words = BarButton(lambda event: clicked.append("words"), label="Words", description="About it")
    icon = BarButton(lambda event: clicked.append("icon"), icon="undo", description="Undo")
    return ButtonBar({"words": words, "icon": icon})


def test_a_click_in_the_browser_is_one_of_its_button(bar, clicked):
    bar._handle_msg("icon")
    bar._handle_msg("words")
    bar._handle_msg("gone")
    assert clicked == ["icon", "words"]


def test_a_button_that_is_disabled_or_hidden_does_not_act(bar, clicked):
    bar.buttons["icon"].disabled = True
    bar.buttons["words"].visible = False
    bar._handle_msg("icon")
    bar._handle_msg("words")
    assert clicked == []


def test_the_browser_gets_the_visible_buttons_in_order(bar):
    assert [item["name"] for item in bar.items] == ["words", "icon"]
    bar.buttons["words"].visible = False
    [item] = bar.items
    assert item["description"] == "Undo" and item["icon"] == "undo" and not item["disabled"]
    bar.buttons["icon"].param.update(disabled=True, variant="contained")
    assert bar.items[0]["disabled"] and bar.items[0]["variant"] == "contained"
    bar.buttons["words"].visible = True
    assert [item["name"] for item in bar.items] == ["words", "icon"]
