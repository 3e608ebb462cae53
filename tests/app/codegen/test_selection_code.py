"""How frames were selected, and states edited, as Python that gives the same frames and states again."""

from dataclasses import replace

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.codegen import script
from fel_explorer.app.codegen.polygon_simplification import simplify_polygon, simplify_region
from fel_explorer.app.codegen.selection import MAX_RUNS
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection_origin import Intervals, Region
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.map.panel import MapPanel

N = 1200
FIGURES = ("fel.plots.save", "surface", "profile")  # they take long, and test_script.py makes them
PARTS = ("Data and features", "Model", "Map", "States", "Selected frames")


def circle(centre, radius, n=60):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)]) * radius + centre


@pytest.fixture(scope="module")
def loaded():
    """Three wells in four features, an angle, and two models."""
    rng = np.random.default_rng(0)
    state = np.repeat(rng.integers(3, size=N // 20), 20)
    wells = np.array([[-3.0, 0.0, 0.0, 1.0], [3.0, 0.0, 1.0, 0.0], [0.0, 4.0, 0.0, 0.0]])
    data = fel.as_dataset([wells[state] + rng.normal(0, 0.6, (N, 4))])
    data["angle"] = ("frame", rng.uniform(-180, 180, N).astype("f4"), {"units": "deg"})
    pca = fel.PCA(n_dims=3).fit(data)
    states = fel.KMeans(n_states=4).fit(data, embedding=pca)
    return data, Result.of("KMeans 1", states, data), Result.of("Short", fel.PCA(n_dims=1).fit(data), data)


@pytest.fixture
def session(loaded):
    data, states, short = loaded
    session = Session(data)
    session.add_result(short)
    session.add_result(states)
    return session


@pytest.fixture
def panel(session):
    panel = MapPanel(session)
    yield panel
    panel.close()


def run(session, folder, monkeypatch, parts=PARTS):
    """What the printed parts define."""
    monkeypatch.chdir(folder)
    fel.save_dataset(session.dataset, folder / "data.zarr", overwrite=True)
    names, code = (
        {},
        "\n".join(code for title, code in script.sections(session).items() if title in parts),
    )
    exec("\n".join(line for line in code.splitlines() if not line.startswith(FIGURES)), names)
    return names


# ---- outlines


@pytest.mark.parametrize("n_points, most", [(30, 12), (3000, 50), (30_000, 160)])
def test_a_shorter_outline_holds_the_same_frames(n_points, most):
    rng = np.random.default_rng(n_points)
    scale = (1e-3, 1e4)  # of the axes
    xy = rng.normal(size=(n_points, 2)).astype("f4") * scale
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    by_hand = 1 + 0.25 * np.sin(3 * angle) + 0.01 * rng.normal(size=300)
    lasso = Region.drawn("", ("a", "b"), "lasso", circle((0.2, 0.1), by_hand[:, None], 300) * scale)
    short = simplify_region(lasso, xy)
    np.testing.assert_array_equal(short.holds(xy), lasso.holds(xy))
    assert len(short.vertices) <= most
    assert len(repr(short.vertices)) < 25 * len(short.vertices) < len(repr(lasso.vertices))


def test_vertices_go_until_each_is_needed():
    xy = np.array([[0.0, 0.0], [5.0, 5.0]])
    kept = simplify_polygon(circle((0, 0), 1.0, 50), xy)
    assert len(kept) == 3
    star = circle((0, 0), 1.0, 5)[[0, 2, 4, 1, 3]]  # crosses itself: its middle is outside
    xy = np.array([[0.0, 0.0], [0.7, 0.0], [-0.55, 0.42]])
    before = Region.drawn("", ("a", "b"), "lasso", star).holds(xy)
    after = Region.drawn("", ("a", "b"), "lasso", simplify_polygon(star, xy)).holds(xy)
    assert before.tolist() == [False, True, True] and after.tolist() == before.tolist()


def test_intervals_hold_what_was_drawn_on_a_profile():
    x = np.random.default_rng(0).normal(size=500).astype("f4")
    mask = ((x > -0.5) & (x < 0.25)) | (x > 1.5)
    found = Intervals.around("", "x", x, mask)
    np.testing.assert_array_equal(found.holds(x), mask)
    assert len(found.bounds) == 2 and found.bounds[1][1] == np.inf
    assert all(len(repr(end)) < 9 for pair in found.bounds for end in pair)
    assert Intervals.around("", "x", x, np.arange(500) % 2 == 0) is None
    assert Intervals.around("", "x", np.zeros(4), np.array([1, 0, 0, 0], bool)) is None


# ---- selections


def test_lasso_box_and_states_select_the_same_frames(session, panel, tmp_path, monkeypatch):
    panel.gestures.lasso(circle((-3, 0), 1.3, 200))
    panel.mode = "add"
    panel.gestures.box((1.23456, -1.1, 4.0, 0.98765))
    session.select_state(2, "add")
    panel.mode = "subtract"
    panel.axes = ("CV 3", "CV 1")
    panel.gestures.lasso(circle((0, 0), 0.7, 150))
    session.invert_selection()
    assert 0 < session.selection.count < N
    code = script.selection_code(session)
    assert code.count("in_polygon(xy, outline)") == 2 and code.count("xy = ") == 2
    assert "xy = cvs[:, [2, 0]]" in code and "np.r_" not in code
    assert max(map(len, code.splitlines())) <= 110
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], session.selection.frames)


def test_regions_along_angles_columns_and_cvs(session, panel, tmp_path, monkeypatch):
    panel.axes = ("angle", "x2")
    panel.gestures.box((-170.0, -5.0, 12.5, 0.3))
    panel.mode, panel.axes = "add", ("CV 2", "angle")
    panel.gestures.lasso(circle((0, 90), 40.0, 80))
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], session.selection.frames)
    assert {"angle", "x2", "CV 2"} <= session.selection.axes


def test_regions_of_another_model_and_on_profiles(session, panel, tmp_path, monkeypatch):
    session.active = "Short"
    panel.gestures.box((-1.0, -1.0, 2.0, 50.0))
    session.active = "KMeans 1"
    panel.mode = "add"
    panel.gestures.lasso(circle((3, 0), 1.0))
    code = script.selection_code(session)
    assert "short_cvs" in code and " & (x < " in code
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], session.selection.frames)
    session.rename_result("Short", "One axis")
    made = run(session, tmp_path, monkeypatch)
    assert "one_axis_cvs" in made
    np.testing.assert_array_equal(made["frames"], session.selection.frames)


def test_before_any_model_the_axes_are_features(loaded, tmp_path, monkeypatch):
    session = Session(loaded[0])
    panel = MapPanel(session)
    panel.axes = ("x0", "x1")
    panel.gestures.lasso(circle((-3, 0), 1.3))
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], session.selection.frames)
    panel.close()


def test_frames_selected_otherwise_are_printed_as_numbers(session, tmp_path, monkeypatch):
    few = np.zeros(N, bool)
    few[[0, 5, 6, 7, N - 1]] = True
    session.select(few, "by hand")
    assert "0:1, 5:8, 1199:1200" in script.selection_code(session)
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], np.flatnonzero(few))
    many = np.arange(N) % (N // (2 * MAX_RUNS)) == 0
    session.select(many, "by hand")
    fel.structures.export_frames(
        None, session.selection.frames, tmp_path / "selection.csv", dataset=session.dataset
    )
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["frames"], np.flatnonzero(many))


def test_what_a_label_no_longer_means_is_not_printed(session, panel, loaded):
    panel.gestures.lasso(circle((-3, 0), 1.3))
    data = loaded[0]
    other = Result.of(
        "KMeans 1", fel.KMeans(n_states=2).fit(data, embedding=fel.PCA(n_dims=2).fit(-data)), data
    )
    session.add_result(Result("KMeans 1", other.method, -other.embedding, other.membership, other.state))
    assert "in_polygon" not in script.selection_code(session)


# ---- states


def edited(session, panel):
    """States 0 and 3 as one, and the upper part of state 1 as a state of its own."""
    session.merge_states([3, 0])
    own = session.result.embedding[session.result.state == 1]
    x, y = own[:, :2].mean(axis=0)
    panel.gestures.box((x - 9, y, x + 9, y + 9))
    session.split_state(1)
    session.name_state(4, "upper 'half'")
    session.name_state(3, "both")


def test_merged_split_and_named_states_are_made_again(session, panel, tmp_path, monkeypatch):
    edited(session, panel)
    code = script.sections(session)["States"]
    assert "merge_states(states, memberships, [3, 0])" in code and "in_box" in code
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["states"].values, session.result.state)
    np.testing.assert_allclose(made["memberships"].values, session.result.membership, atol=1e-6)
    assert made["names"][4] == "upper 'half'" and made["names"][3] == "both"
    assert list(made["names"]) == session.result.states()
    session.undo(), session.undo(), session.undo()
    assert "split_state" not in script.sections(session)["States"]


def test_states_of_older_sessions_are_not_said_to_be_those_of_the_model(session, panel):
    edited(session, panel)
    key, edit = next(iter(session.edits.items()))
    session.edits = {key: replace(edit, changes=())}
    session.select_state(4)
    assert "by an older version" in script.sections(session)["States"]
    assert "states.values" not in script.selection_code(session)


def test_a_saved_session_knows_how_it_was_selected_and_edited(session, panel, tmp_path):
    edited(session, panel)
    panel.axes = ("CV 3", "CV 1")
    panel.gestures.lasso(circle((0, 0), 0.7))
    before = {part: script.sections(session)[part] for part in ("States", "Selected frames")}
    opened = open_session(save_session(session, tmp_path / "mine.session"))
    assert {part: script.sections(opened)[part] for part in before} == before
    assert opened.selection.steps == session.selection.steps


def test_states_of_arrays_and_of_datasets_are_edited_alike():
    rng = np.random.default_rng(3)
    data = fel.as_dataset(rng.normal(size=(50, 2)))
    method = fel.KMeans(n_states=3).fit(data)
    states, chances = method.predict(data), method.predict_proba(data)
    merged = fel.kinetics.merge_states(states, chances, [2, 0])
    assert set(np.unique(merged[0])) == {1, 2} and (merged[0].values == 2).sum() == (states.values != 1).sum()
    np.testing.assert_allclose(merged[1].sum("state"), 1.0, atol=1e-6)
    assert list(merged[0].coords) == list(states.coords)
    part = (states.values == 1) & (np.arange(50) < 25)
    arrays = fel.kinetics.split_state(states.values, chances.values, 1, np.arange(50) < 25)
    np.testing.assert_array_equal(arrays[0] == 3, part)
    np.testing.assert_array_equal(arrays[1].argmax(axis=1), arrays[0])
    with pytest.raises(fel.FelError, match="some of its frames"):
        fel.kinetics.split_state(states, chances, 1, np.ones(50, bool))
    with pytest.raises(fel.FelError, match="Two or more"):
        fel.kinetics.merge_states(states, chances, [1, 7])
