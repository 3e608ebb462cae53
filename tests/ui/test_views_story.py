"""All views and dialogs: controls are called by their labels, words can be read, Escape closes one thing."""

import re
import sys

import pytest
from conftest import Server, settle
from page_checks import faint_words, wrong_names
from playwright.sync_api import expect
from test_stories import LOAD

from fel_explorer.app.views.tabs import TABS

SCRIPT = """
import fel_explorer as fel

sample = fel.sample_data("alanine-dipeptide")
trajs = fel.load_trajectories(sample.files, sample.topology, stride=25)
data = fel.featurize(trajs, "backbone_torsions")
models = {
    "PCA 1": fel.PCA(n_dims=2).fit(data),
    "IDM 1": fel.IDM(lag_time=50.0, n_steps=100, n_states=4).fit(data),
    "DiscreteIDM 1": fel.DiscreteIDM().fit(data),
}
explorer = fel.explore(data, models, trajectories=trajs)
explorer.session.colour("state")
explorer.session.active = "IDM 1"
explorer.show(port=0, open=False)
while True:
    input()
"""
DIALOGS = "? y j w e Control+k Control+s h".split()  # the keys that open them


@pytest.fixture(scope="module")
def served(tmp_path_factory, cache):
    env = {"FEL_EXPLORER_CACHE": str(cache)}
    server = Server([sys.executable, "-c", SCRIPT], cwd=tmp_path_factory.mktemp("work"), env=env)
    yield server.url
    server.stop()


def parts(page):
    """Show each view and each dialog in turn; yields its name."""
    tabs = page.get_by_role("region", name="Analysis", exact=True)
    for tab in TABS:
        button = tabs.get_by_role("button", name=tab.title, exact=True).first
        if button.count():
            button.click()
            settle(page, 0.4)
            yield tab.title
    for key in DIALOGS:
        page.keyboard.press(key)
        settle(page, 0.4)
        yield f"dialog of {key}"
        page.keyboard.press("Escape")
        settle(page, 0.2)


def test_every_view_and_dialog_is_called_by_its_labels_and_can_be_read(page, served):
    page.set_default_timeout(LOAD)
    page.goto(served)
    expect(page.get_by_text("0 of 8,000 frames selected")).to_be_visible(timeout=LOAD)
    settle(page)
    title = page.get_by_role("heading", name="Landscape", exact=True)
    title.evaluate("(node) => { node.style.opacity = .4 }")
    assert [words for words in faint_words(page) if "Landscape" in words]  # the check finds what is faint
    title.evaluate("(node) => { node.style.opacity = '' }")
    faults = {}
    for dark in (False, True):
        for name in parts(page):
            found = faint_words(page) + ([] if dark else wrong_names(page))
            if found:
                faults[name, dark] = found
        page.keyboard.press("t")  # at once, without a reload
        settle(page)
    assert not faults


def test_escape_closes_the_list_that_is_open_and_nothing_below(page, served):
    page.set_default_timeout(LOAD)
    page.goto(served)
    expect(page.get_by_text("0 of 8,000 frames selected")).to_be_visible(timeout=LOAD)
    settle(page)
    lag = page.get_by_role("textbox", name="Lag time (ps)", exact=True)
    lag.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("0.00003")
    page.keyboard.press("Tab")
    expect(lag).to_have_value("0.00003")
    page.get_by_role(
        "heading", name="Landscape", exact=True
    ).click()  # out of the field, whose keys are its own
    page.keyboard.press("i")
    page.get_by_role("combobox", name="x axis", exact=True).click()
    search = page.get_by_placeholder("Search...")
    search.fill("psi")
    page.keyboard.press("Escape")
    expect(search).to_be_hidden()
    expect(page.get_by_text("8,000 of 8,000 frames selected")).to_be_visible()
    page.keyboard.press("e")
    dialog = page.get_by_role("heading", name=re.compile("^Export the CV"))
    expect(dialog).to_be_visible()
    page.get_by_role("combobox", name="Bias", exact=True).click()
    choices = page.get_by_role("listbox")
    expect(choices).to_be_visible()
    page.keyboard.press("Escape")
    expect(choices).to_be_hidden()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("8,000 of 8,000 frames selected")).to_be_visible()
