"""Selection by value: typed conditions and ranges, with lasso and states, undone and shown as Python."""

import numpy as np
import param
import pytest

import fel_explorer as fel
from fel_explorer.app.codegen.script import selection_code
from fel_explorer.app.session import selection_origin
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.selection.panel import SelectionPanel
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError


@pytest.fixture
def session():
    dataset = as_dataset([np.random.default_rng(0).normal(size=(100, 2))], feature_names=["phi", "d 12"])
    dataset["energy"] = ("frame", np.arange(100.0))
    state = np.repeat([0, 1], 50)
    session = Session(dataset)
    session.add_result(Result("IDM 1", None, dataset["features"].values, None, state))
    return session


@pytest.fixture
def panel(session):
    panel = SelectionPanel(session)
    panel._actions["gate"].clicks += 1
    yield panel
    panel.close()


def run(session):
    """The frames that the Python of the page gives."""
    states = session.dataset["energy"].copy(data=session.shown.state)
    scope = {"np": np, "fel": fel, "data": session.dataset, "states": states}
    exec(selection_code(session), scope)
    return scope["frames"]


def test_a_typed_condition_selects_and_combines_with_states(panel, session):
    panel.gate.where.value = "energy >= 20 and energy < 60"
    assert session.selection.frames.tolist() == list(range(20, 60))
    assert session.selection.how == "frames where energy >= 20 and energy < 60"
    session.select_state(0)
    panel.gate.mode.value = "intersect"
    panel.gate.where.value = "energy >= 20"
    assert session.selection.frames.tolist() == list(range(20, 50))
    assert run(session).tolist() == list(range(20, 50))
    session.undo()
    assert session.selection.count == 50


@pytest.mark.parametrize(
    ("mode", "count"), [("replace", 11), ("intersect", 11), ("add", 50), ("subtract", 39)]
)
def test_a_range_combines_with_what_was_selected_before_it_was_moved(mode, count, panel, session):
    session.select_state(0)
    panel.gate.mode.value, panel.gate.quantity.value = mode, "energy"
    assert (panel.gate.range.start, panel.gate.range.end) == (0.0, 99.0)
    for low in (0.0, 30.0, 10.0):  # wider again: each move is from the same beginning
        with param.edit_constant(panel.gate.range):  # as the page sets it when the hand lets the slider go
            panel.gate.range.value_throttled = (low, low + 10)
    assert session.selection.count == count
    assert np.array_equal(run(session), session.selection.frames)


def test_the_condition_is_kept_in_files_of_sessions(session):
    session.select_where("phi < 0 and `d 12` > 0")
    steps = selection_origin.from_json(selection_origin.to_json(session.selection.steps))
    assert steps == session.selection.steps and steps[0].origin.axes == ("phi", "d 12")


def test_a_selection_gets_a_name_and_stands_in_conditions(panel, session):
    session.select_state(1)
    panel.gate.column.value = "right well"
    assert session.dataset["right well"].values.sum() == 50 and panel.gate.column.value == ""
    panel.gate.where.value = "`right well` == 1 and not energy > 80"
    assert session.selection.frames.tolist() == list(range(50, 81))
    with pytest.raises(FelError, match="new"):
        session.name_selection("energy")
    session.clear_selection()
    with pytest.raises(FelError, match="Nothing is selected"):
        session.name_selection("other")


def test_a_faulty_condition_changes_nothing(panel, session):
    session.select_state(0)
    with pytest.raises(FelError, match="has 'psi'"):
        session.select_where("psi < 0")
    assert session.selection.count == 50
