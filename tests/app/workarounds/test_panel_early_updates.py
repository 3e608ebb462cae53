"""A page that is filled while its browser already waits for the models comes filled."""

import re
import threading
import time
import urllib.request
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.client import pull_session
from bokeh.util.token import get_session_id
from panel.io.state import set_curdoc
from panel.models.esm import ReactComponent

from fel_explorer.app.server.server import serving
from fel_explorer.app.shell import skeleton


@pytest.fixture
def pulled():
    """Function that opens a page whose filling has to wait, and returns the labels of its buttons."""
    ready = Future()
    ready.asked = threading.Event()

    def show_on(page):
        page.main = [pmui.Button(label="made later")]

    page = skeleton.GrowingPage(lambda: SimpleNamespace(show_on=show_on), ready)
    server = pn.serve({"page": serving(lambda: page)}, port=0, show=False, start=False, verbose=False)

    def run():
        server.start()
        server.io_loop.start()

    def pull():
        address = f"http://localhost:{server.port}/page"
        html = urllib.request.urlopen(address, timeout=60).read().decode()
        name = get_session_id(re.search(r'"token":"([^"]+)"', html).group(1))
        threading.Timer(1.0, ready.set_result, ["ready"]).start()
        began = time.monotonic()
        session = pull_session(session_id=name, url=address)
        assert time.monotonic() - began > 0.5  # the filling was awaited
        components = [model for model in session.document.models if isinstance(model, ReactComponent)]
        labels = [model.data.label for model in components if model.class_name == "Button"]
        session.close()
        return labels

    thread = threading.Thread(target=run)
    thread.start()
    yield pull
    server.io_loop.add_callback(server.io_loop.stop)
    thread.join()
    server.stop()


def test_the_models_come_with_what_was_made_meanwhile(pulled):
    assert pulled() == ["made later"]


def test_panel_still_needs_the_repair(pulled, monkeypatch):
    @contextmanager
    def plain(document):
        with set_curdoc(document), document.models.freeze():
            yield

    monkeypatch.setattr(skeleton, "filling", plain)
    assert pulled() == []
