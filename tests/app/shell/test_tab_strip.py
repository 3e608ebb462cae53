"""States, evidence and kinetics without a browser: what the panels say of chains whose kinetics are known."""

import io

import numpy as np
import pandas as pd
import pytest

from fel_explorer import kinetics
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.shell.tab_strip import TabStrip
from fel_explorer.app.views.kinetics import analysis as kinetics_job_module
from fel_explorer.app.views.kinetics import drawing as kinetics_drawing
from fel_explorer.app.views.kinetics.analysis import default_lag, kinetics_job, lag_times
from fel_explorer.app.views.states import evidence as evidence_module
from fel_explorer.app.views.states.evidence import evidence_of, kmeans_evidence, selected_state, state_table
from fel_explorer.data import as_dataset
from fel_explorer.methods import Method
from fel_explorer.plots.quantities import time_text

N = 6_000
MATRIX = np.array([[0.98, 0.02, 0.0], [0.03, 0.96, 0.01], [0.0, 0.02, 0.98]])
CENTRES = np.array([[-3.0, 0.0], [0.0, 2.0], [3.0, 0.0]])


class Lagged(Method):
    """A method with a lag and nothing else."""

    needs_lag, lag_time = True, 4.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(kinetics_job_module, "BOOTSTRAPS", 3)
    monkeypatch.setattr(kinetics_job_module, "N_LAGS", 3)
    monkeypatch.setattr(kinetics_job_module, "MULTIPLES", (1, 2))


@pytest.fixture(scope="module")
def chain():
    rng = np.random.default_rng(0)
    draws, states, cumulative = rng.random(N), np.zeros(N, int), MATRIX.cumsum(1)
    for t in range(1, N):
        states[t] = np.searchsorted(cumulative[states[t - 1]], draws[t])
    return states, CENTRES[states] + rng.normal(0, 0.4, (N, 2))


@pytest.fixture
def session(chain):
    states, embedding = chain
    dataset = as_dataset([embedding[: N // 2], embedding[N // 2 :]], time_step=2.0, time_unit="ps")
    dataset["rmsd"] = ("frame", 0.1 * states + 0.2, {"units": "nm"})
    session = Session(dataset)
    membership = np.eye(3, dtype=np.float32)[states]
    session.add_result(Result("IDM 1", Lagged(), embedding.astype(np.float32), membership, states))
    return session


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def board(session, jobs):
    board = PageJobs(session, jobs)
    yield board
    board.close()


@pytest.fixture
def panel(session, board):
    panel = TabStrip(session, board, print)
    yield panel
    panel.close()


def work(board, jobs):
    while jobs.work():
        board.tick()
    board.tick()


def cells(panel):
    return {row["state"]: row["cells"] for row in panel.panels["states"].table.rows}


# ---- the numbers


def test_table_of_states_says_what_kinetics_says(session):
    table = state_table(session.shown, session.dataset, {0: "A", 1: "B", 2: "C"}).set_index("name")
    states = session.shown.state
    lives = kinetics.lifetimes([states[: N // 2], states[N // 2 :]], time_step=2.0)
    np.testing.assert_allclose(table["mean_lifetime"], lives["mean_lifetime"])
    expected = -2.0 / np.log(np.diag(MATRIX))
    assert ((table["lower"] < expected) & (expected < table["upper"])).sum() >= 2
    assert list(table["verdict"]) == ["exponential"] * 3
    np.testing.assert_allclose(table["rmsd"], [0.2, 0.3, 0.4])
    np.testing.assert_allclose(table["population"], np.bincount(states) / N)


def test_frame_weights_count_for_populations_and_observables_of_states(session, panel):
    states = session.shown.state
    weights = np.where(states == 2, 3.0, 1.0)
    session.attach(
        session.dataset.assign(weight=("frame", weights), height=("frame", weights * np.arange(N)))
    )
    table = state_table(session.shown, session.dataset, {0: "A", 1: "B", 2: "C"})
    np.testing.assert_allclose(table["population"], np.bincount(states, weights) / weights.sum())
    mixed = evidence_module.state_observables(np.zeros(N, int), session.dataset[["rmsd"]], weights=weights)
    expected = np.average(session.dataset["rmsd"], weights=weights)
    assert float(mixed["rmsd"].sel(state=0, statistic="mean")) == pytest.approx(expected)
    panel.view = "states"
    columns = {column["key"]: column for column in panel.panels["states"].table.columns}
    assert columns["population"]["about"] == "Fraction of the frame weights."
    assert "Frame weights are not used here" in columns["lifetime"]["about"]


def test_verdicts_name_the_recrossings_and_the_lack_of_data(session):
    states = session.shown.state.copy()
    states[np.random.default_rng(1).random(N) < 0.05] = 1
    flickering = Result("IDM 2", Lagged(), session.shown.embedding, session.shown.membership, states)
    rows = evidence_of(flickering, session.dataset).lifetimes
    word, sentence = evidence_module.verdict(rows.sel(state=1), 2.0, "ps")
    assert word == "recrosses" and "% of the visits end at once" in sentence
    few = kinetics.lifetimes(np.repeat([0, 1, 0], 50)).sel(state=0)
    assert evidence_module.verdict(few, 2.0, "ps")[0] == "too few exits"
    brief = kinetics.lifetimes(np.tile([0, 0, 0, 0, 1], 100)).sel(state=1)
    assert evidence_module.verdict(brief, 2.0, "ps") == (
        "too short",
        "Its lifetime is about the time between two frames (2 ps): no decay can be resolved.",
    )


def test_kmeans_finds_the_overlapping_state_of_separated_clusters(session):
    own, rivals = evidence_of(session.shown, session.dataset), kmeans_evidence(session.shown, session.dataset)
    for state in range(3):
        rival = rivals.overlapping(own.states, state)
        both = (rivals.states.values == rival) & (own.states.values == state)
        assert both.sum() > 0.95 * (own.states.values == state).sum()


def test_lags_fit_the_trajectories(session):
    assert default_lag(session.shown, session.dataset) == 4.0
    lags = lag_times(4.0, session.dataset)
    assert lags[0] == 2.0 and lags[-1] == 40.0 and all(lag % 2 == 0 for lag in lags)
    short = as_dataset([np.zeros((12, 2))], time_step=2.0)
    assert default_lag(session.shown, short) == 4.0 and lag_times(4.0, short)[-1] == 6.0
    assert default_lag(Result("PCA 1", None, np.zeros((12, 2))), short) == 2.0


def test_job_computes_all_parts_and_stops_between_them(session):
    seen = []
    known = kinetics_job(session.shown, session.dataset, 4.0)(
        lambda progress, preview=None: seen.append((progress.step, preview)), lambda: False
    )
    assert known.errors == {} and seen[-1][0] == 3 + 3 + 2
    assert sum(preview is not None for _, preview in seen) == 3  # one as each part is ready
    rates = known.rates["rate"].values
    per_frame = np.log(MATRIX[1, 1]) / (MATRIX[1, 1] - 1)
    np.testing.assert_allclose(rates[1, 0], 0.02 * per_frame / 2, rtol=0.3)
    assert known.rates["significant"].values.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert known.ck_test.sizes["multiple"] == 2 and known.ck_test.attrs["lag_time"] == 4.0
    stopped = kinetics_job(session.shown, session.dataset, 4.0)(lambda *_: None, lambda: True)
    assert stopped.rates is None and stopped.ck_test is None


def test_a_part_that_cannot_be_computed_says_why_and_the_others_stay(session):
    result = session.shown
    once = np.zeros(N, int)
    once[N // 2 :] = 1  # never left: no model of hard states
    lonely = Result("IDM 3", Lagged(), result.embedding, result.membership, once)
    known = kinetics_job(lonely, session.dataset, 4.0)(lambda *_: None, lambda: False)
    assert known.rates is not None and known.ck_test is None
    assert "not connected" in known.errors["ck_test"].given


# ---- the panels


def test_strip_is_a_hint_until_there_are_states(chain, jobs):
    session = Session(as_dataset([chain[1]]))
    board = PageJobs(session, jobs)
    asked = []
    panel = TabStrip(session, board, lambda name, **values: asked.append(name))
    assert not panel.open and not panel._body.visible and panel._hint.visible
    for button in panel.finders.values():
        button.clicks += 1
    assert asked == ["DiscreteIDM", "DivisiveIDM"]
    panel._hint[2].value = False
    assert not session.refine
    session.add_result(Result("PCA 1", None, chain[1]))
    assert not panel.open
    session.add_result(Result("IDM 1", Lagged(), chain[1], np.eye(3)[chain[0]], chain[0]))
    assert panel.open and panel._body.visible and len(cells(panel)) == 3 and not panel._hint.visible
    panel.panels["states"].divide.clicks += 1
    assert asked[2:] == ["DivisiveIDM"]
    panel._fold.clicks += 1
    assert not panel.open and panel._unfold.visible and not panel._fold.visible
    session.add_result(Result("IDM 2", Lagged(), chain[1], np.eye(3)[chain[0]], chain[0]))
    assert not panel.open  # folded by the user
    panel.buttons["evidence"].clicks += 1
    assert panel.open and panel.panels["evidence"].active and not panel.panels["states"].active
    panel.close()
    board.close()


def test_a_row_selects_its_state_and_the_selected_state_is_marked(panel, session):
    table = panel.panels["states"].table
    table._handle_msg({"state": 2})
    assert selected_state(session) == 2 and table.chosen == 2
    session.select(np.arange(N) < 10, "by hand")
    assert table.chosen == -1
    session.undo()
    assert table.chosen == 2


def test_table_shows_names_lifetimes_and_observables_and_exports_them(panel, session):
    session.name_state(1, "bridge")
    bridge = cells(panel)[1]
    assert bridge["name"]["text"] == "bridge" and bridge["lifetime"]["text"].endswith("ps")
    assert " to " in bridge["lifetime"]["less"] and bridge["verdict"]["text"] == "exponential"
    assert bridge["column rmsd"]["text"] == "0.3"
    assert panel.panels["states"].table.columns[-1]["title"] == "rmsd (nm)"
    table = pd.read_csv(panel.panels["states"].export.export("csv"))
    assert list(table["name"]) == ["state 1", "bridge", "state 3"]


def test_card_follows_the_selected_state(panel, session):
    panel.view = "evidence"
    card = panel.panels["evidence"]
    session.select_state(2)
    assert card.state == 2 and "Exponential." in card.verdict.object and card.verdict.severity == "success"
    assert "to state 2" in card.exits.object and "(100%)" in card.exits.object
    lifetime = evidence_of(session.shown, session.dataset).lifetimes["mean_lifetime"].sel(state=2)
    assert f"{float(lifetime):.3g} ps" in card.facts.object
    card._choice.value = 0
    assert selected_state(session) == 0 and card.state == 0
    session.clear_selection()
    assert card.state == 0  # the last one stays


def test_comparison_with_kmeans_is_a_job_and_adds_a_curve(panel, session, board, jobs):
    panel.view = "evidence"
    card = panel.panels["evidence"]
    card.compare = True
    assert len(card._curves) == 1
    work(board, jobs)
    assert [curve.label for curve in card._curves][1] == "KMeans, same embedding"
    table = pd.read_csv(card.export.export("csv"))
    assert table["state"].nunique() == 2
    card.compare = False
    assert len(card._curves) == 1


def test_kinetics_are_computed_when_first_looked_at_and_then_kept(panel, session, board, jobs):
    card = panel.panels["kinetics"]
    assert jobs.jobs() == []
    panel.view = "kinetics"
    assert len(jobs.jobs()) == 1 and not card.ready and "being computed" in card._hint.object
    assert card._stop.visible and card.export.button.disabled
    work(board, jobs)
    assert card.ready and not card._stop.visible and panel._plot.visible
    for view in ("network", "timescales", "ck_test", "spectrum"):
        card.view = view
        assert len(panel.figure.shown["lines"]["x"]) > 0
        assert len(pd.read_csv(card.export.export("csv"))) > 0
    panel.view = "states"
    panel.view = "kinetics"
    assert len(jobs.jobs()) == 1
    card._lag.value = 8.0
    assert len(jobs.jobs()) == 2 and not card.ready
    work(board, jobs)
    assert card.kinetics.lag_time == 8.0
    card._lag.value = 4.0
    assert card.ready and len(jobs.jobs()) == 2  # still known


def test_the_page_says_which_form_the_rates_have_and_switches_it(panel, session, board, jobs):
    panel.view = "kinetics"
    card = panel.panels["kinetics"]
    work(board, jobs)
    assert "Rates from memberships taken as probabilities. Memberships are calibrated" in card._hint.object
    first = card.kinetics
    card.form = "correlations"
    assert not card.ready
    work(board, jobs)
    assert card.kinetics.rates.attrs["form"] == "correlations"
    assert "Rates from correlations of the memberships" in card._hint.object
    assert card.kinetics.ck_test is first.ck_test  # not computed again
    card.form = "auto"
    assert card.kinetics is first and len(jobs.jobs()) == 2
    card.view = "ck_test"
    assert not card._form.visible


def test_pathways_have_intervals_and_follow_clicks(panel, session, board, jobs):
    panel.view = "kinetics"
    card = panel.panels["kinetics"]
    work(board, jobs)
    card.view = "pathways"
    assert not card.ready and "being computed" in card._hint.object and card._stop.visible
    work(board, jobs)
    assert card.ready and panel.figure.shown["heads"]["x"]
    ends = card.pathways._source.value, card.pathways._target.value
    table = kinetics.transition_paths(evidence_of(session.shown, session.dataset).states, *ends, 4.0)
    time = float(table["mean_first_passage_time"])
    assert f"after {time_text(time, 'ps')} (" in card._hint.object
    network = card.pathways._network()
    for state in (0, 2):
        panel._on_tap(*network.places[state])
        work(board, jobs)
    assert (card.pathways.found.source, card.pathways.found.target) == (0, 2)
    assert "state 1 → state 2 → state 3: 100 % (100 to 100 %) of the flux" in card._hint.object
    frame = pd.read_csv(card.export.export("csv"))
    row = frame[frame["quantity"] == "mean_first_passage_time"].iloc[0]
    exact = 2 * np.linalg.solve(np.eye(2) - (MATRIX @ MATRIX)[:2, :2], np.full(2, 2.0))[0]
    assert row["lower"] < exact < row["upper"] and row["states"] == "state 1 > state 3"
    count = len(jobs.jobs())
    card.pathways._source.value = 2
    assert "two different states" in card._hint.object and len(jobs.jobs()) == count
    card.pathways._source.value = 0
    assert card.ready and len(jobs.jobs()) == count  # still known


def test_another_result_has_its_own_kinetics(panel, session, board, jobs):
    panel.view = "kinetics"
    work(board, jobs)
    session.merge_states([1, 2])
    card = panel.panels["kinetics"]
    assert not card.ready and len(jobs.jobs()) == 2
    work(board, jobs)
    assert card.kinetics.rates.sizes["to"] == 2
    session.undo()
    assert card.ready and card.kinetics.rates.sizes["to"] == 3


def test_stopped_before_it_began_it_says_so(panel, board):
    panel.view = "kinetics"
    card = panel.panels["kinetics"]
    board.cancel(card._job)
    board.tick()
    card._show()
    assert "Stopped" in card._hint.object and not card.ready


def test_network_exports_as_a_figure_with_its_words(panel, board, jobs):
    panel.view = "kinetics"
    work(board, jobs)
    export = panel.panels["kinetics"].export
    svg = export.export("svg").read().decode()
    assert "1 / " in svg and svg.count("ps</text>") >= 4
    assert export.export("pdf").read().startswith(b"%PDF")
    export.button.clicks += 1
    assert export.downloads["pdf"].filename == "network-IDM-1.pdf"
    assert isinstance(export.export("png"), io.BytesIO)


def test_names_and_theme_reach_the_figure(panel, session, board, jobs):
    panel.view = "kinetics"
    work(board, jobs)
    session.name_state(0, "left well")
    panel.dark = True
    words = panel.figure.shown["words"]
    assert "left well" in words["text"] and "#e8eaed" in words["colour"] and panel.figure.drawing.dark


def test_five_states_are_tested_the_selected_one_among_them(session):
    states = np.repeat(np.arange(7), [70, 60, 50, 40, 30, 20, 10])
    result = Result("IDM 9", None, np.zeros((280, 2)), np.eye(7)[states], states)
    test = kinetics.ck_test([np.random.default_rng(0).integers(7, size=3000)], 1.0, n_bootstraps=0)
    assert kinetics_drawing.tested_states(test, result, None) == [0, 1, 2, 3, 4]
    assert kinetics_drawing.tested_states(test, result, 6) == [0, 1, 2, 3, 6]


def test_timeline_shows_a_frame_and_selects_passages(panel, session):
    panel.buttons["timeline"].clicks += 1
    line = panel.panels["timeline"]
    assert panel.open and line.active
    line.source.value, line.target.value = 0, 2
    found = line._found
    assert len(found) and f"{len(found):,} passages" in line.text.object
    line._on_select(None)
    assert session.selection.count == (found["last"] - found["first"] + 1).sum()
    assert session.selection.how == "passages from state 1 to state 3"
    panel._on_tap(5.0, 1.5)
    assert session.frame == 2
    line.target.value = 0
    assert "two different" in line.text.object and line.select.disabled


def test_a_path_that_is_undone_leaves_the_plot(panel, session):
    session.drawing = True
    path, figure = panel.panels["path"], panel.figure
    assert panel.view == "path" and path.active and not panel._plot.visible
    for place in ((-3.0, 0.0), (3.0, 0.0)):
        session.add_anchor(*place, ("CV 1", "CV 2"))
    assert panel._plot.visible and figure.shown["lines"]["x"]
    panel._on_tap(path.session.path.curve.length[7], 1.0)
    assert session.image == 7
    session.undo()
    assert session.path is None and not panel._plot.visible and "Now click" in path.text.object


def test_views_are_made_when_first_opened_or_needed(session, board):
    panel = TabStrip(session, board, print)
    assert set(panel.panels) == {"states"}  # the open one
    session.add_anchor(0.0, 0.0, ("CV 1", "CV 2"))
    assert set(panel.panels) == {"states", "path"}  # which finds the path
    panel.buttons["timeline"].clicks += 1
    assert set(panel.panels) == {"states", "path", "timeline"} and panel.panels["timeline"].active
    panel.close()


def test_a_saved_path_is_found_though_nobody_opened_its_view(session, board):
    for place in ((-3.0, 0.0), (3.0, 0.0)):
        session.add_anchor(*place, ("CV 1", "CV 2"))
    assert session.path is None
    panel = TabStrip(session, board, print)
    assert session.path is not None and panel.view == "states"
    panel.close()
