"""Two conditions: named under Data, compared next to each other."""

import re

from conftest import settle
from playwright.sync_api import expect
from test_stories import LOAD, open_demo


def test_trajectories_get_conditions_and_are_compared(page, demo):
    open_demo(page, demo)
    page.get_by_role("button", name="Conditions", exact=True).click()
    lines = page.get_by_role("textbox", name="Conditions")
    expect(page.get_by_text("What sets trajectories apart")).to_be_visible()
    page.get_by_role("combobox", name="From").click()
    page.get_by_role("option", name="Typed below").click()
    lines.fill("trajectory-[0-3]* = apo\n* = holo")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("button", name="Conditions", exact=True).last.click()
    expect(page.get_by_text("Right: the second minus the first.")).to_be_visible(timeout=LOAD)
    expect(page.get_by_role("combobox", name="Reference")).to_have_text("apo")
    page.get_by_role("button", name="Features", exact=True).last.click()
    rows = page.locator(".fel-table tbody tr")
    expect(rows.first).to_be_visible()
    expect(rows.first).to_contain_text(re.compile(r"0\.\d+"))
    rows.nth(1).click()
    settle(page)
    expect(page.locator(".fel-table tbody tr").nth(1)).to_be_visible()
