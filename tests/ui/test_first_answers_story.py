"""First answers: which molecule, which lag, what was found; dialogs of files that say how far they go."""

import re

from conftest import settle
from playwright.sync_api import expect
from test_stories import LOAD, open_demo


def test_the_page_answers_before_and_after_the_states_are_found(page, demo):
    open_demo(page, demo)
    expect(page.get_by_text("ACE-ALA-NME, C6H12N2O2")).to_be_visible()
    page.get_by_role("button").filter(has_text="Propose a lag time").click()
    expect(page.get_by_text(re.compile(r"^Proposed lag \d+ ps"))).to_be_visible(timeout=LOAD)
    page.get_by_role("button").filter(has_text="Find the states").click()
    found = page.get_by_text(re.compile(r"^\d states at .*: the slowest process takes 1\d\d ps, phi of ALA2"))
    expect(found).to_be_visible(timeout=2 * LOAD)
    settle(page)
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Save session")).to_be_visible()
    settle(page)
    page.keyboard.press("t")  # nothing happens over a dialog
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_text("Saved as")).to_be_visible(timeout=LOAD)
    settle(page)
    page.get_by_role("button").filter(has_text="Open files").click()
    expect(page.get_by_text("can be opened. For others start fel-explorer with")).to_be_visible()
    page.get_by_role("textbox", name=re.compile("^Or type paths")).fill("../elsewhere.xtc")
    page.get_by_role("button", name="Open", exact=True).last.click()
    expect(page.get_by_text("is outside of the folder that this page may read")).to_be_visible()
