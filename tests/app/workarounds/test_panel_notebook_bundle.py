"""In a notebook the widgets' front end is sent once."""

from types import SimpleNamespace

import IPython
import panel_material_ui as pmui
import pytest
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from panel.config import config

from fel_explorer.app.workarounds import panel_notebook_bundle


@pytest.fixture
def sent(monkeypatch):
    """What is sent to the page of a notebook whose kernel runs here."""
    data = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "publish_display_data", data.append)
    monkeypatch.setattr(pmui.base.MaterialComponent, "_render_esm", pmui.base.MaterialComponent._render_esm)
    with config.set(inline=True):
        panel_notebook_bundle.install()
        yield data


def test_panel_still_needs_the_repair(monkeypatch):
    original = panel_notebook_bundle._render_esm
    monkeypatch.setattr(pmui.base.MaterialComponent, "_render_esm", classmethod(original))
    with config.set(inline=True):
        row = pmui.Row(*(pmui.Button(label=str(i)) for i in range(3)))
        document = Document()
        document.add_root(row.get_root(document))
        assert len(serialize_json(document.to_json())) > 2_000_000, "the bundle is sent once now"


def test_bundle_goes_once_and_widgets_refer_to_it(sent):
    [data] = sent
    row = pmui.Row(*(pmui.Button(label=str(i)) for i in range(20)))
    document = Document()
    document.add_root(row.get_root(document))
    text = serialize_json(document.to_json())
    assert len(text) < 500_000
    assert text.count("felExplorerWidgets") == 21
    for script in data.values():
        assert "felExplorerWidgets ??= import" in script
        assert len(script) > 500_000
        assert "</" not in script


def test_served_pages_are_left_alone(sent):
    assert "felExplorerWidgets" not in pmui.Button._render_esm(True, server=True)


def test_nothing_happens_outside_of_notebooks(monkeypatch):
    before = pmui.base.MaterialComponent.__dict__["_render_esm"]
    panel_notebook_bundle.install()
    assert pmui.base.MaterialComponent.__dict__["_render_esm"] is before
