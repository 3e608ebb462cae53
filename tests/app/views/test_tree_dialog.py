"""The dialog before a tree of states: proposed lags, what they show and the time, without a server."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.states.tree_dialog import TreeDialog
from fel_explorer.app.views.states.tree_plan import ScannedLag, TreePlan, planning


@pytest.fixture(scope="module")
def data():
    """Two wells that interconvert within hundreds of frames, one of them with two parts."""
    rng = np.random.default_rng(0)
    slow = np.repeat(np.arange(40) % 2, 500)
    fast = np.repeat(rng.integers(2, size=1000), 20)
    states = np.where(slow == 1, 2, fast)
    features = np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])[states] + 0.2 * rng.normal(size=(20_000, 2))
    return fel.as_dataset([features], time_unit="ps")


@pytest.fixture(scope="module")
def scan(data):
    return fel.DiscreteIDM(lag_times=[100.0, 50.0, 5.0, 2.0], n_microstates=30).fit(data)


def small_tree():
    return fel.DivisiveIDM(n_microstates=30, n_searches=2, hidden=[16], batch_size=64)


def make(data, *results):
    session, manager = Session(data), JobManager(workers=0)
    board, started = PageJobs(session, manager), []
    for result in results:
        session.add_result(result)
    dialog = TreeDialog(session, board, small_tree, lambda name, **values: started.append((name, values)))
    return dialog, board, started


def run(board):
    while board.manager.work():
        board.tick()
    board.tick()


def scanned(*numbers):
    return tuple(
        ScannedLag(lag, (1 / n,) * n, (10.0 * lag,) * n, ("",) * n)
        for lag, n in zip((100.0, 50.0, 5.0), numbers, strict=True)
    )


def test_the_time_is_that_of_searches_and_of_the_divisions_that_the_scan_shows():
    plan, method = TreePlan(scanned(1, 2, 3), (1, 2), 2.0, 1.0, 0.1), small_tree()
    assert plan.n_divisions([50.0]) == 1 and plan.n_divisions([50.0, 5.0]) == 2
    assert plan.n_states([100.0, 48.0]) == 2
    search = 1.0 + 2 * 2.0
    training = 0.6 * 1000 * 0.1 + 0.3 * search
    assert plan.seconds([50.0, 5.0], method) == pytest.approx(2 * search + 2 * training)
    random = fel.DivisiveIDM(start="random", n_steps=100, n_restarts=3)
    assert plan.seconds([50.0, 5.0], random) == pytest.approx(300 * 0.1 * (2 + 2))


def test_a_lag_is_described_by_its_states():
    lag = ScannedLag(44.0, (0.048, 0.952), (40.0, 900.0), ("phi > 0", "phi < 0"))
    assert (
        lag.text("ps") == "44 ps: 2 states, phi < 0 (95 %), phi > 0 (4.8 %); the shortest-lived lasts 40 ps"
    )
    assert ScannedLag(1.0, (1.0,), (9.0,), ("",)).text("ps") == "1 ps: one state"


def test_a_known_scan_proposes_lags_and_start_trains_at_those_chosen(data, scan):
    dialog, board, started = make(data, Result.of("DiscreteIDM 1", scan, data))
    dialog.open()
    assert dialog.dialog.open and dialog.start.disabled and dialog.bar.visible
    run(board)
    lags = list(dialog.levels.value)
    assert lags == [lag for lag in scan.lags if lag in lags] and 1 <= len(lags) <= 4
    numbers = {float(lag): int(n) for lag, n in zip(scan.lags, scan.n_states, strict=True)}
    for text, lag in dialog.levels.options.items():
        assert f" {numbers[lag]} states" in text
    assert "About" in dialog.seconds.object and not dialog.start.disabled and not dialog.bar.visible
    dialog.more.value_input = dialog.more.value = "20, x"
    assert dialog.start.disabled and "numbers" in dialog.seconds.object
    dialog.more.value_input = dialog.more.value = "20"
    dialog.levels.value = lags[:1]
    dialog.start.clicks += 1
    [(name, values)] = started
    assert name == "DivisiveIDM" and values["lag_times"] == sorted([lags[0], 20.0], reverse=True)
    assert values["n_states"] >= dialog.plan.n_states(values["lag_times"])
    assert not dialog.dialog.open
    dialog.open()
    assert len(board.jobs) == 1  # the proposal is kept
    dialog.close()
    board.close()


def test_without_a_scan_one_is_made_and_cancel_stops_it(data):
    dialog, board, started = make(data)
    dialog.open()
    dialog.cancel.clicks += 1
    assert not dialog.dialog.open
    run(board)
    assert dialog.plan is None and started == []
    dialog.open()
    run(board)
    assert dialog.plan is not None and len(dialog.plan.lags) > 10
    dialog.close()
    board.close()


def test_the_costs_are_measured(data, scan):
    said = []
    plan = planning(data, small_tree(), scan)(lambda progress: said.append(progress.message), lambda: False)
    assert plan.search_seconds > 0 and plan.step_seconds > 0 and plan.preparation_seconds > 0
    assert any("training" in message for message in said)
    assert [len(one.populations) for one in plan.lags] == scan.n_states.values.tolist()
