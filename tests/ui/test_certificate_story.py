"""Two models are certified, their curves are looked at, and Runs shows them side by side."""

import re

import numpy as np
import pytest
from conftest import Server, settle, wait_for
from playwright.sync_api import expect
from test_feature_sets_story import choose
from test_stories import LOAD

import fel_explorer as fel

AXES = """() => [...Bokeh.index.query((v) => v.model.type == "Figure")]
  .filter((v) => v.el.getBoundingClientRect().width > 0 && v.frame.bbox.width > 200)
  .map((v) => v.model.left[0].axis_label.replace("\\n", " "))"""


@pytest.fixture
def server(tmp_path):
    """A server on a slow process and a fast, larger one, with the model of each."""
    import sys

    rng, rates = np.random.default_rng(0), np.array([0.98, 0.4])
    x = np.zeros((4, 1000, 2))
    for t in range(1, 1000):
        x[:, t] = rates * x[:, t - 1] + np.sqrt(1 - rates**2) * rng.normal(size=(4, 2))
    data = fel.as_dataset(list((x * [1.0, 5.0]).astype("f4")), time_step=1.0, time_unit="ps")
    fel.save_dataset(data, tmp_path / "data.zarr")
    command = [sys.executable, "-m", "fel_explorer.cli", "data.zarr", "--port", "0"]
    server = Server(command, cwd=tmp_path, env={})
    yield server
    server.stop()


def test_certificates_are_made_drawn_and_compared(server, page):
    page.set_default_timeout(LOAD)
    page.goto(server.url)
    settle(page)
    for name in ("TICA", "PCA"):
        choose(page, "Method", name)
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_role("combobox", name=re.compile("^Shown model"))).to_have_text(f"{name} 1")
        settle(page)
    page.get_by_role("button", name="Certificate", exact=True).click()
    expect(page.get_by_text("PCA 1 has no certificate yet.")).to_be_visible()
    page.get_by_role("button").filter(has_text="Certify all").click()
    expect(page.get_by_text(re.compile(r"The map explains .* of the slowest process"))).to_be_visible(
        timeout=2 * LOAD
    )
    rows = page.locator(".fel-table:visible tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("±")
    wait_for(lambda: "implied time scale (ps)" in page.evaluate(AXES), page=page)
    choose(page, "Curve", "Chapman-Kolmogorov")
    wait_for(lambda: "correlation of a slow mode with itself" in page.evaluate(AXES), page=page)
    rows.first.click()
    expect(page.get_by_text(re.compile(r"^TICA 1 at a lag of .*The map explains (9\d|100)%"))).to_be_visible()

    page.get_by_role("button", name="Runs", exact=True).click()
    choose(page, "Draw", "Slowest mode not explained")
    wait_for(lambda: "Slowest mode not explained" in page.evaluate(AXES), page=page)
