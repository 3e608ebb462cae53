"""Exit rates against a chain with known ones."""

import numpy as np
from numpy.testing import assert_allclose

from fel_explorer import kinetics


def test_exits_are_counted_within_trajectories_only():
    table = kinetics.exits([np.array([0, 0, 1, 2, 0, 1]), np.array([2, 2, 1])])
    assert table["n_exits"].values.tolist() == [[0, 2, 0], [0, 0, 1], [1, 1, 0]]
    assert_allclose(table["share"].sel({"from": 2}), [0.5, 0.5, 0])


def test_rates_are_those_of_the_chain_and_sum_to_one_over_the_lifetime():
    rng = np.random.default_rng(0)
    matrix = np.array([[0.97, 0.02, 0.01], [0.05, 0.95, 0.0], [0.0, 0.1, 0.9]])
    cumulative, draws, states = matrix.cumsum(1), rng.random(40_000), np.zeros(40_000, int)
    for t in range(1, len(states)):
        states[t] = np.searchsorted(cumulative[states[t - 1]], draws[t])
    table, lives = kinetics.exits(states, time_step=0.5), kinetics.lifetimes(states, time_step=0.5)
    assert_allclose(table["rate"].sum("to"), 1 / lives["mean_lifetime"])
    leaving = -np.log(np.diag(matrix)) / 0.5
    expected = leaving[:, None] * (matrix - np.diag(np.diag(matrix))) / (1 - np.diag(matrix))[:, None]
    assert_allclose(table["rate"], expected, rtol=0.15, atol=1e-9)


def test_a_state_that_is_never_left_has_no_rates_and_frames_without_a_state_are_no_target():
    table = kinetics.exits([np.array([0, 1, 1, 1]), np.array([0, -1, 0])])
    assert table["n_exits"].sel({"from": 1}).sum() == 0 and (table["rate"].sel({"from": 1}) == 0).all()
    assert table["n_exits"].sel({"from": 0}).values.tolist() == [0, 1]
