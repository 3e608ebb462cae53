"""How long the page takes to answer a hand: lasso, click, pan, zoom, another colour, cancel.

A server and a headless Chromium without a graphics card on the same machine.  Times run in the browser's own
clock from the release of the button (or the turn of the wheel) to the frame in which the answer is painted,
medians.  "Moves" is when the picture follows the hand, "sharp" when its frames are drawn anew; a cancelled
training first says that it stops, then places all frames by what it has learned.  The sample data have
structures; the other rows have made-up frames around four wells.  "Slider" is a drag of the time resolution,
from each move of the pointer to the recoloured map.

    python benchmarks/app_timings.py [--quick] [--frames 1000000 10000000]
    python benchmarks/app_timings.py --slider
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ui"))

from conftest import CHROMIUM_ARGS, Server, chromium, settle
from test_stories import Map, train

SAMPLE = """
from fel_explorer.app.entry import load_extensions
from fel_explorer.app.explorer_pages import demo_page
load_extensions()
demo_page().show(port=0, open=False)
"""
MADE_UP = """
import numpy as np
import fel_explorer as fel

n, rng = {n}, np.random.default_rng(0)
wells = np.array([[0.0, 0.0], [3.0, 0.5], [1.0, 3.0], [4.0, 3.5]])
xy = wells[np.cumsum(rng.random(n) < 1e-3) % 4] + 0.5 * rng.normal(size=(n, 2))
data = fel.as_dataset(np.array_split(xy, 10))
explorer = fel.explore(data, fel.PCA(n_dims=2).fit(data))
explorer.show(port=0, open=False)
"""
WATCH = """() => {
    window.answers = []
    for (const kind of ['pointerup', 'wheel']) {
        document.addEventListener(kind, () => { window.began = performance.now() }, {capture: true})
    }
    const painted = (what) => requestAnimationFrame(() => setTimeout(
        () => window.answers.push([what, performance.now() - window.began])))
    const look = (event) => {
        for (const one of event.events ?? [event]) {
            const model = one.model?.type ?? '', value = one.value ?? ''
            const image = value.image !== undefined || one.model?.data?.image !== undefined
            // few frames in a window are dots, which have neither an outline nor words
            const dots = value.size !== undefined && !("fill" in value || "rim" in value || "text" in value)
            if (model == 'ColumnDataSource') painted(image || dots ? 'frames' : 'marks')
            else if (model == 'Range1d') painted('range')
            else if (one.attr == 'ready') painted('structure')
            else if (/frames? selected/.test(value)) painted('count')
            else painted(model)
        }
    }
    Bokeh.documents.forEach((document) => document.on_change(look))
}"""


class Hand:
    """What a user does on the map, and when the page has answered."""

    def __init__(self, page):
        self.page, self.figure = page, Map(page).figure
        page.evaluate(WATCH)

    def place(self, across, up):
        figure = self.figure
        return figure["left"] + across * figure["width"], figure["top"] + (1 - up) * figure["height"]

    def drag(self, corners):
        mouse = self.page.mouse
        mouse.move(*self.place(*corners[0]))
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*self.place(*corner), steps=4)
        mouse.up()

    def lasso(self, k):
        low, high = (0.08 + 0.03 * k, 0.12), (0.5 + 0.02 * k, 0.6)
        corners = [low, (high[0], low[1]), high, (low[0], high[1]), (low[0], low[1] + 0.02)]
        return self.answers(lambda: self.drag(corners))

    def click(self, k):
        return self.answers(lambda: self.page.mouse.click(*self.place(0.3 + 0.05 * k, 0.45)))

    def zoom(self, k):
        self.page.mouse.move(*self.place(0.5, 0.5))
        return self.answers(lambda: self.page.mouse.wheel(0, -100))

    def colour(self, name):
        self.page.get_by_label("Colour by").first.click()
        option = self.page.get_by_role("menuitem", name=name, exact=True)
        option.wait_for()
        return self.answers(option.click)

    def answers(self, act) -> dict:
        """Seconds until each part of the page was painted for the last time."""
        settle(self.page, 1.5)
        self.page.evaluate("window.answers.length = 0")
        act()
        settle(self.page, 1.5)
        return {what: seconds / 1000 for what, seconds in self.page.evaluate("window.answers")}


def slider(page) -> list[float]:
    """Seconds from each move of a drag of the time resolution to the recoloured map."""
    page.get_by_role("button", name="Find the states").click()
    page.get_by_text("the same number from").wait_for()
    settle(page, 1.5)
    page.evaluate(WATCH)
    page.evaluate("document.addEventListener('pointermove', () => { window.began = performance.now() })")
    thumb = page.get_by_role("slider", name="Time resolution").locator("xpath=..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    found = []
    for step in [*range(1, 13), *range(11, 0, -1)]:
        page.evaluate("window.answers.length = 0")
        page.mouse.move(x - 15 * step, y)
        page.wait_for_timeout(400)
        found += [seconds / 1000 for what, seconds in page.evaluate("window.answers") if what == "frames"][
            -1:
        ]
    page.mouse.up()
    return found


def slider_row(browser):
    """Print the times of `slider` for the sample data."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server([sys.executable, "-c", SAMPLE], cwd=folder, env={"FEL_EXPLORER_CACHE": folder})
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        try:
            page.goto(server.url)
            page.get_by_text("frames selected").wait_for()
            settle(page, 1.5)
            seconds = slider(page)
            told = f"median {statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s"
            print(f"slider, sample, 200,000 frames: {len(seconds)} recoloured maps, {told}")
        finally:
            page.close()
            server.stop()


def median(found, part):
    seconds = [answer[part] for answer in found if part in answer]
    return f"{statistics.median(seconds):.2f} s" if seconds else "–"


def cancel(page):
    """Seconds from a click on stop, in the middle of a training, until it says so and until its end."""
    train(page, 200_000)
    stop = page.get_by_label("Stop and keep the model trained so far")
    stop.wait_for()
    page.wait_for_timeout(4000)
    began = time.monotonic()
    stop.click()
    page.get_by_text("stopping").wait_for()
    notified = time.monotonic() - began
    stop.wait_for(state="hidden")
    return f"{notified:.2f} / {time.monotonic() - began:.2f} s"


def row(browser, source, what, n, sample):
    with tempfile.TemporaryDirectory() as folder:
        server = Server([sys.executable, "-c", source], cwd=folder, env={"FEL_EXPLORER_CACHE": folder})
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        try:
            began = time.monotonic()
            page.goto(server.url)
            page.get_by_text("frames selected").wait_for()
            settle(page, 1.5)
            load = time.monotonic() - began
            hand = Hand(page)
            lasso = [hand.lasso(k) for k in range(n)]
            click = [hand.click(k) for k in range(n)]
            zoom = [hand.zoom(k) for k in range(n)]
            colour = [hand.colour(name) for name in ("trajectory", "time") * (n // 2 or 1)]
            shown = [median(lasso, "frames"), median(lasso, "count"), median(click, "marks")]
            shown += [median(click, "structure"), median(zoom, "range"), median(zoom, "frames")]
            shown += [median(colour, "frames"), cancel(page) if sample else "–"]
            print(f"| {what} | {load:.1f} s |", " | ".join(shown), "|", flush=True)
        finally:
            page.close()
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the sample data, each act once")
    parser.add_argument("--slider", action="store_true", help="only the drag of the time resolution")
    parser.add_argument("--frames", type=int, nargs="*", default=[1_000_000, 10_000_000])
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        slider_row(browser) if arguments.slider else table(browser, arguments)
        browser.close()


def table(browser, arguments):
    """Print a row for each set of frames."""
    n = 1 if arguments.quick else 5
    heads = "lasso: map | lasso: count | click: mark | click: structure | zoom: moves | zoom: sharp | colour"
    print(f"| frames | page at rest | {heads} | cancel |")
    print("|---" * 10 + "|", flush=True)
    row(browser, SAMPLE, "sample, 200,000", n, sample=True)
    for frames in [] if arguments.quick else arguments.frames:
        row(browser, MADE_UP.format(n=frames), f"{frames:,}", n, sample=False)


if __name__ == "__main__":
    main()
