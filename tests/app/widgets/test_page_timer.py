"""A page's timer begins when the browser has the page, and costs nothing before."""

import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from fel_explorer.app.widgets.page_timer import PageTimer


class Context:
    """Of a page that a server sends."""

    destroyed = False


@pytest.fixture
def started(monkeypatch):
    """Periodic callbacks of panel that were started: (callback, period)."""
    started = []
    monkeypatch.setattr(
        pn.state, "add_periodic_callback", lambda callback, period: started.append((callback, period))
    )
    return started


@pytest.fixture
def served(monkeypatch):
    document = Document()
    monkeypatch.setattr(Document, "session_context", Context())
    with set_curdoc(document):
        yield document


def test_it_waits_for_the_browser_without_callbacks(served, started):
    timer = PageTimer(print, 100)
    timer.start()
    assert started == [] and served.session_callbacks == []
    pn.state._on_load(served)
    assert started == [(print, 100)]


def test_it_does_not_begin_once_it_was_stopped(served, started):
    timer = PageTimer(print, 100)
    timer.start()
    timer.stop()
    pn.state._on_load(served)
    assert started == []


def test_without_a_server_it_begins_at_once(started):
    timer = PageTimer(print, 100)
    timer.start()
    assert started == [(print, 100)]
