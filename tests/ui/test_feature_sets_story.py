"""What was trained stays when other features are computed or other data are opened."""

import re

from conftest import settle
from playwright.sync_api import expect
from test_stories import LOAD, open_demo

FIRST, SECOND = "heavy atom distances", "heavy atom distances + backbone torsions"


def select(page, label):
    """The select with a label."""
    return page.get_by_role("combobox", name=re.compile(f"^{label}"))


def choose(page, label, option):
    """Choose an option of a select."""
    field = select(page, label)
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + box["height"] / 2)  # next to chips
    choice = page.get_by_role("option", name=option, exact=True)
    choice.or_(page.get_by_role("menuitem", name=option, exact=True)).click()
    settle(page)


def test_models_stay_when_other_features_and_other_data_come(page, demo):
    open_demo(page, demo)
    page.get_by_role("button", name="2 Features").click()
    settle(page)
    choose(page, "Features", "backbone torsions")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compute", exact=True).click()
    expect(page.get_by_text(f"{FIRST} with 1 model stays")).to_be_visible(timeout=LOAD)
    expect(select(page, "Shown model")).to_have_text(f"TICA 2, {SECOND}", timeout=LOAD)
    choose(page, "Shown features", FIRST)
    expect(select(page, "Shown model")).to_have_text(f"TICA 1, {FIRST}")
    choose(page, "Shown model", f"TICA 2, {SECOND}")
    expect(select(page, "Shown features")).to_have_text(SECOND)

    page.get_by_role("button").filter(has_text="Sample data").click()
    expect(page.get_by_text("stays open: choose it under Data, or undo")).to_be_visible(timeout=LOAD)
    expect(select(page, "Shown data")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(select(page, "Shown model")).to_have_text(f"TICA 2, {SECOND}", timeout=LOAD)
