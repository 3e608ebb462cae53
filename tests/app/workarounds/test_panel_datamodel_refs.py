"""The data of a component are marked with its page, without a search of what it contains."""

import panel_material_ui as pmui
import pytest
from bokeh.model import DataModel, Model
from panel.reactive import ReactiveCustomBase

from fel_explorer.app.workarounds import panel_datamodel_refs

DEPTH = 6


def nested():
    part = pmui.Button(label="a")
    for _ in range(DEPTH):
        part = pmui.Column(part)
    return part


@pytest.fixture
def unrepaired(monkeypatch):
    """Panel as it is installed, whatever a page of this process repaired."""
    original = panel_datamodel_refs._patch_datamodel_ref
    monkeypatch.setattr(ReactiveCustomBase, "_patch_datamodel_ref", original)


@pytest.fixture
def searches(monkeypatch):
    """The models that are searched."""
    seen, select = [], Model.select
    monkeypatch.setattr(Model, "select", lambda self, what: seen.append(self) or select(self, what))
    return seen


def test_panel_still_needs_the_repair(unrepaired, searches):
    nested().get_root()
    assert len(searches) > DEPTH, "Panel does not search the components: remove the repair"


def test_all_data_are_marked_without_a_search(unrepaired, searches):
    def marks(root):
        found = [model for model in root.references() if isinstance(model, DataModel)]
        return [tag for model in found for tag in model.tags if tag == f"__ref:{root.ref['id']}"]

    expected = len(marks(nested().get_root()))
    searches.clear()
    panel_datamodel_refs.install()
    assert len(marks(nested().get_root())) == expected == DEPTH + 1
    assert len(searches) < DEPTH
