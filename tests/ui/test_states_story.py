"""What a user learns of the states of a training: table, evidence, kinetics, and a figure for a paper."""

import re

import pandas as pd
from conftest import settle, wait_for
from playwright.sync_api import expect
from test_stories import LOAD, Map, open_demo, save, train

UPPER_FIGURES = """() => [...Bokeh.index.query((v) => v.model.type == "Figure")].map((view) => {
    const canvas = view.canvas_view.el.getBoundingClientRect(), frame = view.frame.bbox
    return [canvas.x + frame.left, canvas.y + frame.top, frame.width, frame.height]
}).filter(([left, top, width, height]) => width > 100 && top < 300)"""


def view(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    page.mouse.move(5, 5)  # away from the button, whose tooltip would cover others
    settle(page)


def test_states_have_lifetimes_evidence_and_kinetics(page, demo, tmp_path):
    open_demo(page, demo)
    expect(page.get_by_role("button", name="Find the states")).to_be_visible()
    train(page, 300)
    expect(page.get_by_text("with exponential decay")).to_be_visible(timeout=2 * LOAD)
    rows = page.locator(".fel-table tbody tr")
    expect(rows.first).to_contain_text(re.compile(r"\d (ps|ns|fs)"))
    table = pd.read_csv(save(page, "CSV", tmp_path))
    assert len(table) == rows.count() and (table["mean_lifetime"] > 0).all()

    name = rows.first.locator("button").inner_text()
    rows.first.click()
    expect(page.locator(".fel-table tr.chosen")).to_contain_text(name)
    view(page, "Evidence")
    expect(page.locator("strong", has_text="Mean lifetime")).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"^(Exponential|Recrosses|Not exponential|Too few exits|Too short)\.$"))
    ).to_be_visible()
    assert "fraction still in the state" in save(page, "SVG", tmp_path).read_text()

    view(page, "Kinetics")
    expect(page.get_by_text("Significant rates only")).to_be_visible(timeout=2 * LOAD)
    settle(page)
    figures = """() => [...Bokeh.index.query((v) => v.model.type == "Figure")]
      .filter((v) => v.el.getBoundingClientRect().width > 0).map((v) => v.frame.bbox.width)"""
    assert min(wait_for(lambda: page.evaluate(figures), page=page)) > 200
    stop = page.get_by_role("button", name="Stop", exact=True)
    wait_for(lambda: not stop.is_visible(), timeout=120, page=page)
    for title, words in {
        "Time scales": "Markovian",
        "CK test": "Largest difference",
        "Spectrum": "Time scales of the rates",
    }.items():
        view(page, title)
        expect(page.get_by_text(words)).to_be_visible()
    assert save(page, "PDF", tmp_path).read_bytes().startswith(b"%PDF")
    view(page, "Pathways")
    expect(page.get_by_text("on average after")).to_be_visible(timeout=2 * LOAD)
    assert "mean_first_passage_time" in set(pd.read_csv(save(page, "CSV", tmp_path))["quantity"])
    page.keyboard.press("t")
    view(page, "Network")
    settle(page)

    view(page, "Runs")
    models = page.locator(".fel-table:visible tbody tr")
    expect(models).to_have_count(2)
    expect(models.last).to_contain_text(re.compile(r"IDM 1.*\d\.\d{3}"))  # its score
    models.first.click()
    expect(page.locator(".fel-table:visible tr.chosen")).to_contain_text("TICA 1")
    page.keyboard.press("2")
    expect(page.get_by_label("Close the second map")).to_be_visible()
    wait_for(lambda: len(page.evaluate(UPPER_FIGURES)) == 2, page=page)
    settle(page)
    left, top, width, height = max(page.evaluate(UPPER_FIGURES))  # the second map is the right one
    corners = [(0.1, 0.3), (0.5, 0.3), (0.5, 0.9), (0.1, 0.9), (0.1, 0.31)]
    told = page.get_by_text(re.compile("of 200,000 frames selected"))
    before = told.first.inner_text()
    Map(page).drag([(left + x * width, top + y * height) for x, y in corners])
    wait_for(lambda: told.first.inner_text() != before, page=page)
    wait_for(lambda: told.last.inner_text() == told.first.inner_text(), page=page)
