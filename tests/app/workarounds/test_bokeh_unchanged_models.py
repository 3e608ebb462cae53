"""The models of a document are collected when they changed, and only then."""

import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.models import Column, Div

from fel_explorer.app.workarounds import bokeh_unchanged_models


def make_document():
    document = Document()
    document.add_root(Column(children=[Div(text="here")], name="root"))
    return document


@pytest.fixture
def unrepaired(monkeypatch):
    """Bokeh as it is installed, whatever a page of this process repaired."""
    original = bokeh_unchanged_models
    monkeypatch.setattr(DocumentModelManager, "invalidate", original._invalidate)
    monkeypatch.setattr(DocumentModelManager, "_push_freeze", original._push_freeze)
    monkeypatch.setattr(DocumentModelManager, "_pop_freeze", original._pop_freeze)


@pytest.fixture
def document(unrepaired):
    bokeh_unchanged_models.install()
    return make_document()


@pytest.fixture
def visits(monkeypatch):
    """How often the models are collected."""
    seen = []
    references = Column.references
    monkeypatch.setattr(Column, "references", lambda self: seen.append(self) or references(self))
    return seen


def test_bokeh_still_needs_the_repair(unrepaired, visits):
    document = make_document()
    visits.clear()
    with document.models.freeze():
        document.roots[0].children[0].text = "there"
    assert visits, "Bokeh spares unchanged models now: remove the repair"


def test_a_change_of_values_visits_no_model(document, visits):
    with document.models.freeze():
        document.roots[0].children[0].text = "there"
    assert visits == []
    assert document.roots[0].children[0].text == "there"


def test_models_that_come_and_go_are_known(document):
    root, came = document.roots[0], Div(text="new")
    gone = root.children[0]
    with document.models.freeze(), document.models.freeze():
        root.children = [came]
    assert came.document is document and came.id in document.models
    assert gone.document is None and gone.id not in document.models
    root.children.append(gone)
    assert gone.document is document


def test_roots_that_come_and_go_are_known(document):
    other = Div(name="second root")
    document.add_root(other)
    assert document.get_model_by_name("second root") is other
    document.remove_root(other)
    assert other.document is None
    document.clear()
    assert len(document.models) == 0


def test_a_freeze_after_one_with_changes_is_cheap_again(document, visits):
    with document.models.freeze():
        document.roots[0].children = []
    assert len(visits) == 1
    with document.models.freeze():
        document.roots[0].visible = False
    assert len(visits) == 1
