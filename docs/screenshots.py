"""Take the pictures of the README: ``python docs/screenshots.py`` (needs the ``test`` extra and Chromium)."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "ui"))

from conftest import CHROMIUM_ARGS, Server, chromium  # noqa: E402
from test_stories import LOAD, Map, open_demo, train  # noqa: E402


def take(page, server):
    """Train IDM, colour the map by state, click a point, and take a picture in light and in dark."""
    open_demo(page, server)
    train(page, 1500)
    expect(page.get_by_text("populated states of 16")).to_be_visible(timeout=10 * LOAD)
    page.get_by_label("Colour by").click()
    page.get_by_role("option", name="state", exact=True).click()
    page.wait_for_timeout(3000)
    figure = Map(page).figure
    page.mouse.click(figure["left"] + 0.3 * figure["width"], figure["top"] + 0.45 * figure["height"])
    expect(page.get_by_text("Distance to the data")).to_be_visible()
    page.mouse.move(5, 5)
    page.wait_for_timeout(5000)
    page.screenshot(path=HERE / "images" / "explorer.png")
    page.keyboard.press("t")
    page.wait_for_timeout(3000)
    page.screenshot(path=HERE / "images" / "explorer-dark.png")


def main():
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server([sys.executable, "-m", "fel_explorer.cli", "demo", "--port", "0"], cwd=folder, env={})
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        try:
            take(browser.new_page(viewport={"width": 1600, "height": 950}), server)
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
