"""The lessons in a browser: each opens by a link, fits the screen, and its picture answers its slider."""

import sys

import numpy as np
import pytest
from conftest import Server, wait_for
from playwright.sync_api import expect
from test_stories import LOAD

FIGURES = """() => [...Bokeh.index.query((v) => v.model.type == "Figure")].map((v) => {
  const sources = v.model.renderers.map((r) => r.data_source?.data)
  const dots = sources.findLast((data) => data?.rim)
  const words = sources.flatMap((data) => Array.from(data?.text ?? []))
  return {x: Array.from(dots.x), y: Array.from(dots.y), words}
})"""
FITS = "() => document.documentElement.scrollHeight <= window.innerHeight"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """`fel-explorer lessons`."""
    command = [sys.executable, "-m", "fel_explorer.cli", "lessons", "--port", "0"]
    server = Server(command, cwd=tmp_path_factory.mktemp("lessons"), env={})
    yield server
    server.stop()


def figures(page):
    return page.evaluate(FIGURES)


def open_lesson(page, link, n_figures):
    page.get_by_role("link", name=link).click()
    wait_for(lambda: page.evaluate("() => !!window.Bokeh") and len(figures(page)) == n_figures, page=page)
    assert page.evaluate(FITS)


def press(page, slider, key, times=1):
    page.get_by_role("slider", name=slider).focus()
    for _ in range(times):
        page.keyboard.press(key)


def test_the_lessons_answer(page, served):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.set_default_timeout(LOAD)
    page.goto(served.url)
    expect(page.get_by_text("Free-energy landscapes in four lessons")).to_be_visible(timeout=LOAD)

    open_lesson(page, "1 · Free-energy landscape", 2)
    before = figures(page)[0]["x"]
    wait_for(lambda: figures(page)[0]["x"] != before, page=page)  # the walkers walk
    shares = lambda: figures(page)[1]["words"][:3]  # noqa: E731
    assert shares()[0].endswith("81%")  # Boltzmann's share of A
    wait_for(lambda: float(shares()[0].split()[1].rstrip("%")) > 5, page=page)
    press(page, "Temperature", "End")
    wait_for(lambda: shares()[0].endswith("56%"), page=page)  # when it is hot
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    before = figures(page)[0]["x"]
    page.wait_for_timeout(500)
    assert figures(page)[0]["x"] == before

    open_lesson(page, "2 · Slow is not wide", 2)
    height = np.std(figures(page)[0]["y"])
    press(page, "Width of the wobble", "End")
    expect(page.get_by_text("89°")).to_be_visible()  # PCA lies across the hop
    wait_for(lambda: np.std(figures(page)[0]["y"]) > 1.5 * height, page=page)

    open_lesson(page, "3 · States and time", 2)
    expect(page.get_by_text("four states")).to_be_visible()
    press(page, "Time τ", "End")
    expect(page.get_by_text("one state", exact=True)).to_be_visible()

    open_lesson(page, "4 · A good CV", 3)
    expect(page.get_by_text("13%")).to_be_visible()
    before = figures(page)[0]["x"]
    press(page, "Angle of the line", "End")
    wait_for(lambda: figures(page)[0]["x"] != before, page=page)
    page.get_by_role("button", name="Light or dark colours").click()
    page.get_by_role("button", name="Perfect").click()
    expect(page.get_by_text("100%")).to_be_visible()
    # a page that is left gives up the fonts that are on their way
    page.faults[:] = [fault for fault in page.faults if "woff2 net::ERR_ABORTED" not in fault]
