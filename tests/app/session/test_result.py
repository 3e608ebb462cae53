"""Trees of states in a session, and states that the user merges and splits."""

from dataclasses import replace

import numpy as np
import pytest

from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import Selection
from fel_explorer.app.session.tree_nodes import short_name, tree_colours
from fel_explorer.errors import FelError

COARSE = [0, 0, 0, 0, 1, 1]
FINE = [0, 0, 1, 1, 2, 2]


@pytest.fixture
def session(tree_session):
    return tree_session


def test_a_tree_is_shown_at_its_last_level_and_at_any_other(session):
    changes = []
    session.param.watch(lambda event: changes.append(event.new), "shown")
    np.testing.assert_array_equal(session.shown.state, FINE)
    assert session.shown.lag_time == 2.0 and session.state_name(2) == "state 2-3"
    session.show_level(0)
    np.testing.assert_array_equal(session.shown.state, COARSE)
    assert session.shown.lag_time == 20.0 and session.state_name(1) == "state 1-2"
    assert session.shown.embedding is session.results["tree"].embedding and len(changes) == 1
    session.select_state(1)
    assert session.selection.frames.tolist() == [4, 5] and session.selection.how == "state 1-2 of tree"
    with pytest.raises(FelError, match="level=2"):
        session.show_level(2)


def test_names_belong_to_a_level(session):
    session.name_state(0, "helix")
    assert session.state_name(0) == "helix"
    session.show_level(0)
    assert session.state_name(0) == "state 1-1"
    session.undo()
    session.show_level(1)
    assert session.state_name(0) == "state 2-1"


def test_a_name_stays_with_a_state_that_does_not_divide(session):
    session.name_state(2, "left-handed")
    session.show_level(0)
    assert session.state_name(1) == "left-handed" and session.state_name(0) == "state 1-1"


def test_proposed_names_follow_the_number_and_yield_to_those_of_the_user(session):
    words = {"1-1": "phi < 0", "2-1": "beta", "2-3": "alpha-L"}
    session.add_result(replace(session.shown, label="other", words=words, levels=()))
    assert [session.state_name(s) for s in range(3)] == ["state 2-1: beta", "state 2-2", "state 2-3: alpha-L"]
    assert (
        short_name(session.state_name(0)) == "2-1: beta" and short_name(session.state_name(1)) == "state 2-2"
    )
    session.name_state(0, "C5")
    assert session.state_name(0) == session.given_name(0) == "C5" and session.given_name(1) == ""
    session.merge_states([1, 2])
    assert session.state_name(0) == "C5" and session.state_name(1) == "state 2-2"
    session.undo()
    session.undo()
    assert session.state_name(0) == "state 2-1: beta"


def test_children_have_tints_of_their_parent(session):
    colours = tree_colours(session.shown.tree)
    assert colours["2-3"] == colours["1-2"] and len({*colours.values()}) == 4
    assert session.shown.colours([0, 1, 2]) == {s: colours[f"2-{s + 1}"] for s in range(3)}


def test_selected_states_merge_and_come_back(session):
    session.select(np.array([1, 1, 1, 1, 1, 0], bool), "lasso")
    assert session.selected_states() == [0, 1, 2]
    session.merge_states([0, 2])
    assert session.shown.edited and session.shown.state.tolist() == [0, 0, 1, 1, 0, 0]
    np.testing.assert_array_equal(session.shown.membership.argmax(1), session.shown.state)
    np.testing.assert_allclose(session.shown.membership.sum(1), 1.0)
    assert session.shown.states() == [0, 1]
    session.show_level(0)
    np.testing.assert_array_equal(session.shown.state, COARSE)  # an edit belongs to its level
    session.show_level(1)
    session.undo()
    np.testing.assert_array_equal(session.shown.state, FINE)
    session.redo()
    assert session.shown.state.tolist() == [0, 0, 1, 1, 0, 0]


def test_the_selected_part_of_a_state_splits_off(session):
    session.select(np.array([0, 1, 0, 0, 0, 0], bool), "click")
    assert session.divided_state() == 0
    session.split_state()
    assert session.shown.state.tolist() == [0, 3, 1, 1, 2, 2]
    np.testing.assert_array_equal(session.shown.membership.argmax(1), session.shown.state)
    np.testing.assert_allclose(session.shown.membership.sum(1), 1.0)
    assert len({*session.shown.colours([0, 1, 2, 3]).values()}) == 4
    assert session.divided_state() is None
    with pytest.raises(FelError, match="partly"):
        session.split_state()


def test_a_split_off_state_is_named_after_the_state_that_it_was_part_of():
    state = np.repeat([0, 1], 6)
    result = Result("IDM 1", None, np.zeros((12, 2), np.float32), None, state)

    def without(result, of, *frames):
        mask = np.isin(np.arange(12), frames)
        return result.split(of, Selection(mask, "click"))

    assert result.default_name(1) == "state 2"
    result = without(result, 1, 6, 7, 8)
    assert result.default_name(2) == "part of state 2" and result.default_name(1) == "state 2"
    result = without(without(without(result, 0, 0), 1, 9), 2, 6)  # the last is a part of the first part
    names = [result.default_name(state) for state in range(6)]
    assert names[3:] == ["part of state 1", "part 2 of state 2", "part 3 of state 2"]
    merged = result.merge([0, 1])
    assert [merged.default_name(state) for state in range(6)] == names


def test_edits_end_with_a_new_training_of_the_same_name(session, tree_method):
    session.select(np.arange(6) < 4, "lasso")
    session.merge_states()
    session.add_result(Result.of("tree", tree_method, session.dataset))
    assert not session.shown.edited and session.edits == {}


def test_merging_one_state_is_refused(session):
    session.select(np.arange(6) < 2, "lasso")
    with pytest.raises(FelError, match="Two or more"):
        session.merge_states()


def test_the_map_of_a_tree_shows_its_states_unless_another_colour_was_chosen(tree_session, tree_method):
    assert tree_session.colour_by == "state"
    tree_session.colour("time")
    tree_session.add_result(Result.of("another", tree_method, tree_session.dataset))
    assert tree_session.colour_by == "time"
