"""The session against a plain model: sets of frames and a list of past states."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fel_explorer.app.session.session import Point, Result, Selection, Session
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError

N = 12


def small_session():
    rng = np.random.default_rng(0)
    return Session(as_dataset([rng.normal(size=(N // 2, 3)), rng.normal(size=(N // 2, 3))]))


def result(session, label="IDM 1", state=(0, 1, 1) * 4):
    n = session.dataset.sizes["frame"]
    return Result(label, None, np.zeros((n, 2), np.float32), None, np.array(state)[:n])


class Undoing(RuleBasedStateMachine):
    """Any order of changes, undos and redos leaves the session where a list of snapshots says."""

    def __init__(self):
        super().__init__()
        self.session = small_session()
        self.past, self.future = [], []
        self.now = (frozenset(), None, "free energy")

    def _to(self, selected=None, frame="same", colour=None):
        self.past.append(self.now)
        self.future = []
        old = self.now
        self.now = (
            old[0] if selected is None else frozenset(selected),
            old[1] if frame == "same" else frame,
            old[2] if colour is None else colour,
        )

    @rule(
        frames=st.sets(st.integers(0, N - 1)),
        mode=st.sampled_from(["replace", "add", "subtract", "intersect"]),
    )
    def select(self, frames, mode):
        mask = np.isin(np.arange(N), list(frames))
        combine = {
            "replace": lambda a, b: b,
            "add": frozenset.union,
            "subtract": frozenset.difference,
            "intersect": frozenset.intersection,
        }
        self.session.select(mask, "lasso", mode)
        self._to(selected=combine[mode](self.now[0], frozenset(frames)))

    @rule()
    def invert(self):
        self.session.invert_selection()
        self._to(selected=set(range(N)) - self.now[0])

    @rule()
    def clear(self):
        self.session.clear_selection()
        self._to(selected=(), frame=None)

    @rule(frame=st.integers(0, N - 1))
    def pick(self, frame):
        self.session.pick(Point("", np.zeros(2), frame, 0.0, False))
        assert self.session.frame == frame
        self._to(frame=frame)

    @rule(colour=st.sampled_from(["state", "time"]))
    def colour(self, colour):
        self.session.colour(colour)
        self._to(colour=colour)

    @rule()
    def undo(self):
        self.session.undo()
        if self.past:
            self.future.append(self.now)
            self.now = self.past.pop()

    @rule()
    def redo(self):
        self.session.redo()
        if self.future:
            self.past.append(self.now)
            self.now = self.future.pop()

    @invariant()
    def agrees(self):
        session = self.session
        selected, frame, colour = self.now
        assert set(session.selection.frames) == selected
        assert session.selection.count == len(selected)
        assert (session.point.frame if session.point else None) == frame
        assert session.colour_by == colour
        assert session.can_undo == bool(self.past)
        assert session.can_redo == bool(self.future)


TestUndoing = Undoing.TestCase
TestUndoing.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_pins_come_and_go_by_undo_but_not_the_look_at_them():
    session = small_session()
    session.pin(session.pinned.add("frame 1", 1, True, np.ones((3, 3)), np.arange(3)))
    session.pin(session.pinned.add("frame 2", 2, True, np.zeros((3, 3)), np.arange(3)))
    seen = []
    session.param.watch(lambda event: seen.append(event.new), "pinned")
    session.pinned = replace(session.pinned, shown=1)
    session.select(np.arange(N) < 3, "box")
    session.undo()
    assert len(seen) == 1 and session.pinned.shown == 1 and session.can_redo  # the pins are left alone
    session.pin(session.pinned.overlay(2))
    session.pin(session.pinned.remove(1))
    session.undo()
    assert session.pinned.keys == [1, 2] and session.pinned.overlaid == {2} and session.pinned.shown == 0
    session.undo()
    session.undo()
    assert session.pinned.keys == [1] and session.pinned.overlaid == frozenset()
    session.undo()
    assert not session.pinned and not session.can_undo
    for _ in range(4):
        session.redo()
    assert session.pinned.keys == [2] and not session.can_redo
    session.pin(session.pinned)
    assert len(session.pinned) == 1 and not session.can_redo


def test_selection_says_how_it_was_made():
    selection = Selection(np.zeros(4, bool)).combine(np.array([1, 1, 0, 0], bool), "lasso", "add")
    selection = selection.combine(np.array([0, 0, 1, 0], bool), "state 2", "add")
    assert selection.how == "lasso; added state 2"
    assert list(selection.frames) == [0, 1, 2]


def test_selection_cannot_be_changed_from_outside():
    mask = np.ones(3, bool)
    selection = Selection(mask)
    mask[0] = False
    assert selection.count == 3
    with pytest.raises(ValueError, match="read-only"):
        selection.mask[0] = False


@pytest.mark.parametrize("mask, mode", [(np.ones(N + 1, bool), "replace"), (np.ones(N, bool), "toggle")])
def test_wrong_selections_are_refused_and_nothing_is_lost(mask, mode):
    session = small_session()
    session.select(np.arange(N) < 3, "box")
    with pytest.raises(FelError):
        session.select(mask, "lasso", mode)
    assert session.selection.count == 3


def test_states_select_their_frames_and_take_names():
    session = small_session()
    session.add_result(result(session))
    session.name_state(1, "alpha")
    session.select_state(1)
    assert list(session.selection.frames) == [f for f in range(N) if f % 3]
    assert session.selection.how == "alpha of IDM 1"
    session.undo()
    session.undo()
    assert session.state_name(1) == "state 2"


def test_rare_states_are_not_listed():
    state = np.zeros(2000, int)
    state[:1] = 3
    state[1:20] = 5
    assert Result("IDM 1", None, np.zeros((2000, 2)), None, state).states() == [0, 5]


def test_result_of_another_dataset_is_refused():
    session = small_session()
    other = Result("PCA 1", None, np.zeros((N + 1, 2), np.float32))
    with pytest.raises(FelError, match="does not belong"):
        session.add_result(other)
    assert session.results == {}


def test_attaching_columns_leaves_models_and_selection():
    session = small_session()
    session.add_result(result(session))
    session.select_state(0)
    session.attach(session.dataset.assign(energy=("frame", np.arange(float(N)))))
    assert session.active == "IDM 1" and session.selection.count == 4 and session.can_undo
    other = as_dataset(np.random.default_rng(1).normal(size=(5, 2)))
    with pytest.raises(FelError, match="other frames"):
        session.attach(other)


def test_undo_brings_back_the_data_that_were_open_before_with_all_that_was_made_of_them():
    session = small_session()
    session.add_result(result(session))
    session.select_state(0)
    session.name_state(1, "alpha")
    session.load(as_dataset(np.random.default_rng(1).normal(size=(5, 2))), name="others")
    assert session.results == {} and session.active == "" and len(session.selection.mask) == 5
    session.select(np.arange(5) > 2, "box")
    session.undo()
    assert session.selection.count == 0 and session.data_name == "others" and session.can_undo
    session.undo()
    assert session.active == "IDM 1" and session.selection.count == 4 and session.state_name(1) == "alpha"
    session.undo()  # in the history of the first data
    assert session.state_name(1) == "state 2" and session.selection.count == 4
    session.redo()
    session.redo()
    assert session.data_name == "others" and session.can_redo
    session.redo()
    assert session.selection.count == 2 and not session.can_redo


def test_other_data_stay_reachable_when_they_can_no_longer_be_redone():
    session = small_session()
    session.add_result(result(session))
    session.load(as_dataset(np.zeros((5, 2))), name="others")
    session.add_result(result(session, "PCA 1", np.zeros(5, int)))
    session.undo()
    session.select_state(0)
    assert not session.can_redo
    session.show_data("others")
    assert list(session.results) == ["PCA 1"] and list(session.earlier_data) == ["arrays"]
    session.show_data("arrays")
    assert session.selection.count == 4 and list(session.earlier_data) == ["others"]


def other_features(session, name="angles"):
    """A feature set of the same frames, with a column of its own."""
    made = as_dataset([np.ones((N // 2, 5)), np.ones((N // 2, 5))])
    return made.assign(phi=("frame", np.arange(float(N)))).assign_attrs(
        featurizers=f'[{{"name": "{name}", "options": {{}}}}]'
    )


def test_feature_sets_lie_side_by_side_and_a_model_shows_its_own():
    session = small_session()
    session.add_result(result(session))
    session.attach(session.dataset.assign(energy=("frame", np.arange(float(N)))))
    session.select_state(0)
    session.add_features(other_features(session))
    assert list(session.feature_sets) == ["given features", "angles"] and session.feature_set == "angles"
    assert session.active == "" and session.shown is None and session.selection.count == 4
    assert np.array_equal(session.dataset["energy"], np.arange(float(N)))
    assert "phi" in session.feature_sets["given features"]
    session.add_result(result(session, "IDM 2"))
    assert session.dataset.sizes["feature"] == 5
    session.active = "IDM 1"
    assert session.feature_set == "given features" and session.dataset.sizes["feature"] == 3
    session.show_features("angles")
    assert session.active == "IDM 2" and session.dataset.sizes["feature"] == 5
    session.remove_result("IDM 2")
    assert session.active == "IDM 1" and session.dataset.sizes["feature"] == 3


def test_a_session_is_never_seen_with_a_model_and_the_features_of_another():
    session = small_session()
    session.add_result(result(session))
    session.add_features(other_features(session))
    session.add_result(result(session, "IDM 2"))
    seen = []

    def look(*_):
        label = session.shown.label if session.shown is not None else ""
        seen.append((label, session.feature_set, session.dataset.sizes["feature"]))

    session.param.watch(look, ["dataset", "shown", "active", "feature_set"])
    for name in ("given features", "angles", "given features"):
        session.show_features(name)
    session.active = "IDM 2"
    pairs = {("IDM 1", "given features", 3), ("IDM 2", "angles", 5)}
    assert set(seen) == pairs


def test_computing_features_can_be_undone_and_the_same_ones_are_not_added_twice():
    session = small_session()
    session.add_result(result(session))
    session.select_state(0)
    session.add_features(other_features(session))
    session.rename_result("IDM 1", "first")
    session.undo()
    assert session.active == "first" and session.dataset.sizes["feature"] == 3
    session.redo()
    assert session.active == "" and session.dataset.sizes["feature"] == 5
    session.show_features("given features")
    session.add_features(other_features(session))
    assert session.feature_set == "angles" and len(session.feature_sets) == 2
    with pytest.raises(FelError, match="other frames"):
        session.add_features(as_dataset(np.zeros((5, 2))))


def test_columns_belong_to_the_frames_of_all_feature_sets():
    session = small_session()
    session.add_features(other_features(session))
    session.attach(session.dataset.assign(energy=("frame", np.arange(float(N)))))
    session.show_features("given features")
    assert np.array_equal(session.dataset["energy"], np.arange(float(N)))


def test_labels_count_up():
    session = small_session()
    assert session.new_label("IDM") == "IDM 1"
    session.add_result(result(session))
    assert session.new_label("IDM") == "IDM 2"


def test_a_copy_shows_the_same_and_goes_its_own_way():
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(30, 2))))
    session.add_result(Result("IDM 1", None, np.zeros((30, 2), np.float32), None, np.arange(30) % 2))
    session.select_state(1)
    copy = session.copy()
    assert copy.shown is session.shown and copy.selection is session.selection
    session.clear_selection()
    session.load(as_dataset(np.zeros((10, 2))))
    assert copy.shown.label == "IDM 1" and copy.selection.count == 15


def test_energies_are_at_the_temperature_of_the_data():
    data = as_dataset(np.zeros((10, 2)) + np.arange(10)[:, None])
    session = Session(data.assign_attrs(temperature=450.0))
    session.energy_unit = "kJ/mol"
    assert session.unit.kT == pytest.approx(8.31446e-3 * 450.0, rel=1e-5)
    session.load(data)
    assert session.temperature == 300.0


def test_data_that_were_opened_before_can_be_closed():
    session = Session()
    for name in ("first", "second", "third"):
        session.load(as_dataset(np.random.default_rng(0).normal(size=(10, 3))), name=name)
    assert list(session.earlier_data) == ["first", "second"]
    assert session.earlier_data["first"].nbytes >= 10 * 3 * 4
    with pytest.raises(FelError, match="third"):
        session.close_data("third")
    session.close_data("second")
    assert list(session.earlier_data) == ["first"] and not session.can_undo
    session.show_data("first")
    assert session.dataset.sizes["frame"] == 10 and list(session.earlier_data) == ["third"]


def test_all_but_nothing_is_all_frames():
    session = small_session()
    session.invert_selection()
    assert session.selection.how == "all frames" and session.selection.count == N
    session.select(np.arange(N) < 3, "box")
    session.invert_selection()
    assert session.selection.how == "all but (box)"
