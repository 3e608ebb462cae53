"""A session whose every name is markup: nothing runs and nothing is fetched, in views, dialogs and report."""

import sys

import pytest
from conftest import Server, settle, wait_for
from hostile_names import hostile_session
from playwright.sync_api import expect
from test_stories import LOAD

from fel_explorer.app.report import report_html
from fel_explorer.app.storage.session_folder import save_session


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    save_session(hostile_session(), folder / "names.session")
    command = [sys.executable, "-m", "fel_explorer.cli", "names.session", "--port", "0"]
    server = Server(command, cwd=folder, env={})
    yield server
    server.stop()


def elements(page):
    """Whether a script ran, and the elements, those of shadow roots included, that could run or fetch one."""
    return page.evaluate(
        """() => {
            const found = []
            const walk = (node) => {
                for (const one of node.querySelectorAll('*')) {
                    const foreign = /^http:e/.test(one.getAttribute('src') ?? '')
                    if (foreign || one.hasAttribute('onerror')) found.push(one.parentNode?.outerHTML)
                    if (one.shadowRoot) walk(one.shadowRoot)
                }
            }
            walk(document)
            return [typeof window.ran, found]
        }"""
    )


def test_nothing_of_a_strangers_session_runs(page, server):
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    expect(page.get_by_text("of 360 frames selected")).to_be_visible(timeout=LOAD)
    for name in ("Evidence", "Kinetics", "Timeline", "Comparison", "Modes", "Drive", "Runs", "Pinned"):
        tab = page.get_by_role("button", name=name, exact=True)
        if tab.count() and tab.is_enabled():
            tab.click()
            settle(page)
            assert elements(page) == ["undefined", []], name
    canvas = page.locator(".bk-Canvas").first.bounding_box()
    for part in (0.3, 0.5, 0.7):
        page.mouse.move(canvas["x"] + part * canvas["width"], canvas["y"] + part * canvas["height"])
        settle(page, 0.5)
        assert elements(page) == ["undefined", []]
    for key in ("?", "Control+k", "y"):
        page.keyboard.press(key)
        settle(page, 1.0)
        assert elements(page) == ["undefined", []], key
        page.keyboard.press("Escape")
        settle(page, 0.5)
    expect(page.get_by_text("n5<img").first).to_be_attached()


def test_nothing_in_the_report_runs(page, tmp_path):
    (tmp_path / "report.html").write_text(report_html(hostile_session()))
    page.goto((tmp_path / "report.html").as_uri())
    page.faults[:] = [fault for fault in page.faults if "file://" not in fault]  # the report itself
    wait_for(lambda: page.evaluate("() => document.readyState") == "complete", page=page)
    assert elements(page) == ["undefined", []]
    expect(page.get_by_text("n6<img").first).to_be_visible()
