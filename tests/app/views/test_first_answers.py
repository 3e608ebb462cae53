"""Lag that is proposed from the data, and the sentence on what a model has found."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.lag_proposal import Proposal, choose, proposing, tried_lags
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.model.summary import quantity_apart, readable_quantity, slowest_process, summary

LEAVE = 0.02  # chance of leaving a side, a step of 2 ps
N = 30_000


def chain(rng):
    """Two states that are left with the chance `LEAVE`."""
    return np.cumsum(rng.random(N) < LEAVE) % 2


@pytest.fixture(scope="module")
def data():
    """A slow jump in phi, seen in a noisy feature, and a fast one in psi."""
    rng = np.random.default_rng(0)
    slow = chain(rng)
    data = fel.as_dataset(
        [np.column_stack([slow + rng.normal(0, 0.2, N), rng.normal(size=N)])], time_step=2.0
    )
    data = data.assign_attrs(time_unit="ps")
    data["phi ALA2"] = ("frame", np.where(slow, 60.0, -80.0) + rng.normal(0, 9, N), {"units": "deg"})
    data["psi ALA2"] = ("frame", rng.normal(0, 40, N), {"units": "deg"})
    return data, slow


@pytest.fixture
def result(data):
    dataset, slow = data
    model = fel.KMeans(n_states=2).fit(dataset)
    return Result("KMeans 1", model, np.zeros((N, 2), np.float32), None, slow)


def test_the_sentence_has_states_time_scale_and_the_quantity_that_sets_them_apart(data, result):
    expected = -2.0 / np.log(1 - 2 * LEAVE)  # of the two-state chain, in ps
    time, side = slowest_process(result, data[0], 2.0)
    assert time == pytest.approx(expected, rel=0.1)
    assert len(set(side[data[1] == 1])) == 1 and side[data[1] == 1][0] == -side[data[1] == 0][0]
    text = summary(result, data[0])
    assert text.startswith("2 states at ") and text.endswith(" ps, phi of ALA2.")
    assert quantity_apart(data[0], np.where(np.arange(N) % 2, 1, -1)) == ""
    assert readable_quantity("d ACE1-CH3 ALA2-CB") == "distance of ACE1-CH3 and ALA2-CB"


def test_states_that_are_not_connected_say_so(data, result):
    apart = Result("one", result.method, result.embedding, None, np.arange(N) // (N // 2))
    assert "no two are connected" in summary(apart, data[0])


def test_the_panel_says_what_was_found(data, result):
    manager = JobManager(workers=0)
    session = Session(data[0])
    board = PageJobs(session, manager)
    panel = ModelPanel(session, board)
    session.add_result(result)
    assert panel.models.found.object == ""
    manager.work()
    board.tick()
    assert panel.models.found.object == summary(result, data[0])
    session.merge_states([0, 1])  # the sentence on one state is another
    manager.work()
    board.tick()
    assert panel.models.found.object.startswith("1 state at")
    panel.close()
    board.close()


def test_a_noisy_feature_needs_a_longer_lag(data):
    proposal = proposing(data[0])(lambda *_: None, lambda: False)
    true = -2.0 / np.log(1 - 2 * LEAVE)
    assert 2.0 < proposal.lag_time < true / 2 and proposal.timescale == pytest.approx(true, rel=0.4)


def test_a_time_scale_that_is_the_same_at_all_lags_needs_the_shortest():
    lags = np.array([1.0, 3.0, 9.0, 27.0])
    assert choose(lags, np.array([100.0, 101.0, 99.0, 98.0]), 1.0) == Proposal(1.0, 100.0, True)
    growing = choose(lags, np.array([10.0, 20.0, 50.0, 80.0]), 1.0)
    assert growing == Proposal(8.0, 80.0, False) and "or more" in growing.text("ps")
    assert choose(lags, np.array([0.5, 0.5, 0.5, 0.5]), 1.0).lag_time == 1.0


def test_short_trajectories_have_no_proposal():
    with pytest.raises(fel.FelError, match="60 are needed"):
        tried_lags(fel.as_dataset([np.zeros((50, 2))]))


def test_the_proposal_fills_the_form(data):
    manager = JobManager(workers=0)
    session = Session(data[0])
    board = PageJobs(session, manager)
    panel = ModelPanel(session, board)
    panel._ask_for_lag(None)
    manager.work()
    board.tick()
    assert "Proposed lag" in panel.proposal.object
    assert panel.form.values["lag_time"] == proposing(data[0])(lambda *_: None, lambda: False).lag_time
    panel.method.value = "PCA"
    assert not panel.propose.visible
    panel.close()
    board.close()
