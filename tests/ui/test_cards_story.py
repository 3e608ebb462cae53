"""Cards of the page: their sizes are dragged and kept, and each can fill the page."""

import re

import pytest
from conftest import settle, wait_for
from playwright.sync_api import expect
from test_stories import FIGURE, open_demo

CANVAS = ".fel-stage canvas"  # of the molecule


def widths(page):
    """Widths in pixels of the frame of the map and of the molecule's canvas."""
    return page.evaluate(FIGURE)["width"], page.locator(CANVAS).first.bounding_box()["width"]


def drag(page, handle, x, y):
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_separators_resize_map_and_molecule_and_are_remembered(page, demo):
    open_demo(page, demo)
    across = page.get_by_role("separator", name="Width of the landscape", exact=True)
    before = widths(page)
    drag(page, across, 700, 400)
    wait_for(lambda: widths(page)[0] < before[0] - 100 and widths(page)[1] > before[1] + 100, page=page)
    at = int(across.get_attribute("aria-valuenow"))
    across.focus()
    page.keyboard.press("ArrowLeft")
    assert int(across.get_attribute("aria-valuenow")) == at - 2
    expect(page.get_by_text("Frame 0, 0 ps of trajectory 1")).to_be_visible()  # arrows did not step frames
    side = page.get_by_role("separator", name="Width of the side bar", exact=True)
    drag(page, side, 400, 400)
    expect(side).to_have_attribute("aria-valuenow", re.compile("^(39|40).$"))
    settle(page)
    page.reload()
    expect(across).to_have_attribute("aria-valuenow", str(at - 2))
    expect(side).to_have_attribute("aria-valuenow", re.compile("^(39|40).$"))
    across.dblclick()
    expect(across).to_have_attribute("aria-valuenow", "50")


def test_a_card_fills_the_page_and_escape_brings_the_others_back(page, demo):
    open_demo(page, demo)
    before = widths(page)[1]
    page.get_by_role("button", name="Enlarge Structure", exact=True).click()
    wait_for(lambda: widths(page)[1] > 1.8 * before, page=page)
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_hidden()
    page.keyboard.press("i")
    page.keyboard.press("Escape")
    expect(page.get_by_text("200,000 of 200,000 frames selected")).to_be_visible()  # Escape did not clear it
    wait_for(lambda: abs(widths(page)[1] - before) < 5, page=page)
    page.keyboard.press("Escape")
    expect(page.get_by_text("0 of 200,000 frames selected", exact=True)).to_be_visible()
    page.get_by_role("heading", name="Landscape", exact=True).dblclick()
    expect(page.get_by_role("button", name="Shrink Landscape", exact=True)).to_be_visible()
    page.get_by_role("heading", name="Landscape", exact=True).dblclick()
    expect(page.get_by_role("button", name="Enlarge Structure", exact=True)).to_be_visible()


@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (2560, 1440)])
def test_everything_is_in_the_window_with_the_strip_open(page, demo, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    open_demo(page, demo)
    page.get_by_role("button", name="Modes", exact=True).click()
    plot = page.get_by_role("img", name=re.compile("^Plot of time scale")).locator("canvas").first
    expect(plot).to_be_visible()
    settle(page)
    play = page.get_by_role("button", name="Play", exact=True).last
    runs = page.get_by_role("button", name="Runs", exact=True)
    runs.focus()  # which brings it into view, where the tabs have no room
    fold = page.get_by_role("button", name="Fold", exact=True)
    invert = page.get_by_role("button", name="Select all other frames", exact=True)
    for part in (plot, play, invert, runs, fold, page.get_by_role("button", name="Subtract", exact=True)):
        box = part.bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] <= size[1], (part, box)
        assert box["x"] > 0 and box["x"] + box["width"] <= size[0], (part, box)
    if size[1] >= 900:
        assert page.locator(CANVAS).first.bounding_box()["height"] >= 240
