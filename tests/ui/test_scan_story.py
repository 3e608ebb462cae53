"""States at many lags: found in seconds; then the slider of the time resolution recolours the map."""

import hashlib
import re
import sys

import numpy as np
import pytest
from conftest import Server, settle, wait_for
from playwright.sync_api import expect
from test_stories import LOAD

import fel_explorer as fel

MAP = """() => {
  for (const view of Bokeh.index.query((v) => v.model.type == "Figure")) {
    if (!/^CV/.test(view.model.below[0].axis_label)) continue
    const box = view.canvas_view.el.getBoundingClientRect(), frame = view.frame.bbox
    return {x: box.x + frame.left, y: box.y + frame.top, width: frame.width, height: frame.height}
  }
}"""
LAGS = """() => {
  for (const view of Bokeh.index.query((v) => v.model.type == "Figure"))
    if (view.model.below[0].axis_label == "time resolution (lag)" && view.frame.bbox.width > 0) return true
}"""


@pytest.fixture
def server(tmp_path):
    """A server on three wells, two of which interconvert fast."""
    folder = tmp_path
    rng = np.random.default_rng(0)
    slow = np.repeat(np.arange(40) % 2, 500)
    fast = np.repeat(rng.integers(2, size=1000), 20)
    centres = np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])
    states = np.where(slow == 1, 2, fast)
    data = fel.as_dataset([centres[states] + 0.2 * rng.normal(size=(len(states), 2))], time_unit="ps")
    fel.save_dataset(data, folder / "data.zarr")
    server = Server(
        [sys.executable, "-m", "fel_explorer.cli", "data.zarr", "--port", "0"], cwd=folder, env={}
    )
    yield server
    server.stop()


def picture(page):
    """A digest of what the map shows."""
    return hashlib.sha256(page.screenshot(clip=page.evaluate(MAP))).hexdigest()


def test_dragging_the_slider_recolours_the_map(server, page):
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    page.get_by_role("checkbox", name="Refine in the background").uncheck()
    page.get_by_role("button", name="Find the states").click()
    expect(page.get_by_text(re.compile(r"^3 states at .*widest range of lags"))).to_be_visible(timeout=LOAD)
    wait_for(lambda: page.evaluate(LAGS), page=page)
    settle(page)
    expect(page.locator(".fel-table tbody tr")).to_have_count(3)

    seen = {picture(page)}
    slider = page.get_by_role("slider", name="Time resolution")
    thumb = slider.locator("xpath=..").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 10, y)
    page.mouse.move(x - 400, y, steps=8)  # to the longest lags, and the button is still down
    expect(page.get_by_text(re.compile(r"^[12] states? at .*the same number"))).to_be_visible()
    settle(page, 0.5)
    seen.add(picture(page))
    assert len(seen) == 2
    page.mouse.up()
    page.mouse.move(5, 5)
    settle(page)
    n = int(page.get_by_text(re.compile(r"^[12] states? at .*the same number")).inner_text()[0])
    expect(page.locator(".fel-table tbody tr")).to_have_count(n)
    slider.focus()
    page.keyboard.press("End")
    expect(page.get_by_text(re.compile(r"^\d states? at 1 ps.*the same number"))).to_be_visible()
    expect(page.locator("strong", has_text=re.compile(r"^1 ps$"))).to_be_visible()


def test_a_network_refines_the_states_while_one_explores(server, page):
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    page.get_by_role("button", name="Find the states").click()
    expect(page.get_by_text(re.compile(r"^3 states at .*widest range of lags"))).to_be_visible(timeout=LOAD)
    expect(page.get_by_role("button").filter(has_text="DiscreteIDM 1, refined")).to_be_visible()
    rows = page.locator(".fel-table tbody tr")
    expect(rows).to_have_count(3)
    rows.first.click()
    selected = page.get_by_text(re.compile(r"^[1-9][\d,]* of 20,000 frames selected"))
    count = selected.inner_text()
    said = page.get_by_text(re.compile(r"^Refined by a network: .*Undo brings the first answer back"))
    expect(said).to_be_visible(timeout=4 * LOAD)
    expect(page.get_by_text(re.compile(r"^Refined by a network: .* in the state .* in\.$"))).to_be_visible()
    expect(selected).to_have_text(count)
    expect(rows).to_have_count(3)
    page.mouse.move(5, 5)
    page.keyboard.press("Control+z")
    expect(page.get_by_text(re.compile(r"^3 states at .*widest range of lags"))).to_be_visible()
    expect(selected).to_have_text(count)
