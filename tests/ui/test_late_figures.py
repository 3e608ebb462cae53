"""Figures that are added to a page in use."""

import sys

import pytest
from conftest import Server, settle
from playwright.sync_api import expect

SCRIPT = """
import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure
from fel_explorer.app.workarounds.bokeh_late_figures import late_figures

pn.extension(inline=True)

def page(repaired):
    parts = pmui.Column(sizing_mode="stretch_both", min_height=400)
    def add(event):
        plot = figure(sizing_mode="stretch_both", min_height=160)
        plot.scatter([1, 2, 3], [3, 1, 2])
        pane = pn.pane.Bokeh(plot, sizing_mode="stretch_both")
        parts.append(pmui.Paper(pmui.Column(pane, sizing_mode="stretch_both"), sizing_mode="stretch_both"))
    button = pmui.Button(label="Add", description="A figure below", on_click=add)
    return pmui.Page(main=[button, parts, *([late_figures()] if repaired else [])])

pages = {"repaired": lambda: page(True), "plain": lambda: page(False)}
server = pn.serve(pages, port=0, show=False, start=False, verbose=False)
print(f"http://localhost:{server.port}", flush=True)
server.start()
server.io_loop.start()
"""
DRAWN = "() => Bokeh.index.query_one((view) => view.model.type == 'Figure')?.has_finished()"
SENT_BACK = """() => {
    // whether the next message brings back to the server a model that it has sent
    const [document] = Bokeh.documents, model = {type: "object", name: "Range1d", id: "p123456789"}
    const event = {kind: "ModelChanged", model: {id: document.roots()[0].id}, attr: "tags", new: [model]}
    document.apply_json_patch({events: [event]})
    return [...document._new_models].some((one) => one.id == model.id)
}"""
FRAME = """() => {
    const {bbox} = Bokeh.index.query_one((view) => view.model.type == "Figure").frame
    return [bbox.width, bbox.height]
}"""


@pytest.fixture
def served(tmp_path):
    server = Server([sys.executable, "-c", SCRIPT], cwd=tmp_path, env={})
    yield server.url
    server.stop()


def add_figure(page, address):
    page.goto(address)
    page.get_by_role("button").filter(has_text="Add").click()
    page.wait_for_function(
        "() => Bokeh.index.query_one((view) => view.model.type == 'Figure')?.has_finished()"
    )
    settle(page, 0.5)


def test_a_figure_is_added_without_an_error_and_fills_its_place(page, served):
    add_figure(page, f"{served}/repaired")
    width, height = page.evaluate(FRAME)
    assert width > 600 and height > 300
    assert not page.evaluate(SENT_BACK)


def test_panel_material_ui_needs_the_repair_of_names(page, served):
    page.goto(f"{served}/plain")
    expect(page.get_by_role("button", name="A figure below", exact=True)).to_have_text("Add")


def test_bokeh_needs_the_repair(page, served):
    add_figure(page, f"{served}/plain")
    assert any("top_panel" in fault for fault in page.faults)
    page.faults.clear()
    assert page.evaluate(SENT_BACK)
