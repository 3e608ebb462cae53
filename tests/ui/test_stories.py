"""What a user does in the explorer, in a real browser, on the sample data."""

import re
from urllib.parse import parse_qs, urlsplit

import mdtraj
import numpy as np
import pandas as pd
import pytest
from conftest import settle, wait_for
from playwright.sync_api import expect

import fel_explorer as fel

LOAD = 120_000  # ms; two slow cores share a server, a browser with software GL, and a training
FIGURE = """() => {
    const view = Bokeh.index.query_one((v) => v.model.type == "Figure")
    const canvas = view.canvas_view.el.getBoundingClientRect(), frame = view.frame
    const range = (r) => [r.start, r.end]
    return {
        left: canvas.x + frame.bbox.left, top: canvas.y + frame.bbox.top,
        width: frame.bbox.width, height: frame.bbox.height,
        x: range(frame.x_range), y: range(frame.y_range),
    }
}"""


class Map:
    """The map on the page: where data coordinates are on the screen."""

    def __init__(self, page):
        self.page, figure = page, page.evaluate(FIGURE)
        self.figure = figure

    def screen(self, x, y):
        f = self.figure
        across = (x - f["x"][0]) / (f["x"][1] - f["x"][0])
        up = (y - f["y"][0]) / (f["y"][1] - f["y"][0])
        return f["left"] + across * f["width"], f["top"] + (1 - up) * f["height"]

    def data(self, left, top):
        f = self.figure
        x = f["x"][0] + (left - f["left"]) / f["width"] * (f["x"][1] - f["x"][0])
        return x, f["y"][1] - (top - f["top"]) / f["height"] * (f["y"][1] - f["y"][0])

    def drag(self, corners):
        """Drag through screen points and let go."""
        mouse = self.page.mouse
        mouse.move(*corners[0])
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*corner, steps=6)
        mouse.up()

    def lasso_rectangle(self, low=(0.55, 0.1), high=(0.95, 0.6)):
        """Lasso a rectangle given in fractions of the frame; returns its bounds in data coordinates."""
        f = self.figure
        left, right = (round(f["left"] + part * f["width"]) for part in (low[0], high[0]))
        bottom, top = (round(f["top"] + (1 - part) * f["height"]) for part in (low[1], high[1]))
        self.drag([(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 1)])
        return *self.data(left, bottom), *self.data(right, top)


def open_demo(page, demo):
    page.set_default_timeout(LOAD)
    page.goto(demo.url)
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible(timeout=LOAD)
    wait_for(lambda: page.evaluate("() => Boolean(Bokeh.index.query_one((v) => v.model.type == 'Figure'))"))
    page.wait_for_function(
        f"() => {{ const f = ({FIGURE})(); return Number.isFinite(f.x[0]) && f.width > 100 }}"
    )
    page.wait_for_selector("html[data-keys=ready]", state="attached")  # shortcuts are heard
    settle(page)
    return Map(page)


def selected(page):
    text = page.get_by_text(re.compile(r"of 200,000 frames selected")).inner_text()
    return int(text.split(" of ")[0].replace(",", ""))


def enter(page, label, value):
    """Type a number into a field of the form."""
    field = page.get_by_role("textbox", name=re.compile(rf"^{label}\b"))
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(str(value))
    page.keyboard.press("Enter")


def train(page, steps):
    enter(page, "Training steps", steps)
    page.get_by_role("button", name="Train", exact=True).click()


def save(page, kind, folder, place=-1):
    """Save a figure of the page, by default the strip's, as a file of ``kind``; returns the file."""
    page.get_by_role("button", name="Save the").nth(place).click()
    with page.expect_download() as download:
        page.get_by_role("button").filter(has_text=re.compile(f"^{kind}: ")).last.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    page.keyboard.press("Escape")
    page.mouse.move(5, 5)
    return path


@pytest.fixture(scope="module")
def embedding(cache):
    """The demo's first map, computed apart from the app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEL_EXPLORER_CACHE", str(cache))
        data = fel.featurize(fel.sample_data("alanine-dipeptide"), ["heavy_atom_distances"])
    return fel.TICA(lag_time=10.0, n_dims=2).fit_transform(data).values


def frames_inside(map_, bounds, embedding):
    """Least and largest number of frames in a rectangle of the map, with a pixel of play at each edge."""
    (left, bottom, right, top), (x, y), f = bounds, embedding.T, map_.figure
    dx, dy = (f["x"][1] - f["x"][0]) / f["width"], (f["y"][1] - f["y"][0]) / f["height"]
    return [
        np.count_nonzero(
            (x > left - grow * dx)
            & (x < right + grow * dx)
            & (y > bottom - grow * dy)
            & (y < top + grow * dy)
        )
        for grow in (-1.5, 1.5)
    ]


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_demo_opens_with_a_map_and_a_structure(page, demo):
    open_demo(page, demo)
    expect(page.get_by_text("Frame 0, 0 ps of trajectory 1")).to_be_visible(timeout=LOAD)
    assert page.locator("canvas").count() >= 2
    page.keyboard.press("t")
    settle(page)
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible()


def test_lasso_selects_exactly_the_frames_inside(page, browser, demo, embedding):
    map_ = open_demo(page, demo)
    left, bottom, right, top = map_.lasso_rectangle()
    count = wait_for(lambda: selected(page), page=page)
    counts = frames_inside(map_, (left, bottom, right, top), embedding)
    assert counts[0] <= count <= counts[1]
    assert counts[1] - counts[0] < 0.1 * count
    expect(page.get_by_text(f"{count:,} frames", exact=True).first).to_be_visible()
    page.keyboard.press("u")
    link = page.get_by_role("textbox", name="Address")
    expect(link).to_be_visible(timeout=LOAD)
    address = link.input_value()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible()
    other = browser.new_context().new_page()  # of another visitor, with the link
    other.goto(address)
    [token] = parse_qs(urlsplit(demo.url).query)["token"]
    other.get_by_role("textbox", name="Token").fill(token)
    other.get_by_role("button", name="Enter", exact=True).click()
    expect(other.get_by_text(f"{count:,} of 200,000 frames selected")).to_be_visible(timeout=LOAD)
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible()


def test_selection_shows_representatives_and_exports_what_mdtraj_reads(page, demo, tmp_path):
    map_ = open_demo(page, demo)
    map_.lasso_rectangle((0.05, 0.75), (0.3, 0.99))
    count = wait_for(lambda: selected(page), page=page)
    expect(page.get_by_text(re.compile(rf"3 of {count:,} frames"))).to_be_visible()
    topology = fel.sample_data("alanine-dipeptide").topology
    for kind in ("PDB", "XTC", "CSV"):
        page.mouse.move(5, 5)  # away from the last button, whose tooltip covers the next
        with page.expect_download() as download:
            # its name is its tooltip; the map has a CSV too
            page.get_by_role("button").filter(has_text=kind).last.click()
        path = tmp_path / f"selection.{kind.lower()}"
        download.value.save_as(path)
        if kind == "CSV":
            assert len(pd.read_csv(path, comment="#")) == count
            assert "lasso on TICA 1" in path.read_text()
        else:
            frames = mdtraj.load(path) if kind == "PDB" else mdtraj.load(path, top=topology)
            assert (frames.n_frames, frames.n_atoms) == (count, 22)

    page.get_by_role("button").filter(has_text="push_pin").click()
    pictures = page.locator(".fel-pins img")
    expect(pictures).to_have_count(3)
    page.mouse.move(5, 5)
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button").filter(has_text=re.compile("^PDB$")).last.click()
    download.value.save_as(tmp_path / "pinned.pdb")
    assert mdtraj.load(tmp_path / "pinned.pdb").n_frames == 3
    pictures.nth(1).click()
    expect(page.get_by_role("button", name="Pinned", exact=True)).to_have_count(2)  # strip and structures
    page.get_by_role("button", name=re.compile("^Measure")).click()
    settle(page)
    click_two_atoms(page)
    page.keyboard.press("Escape")
    expect(page.get_by_text("Click atoms")).to_be_hidden()
    assert selected(page) == count  # Escape ended the measurement, and nothing else


def click_two_atoms(page):
    """Click all over the molecule until a distance is shown."""
    box = page.locator(".fel-stage canvas").bounding_box()
    for step in range(100):
        across, up = 0.3 + 0.4 * (0.755 * step % 1), 0.2 + 0.6 * (0.570 * step % 1)
        page.mouse.click(box["x"] + across * box["width"], box["y"] + up * box["height"], delay=60)
        page.wait_for_timeout(250)
        if page.get_by_text(re.compile(r"\w+ of \w+ – \w+ of \w+: 0\.\d+ nm")).count():
            return
    raise AssertionError("no two atoms were hit")


def test_click_shows_the_nearest_frame(page, demo, embedding):
    map_ = open_demo(page, demo)
    place = (0.2, -0.3)
    page.mouse.click(*map_.screen(*place))
    frame = re.compile(r"frame ([\d,]+), .* of trajectory \d")
    expect(page.get_by_text("this is the nearest observed frame")).to_be_visible()
    shown = int(frame.search(page.get_by_text(frame).first.inner_text()).group(1).replace(",", ""))
    assert np.abs(embedding[shown] - place).max() < 0.05


def test_a_click_in_the_legend_selects_and_hides_a_trajectory(page, demo):
    open_demo(page, demo)
    page.get_by_label("Colour by").first.click()
    page.get_by_role("menuitem", name="trajectory", exact=True).click()
    page.get_by_role("button", name="3", exact=True).click()
    expect(page.get_by_text("25,000 of 200,000 frames selected")).to_be_visible()
    page.get_by_role("button", name="Hide 3", exact=True).click()
    expect(page.get_by_role("button", name="Show 3", exact=True)).to_be_visible()
    page.get_by_label("Colour by").first.click()
    page.get_by_role("menuitem", name="free energy", exact=True).click()
    expect(page.get_by_role("img", name=re.compile("^Colours of free energy"))).to_be_visible()
    expect(page.get_by_role("button", name="3", exact=True)).to_have_count(0)


def test_training_idm_shows_states_and_decoded_structures(page, demo):
    open_demo(page, demo)
    train(page, 300)
    expect(page.get_by_text("IDM 1").first).to_be_visible(timeout=LOAD)
    expect(page.get_by_text(re.compile(r"\d+ populated states of 16"))).to_be_visible(timeout=LOAD)
    settle(page)
    f = Map(page).figure
    page.mouse.click(f["left"] + 0.5 * f["width"], f["top"] + 0.5 * f["height"])
    expect(page.get_by_text("Distance to the data")).to_be_visible()
    expect(page.get_by_text("Decoded here")).to_be_visible()


def test_cancel_keeps_what_was_learned(page, demo):
    open_demo(page, demo)
    train(page, 200_000)
    stop = page.get_by_label("Stop and keep the model trained so far")
    expect(stop).to_be_visible(timeout=LOAD)
    page.wait_for_timeout(2000)
    stop.click()
    expect(page.get_by_text("stopped before the end")).to_be_visible(timeout=LOAD)
    expect(stop).to_be_hidden()


def test_a_lasso_is_answered_while_a_model_is_trained(page, demo, embedding):
    map_ = open_demo(page, demo)
    window = map_.figure["x"]
    enter(page, "Restarts", 20)  # one training may end while the page is looked at
    train(page, 3000)
    note = page.get_by_text(re.compile(r"^IDM \d+: training, step [\d,]+, every 100th frame$"))
    expect(note).to_be_visible(timeout=LOAD)  # the map is that of the training
    before = note.inner_text()
    wait_for(lambda: note.inner_text() != before, page=page)
    live = page.get_by_role("switch", name="Live map")
    live.uncheck()
    expect(note).to_be_hidden()
    wait_for(lambda: map_.figure["x"] == window, page=page)
    for _ in range(3):
        low, high = frames_inside(map_, map_.lasso_rectangle(), embedding)
        wait_for(lambda low=low, high=high: low <= selected(page) <= high, page=page)
        page.get_by_label("Clear the selection and the clicked point").click()
        wait_for(lambda: selected(page) == 0, page=page)
    page.get_by_label("Stop and keep the model trained so far").click()
    expect(live).to_be_hidden(timeout=LOAD)


def test_reload_opens_the_page_again(page, demo):
    open_demo(page, demo)
    page.reload()
    expect(page.get_by_text("0 of 200,000 frames selected")).to_be_visible(timeout=LOAD)
    settle(page)


def test_a_training_goes_on_while_the_page_is_reloaded(page, demo):
    open_demo(page, demo)
    enter(page, "Restarts", 20)
    train(page, 3000)
    monitor = page.get_by_text(re.compile(r"^IDM \d+ step "))
    label = re.match(r"IDM \d+", monitor.inner_text()).group()

    def step():
        return int(re.search(r"step (\d+)", monitor.inner_text()).group(1))

    before = step()
    page.reload()
    expect(monitor).to_be_visible(timeout=LOAD)
    wait_for(lambda: step() > before, page=page)
    page.get_by_label("Stop and keep the model trained so far").click()
    expect(page.get_by_text(re.compile(rf"^{label} stopped at step .* is kept$"))).to_be_visible(timeout=LOAD)
    expect(page.get_by_role("combobox", name="Shown model")).to_have_text(label)


def test_impossible_lag_is_told_and_nothing_is_lost(page, demo):
    map_ = open_demo(page, demo)
    map_.lasso_rectangle()
    count = wait_for(lambda: selected(page), page=page)
    enter(page, "Lag time", 99999)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("longest trajectory of 25000 frames"))).to_be_visible()
    assert selected(page) == count
