"""From here to there, what differs, what is slow, and which method: paths, comparison, modes and advice."""

import re

import mdtraj
from conftest import settle
from playwright.sync_api import expect
from test_stories import LOAD, Map, open_demo

PROFILE = """() => {
  for (const view of Bokeh.index.query((v) => v.model.type == "Figure")) {
    if (!String(view.model.below[0].axis_label).startsWith("distance along the path")) continue
    const box = view.el.getBoundingClientRect(), scale = view.frame.x_scale
    const {start, end} = scale.source_range
    return [box.left + scale.compute(start + 0.55 * (end - start)), box.top + 60]
  }
}"""

SECOND_MODE = """() => {
  for (const view of Bokeh.index.query((v) => v.model.type == "Figure")) {
    if (!String(view.model.below[0].axis_label).startsWith("mode")) continue
    const box = view.el.getBoundingClientRect()
    return [box.left + view.frame.x_scale.compute(2), box.top + 120]
  }
}"""


def test_a_path_is_drawn_played_and_exported(page, demo, tmp_path):
    open_demo(page, demo)
    page.keyboard.press("p")
    expect(page.get_by_text("Click on the map where the path starts.")).to_be_visible()
    settle(page)  # the map makes room for the strip
    shown = Map(page)
    page.mouse.click(*shown.screen(0.3, -0.3))
    expect(page.get_by_text("Now click where it ends.")).to_be_visible()
    page.wait_for_timeout(400)  # two clicks within 300 ms, wherever they are, are a double click to Bokeh
    page.mouse.click(*shown.screen(-3.2, 0.0))
    expect(page.get_by_text(re.compile(r"kT from the start, .* kT from the end"))).to_be_visible()
    expect(page.get_by_text(re.compile("Both ends were moved to the minima"))).to_be_visible()
    expect(page.get_by_text(re.compile("^Image 1 of 40"))).to_be_visible()
    settle(page)
    page.mouse.click(*page.evaluate(PROFILE))
    expect(page.get_by_text(re.compile(r"^Image 2\d of 40, .*clash"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button").filter(has_text=re.compile("^PDB$")).last.click()
    download.value.save_as(tmp_path / "path.pdb")
    assert mdtraj.load(str(tmp_path / "path.pdb")).n_frames == 40
    assert "MODEL 1 IS FRAME" in (tmp_path / "path.pdb").read_text()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Now click where it ends.")).to_be_visible()


def test_what_differs_from_the_rest_which_modes_are_slow_and_which_method_finds_them(page, demo):
    open_demo(page, demo)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Select frames on the map, or choose two states")).to_be_visible()
    settle(page)  # the map makes room for the strip
    shown = Map(page)
    shown.drag([shown.screen(*corner) for corner in ((-4.5, -0.3), (-2, -0.3), (-2, 0.45), (-4.5, 0.45))])
    rows = page.locator(".fel-table tbody tr")
    expect(rows.first).to_contain_text("phi ALA2", timeout=LOAD)
    expect(rows.nth(1)).to_be_visible()
    rows.nth(1).click()
    expect(page.locator(".fel-table tbody tr.chosen")).to_have_count(1)
    page.get_by_role("button", name="Modes", exact=True).click()
    expect(page.get_by_text(re.compile("1 slow mode: the first, 42"))).to_be_visible()
    settle(page)
    page.mouse.click(*page.evaluate(SECOND_MODE))
    mode = page.get_by_role("combobox", name="Mode that colours the map", exact=True)
    expect(mode).to_have_text("mode 2: 7.06 ps")
    page.get_by_role("button").filter(has_text="Depends on").click()
    expect(page.get_by_text(re.compile("of 45 features"))).to_be_visible()
    page.get_by_role("button").filter(has_text="Level sets").click()
    expect(page.get_by_text(re.compile("of the features unexplained"))).to_be_visible(timeout=LOAD)
    page.get_by_role("button", name="Drive", exact=True).click()
    expect(page.get_by_text(re.compile("kT from the left, .* kT from the right"))).to_be_visible()
    page.keyboard.press("w")
    page.get_by_text("Slow collective variables and their time scales").click()
    page.get_by_role("button").filter(has_text="Set up SRV").click()
    expect(page.get_by_text("Learns the slowest modes of equilibrium dynamics")).to_be_visible()
