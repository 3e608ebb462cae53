"""Intervals of implied time scales and of the Chapman-Kolmogorov test against the spread over simulations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.kinetics.markov import resampled_models

P = np.array([[0.97, 0.03, 0.0], [0.04, 0.94, 0.02], [0.0, 0.05, 0.95]])
TIMESCALES = -1 / np.log(np.sort(np.linalg.eigvals(P).real)[::-1][1:])


def simulate(n_chains, n_frames, seed):
    """(chain, frame) states."""
    rng, cumulative = np.random.default_rng(seed), P.cumsum(1)
    states = np.zeros((n_chains, n_frames), int)
    states[:, 0] = rng.integers(3, size=n_chains)
    for t in range(1, n_frames):
        states[:, t] = (rng.random(n_chains)[:, None] > cumulative[states[:, t - 1]]).sum(1)
    return states


@pytest.fixture(scope="module")
def replicas():
    return simulate(40, 6000, 0)


def test_bands_of_one_trajectory_are_as_wide_as_the_spread_over_simulations(replicas):
    tables = [kinetics.implied_timescales(states, [3.0], n_timescales=2) for states in replicas]
    spread = np.std([table["timescale"].values[0] for table in tables], axis=0)
    width = np.median([(table["upper"] - table["lower"]).values[0] for table in tables], axis=0) / 3.92
    assert_allclose(width, spread, rtol=0.35)
    covered = [(table["lower"] < TIMESCALES) & (TIMESCALES < table["upper"]) for table in tables]
    assert (np.mean(covered, axis=0) > 0.85).all()


def test_chapman_kolmogorov_bands_of_one_trajectory_hold_the_exact_probabilities(replicas):
    exact = np.linalg.matrix_power(P, 12)
    covered = []
    for states in replicas:
        test = kinetics.ck_test(states, 3.0, multiples=[4]).isel(multiple=0)
        covered.append((test["lower"] < exact) & (exact < test["upper"]))
    assert 0.85 < np.mean(covered) < 0.99


def test_draws_of_many_states_are_counted_like_those_of_few(replicas, monkeypatch):
    _, few = resampled_models([replicas[0]], 2, 3)
    few = [model.transition_matrix for model in few]
    monkeypatch.setattr("fel_explorer.kinetics.markov.MAX_COUNTS", 0)
    _, many = resampled_models([replicas[0]], 2, 3)
    assert_allclose(few, [model.transition_matrix for model in many], atol=1e-9)


def test_without_draws_there_is_no_band(replicas):
    table = kinetics.implied_timescales(replicas[0], [1.0], n_bootstraps=0)
    assert np.isnan(table["lower"]).all() and np.isfinite(table["timescale"].sel(process=1)).all()
    assert np.isnan(kinetics.ck_test(replicas[0], 1.0, n_bootstraps=0)["upper"]).all()
