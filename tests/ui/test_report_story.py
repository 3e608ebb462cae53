"""What a user takes home: the Python of the page, and a report that opens without the app."""

import ast
import re

from conftest import settle
from playwright.sync_api import expect
from test_stories import open_demo


def test_the_page_says_its_python_and_makes_a_report(page, demo, tmp_path):
    open_demo(page, demo)
    page.keyboard.press("y")
    code = page.locator("dialog pre")
    expect(code.first).to_contain_text('fel.sample_data("alanine-dipeptide")')
    ast.parse("\n".join(code.all_inner_texts()))
    settle(page)
    page.screenshot(path=tmp_path / "code.png")
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("r")
    ready = page.get_by_role("button").filter(has_text=re.compile("Download report.html"))
    expect(ready).to_be_visible(timeout=120_000)
    with page.expect_download() as download:
        ready.click()
    report = tmp_path / "report.html"
    download.value.save_as(report)
    other = page.context.new_page()
    other.on("request", lambda sent: sent.url.startswith("http") and page.faults.append(sent.url))
    other.on("pageerror", lambda error: page.faults.append(str(error)))
    other.goto(report.as_uri())
    expect(other.get_by_role("heading", name="Free-energy landscape", exact=True)).to_be_visible()
    expect(other.get_by_role("button", name="Current frame")).to_be_visible()
    expect(other.locator(".viewer canvas").first).to_be_visible()
    other.screenshot(path=tmp_path / "report.png", full_page=True)
