"""Populations of states against probabilities that are known."""

import numpy as np
import pytest
from chains import markov_chain

from fel_explorer import FelError, kinetics

SLOW = np.array([[0.98, 0.02], [0.01, 0.99]])  # stationary (1/3, 2/3), correlated over 33 frames


def test_of_independent_frames_the_error_is_the_binomial_one():
    rng = np.random.default_rng(0)
    states = rng.choice(3, p=[0.2, 0.3, 0.5], size=20_000)
    found = kinetics.populations(states, n_bootstraps=400)
    expected = np.sqrt(found["population"] * (1 - found["population"]) / 20_000)
    assert found["population"].values == pytest.approx([0.2, 0.3, 0.5], abs=0.01)
    assert found["error"].values == pytest.approx(expected.values, rel=0.5)  # of 20 blocks
    assert ((found["lower"] < [0.2, 0.3, 0.5]) & (found["upper"] > [0.2, 0.3, 0.5])).all()


def test_of_a_correlated_chain_the_error_is_its_spread_over_repetitions():
    runs = [
        kinetics.populations([markov_chain(SLOW, 2000, 100 * seed + i) for i in range(12)], n_bootstraps=100)
        for seed in range(25)
    ]
    spread = np.std([float(one["population"][0]) for one in runs], ddof=1)
    mean_error = np.mean([float(one["error"][0]) for one in runs])
    assert mean_error == pytest.approx(spread, rel=0.4)
    binomial = np.sqrt(2 / 9 / 24_000)
    assert mean_error > 4 * binomial  # correlated frames are not independent


def test_weights_and_frames_of_no_state_count():
    states, weights = np.array([0, 1, -1, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    found = kinetics.populations(states, weights=weights, n_states=4)
    assert found["population"].values == pytest.approx([0.1, 0.6, 0.0, 0.0])
    with pytest.raises(FelError, match="One per frame"):
        kinetics.populations(states, weights=weights[:3])
