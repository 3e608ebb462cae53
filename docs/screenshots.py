"""Take the pictures of the README: ``python docs/screenshots.py`` (needs the ``test`` extra and Chromium)."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "ui"))

from conftest import CHROMIUM_ARGS, Server, chromium  # noqa: E402
from test_stories import LOAD  # noqa: E402
from test_tree_story import NODE  # noqa: E402

PAGE = """
import fel_explorer as fel
from fel_explorer.app import tasks

data, trajs = tasks.sample()(lambda *_: None, lambda: False)
tree = fel.DivisiveIDM(lag_times=[50.0, 8.0, 2.0], n_steps=1000, n_restarts=1, seed=1).fit(data)
explorer = fel.explore(data, {"DivisiveIDM 1": tree}, trajectories=trajs)
explorer.session.colour("state")
explorer.show(port=0, open=False)
"""


def take(page, server):
    """The map by state, a state of the tree clicked, and the evidence for it; in light and in dark."""
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    expect(page.get_by_text("with exponential decay")).to_be_visible(timeout=5 * LOAD)
    page.wait_for_timeout(20_000)
    page.mouse.click(*page.evaluate(NODE, 1))
    page.get_by_role("button", name="Evidence", exact=True).click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(8000)
    page.screenshot(path=HERE / "images" / "explorer.png")
    page.keyboard.press("t")
    page.wait_for_timeout(8000)
    page.screenshot(path=HERE / "images" / "explorer-dark.png")


def main():
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server([sys.executable, "-c", PAGE], cwd=folder, env={}, timeout=900)
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        try:
            take(browser.new_page(viewport={"width": 1760, "height": 990}), server)
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
