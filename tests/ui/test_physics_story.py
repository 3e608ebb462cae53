"""Learning without data: a model is learned, z is clicked, and its samples open in the explorer."""

import sys

import pytest
from conftest import Server, settle, wait_for
from playwright.sync_api import expect
from test_stories import LOAD

FIGURE = """(label) => {
  const figures = [...Bokeh.index.query((v) => v.model.type == "Figure")]
  const view = figures.find((v) => v.model.below[0].axis_label == label)
  const {x, y, width, height} = view.el.getBoundingClientRect()
  const dots = view.model.renderers.map((r) => r.data_source.data).find((data) => data.rim)
  return {x, y, width, height, dots: dots.x.length, marked: Array.from(dots.size).indexOf(13)}
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory, cache):
    """`fel-explorer physics`."""
    command = [sys.executable, "-m", "fel_explorer.cli", "physics", "--port", "0"]
    server = Server(command, cwd=tmp_path_factory.mktemp("physics"), env={"FEL_EXPLORER_CACHE": str(cache)})
    yield server
    server.stop()


def button(page, text):
    return page.get_by_role("button").filter(has_text=text).first


def test_a_model_is_learned_without_data(page, served):
    page.set_viewport_size({"width": 1280, "height": 720})
    page.set_default_timeout(LOAD)
    page.goto(served.url)
    expect(page.get_by_text("What the model makes")).to_be_visible(timeout=LOAD)
    button(page, "Settings").click()
    steps = page.get_by_role("textbox", name="Training steps", exact=True).first
    steps.click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("80")
    page.keyboard.press("Tab")
    button(page, "Settings").click()
    button(page, "Learn").click()
    expect(page.get_by_text("Learned in")).to_be_visible(timeout=LOAD)
    wait_for(lambda: page.evaluate(FIGURE, "x1")["dots"] > 4000, page=page)
    strip = page.evaluate(FIGURE, "z")
    settle(page)
    page.mouse.click(strip["x"] + 0.7 * strip["width"], strip["y"] + 0.5 * strip["height"])
    wait_for(lambda: page.evaluate(FIGURE, "x1")["marked"] > 0, page=page)

    button(page, "Open in the explorer").click()
    page.get_by_role("dialog").get_by_role("button").filter(has_text="Save").click()
    with page.context.expect_page(timeout=LOAD) as opened:
        page.get_by_role("dialog").get_by_role("link").filter(has_text="Open").click()
    explorer = opened.value
    expect(explorer.get_by_text("frames selected")).to_be_visible(timeout=LOAD)
    expect(explorer.get_by_text("columns:")).to_contain_text("z1", timeout=LOAD)
