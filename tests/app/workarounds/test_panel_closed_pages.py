"""Nothing holds a page after its end, and other pages keep what is theirs."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import panel as pn
from bokeh.document import Document
from panel.io.state import state

from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.widgets.bokeh_sheet import BokehSheet
from fel_explorer.app.workarounds.panel_closed_pages import leave, release
from fel_explorer.data.schema import as_dataset


def open_page():
    document = Document()
    document.add_root(pn.Column(BokehSheet()).get_root(document))
    return document


def kept(document):
    return sum(shown_in is document for _view, _root, shown_in, _comm in state._views.values())


def test_panel_still_needs_the_repair():
    document = open_page()
    state._destroy_session(SimpleNamespace(_document=document, id="closed"))
    assert kept(document), "closed pages are released now: remove the repair"
    release(document)


def test_a_closed_page_is_released_and_another_one_stays():
    closed, other = open_page(), open_page()
    assert kept(closed) == kept(other) == 1
    release(closed)
    assert kept(closed) == 0 and kept(other) == 1
    release(other)


def test_a_drawn_map_is_released():
    document = Document()
    panel = MapPanel(Session(as_dataset(np.random.default_rng(0).normal(size=(50, 2)))))
    document.add_root(pn.panel(panel._pane).get_root(document))
    alive = weakref.ref(panel)
    panel.close()
    document.clear()
    release(document)
    del panel, document
    gc.collect()
    assert alive() is None


def test_an_explorer_goes_on_when_one_of_its_tabs_is_closed():
    explorer = Explorer(Session(as_dataset(np.random.default_rng(0).normal(size=(50, 2)))))
    closed, open_ = Document(), Document()
    for document in (closed, open_):
        explorer.page.server_doc(document)
    for model in closed.models:  # as bokeh does, before it tells anyone
        model.destroy()
    leave(explorer.page, closed)
    release(closed)
    explorer.session.select(np.arange(50) < 7, "the first")  # the map is drawn again
    assert [live.figure.document for live in explorer.map.plot.live] == [open_]
    explorer.close()
    release(open_)
