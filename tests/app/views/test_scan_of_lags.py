"""States at many lags in the page, without a server: slider, colours, names, clicks, session and script."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.codegen.script import script
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.session.tree_nodes import branch_numbers
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.modes.analysis import modes_of
from fel_explorer.app.views.states.dendrogram_panel import DendrogramPanel
from fel_explorer.app.views.states.tree_drawing import describe_level
from fel_explorer.plots.persistence import Persistence

LABEL = "DiscreteIDM 1"


def wells(n=20_000, seed=0):
    """Three wells, two of which interconvert fast: features (frame, 2) and the well of each frame."""
    rng = np.random.default_rng(seed)
    slow = np.repeat(np.arange(n // 500) % 2, 500)
    fast = np.repeat(rng.integers(2, size=n // 20), 20)
    well = np.where(slow == 1, 2, fast)
    return np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])[well] + 0.2 * rng.normal(size=(n, 2)), well


@pytest.fixture(scope="module")
def scanned():
    features, well = wells()
    data = fel.as_dataset([features], time_unit="ps")
    return data, well, fel.DiscreteIDM(n_microstates=60).fit(data)


@pytest.fixture
def session(scanned):
    session = Session(scanned[0])
    session.add_result(Result.of(LABEL, scanned[2], scanned[0]))
    return session


def test_modes_of_a_level_are_those_of_its_memberships(session, scanned):
    level = session.results[LABEL].levels[-1]
    modes = modes_of(level, scanned[0])
    alone = Result(
        "by frames", level.method, level.embedding, level.membership, level.state, level=level.level
    )
    expected = modes_of(alone, scanned[0])
    assert modes.names == expected.names and len(modes.names) > 0
    np.testing.assert_allclose(modes.spectrum["timescale"], expected.spectrum["timescale"], rtol=1e-4)
    np.testing.assert_allclose(np.abs(modes.functions), np.abs(expected.functions), atol=2e-3)


@pytest.fixture
def panel(session):
    panel = DendrogramPanel(session)
    yield panel
    panel.close()


def test_results_at_all_levels_are_what_the_method_predicts(session, scanned):
    data, _, method = scanned
    levels = session.results[LABEL].levels
    assert len(levels) == method.n_levels
    for level in range(method.n_levels):
        np.testing.assert_array_equal(levels[level].membership, method.predict_proba(data, level))
        np.testing.assert_array_equal(levels[level].state, method.predict(data, level))
        assert levels[level].lag_time == method.lags[level] and levels[level].level == level
    assert levels[-1].level == method.n_levels - 1
    with pytest.raises(IndexError):
        levels[len(levels)]


def test_it_opens_at_the_default_lag_coloured_by_state(session, scanned, panel):
    method = scanned[2]
    assert session.shown.level == method.default_level and session.colour_by == "state"
    assert len(session.shown.states()) == 3
    said = describe_level(session.shown)
    lag = f"{method.lags[method.default_level]:.0f} ps"
    assert said.startswith(f"3 states at {lag}: the same number from ") and "widest range" in said
    assert panel._found.object == said and panel._lag.visible and not panel._level.visible


def test_a_colour_that_the_user_chose_stays(scanned):
    session = Session(scanned[0])
    session.colour("time")
    session.add_result(Result.of(LABEL, scanned[2], scanned[0]))
    assert session.colour_by == "time"


def test_the_slider_sets_the_nearest_lag_and_follows_it(panel, session, scanned):
    lags = np.array(scanned[2].lags)
    assert panel._lag.start == -np.log10(lags[0]) and panel._lag.end == -np.log10(lags[-1])
    np.testing.assert_allclose([mark["value"] for mark in panel._lag.marks], -np.log10(lags))
    panel._lag.value = -np.log10(lags[3] * 1.01)
    assert session.shown.level == 3 and session.shown.lag_time == lags[3]
    session.show_level(1)
    assert panel._lag.value == -np.log10(lags[1])
    assert panel._found.object.startswith(f"{len(session.shown.states())} state")


def test_the_map_is_recoloured_at_every_lag(session, scanned):
    view = MapPanel(session)
    method = scanned[2]
    for level in (0, method.default_level, method.n_levels - 1):
        session.show_level(level)
        values, scale = view._coloured(view._view)[1:]
        states = method.predict(scanned[0], level).values
        assert len(scale.palette) == len(np.unique(states)) == len(np.unique(values))
        assert len(np.unique(values * 1000 + states)) == len(np.unique(states))  # one colour a state
    view.close()


def test_a_click_selects_the_state_at_its_lag(panel, session, scanned):
    drawing = panel._drawing
    assert isinstance(drawing, Persistence)
    node = f"{scanned[2].default_level + 1}-2"
    about = drawing.graph.nodes[node]
    panel._on_tap(drawing.places[about["level"]], drawing.rows[about["branch"]])
    expected = scanned[2].predict(scanned[0], about["level"]).values == about["state"]
    np.testing.assert_array_equal(session.selection.mask, expected)
    assert node in panel._drawing.selected
    panel._on_tap(drawing.edges[-1] + 1.0, 0.0)
    np.testing.assert_array_equal(session.selection.mask, expected)


def test_a_state_keeps_colour_and_name_over_the_lags_at_which_it_is_undivided(session):
    tree, shown = session.shown.tree, session.shown
    numbers = branch_numbers(tree)
    for level in range(session.results[LABEL].n_levels):
        branches = [about["branch"] for about in tree.nodes.values() if about["level"] == level]
        assert len({numbers[branch] for branch in branches}) == len(branches)  # none twice at a lag
    session.name_state(1, "left")
    level, state = shown.same_branch(1)[-1]
    assert level != shown.level and tree.nodes[f"{level + 1}-{state + 1}"]["level"] == level
    colour = session.shown.colours([1])[1]
    session.show_level(level)
    assert session.state_name(state) == "left" and session.shown.colours([state])[state] == colour
    session.name_state(state, "")
    assert session.state_names == {}


def test_a_saved_session_opens_again(session, tmp_path):
    session.show_level(3)
    opened = open_session(save_session(session, tmp_path / "a.session"))
    assert opened.shown.level == 3 and opened.shown.lag_time == session.shown.lag_time
    np.testing.assert_array_equal(opened.shown.state, session.shown.state)
    np.testing.assert_array_equal(
        opened.results[LABEL].levels[0].state, session.results[LABEL].levels[0].state
    )
    session.rename_result(LABEL, "scan")
    assert session.results["scan"].levels[0].label == "scan"


def test_the_printed_script_makes_the_same_states(session, scanned, tmp_path, monkeypatch):
    session.show_level(2)
    code = script(session)
    assert ".DiscreteIDM(" in code and ".predict(data, level=2)" in code
    fel.save_dataset(session.dataset, tmp_path / "data.zarr")
    monkeypatch.chdir(tmp_path)
    end = code.index("# Kinetics")
    names = {}
    exec(code[: code.index("# Map")] + code[code.index("# States") : end], names)
    np.testing.assert_array_equal(names["states"].values, session.shown.state)


def test_find_the_states_runs_a_scan_as_a_job(scanned):
    session, manager = Session(scanned[0]), JobManager(workers=0)
    board = PageJobs(session, manager)
    model = ModelPanel(session, board)
    model.start("DiscreteIDM", n_microstates=60)
    [job] = board.jobs
    assert job.quick
    assert manager.work()
    board.tick()
    assert session.active == LABEL and session.shown.level == session.shown.method.default_level
    model.start("IDM", lag_time=session.shown.lag_time)
    assert model.form.values["lag_time"] == session.shown.lag_time
    board.cancel(board.jobs[-1])
    model.close()
    board.close()
