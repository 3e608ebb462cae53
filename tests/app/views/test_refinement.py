"""Refinement of states after "Find the states": when it starts, what it keeps, and how it is undone."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.report.document import report_html
from fel_explorer.app.session.refined_states import carried_hues, carried_names, nearest_level, origins
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.states import refinement
from fel_explorer.app.views.states.dendrogram_panel import DendrogramPanel
from fel_explorer.methods.idm.lag_hierarchy import representative_levels

LABEL, REFINED = "DiscreteIDM 1", "DiscreteIDM 1, refined"


def wells(n=20_000, seed=0):
    """Three wells, two of which interconvert fast: features (frame, 2)."""
    rng = np.random.default_rng(seed)
    slow = np.repeat(np.arange(n // 500) % 2, 500)
    fast = np.repeat(rng.integers(2, size=n // 20), 20)
    well = np.where(slow == 1, 2, fast)
    return np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])[well] + 0.2 * rng.normal(size=(n, 2))


@pytest.fixture(scope="module")
def data():
    return fel.as_dataset([wells()], time_unit="ps")


@pytest.fixture
def page(data, monkeypatch):
    """A page without a browser, with short trainings: session, jobs, and the panel that trains."""

    def short(first):
        method = usual(first)
        method.param.update(n_steps=60, hidden=[8], n_searches=1)
        return method

    usual = refinement.refining_method
    monkeypatch.setattr(refinement, "refining_method", short)
    session = Session(data)
    jobs = JobManager(workers=0)
    board = PageJobs(session, jobs)
    watching = refinement.Refinement(session, board)
    panel = ModelPanel(session, board)
    yield session, board, panel
    for part in (panel, watching, board):
        part.close()


def find(page):
    session, board, panel = page
    panel.choose("DiscreteIDM", {})
    panel.train(n_microstates=60, lag_times=[200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0])
    assert board.manager.work()
    board.tick()
    assert session.active == LABEL


def trainings(board):
    """Jobs that train and wait."""
    return [job for job in board.jobs if job.active and job.kind == "model"]


def work(board):
    """Run what waits, and take the results."""
    while board.manager.work():
        pass
    board.tick()


def test_refined_states_take_the_place_of_the_first_and_undo_brings_these_back(page):
    session, board, _ = page
    find(page)
    first = session.shown
    assert [job.label for job in trainings(board)] == [REFINED]
    session.select_state(1)
    session.name_state(1, "folded")
    session.show_level(first.level)
    mask = session.selection.mask
    work(board)
    refined = session.shown
    assert session.active == REFINED and list(session.results) == [LABEL, REFINED]
    assert refined.method.has_decoder or refined.tree is not None
    assert np.abs(np.log(refined.lag_time / first.lag_time)) < np.log(2)
    assert session.selection.mask is mask
    named = [s for s in refined.states() if session.state_name(s) == "folded"]
    assert len(named) == 1 and (refined.state[mask] == named[0]).mean() > 0.9
    session.undo()
    assert (
        session.active == LABEL and session.shown.state is first.state and session.state_name(1) == "folded"
    )
    session.redo()
    assert session.active == REFINED


def test_the_tree_says_what_the_refinement_changed(page):
    session, board, _ = page
    find(page)
    work(board)
    panel = DendrogramPanel(session)
    assert panel._found.visible and panel._found.object.startswith("Refined by a network")
    for level in range(session.shown.n_levels):
        session.show_level(level)
        assert panel._found.visible
    session.undo()
    assert "Refined" not in panel._found.object
    panel.close()


def test_a_saved_session_and_a_report_say_it_too(page, tmp_path):
    session, board, _ = page
    find(page)
    work(board)
    said, hues = session.shown.remark, session.shown.hues
    assert said.startswith("Refined by a network") and set(hues) == set(session.shown.tree)
    opened = open_session(save_session(session, tmp_path / "mine.session"))
    for level in range(session.shown.n_levels):
        assert opened.results[REFINED].at(level).remark == said
        assert opened.results[REFINED].at(level).hues == hues
    assert not opened.results[LABEL].remark
    assert said in report_html(opened)


def test_a_state_that_stays_the_same_keeps_its_colour(page):
    session, board, _ = page
    find(page)
    first = session.shown
    work(board)
    refined = session.shown
    same = origins(first, refined)
    assert len(same) > 3
    for (level, state), (place, origin) in same.items():
        new, old = refined.at(level), first.at(place)
        assert new.colours(new.states())[state] == old.colours(old.states())[origin]
    for level in range(refined.n_levels):
        here = refined.at(level)
        assert len(set(here.colours(here.states()).values())) == len(here.states())


def test_it_can_be_switched_off(page):
    session, board, _ = page
    session.refine = False
    find(page)
    assert not trainings(board)


def test_it_can_be_stopped(page):
    session, board, _ = page
    find(page)
    (job,) = trainings(board)
    asked = []

    def function(report, should_stop, run=job.function):
        def reporting(progress, preview=None):
            asked.append(progress.step)
            report(progress)
            board.cancel(job)

        return run(reporting, should_stop)

    job.function = function
    work(board)
    assert asked and job.state == "cancelled" and list(session.results) == [LABEL] and session.active == LABEL


@pytest.mark.parametrize("act", ["edit", "path", "other model"])
def test_what_the_user_made_meanwhile_stays_on_the_page(page, data, act):
    session, board, _ = page
    find(page)
    if act == "edit":
        session.merge_states([0, 1])
    elif act == "path":
        session.add_anchor(0.0, 0.0, ("CV 1", "CV 2"))
    else:
        session.add_result(Result.of("PCA", fel.PCA(n_dims=2).fit(data), data))
    before = session.shown
    work(board)
    assert session.shown is before and REFINED in session.results


def test_what_changed_is_counted(data):
    method = fel.DiscreteIDM(n_microstates=60).fit(data)
    first = Result.of(LABEL, method, data)
    tree = fel.DivisiveIDM(lag_times=[50.0, 5.0], n_steps=60, hidden=[8], n_searches=1).fit(data)
    levels = [first.at(nearest_level(first, lag)) for lag in tree.lag_times]
    state = levels[1].state.copy()
    moved = np.flatnonzero(state == 0)[:150]
    state[moved] = 1  # less than one frame in a hundred
    made = [levels[0].state, state]
    made = tuple(Result(REFINED, tree, first.embedding, state=s, level=i) for i, s in enumerate(made))
    refined = Result(REFINED, tree, first.embedding, state=state, tree=tree.graph, levels=made, level=1)
    said = refinement.what_changed(first, refined, data)
    assert said.startswith("Refined by a network: the same numbers of states, at least 99")
    one = Result(REFINED, tree, first.embedding, state=np.zeros_like(state), level=1)
    fewer = Result(REFINED, tree, first.embedding, tree=tree.graph, levels=(made[0], one), level=0)
    assert "1 instead of 3 at 5 ps" in refinement.what_changed(first, fewer, data)
    assert refinement.objective_rise(one, levels[1], data, 5.0) > 1  # one state has none
    assert carried_names({(LABEL, nearest_level(first, 5.0), 2): "it"}, first, fewer) == {}
    assert origins(first, fewer).keys() == {(0, 0), (0, 1)}  # not the one of all frames
    assert set(carried_hues(first, fewer)) == set(tree.graph)


@pytest.mark.parametrize(
    ("n_states", "expected"),
    [
        ([1, 1, 1, 2, 2, 2, 2, 3, 3, 3], [4, 8]),
        ([1, 1, 1, 1], []),
        ([1, 2, 3, 2, 4, 4], [1, 2, 3, 4]),
        ([2, 3, 4, 5, 6, 7, 7, 7], [0, 1, 2, 6]),
    ],
)
def test_levels_that_show_a_hierarchy(n_states, expected):
    assert representative_levels(np.array(n_states), 2.0 ** -np.arange(len(n_states))) == expected
