"""Scan over lag times on a chain whose hierarchy is known: 0 and 1 exchange 40 times faster than with 2."""

import numpy as np
import pytest
from chains import FAST, nested_chain

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError

STEP = 2.0


@pytest.fixture(scope="module")
def truth_and_data():
    parts = [nested_chain(10_000, seed) for seed in range(4)]
    return np.concatenate([s for s, _ in parts]), fel.as_dataset([x for _, x in parts], time_step=STEP)


@pytest.fixture(scope="module")
def scan(truth_and_data):
    return fel.methods.scan_lag_times(truth_and_data[1], n_microstates=100)


def agreement(found, truth):
    """Fraction of the frames whose true state is the one that most of their state are in."""
    table = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(table, (found, truth), 1)
    return table.max(1).sum() / len(found)


def test_each_lag_shows_the_states_that_the_time_scales_predict(scan, truth_and_data):
    """0 and 1 exchange with a time scale of 1 / (2 FAST) = 25 frames; a split needs .66 lag at beta .9."""
    n = scan.n_states
    split = 1 / (2 * FAST) / 0.66 * STEP
    assert (n[n.lag_time < 0.7 * split] == 3).all()
    assert (n[(n.lag_time > 1.4 * split) & (n.lag_time < 5 * split)] == 2).all()
    truth = truth_and_data[0]
    assert agreement(scan.predict(0.5 * split).values, truth) > 0.99
    coarse = scan.predict(4 * split).values
    assert agreement(coarse, truth // 2) > 0.99 and coarse.max() == 1


def test_states_at_a_lag_come_with_the_frames_of_the_data(scan, truth_and_data):
    data = truth_and_data[1]
    states, chi = scan.predict(20.0), scan.predict_proba(20.0)
    for coordinate in schema.BOOKKEEPING:
        np.testing.assert_array_equal(states[coordinate], data[coordinate])
    np.testing.assert_array_equal(chi.argmax("state"), states)
    np.testing.assert_allclose(chi.sum("state"), 1.0, atol=1e-5)
    np.testing.assert_array_equal(scan.predict(1e9), scan.predict(scan.lag_times[0]))


def test_branches_tell_where_states_appear_divide_and_belong(scan):
    branches, states = scan.branches.to_dataframe(), scan.states.to_dataframe()
    graph = scan.graph
    divided = [n for n in graph if graph.out_degree(n) == 2 and graph.nodes[n]["disappears"] < 200]
    assert len(divided) == 1
    (a, b), (pair,) = graph.successors(divided[0]), divided
    assert graph.nodes[a]["appears"] == graph.nodes[b]["appears"] < graph.nodes[pair]["disappears"]
    assert graph.nodes[a]["population"] + graph.nodes[b]["population"] == pytest.approx(
        graph.nodes[pair]["population"], abs=0.02
    )
    for branch, about in branches.iterrows():
        of = states[states["branch"] == branch]
        assert of["lag_time"].max() == about["appears"] and of["lag_time"].min() == about["disappears"]
        assert (of["appears"] == about["appears"]).all()
        assert np.isnan(about["gain"]) or about["gain"] == of["gain"].max()


def test_states_carry_their_evidence(scan):
    states = scan.states
    single = states["gain"] == np.inf
    assert ((states["gain"] > 1.5 * states["error"]) | single).all()
    assert ((states["visits"] >= 10) | single).all()
    np.testing.assert_allclose(states["population"].groupby(states["lag_time"]).sum(), 1.0)


def test_the_suggested_lag_is_amid_the_widest_range_with_the_same_states(scan):
    n = scan.n_states
    assert n[scan.nearest(scan.suggested_lag_time)] > 1
    inside = n.lag_time[n == n[scan.nearest(scan.suggested_lag_time)]]
    assert inside.min() < scan.suggested_lag_time < inside.max()


def test_given_lags_are_scanned_from_long_to_short(truth_and_data):
    found = fel.methods.scan_lag_times(truth_and_data[1], [20.0, 400.0], n_microstates=50)
    assert found.lag_times.tolist() == [400.0, 20.0] and found.n_states.values.tolist() == [2, 3]


def test_weights_decide_what_counts(truth_and_data):
    truth, data = truth_and_data
    weighted = data.assign(weight=("frame", np.where(truth == 2, 1e-6, 1.0)))
    found = fel.methods.scan_lag_times(weighted, [10.0], n_microstates=50)
    assert len(found.levels[0]) == 2


@pytest.mark.parametrize("lags", [[], [3.0], [1e9]])
def test_bad_lags_are_refused(truth_and_data, lags):
    with pytest.raises(FelError, match="lag"):
        fel.methods.scan_lag_times(truth_and_data[1], lags)


def test_a_lag_that_is_not_positive_is_refused(scan):
    with pytest.raises(FelError, match="positive"):
        scan.predict(0.0)


def test_one_frame_says_so():
    with pytest.raises(FelError, match="two frames"):
        fel.methods.scan_lag_times(np.ones((1, 2)))
