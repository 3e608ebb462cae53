"""How long a user waits: import, first page, lasso, click and cancel, on the sample data.

Headless Chromium draws by software, so what it does is slower than with a graphics card.  Each figure is the
median of a few repeats, from the end of the user's act until the page shows its result.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "ui"))

from conftest import CHROMIUM_ARGS, Server, chromium, settle
from scores import markdown_table
from test_stories import LOAD, Map, open_demo, selected, train

AIMS = {"import fel_explorer": "", "first page": "", "lasso": "0.3 s", "click": "1 s", "cancel": "1 s"}


def timed(act, done, page):
    """Seconds from ``act`` until ``done`` is true, looked at every 10 ms."""
    start = time.perf_counter()
    act()
    while not done():
        page.wait_for_timeout(10)
    return time.perf_counter() - start


def lasso(page, repeats):
    """Of a rectangle of frames, from letting go until their number is shown; undone in between."""
    seconds, up = [], page.mouse.up
    for i in range(repeats):
        page.mouse.up = lambda: None  # drag, but don't let go yet
        Map(page).lasso_rectangle((0.55 - 0.02 * i, 0.1), (0.95, 0.6))
        page.mouse.up = up
        settle(page)
        seconds.append(timed(up, lambda: selected(page), page))
        page.keyboard.press("Control+z")
        expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible()
        settle(page)
    return seconds


def click(page, repeats):
    """At a point of the map, until the structure's label names its frame."""
    seconds = []
    label = page.get_by_text(re.compile(r"^frame [\d,]+, .* of trajectory \d")).first
    before = ""
    for i in range(repeats):
        x, y = Map(page).screen(0.2 + 0.1 * i, -0.3)
        seconds.append(
            timed(
                lambda: page.mouse.click(x, y),  # noqa: B023
                lambda: label.count() and label.inner_text() != before,  # noqa: B023
                page,
            )
        )
        before = label.inner_text()
        settle(page)
    return seconds


def cancel(page, repeats):
    """Of a training, until its button is gone."""
    seconds = []
    stop = page.get_by_label("Stop and keep what has been trained")
    for i in range(repeats):
        train(page, 200_000 + i)
        expect(stop).to_be_visible(timeout=LOAD)
        page.wait_for_timeout(3000)
        seconds.append(timed(stop.click, lambda: not stop.is_visible(), page))
        settle(page)
    return seconds


def first_page(browser, server):
    """From the address to a map that can be used, of a server that runs."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    start = time.perf_counter()
    open_demo(page, server)
    seconds = time.perf_counter() - start - 1.5  # what `settle` waits to be sure
    page.close()
    return seconds


def imported():
    """`import fel_explorer` in a new process, less what Python itself takes."""
    found = {}
    for code in ("import fel_explorer", "pass"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        found[code] = time.perf_counter() - start
    return found["import fel_explorer"] - found["pass"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one repeat")
    options = parser.parse_args()
    repeats = 1 if options.quick else options.repeats
    seconds = {"import fel_explorer": [imported() for _ in range(repeats)]}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        command = [sys.executable, "-m", "fel_explorer.cli", "demo", "--port", "0"]
        server = Server(command, cwd=folder, env={})
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        try:
            first_page(browser, server)  # the first of a server's life compiles and caches
            seconds["first page"] = [first_page(browser, server) for _ in range(min(repeats, 3))]
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            open_demo(page, server)
            for name, measure in (("lasso", lasso), ("click", click), ("cancel", cancel)):
                seconds[name] = measure(page, repeats)
        finally:
            browser.close()
            server.stop()
    rows = [
        [name, f"{statistics.median(values):.2f} s", f"{min(values):.2f} to {max(values):.2f} s", AIMS[name]]
        for name, values in seconds.items()
    ]
    print(markdown_table(["what", "median", "range", "aim"], rows))


if __name__ == "__main__":
    main()
