"""Runs: their table and scores, what a sweep queues and draws, and names that change."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import Point
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.tab_strip import TabStrip
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.runs import scores as run_scores
from fel_explorer.app.views.runs.sweep import parse_values, plan, sweepable
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.methods import IDM, PCA, TICA, KMeans

SLOW, FAST = 0.9, 0.4  # correlations from one frame to the next


def process(n, seed=0):
    """Two independent autoregressive processes of known correlation times."""
    rng = np.random.default_rng(seed)
    x, rates = np.zeros((n, 2)), np.array([SLOW, FAST])
    for t in range(1, n):
        x[t] = rates * x[t - 1] + np.sqrt(1 - rates**2) * rng.normal(size=2)
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def data():
    return as_dataset([process(10_000), process(10_000, 1)], time_step=0.5, time_unit="ps")


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def explorer(jobs, data):
    """The parts of an explorer that runs concern, on the first frames."""
    session = Session(data.isel(frame=slice(0, 2000)))
    board = PageJobs(session, jobs, "page")
    model = ModelPanel(session, board)
    parts = {"model": model, "strip": TabStrip(session, board, model.start)}
    yield SimpleNamespace(session=session, board=board, **parts)
    for part in (*parts.values(), board):
        part.close()


def work(explorer, jobs):
    while jobs.work():
        explorer.board.tick()
    explorer.board.tick()


def runs_view(explorer):
    explorer.strip._on_click("runs", None)
    return explorer.strip.panels["runs"]


# ---- scores


def test_scores_are_those_of_the_process(data):
    embedding = data["features"].values
    found = run_scores.score(Result("map", PCA(), embedding), data, 2.5)
    lag = 5  # frames
    assert found.map_vamp2 == pytest.approx(1 + SLOW ** (2 * lag) + FAST ** (2 * lag), rel=0.06)
    assert found.timescale == pytest.approx(-0.5 / np.log(SLOW), rel=0.2)
    assert np.isnan(found.states_vamp2)


def test_score_of_states_is_that_of_their_transition_matrix(data):
    state = (data["features"].values[:, 0] > 0).astype(int)
    result = Result("two", KMeans(), data["features"].values, None, state)
    counts = np.zeros((2, 2))
    for own in np.split(state, 2):
        np.add.at(counts, (own[:-5], own[5:]), 1)
    counts += counts.T
    second = np.sort(np.linalg.eigvals(counts / counts.sum(1, keepdims=True)))[0]
    found = run_scores.score(result, data, 2.5)
    assert found.states_vamp2 == pytest.approx(1 + second**2)
    assert found.timescale == pytest.approx(-2.5 / np.log(second))


def test_one_state_alone_has_no_time_scale(data):
    state = np.zeros(data.sizes["frame"], int)
    found = run_scores.score(Result("one", KMeans(), data["features"].values, None, state), data, 2.5)
    assert found.states_vamp2 == 1.0 and np.isnan(found.timescale)


def test_losses_are_of_the_end_and_of_the_network_that_was_kept():
    history = {"loss": np.linspace(5, 1, 100), "validation": np.full(100, np.nan)}
    history["validation"][[19, 59, 99]] = 3.0, 2.0, 2.5
    method = IDM()
    method.history = method.history.assign({name: ("step", v) for name, v in history.items()})
    found = run_scores.losses(method)
    assert found == {"loss": pytest.approx(history["loss"][-5:].mean()), "held_out_loss": 2.0}
    assert np.isnan(list(run_scores.losses(PCA()).values())).all()


# ---- what the table says


def results_of(data, *methods):
    embedding = data["features"].values
    results = {}
    for i, method in enumerate(methods):
        label = f"{type(method).__name__} {i + 1}"
        results[label] = Result(label, method, embedding, seconds=3.0)
    return results


def test_only_parameters_that_differ_have_a_column(data):
    methods = TICA(lag_time=5.0), TICA(lag_time=10.0), PCA(n_dims=2), IDM(lag_time=5.0, n_states=4)
    table = run_scores.run_table(results_of(data, *methods), 2.5)
    assert list(table.columns[:5]) == ["label", "method", "embedding", "lag_time", "states_vamp2"]
    assert table["lag_time"].tolist()[:2] == [5.0, 10.0] and np.isnan(table["lag_time"][2])
    assert table["seconds"].tolist() == [3.0] * 4 and list(table["label"])[2] == "PCA 3"


def test_a_sweep_is_one_curve_whose_seeds_share_a_value(data):
    methods = [IDM(lag_time=lag, seed=seed) for lag in (2.0, 5.0) for seed in (0, 1)]
    methods += [IDM(lag_time=2.0, n_states=4), IDM(lag_time=9.0, n_states=4), PCA()]
    results = results_of(data, *methods)
    table = run_scores.run_table(results, 2.5).assign(timescale=np.arange(7.0))
    drawn = run_scores.against(results, table, "lag_time", "timescale")
    assert list(drawn["value"]) == [2, 2, 5, 5, 2, 9] and list(drawn["score"]) == [0, 1, 2, 3, 4, 5]
    assert drawn["curve"].unique().tolist() == ["IDM, n states 16", "IDM, n states 4"]
    assert run_scores.sweepable_axes(results) == ["lag_time", "n_states", "seed"]
    table.loc[0, "timescale"] = np.nan
    assert list(run_scores.against(results, table, "lag_time", "timescale")["score"]) == [1, 2, 3, 4, 5]


# ---- what a sweep queues


@pytest.mark.parametrize(
    "name, text, values",
    [
        ("n_states", "2, 5, 10, 5", [2, 5, 10]),
        ("lag_time", "1 2.5;10", [1.0, 2.5, 10.0]),
        ("seed", "0", [0]),
    ],
)
def test_values_are_read(name, text, values):
    assert parse_values(IDM.param[name], text) == values


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("n_states", "2, five", "'five'"),
        ("n_states", "2.5", "whole numbers"),
        ("n_states", "1", "from 2"),
        ("lag_time", " , ", "No values"),
        ("seed", "-1", "from 0 to"),
    ],
)
def test_wrong_values_are_told_with_what_is_valid(name, text, told):
    with pytest.raises(FelError, match=told):
        parse_values(IDM.param[name], text)


def test_a_plan_checks_all_runs_before_any_begins(data):
    planned = plan(IDM, {"seed": 3, "n_states": 5}, "lag_time", [1.0, 2.0], n_seeds=2, dataset=data)
    assert [(p.method.lag_time, p.method.seed, p.method.n_states) for p in planned] == [
        (1.0, 3, 5), (1.0, 4, 5), (2.0, 3, 5), (2.0, 4, 5),
    ]  # fmt: skip
    assert planned[1].differs == "lag time 1, seed 4"
    assert len(plan(IDM, {}, "seed", [1, 2], n_seeds=5)) == 2
    with pytest.raises(FelError, match="longest trajectory"):
        plan(IDM, {}, "lag_time", [1.0, 1e6], dataset=data)
    with pytest.raises(FelError, match="120 runs"):
        plan(IDM, {}, "n_states", list(range(2, 62)), n_seeds=2)


def test_numbers_of_the_form_can_be_swept():
    names = sweepable(IDM)
    assert names["Seed"] == "seed" and "lag_time" in names.values() and "hidden" not in names.values()


# ---- the page


def test_a_sweep_from_the_form_is_queued_scored_and_drawn(explorer, jobs):
    panel = explorer.model
    panel.method.value = "TICA"
    panel.sweep_form.parameter.value = "lag_time"
    panel.sweep_form.values.value_input = "2, 4, 8"
    assert panel.sweep_form.button.label == "Queue 3 runs"
    panel.sweep_form._queue(None)
    assert explorer.strip.view == "runs" and explorer.strip.open
    jobs.work()
    jobs.work()
    explorer.board.tick()
    assert "2 of 3 runs" in explorer.strip.panels["runs"].text.object
    work(explorer, jobs)
    view = explorer.strip.panels["runs"]
    labels = [f"TICA, lag time {lag}" for lag in (2, 4, 8)]
    assert list(explorer.session.results) == labels and explorer.session.active == labels[0]
    assert view.parameter.value == "lag_time" and view.ready
    drawn = run_scores.against(explorer.session.results, view.frame(), "lag_time", "map_vamp2")
    assert list(drawn["value"]) == [2.0, 4.0, 8.0] and (drawn["score"] > 1).all()
    assert not view.text.visible


def test_a_row_shows_its_run_and_its_parameters_fill_the_form(explorer, jobs):
    panel = explorer.model
    panel.method.value = "TICA"
    panel.train(lag_time=4.0)
    panel.train(lag_time=8.0)
    work(explorer, jobs)
    view = runs_view(explorer)
    work(explorer, jobs)
    cells = [row["cells"] for row in view.table.rows]
    assert [c["lag_time"]["text"] for c in cells] == ["4", "8"] and view.table.chosen == 1
    assert all(float(c["map_vamp2"]["text"]) > 1 for c in cells)
    assert view.ready and explorer.strip._plot.visible
    view.table._handle_msg({"state": 0})
    assert explorer.session.active == "TICA 1"
    panel.method.value = "PCA"
    view._reuse(None)
    assert panel.method.value == "TICA" and panel.form.values["lag_time"] == 4.0
    view.tapped(8.0, cells[1]["map_vamp2"]["value"])
    assert explorer.session.active == "TICA 2"
    exported = pd.read_csv(io.BytesIO(view.export.export("csv").read()))
    assert exported["lag_time"].tolist() == [4.0, 8.0]


def test_an_impossible_lag_of_the_scores_is_told(explorer, jobs):
    explorer.model.method.value = "TICA"
    explorer.model.train(lag_time=4.0)
    work(explorer, jobs)
    view = runs_view(explorer)
    with pytest.raises(FelError, match="longest trajectory"):
        view.lag.value = 1e6
    assert view.table.rows


def test_deleting_asks_first_and_a_reload_does_not_bring_it_back(explorer, jobs, data):
    for lag in (4.0, 8.0):
        explorer.model.method.value = "TICA"
        explorer.model.train(lag_time=lag)
    work(explorer, jobs)
    view = runs_view(explorer)
    view._delete(None)
    assert "Really delete TICA 2" in view.delete.label and len(explorer.session.results) == 2
    view._delete(None)
    assert explorer.session.active == "TICA 1" and view.delete.label == "Delete"
    explorer.board.rename("TICA 1", "slow")
    with pytest.raises(FelError, match="empty"):
        explorer.board.rename("slow", " ")
    again = PageJobs(Session(explorer.session.dataset), jobs, "page")
    assert list(again.session.results) == ["slow"]
    again.close()


def test_a_renamed_result_keeps_names_edits_and_history():
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(6, 2))))
    state = np.array([0, 0, 1, 1, 2, 2])
    session.add_result(Result("IDM 1", PCA(), np.zeros((6, 2), np.float32), None, state))
    session.name_state(0, "alpha")
    session.merge_states([0, 1])
    session.pick(Point("IDM 1", np.zeros(2), 0, 0.0, False))
    session.rename_result("IDM 1", "best")
    assert session.active == session.shown.label == session.point.model == "best"
    assert session.state_name(0) == "alpha" and session.shown.edited
    session.undo()
    session.undo()
    assert not session.shown.edited and session.shown.label == "best"
    session.redo()
    assert session.shown.edited and session.state_name(0) == "alpha"
    session.remove_result("best")
    assert session.shown is None and session.edits == session.state_names == {}
    session.undo()
    assert session.edits == session.state_names == {}
