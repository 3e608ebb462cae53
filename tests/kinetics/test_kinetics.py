"""Kinetics against chains whose answers are known, and against deeptime."""

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.errors import FelError

PI = np.array([0.6, 0.3, 0.1])
FLUX = np.array([[0, 0.008, 0.0015], [0.008, 0, 0], [0.0015, 0, 0]])
K = FLUX / PI - np.diag((FLUX / PI).sum(0))  # columns to rows, per frame
TIMESCALES = -1 / np.sort(np.linalg.eigvals(K).real)[::-1][1:]


def sample_chain(transition_matrix, n_frames, rng, start=0):
    cumulative, draws = transition_matrix.cumsum(1), rng.random(n_frames)
    states = np.full(n_frames, start)
    for t in range(1, n_frames):
        states[t] = np.searchsorted(cumulative[states[t - 1]], draws[t])
    return states


@pytest.fixture(scope="module")
def chains():
    rng = np.random.default_rng(1)
    return [sample_chain(scipy.linalg.expm(K).T, 25_000, rng, start) for start in (0, 0, 0, 1, 1, 0, 1, 2)]


@pytest.fixture(scope="module")
def soft(chains):
    """Posteriors of the state given one noisy observation: what calibrated memberships are."""
    rng, means, parts = np.random.default_rng(2), np.array([0.0, 2.5, 5.0]), []
    for states in chains:
        x = means[states] + rng.normal(size=len(states))
        density = PI * np.exp(-0.5 * (x[:, None] - means) ** 2)
        parts.append(density / density.sum(1, keepdims=True))
    return parts


def test_dwells_count_and_censor():
    visits = kinetics.dwells([np.array([0, 0, 1, 1, 1, 0]), np.array([2, 2])])
    assert visits.state.tolist() == [0, 1, 0, 2]
    assert visits.n_frames.tolist() == [2, 3, 1, 2]
    assert visits.complete.tolist() == [True, True, False, False]
    assert visits.entered.tolist() == [False, True, True, False]
    assert visits.trajectory.tolist() == [0, 0, 0, 1]


def test_lifetimes_of_a_markov_chain_are_the_analytic_ones(chains):
    table = kinetics.lifetimes(chains, time_step=0.5)
    expected = -0.5 / np.log(np.diag(scipy.linalg.expm(K)))
    assert ((table["lower"] < expected) & (expected < table["upper"])).all()
    assert_allclose(table["mean_lifetime"], expected, rtol=0.15)
    assert (table["verdict"] == "exponential").all()
    assert_allclose(table["population"].sum(), 1)


def test_recrossings_are_found(chains):
    rng = np.random.default_rng(0)
    flickering = [np.where(rng.random(len(s)) < 0.02, (s + 1) % 2, s) for s in chains]
    table = kinetics.lifetimes(flickering)
    assert (table["verdict"].sel(state=[0, 1]) == "not exponential").all()
    assert (table["amplitude"].sel(state=[0, 1]) < 0.9).all()


def test_survival_is_unbiased_by_censoring():
    rng = np.random.default_rng(3)
    # short trajectories of a two-state chain with lifetime 50 frames: most visits are cut off
    matrix = np.array([[0.98, 0.02], [0.02, 0.98]])
    parts = [sample_chain(matrix, 60, rng, start=i % 2) for i in range(1500)]
    visits = kinetics.dwells(parts).of(0)
    curve = kinetics.survival(visits)
    at_30 = curve.sel(time=30)
    assert at_30["lower"] < 0.98**30 < at_30["upper"]
    complete = visits.n_frames[visits.complete & visits.entered]
    assert (complete > 30).mean() < 0.9 * 0.98**30  # what dropping the censored ones would say


def test_numbers_in_a_list_are_one_trajectory():
    one, several = (kinetics.dwells(states) for states in ([0, 0, 1, 0], [[0, 0, 1], [0]]))
    assert one.n_frames.tolist() == [2, 1, 1] and one.trajectory.tolist() == [0, 0, 0]
    assert several.trajectory.tolist() == [0, 0, 1]
    with pytest.raises(FelError, match="empty series"):
        kinetics.dwells([])


def test_few_exits_give_no_verdict():
    table = kinetics.lifetimes(np.repeat([0, 1, 0], 100))
    assert (table["verdict"] == "too few exits").all()


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_master_equation_recovers_the_rates(chains, soft, kind):
    chi = soft if kind == "soft" else [np.eye(3)[s] for s in chains]
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=0, multiples=(1, 4, 8)).fit(chi)
    assert_allclose(model.timescales_, TIMESCALES, rtol=0.15)
    assert_allclose(model.rate_matrix_.sum(0), 0, atol=1e-12)
    flux = model.rate_matrix_ * model.stationary_distribution_
    assert_allclose(flux, flux.T, atol=1e-12)
    assert_allclose(model.propagator(7.0), scipy.linalg.expm(7 * model.rate_matrix_), atol=1e-10)
    assert_allclose(model.stationary_distribution_, PI, atol=0.06)


def test_uncorrected_likelihood_mistakes_uncertainty_for_transitions(soft):
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=0, multiples=(1, 4), form="printed").fit(soft)
    assert model.timescales_[0] < 0.5 * TIMESCALES[0]


def test_master_equation_agrees_with_the_markov_model(chains):
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=0, multiples=(1,)).fit(
        [np.eye(3)[s] for s in chains]
    )
    reference = kinetics.markov_model(chains, 5.0)
    assert_allclose(model.propagator(5.0).T, reference.transition_matrix, atol=0.005)


def test_only_real_pathways_are_significant(chains):
    chi = [np.eye(3)[s] for s in chains]
    model = kinetics.CoarseMasterEquation(5.0, n_bootstraps=8, multiples=(2,)).fit(chi)
    expected = FLUX > 0
    assert (model.significant_ == expected).all()
    inside = (model.lower_ <= K) & (K <= model.upper_)
    assert inside[expected].mean() >= 0.5
    assert model.to_dataset()["rate"].dims == ("to", "from")


def test_one_state_has_no_rates():
    with pytest.raises(FelError, match="two populated states"):
        kinetics.CoarseMasterEquation(2.0).fit(np.ones((100, 1)))


def test_implied_timescales_of_a_markov_chain_are_flat(chains):
    table = kinetics.implied_timescales(chains, [2.0, 10.0, 20.0], n_timescales=2, n_bootstraps=10)
    assert_allclose(table["timescale"].sel(process=1), TIMESCALES[0], rtol=0.15)
    assert (table["lower"] <= table["timescale"]).all()
    missing = kinetics.implied_timescales(chains, [2.0], n_timescales=4, n_bootstraps=0)
    assert np.isnan(missing["timescale"].sel(process=4)).all()


def test_ck_test_passes_for_a_markov_chain_and_fails_for_a_lumped_one(chains):
    good = kinetics.ck_test(chains, 5.0, n_bootstraps=5)
    assert good.attrs["worst"] < 0.05
    rng = np.random.default_rng(5)
    fast_and_slow = np.array([[0.5, 0.5, 0.0], [0.05, 0.94, 0.01], [0.0, 0.01, 0.99]])
    states = [sample_chain(fast_and_slow, 20_000, rng) for _ in range(2)]
    lumped = [np.where(s == 0, 0, 1) for s in states]
    hidden = kinetics.ck_test([np.where(s == 2, 0, s) for s in states], 1.0, n_bootstraps=0)
    assert hidden.attrs["worst"] > 0.1
    assert kinetics.ck_test(lumped, 1.0, n_bootstraps=2)["predicted"].shape == (4, 2, 2)


def test_impossible_lag_names_what_fits(chains):
    with pytest.raises(FelError, match=r"multiples of 0\.5, at most"):
        kinetics.implied_timescales(chains, [0.7], time_step=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_eight_wells_are_those_along_the_edges_of_a_cube(seed):
    """Eigenvalues of a cube with rate k along its edges: 2k three times, 4k three times, 6k once."""
    k, n_frames, n_walkers = 0.02, 2000, 10
    random = np.random.default_rng(seed)
    flips = random.random((n_walkers, n_frames, 3)) < (1 - np.exp(-2 * k)) / 2  # exact over a unit of time
    bits = (np.cumsum(flips, axis=1) + random.integers(0, 2, (n_walkers, 1, 3))) % 2
    states = bits @ [4, 2, 1]
    chi = [np.eye(8, dtype=np.float32)[part] for part in states]
    model = kinetics.CoarseMasterEquation(2.0, multiples=(1, 2), form="calibrated", n_bootstraps=0).fit(chi)
    np.testing.assert_allclose(1 / model.timescales_ / k, [2, 2, 2, 4, 4, 4, 6], rtol=0.25)
    corners = (np.arange(8)[:, None] >> np.arange(3)) & 1
    edges = np.abs(corners[:, None] - corners[None]).sum(axis=2) == 1
    assert abs(model.rate_matrix_[edges].mean() / k - 1) < 0.1
    assert model.rate_matrix_[~edges & ~np.eye(8, dtype=bool)].max() < 0.15 * model.rate_matrix_[edges].min()
