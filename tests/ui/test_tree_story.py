"""The tree of states as navigator: a click on a node, the slider of the time resolution, a figure of it."""

import re
import sys

import numpy as np
import pytest
from conftest import Server, settle, wait_for
from playwright.sync_api import expect
from test_stories import LOAD, save

import fel_explorer as fel
from fel_explorer.plots.dendrogram import Dendrogram

NODE = """([x, y]) => {
  for (const view of Bokeh.index.query((v) => v.model.type == "Figure")) {
    if (view.model.left[0].axis_label != "time resolution (lag)") continue
    const box = view.el.getBoundingClientRect()
    return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)]
  }
}"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A server on three wells, two of which interconvert fast, and the frames of the states at the top."""
    folder = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(0)
    slow = np.repeat(np.arange(40) % 2, 500)
    fast = np.repeat(rng.integers(2, size=1000), 20)
    centres = np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])
    states = np.where(slow == 1, 2, fast)
    data = fel.as_dataset([centres[states] + 0.2 * rng.normal(size=(len(states), 2))])
    method = fel.DivisiveIDM(lag_times=[100.0, 5.0], n_states=6, n_steps=300, hidden=[16], n_restarts=1)
    method.fit(data, device="cpu")
    fel.save_dataset(data, folder / "data.zarr")
    method.save(folder / "tree.fel")
    command = [sys.executable, "-m", "fel_explorer.cli", "data.zarr", "tree.fel", "--port", "0"]
    server = Server(command, cwd=folder, env={})
    places = Dendrogram(method.graph, {}, {}).places()
    yield server, np.bincount(method.predict(data, level=0).values), list(places["1-1"])
    server.stop()


def test_a_click_on_the_tree_selects_and_the_slider_recolours(page, tree, tmp_path):
    server, frames, node = tree
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    expect(page.get_by_text("with exponential decay")).to_be_visible(timeout=2 * LOAD)
    place = wait_for(lambda: page.evaluate(NODE, node), page=page)
    settle(page)
    place = page.evaluate(NODE, node)
    page.mouse.click(*place)
    expect(page.get_by_text(re.compile(rf"^{frames[0]:,} of 20,000 frames selected"))).to_be_visible()
    expect(page.get_by_text("State 1-1 of tree.")).to_be_visible()
    slider = page.get_by_role("slider", name="Time resolution")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".fel-table tbody tr")).to_have_count(3)
    expect(page.locator(".fel-table tbody tr", has_text="state 2-1")).to_have_count(1)
    assert "all frames" in save(page, "SVG", tmp_path, place=1).read_text()
