"""A page is sent before its parts are made."""

import asyncio
from concurrent.futures import Future

import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

import fel_explorer as fel
from fel_explorer.app.entry import run_in_thread
from fel_explorer.app.shell import skeleton
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.shell.skeleton import GrowingPage
from fel_explorer.app.viewer import StructureViewer
from fel_explorer.app.workarounds.bokeh_late_figures import LateFigures
from fel_explorer.app.workarounds.panel_material_ui_names import WidgetNames
from fel_explorer.errors import FelError


@pytest.fixture
def document():
    document = Document()
    with set_curdoc(document):
        yield document


def fill(document):
    """Run what the server runs after it has sent the page."""
    [waiting] = document.session_callbacks
    asyncio.run(waiting.callback())


def test_parts_are_made_after_the_page_and_laid_out_on_it(document):
    made = []
    page = GrowingPage(lambda: made.append(Explorer()) or made[-1]).page
    assert made == [] and page.main == [] and page.sidebar == []
    fill(document)
    [explorer] = made
    assert explorer.page is page
    assert page.main == [explorer.layout.centre] and page.sidebar == [explorer.layout.tools]
    explorer.close()


def test_a_page_that_cannot_be_made_says_so(document, monkeypatch):
    shown = []
    monkeypatch.setattr("fel_explorer.app.shell.skeleton.show_error", shown.append)

    def fail():
        raise FelError("No such file.")

    page = GrowingPage(fail).page
    fill(document)
    assert "could not be made" in page.main[0].object
    pn.state._on_load(document)
    assert [error.given for error in shown] == ["No such file."]


def test_a_page_waits_for_what_is_prepared(document):
    ready, made = Future(), []
    page = GrowingPage(lambda: made.append(ready.result()()) or made[-1], ready).page

    async def prepare_meanwhile():
        [waiting] = document.session_callbacks
        filling = asyncio.create_task(waiting.callback())
        await asyncio.sleep(0.01)
        assert made == [] and page.main == []
        ready.set_result(Explorer)
        await filling

    asyncio.run(prepare_meanwhile())
    [explorer] = made
    assert page.main == [explorer.layout.centre]
    explorer.close()


def test_an_error_while_preparing_is_shown_to_each_visitor(document, monkeypatch):
    shown = []
    monkeypatch.setattr("fel_explorer.app.shell.skeleton.show_error", shown.append)

    def fail():
        raise FelError("No sample data.")

    page = GrowingPage(Explorer, run_in_thread(fail)).page
    fill(document)
    assert "could not be made" in page.main[0].object
    pn.state._on_load(document)
    assert [error.given for error in shown] == ["No sample data."]


def test_dialogs_are_made_when_they_are_opened():
    explorer = Explorer()
    assert explorer.page.main and explorer.dialogs.layout.objects == []
    explorer.help.toggle()
    explorer.palette.open()
    assert len(explorer.dialogs.layout) == 2 and explorer.help.dialog.open and explorer.palette.shown
    explorer.close()


def test_the_second_map_is_made_when_it_is_opened():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(50, 3)))
    explorer = fel.explore(data, fel.PCA(n_dims=2).fit(data))
    assert explorer.page.main and "second_map" not in vars(explorer)
    explorer.session.beside = "PCA 1"
    structure, second = explorer.layout.right
    assert second.visible and not structure.visible and explorer.layout.cards.second
    explorer.session.beside = ""
    assert not second.visible and structure.visible and not explorer.layout.cards.second
    explorer.close()


def test_a_page_with_a_map_has_at_most_300_models():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(50, 3)))
    explorer = fel.explore(data, fel.PCA(n_dims=2).fit(data))
    document = explorer.page.server_doc(Document())
    of_the_browser = 13  # tools and axes that it makes for a figure
    assert 200 < len(document.models) + of_the_browser <= 300  # each costs the server and the browser time
    explorer.close()


def test_nothing_stands_right_of_the_jobs_in_the_header():
    explorer = Explorer()
    shown = [part for part in explorer.layout.header() if not isinstance(part, LateFigures | WidgetNames)]
    assert shown[-1] is explorer.jobs  # what appears and grows there moves no button
    explorer.close()


def test_bundles_are_fetched_ahead_once_they_can_be_given(document, monkeypatch):
    assert StructureViewer._render_esm(server=True) in skeleton._bundles()  # else it would be fetched twice
    asked, make = [], skeleton.empty_page
    monkeypatch.setattr(skeleton, "empty_page", lambda **how: asked.append(how["preload"]) or make(**how))
    waiting, ready = Future(), Future()
    ready.set_result(None)
    for future in (waiting, ready, None):
        assert GrowingPage(Explorer, future).page.main == []
    assert asked == [False, True, True]
