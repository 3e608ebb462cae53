"""Lifetimes, their intervals and verdicts against two-state chains whose lifetime is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.errors import FelError

LIFETIME = 9.49  # frames
EXIT = 1 - np.exp(-1 / LIFETIME)
RETURN = 0.2


def two_state_chains(n_frames, n_chains, rng, leave=EXIT, back=RETURN):
    states = np.empty((n_chains, n_frames), int)
    states[:, 0] = rng.random(n_chains) < leave / (leave + back)
    for t in range(1, n_frames):
        draws = rng.random(n_chains)
        states[:, t] = np.where(states[:, t - 1] == 0, draws < leave, draws >= back)
    return list(states)


@pytest.mark.parametrize(("n_frames", "n_chains"), [(5, 8000), (10, 4000), (30, 1300), (1000, 40)])
def test_lifetime_and_verdict_do_not_depend_on_the_length_of_trajectories(n_frames, n_chains):
    chains = two_state_chains(n_frames, n_chains, np.random.default_rng(n_frames + 1))
    table = kinetics.lifetimes(chains)
    error = table["mean_lifetime"] / [LIFETIME, -1 / np.log(1 - RETURN)] - 1
    assert (np.abs(error) < 3 / np.sqrt(table["n_exits"])).all()  # three standard errors
    assert (table["verdict"] == "exponential").all()
    curve = kinetics.survival(kinetics.dwells(chains).of(0))
    curve = curve.where(curve["survival"] > 0.1, drop=True)
    error = curve["survival"] - (1 - EXIT) ** curve["time"]
    assert (np.abs(error) < curve["upper"] - curve["lower"]).all()  # four standard errors


@pytest.mark.parametrize(("n_frames", "n_chains"), [(5, 150), (10, 70), (30, 24), (1000, 1)])
def test_intervals_cover_the_true_lifetime(n_frames, n_chains):
    rng, covered, n = np.random.default_rng(7), 0, 400
    for _ in range(n):
        chains = two_state_chains(n_frames, n_chains, rng)
        row = kinetics.lifetimes(chains).sel(state=0)
        covered += float(row["lower"]) < LIFETIME < float(row["upper"])
    assert 0.93 <= covered / n <= 0.975  # 2.5 standard errors of 400 draws about .95


def test_recrossing_in_short_trajectories_is_found():
    chains = two_state_chains(10, 4000, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    flickering = [np.where(rng.random(len(s)) < 0.05, 1 - s, s) for s in chains]
    table = kinetics.lifetimes(flickering)
    assert table["verdict"].sel(state=0) == "not exponential"
    assert table["amplitude"].sel(state=0) < 0.9


def test_visits_of_one_censored_frame_say_nothing():
    table = kinetics.lifetimes([np.array([0]), np.array([0]), np.array([1, 1])])
    assert np.isnan(table["mean_lifetime"].sel(state=0)) and np.isinf(table["mean_lifetime"].sel(state=1))
    assert table["lower"].sel(state=0) == 0 and np.isinf(table["upper"].sel(state=0))
    assert_allclose(table["population"], 0.5)
    rates = kinetics.exits([np.array([0]), np.array([1, 1])])["rate"]
    assert not rates.sel({"from": 1}).any()


def test_visits_cut_off_by_the_end_are_at_risk_up_to_their_last_frame_but_one():
    visits = kinetics.dwells([np.array([0, 0, 1, 1, 1, 0])])
    assert visits.at_risk.tolist() == [2, 3, 0]


def test_frame_weights_count_for_populations_only():
    states, weights = [np.array([0, 0, 1]), np.array([1, 1])], np.array([1.0, 2.0, 0.5, 0.5, 0.0])
    table = kinetics.lifetimes(states, weights=weights)
    assert_allclose(table["population"], [0.75, 0.25])
    assert_allclose(table["mean_lifetime"], kinetics.lifetimes(states)["mean_lifetime"])
    with pytest.raises(FelError, match="5 frames"):
        kinetics.lifetimes(states, weights=weights[:3])
