"""Two maps of the same frames: what is done on one is seen on both."""

import numpy as np
import pytest
from bokeh.document import Document

from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.map.second_map_panel import SecondMap
from fel_explorer.app.views.modes.analysis import mode_names
from fel_explorer.data import as_dataset
from fel_explorer.methods import PCA, TICA, DivisiveIDM

N = 400


@pytest.fixture
def session():
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(N, 2)).astype(np.float32)
    session = Session(as_dataset(xy))
    halves = (np.arange(N) % 2).astype(int), (np.arange(N) % 4).astype(int)
    session.add_result(Result("A", PCA(), xy, None, halves[0]))
    session.add_result(Result("B", TICA(), 3 * xy[:, ::-1] + 5, None, halves[1]))
    session.active = "A"
    return session


@pytest.fixture
def maps(session):
    first, second = MapPanel(session), SecondMap(session)
    yield first, second
    second.close()
    first.close()


def test_a_closed_second_map_holds_and_draws_nothing(session, maps):
    second = maps[1]
    second.map.plot.get_root(Document())
    drawn = second.map.plot.drawing
    session.select(np.arange(N) < 5, "by hand")
    session.colour("state")
    assert second.side.dataset is None and second.map.plot.drawing is drawn
    session.beside = "B"
    assert second.map._pane.visible and second.side.shown.label == "B"
    session.beside = ""
    assert second.side.dataset is None and not second.map._pane.visible


def test_each_map_shows_its_own_model_and_both_the_same_frames(session, maps):
    first, second = maps
    session.beside = "B"
    b = session.results["B"].embedding
    np.testing.assert_array_equal(second.map._view.xy, b)
    np.testing.assert_array_equal(first._view.xy, session.results["A"].embedding)
    second.map.gestures.lasso(np.array([[5, -50], [50, -50], [50, 50], [5, 50]]))
    np.testing.assert_array_equal(session.selection.mask, b[:, 0] > 5)
    assert session.selection.how == "lasso on B (CV 1, CV 2)"
    first.gestures.lasso(np.array([[0, -50], [50, -50], [50, 50], [0, 50]]))
    np.testing.assert_array_equal(second.side.selection.mask, session.results["A"].embedding[:, 0] > 0)
    session.undo()
    np.testing.assert_array_equal(second.side.selection.mask, b[:, 0] > 5)


def test_a_click_on_the_second_map_is_a_point_of_its_model(session, maps):
    first, second = maps
    session.beside = "B"
    second.map.gestures.tap(*map(float, session.results["B"].embedding[7]))
    assert (session.point.model, session.point.frame, session.frame) == ("B", 7, 7)
    session.drawing = True  # a path is drawn on the first map only
    second.map.gestures.tap(*map(float, session.results["B"].embedding[9]))
    assert session.path_anchors is None and session.point.frame == 9
    place = first._view.place_of(session, session.point)
    np.testing.assert_allclose(place, session.results["A"].embedding[9])


def test_frames_carry_the_states_of_the_first_map_or_their_own(session, maps):
    second = maps[1]
    session.beside = "B"
    session.colour("state")
    session.name_state(0, "left")
    side = second.side
    np.testing.assert_array_equal(side.shown.state, session.results["A"].state)
    assert side.state_name(0) == "left" and len(second.map._places) == 2
    second.borrows.value = False
    np.testing.assert_array_equal(side.shown.state, session.results["B"].state)
    assert side.state_name(0) == "state 1" and len(second.map._places) == 4
    second.borrows.value = True
    session.merge_states([0, 1])
    assert len(second.map._places) == 1


def test_selecting_leaves_the_window_of_the_second_map(session, maps):
    second = maps[1]
    session.beside = "B"
    second.map.set_window(((0.0, 1.0), (0.0, 1.0)))
    session.select(np.arange(N) < 9, "by hand")
    session.colour("time")
    session.name_state(0, "left")
    assert second.map._window[0] == (0.0, 1.0)


def test_the_second_map_follows_its_select_and_the_names_of_models(session, maps):
    second = maps[1]
    session.beside = "B"
    assert second.choice.options == ["A", "B"] and second.choice.value == "B"
    second.choice.value = "A"
    assert session.beside == "A"
    session.rename_result("A", "slow")
    assert session.beside == second.choice.value == second.side.shown.label == "slow"
    session.remove_result("slow")
    assert session.beside == "" and second.side.dataset is None


def test_units_of_energy_are_set_on_either_map(session, maps):
    side = maps[1].side
    session.energy_unit = "kJ/mol"
    session.beside = "B"
    assert side.energy_unit == "kJ/mol"
    side.energy_unit = "kcal/mol"
    assert session.energy_unit == "kcal/mol"
    session.temperature = 310.0
    assert side.temperature == 310.0 and side.unit == session.unit


def test_a_model_beside_a_tree_has_its_own_lag_and_modes():
    rng = np.random.default_rng(0)
    states = np.repeat(rng.integers(2, size=40), 50)
    data = as_dataset(np.c_[4.0 * states, states] + rng.normal(size=(2000, 2)))
    session = Session(data)
    tree = DivisiveIDM(lag_times=[20.0, 5.0], n_states=4, n_steps=60, n_restarts=1, hidden=[8])
    for label, method in (("tree", tree), ("TICA", TICA(lag_time=7.0))):
        session.add_result(Result.of(label, method.fit(data, device="cpu"), data))
    session.active = "tree"
    second = SecondMap(session)
    session.beside = "TICA"
    shown = second.side.shown
    assert shown.tree is session.shown.tree and shown.lag_time == 7.0
    assert "mode 1" in mode_names(shown, data)
    second.close()
