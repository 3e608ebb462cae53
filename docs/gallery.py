"""Take the pictures of docs/gallery, in light and in dark: ``make gallery`` (needs Chromium).

The tree of states is trained first, which takes some minutes; ``docs/gallery.py lessons physics`` takes some
of the pictures.  Look at each before you commit it.

    python docs/gallery.py explorer --folder /tmp/pictures --sizes 1280x720 1440x900 2560x1440

takes them in other sizes, with the size in their names, to look at.
"""

import argparse
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "ui"))

from conftest import CHROMIUM_ARGS, Server, chromium, settle  # noqa: E402
from test_stories import LOAD, Map  # noqa: E402
from test_tree_story import NODE  # noqa: E402

FOLDER = HERE / "gallery"
SIZE = "1600x900"
PAGE = """
import fel_explorer as fel
from fel_explorer.app.jobs.featurize_and_train import sample

data, trajs = sample()(lambda *_: None, lambda: False)
tica = fel.TICA(lag_time=10.0, n_dims=2).fit(data)
tree = fel.DivisiveIDM(lag_times=[50.0, 8.0, 2.0], n_steps=1000, n_restarts=1, seed=1).fit(data)
explorer = fel.explore(data, {"TICA 1": tica, "DivisiveIDM 1": tree}, trajectories=trajs)
explorer.session.colour("state")
explorer.show(port=0, open=False)
"""

DOT = """(i) => {
  for (const {model} of Bokeh.index.query((v) => v.model.type == "Figure")) {
    if (model.left[0].axis_label != "time resolution (lag)") continue
    for (const {x, y, rim} of model.renderers.map((renderer) => renderer.data_source.data))
      if (rim?.length) return [x[i], y[i]]
  }
}"""
NAMED = """(name) => {
  const renderers = [...Bokeh.index.query((v) => v.model.type == "Figure")].flatMap((v) => v.model.renderers)
  for (const {x, y, ...columns} of renderers.map((renderer) => renderer.data_source.data)) {
    for (const texts of Object.values(columns)) {
      const i = Array.from(texts).findIndex((text) => text === name || `state ${text}`.startsWith(`${name}:`))
      if (i >= 0) return [x[i], y[i]]
    }
  }
}"""


def viewport(size):
    """{"width", "height"} of "1280x720"."""
    return dict(zip(("width", "height"), map(int, size.split("x")), strict=True))


def shoot(page, name):
    """The page as it is, in each size, in light and in dark, with 256 colours each."""
    for mode in ("", "-dark"):
        for size in chosen.sizes:
            page.set_viewport_size(viewport(size))
            page.mouse.move(5, 5)
            settle(page, 4.0)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            ending = "" if size == SIZE else f"-{size}"
            path = chosen.folder / f"{name}{mode}{ending}.png"
            picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        page.set_viewport_size(viewport(SIZE))
        page.get_by_role("button", name=re.compile("^(Theme|Light or dark)")).first.click()
    settle(page, 4.0)


def view(page, name):
    """Open a view of the strip."""
    page.get_by_role("button", name=name, exact=True).click()
    page.mouse.move(5, 5)
    settle(page, 3.0)


def explorer_pictures(page, url):
    """The explorer on alanine dipeptide."""
    page.goto(url)
    expect(page.get_by_text("with exponential decay")).to_be_visible(timeout=5 * LOAD)
    settle(page, 5.0)
    page.mouse.click(*page.evaluate(NODE, page.evaluate(DOT, 1)))
    view(page, "Evidence")
    shoot(page, "explorer")
    view(page, "Kinetics")
    expect(page.get_by_text("Significant rates only")).to_be_visible(timeout=5 * LOAD)
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_hidden(timeout=5 * LOAD)
    shoot(page, "kinetics")
    view(page, "Timeline")
    shoot(page, "timeline")
    view(page, "Compare")
    expect(page.locator(".fel-table tbody tr").first).to_be_visible()
    shoot(page, "compare")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.get_by_text("Click on the map where the path starts.")).to_be_visible()
    settle(page, 3.0)
    for state in ("state 1-1", "state 1-2"):
        page.mouse.click(*Map(page).screen(*page.evaluate(NAMED, state)))
        settle(page, 3.0)
    expect(page.get_by_text(re.compile("from the start"))).to_be_visible()
    shoot(page, "path")
    view(page, "Runs")
    shoot(page, "runs")


def lesson_pictures(page, url):
    """One of the lessons."""
    page.goto(url)
    page.get_by_role("link", name="1 · Free-energy landscape").click()
    page.get_by_role("button", name="Pause").click()
    settle(page, 5.0)
    shoot(page, "lesson")


def physics_pictures(page, url):
    """A model learned from an energy alone."""
    page.goto(url)
    settle(page, 5.0)
    page.get_by_role("button").filter(has_text="Learn").first.click()
    expect(page.get_by_text("Learned in")).to_be_visible(timeout=5 * LOAD)
    shoot(page, "physics")


def take(browser, command, pictures, folder):
    """Serve ``command`` and take ``pictures`` of it."""
    server = Server([sys.executable, *command], cwd=folder, env={}, timeout=1800)
    page = browser.new_page(viewport=viewport(SIZE))
    page.set_default_timeout(LOAD)
    try:
        pictures(page, server.url)
    finally:
        page.close()
        server.stop()


def main():
    parts = {
        "explorer": (["-c", PAGE], explorer_pictures),
        "lessons": (["-m", "fel_explorer.cli", "lessons", "--port", "0"], lesson_pictures),
        "physics": (["-m", "fel_explorer.cli", "physics", "--port", "0"], physics_pictures),
    }
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        for name in chosen.parts or parts:
            command, pictures = parts[name]
            take(browser, command, pictures, folder)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="explorer, lessons, physics; by default all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--sizes", nargs="+", default=[SIZE], metavar="WIDTHxHEIGHT")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    main()
