"""Transition path theory against first-step equations solved by NumPy, on chains with known rates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.errors import FelError

# four states in detailed balance: 0 -> 3 over 1 (mostly) or over 2
P = np.array(
    [
        [0.90, 0.08, 0.02, 0.00],
        [0.10, 0.80, 0.00, 0.10],
        [0.05, 0.00, 0.85, 0.10],
        [0.00, 0.10, 0.05, 0.85],
    ]
)


def sample(n_frames, seed, start):
    rng = np.random.default_rng(seed)
    cumulative, draws, states = P.cumsum(1), rng.random(n_frames), np.full(n_frames, start)
    for t in range(1, n_frames):
        states[t] = np.searchsorted(cumulative[states[t - 1]], draws[t])
    return states


@pytest.fixture(scope="module")
def chains():
    return [sample(30_000, seed, start) for seed, start in enumerate((0, 1, 2, 3))]


@pytest.fixture(scope="module")
def result(chains):
    return kinetics.transition_paths(chains, 0, 3, 1.0)


@pytest.fixture(scope="module")
def matrix(chains):
    return kinetics.markov_model(chains, 1.0).transition_matrix


def test_committors_solve_the_first_step_equations(result, matrix):
    inner = [1, 2]
    q = np.linalg.solve(np.eye(2) - matrix[np.ix_(inner, inner)], matrix[inner, 3])
    assert_allclose(result["committor"], [0, *q, 1], atol=1e-8)
    assert_allclose(result["backward_committor"], 1 - result["committor"], atol=1e-8)  # detailed balance


def test_first_passage_time_is_that_of_the_hitting_time_equations(result, matrix, chains):
    others = [0, 1, 2]
    hitting = np.linalg.solve(np.eye(3) - matrix[np.ix_(others, others)], np.ones(3))
    assert_allclose(result["mean_first_passage_time"], hitting[0], rtol=1e-8)
    exact = np.linalg.solve(np.eye(3) - P[:3, :3], np.ones(3))[0]
    assert_allclose(result["mean_first_passage_time"], exact, rtol=0.1)
    timed = kinetics.transition_paths(chains, 0, 3, 0.5, time_step=0.5)
    assert_allclose(timed["mean_first_passage_time"], 0.5 * hitting[0], rtol=1e-8)
    assert_allclose(timed["total_flux"], 2 * result["total_flux"], rtol=1e-8)


def test_net_flux_is_conserved_and_of_the_right_size(result, matrix):
    net, pi, q = result["net_flux"].values, result["stationary_distribution"].values, result["committor"]
    expected = pi[:, None] * matrix * np.maximum(q.values[None, :] - q.values[:, None], 0)
    assert_allclose(net, expected, atol=1e-10)
    assert_allclose(net.sum(0)[1:3], net.sum(1)[1:3], atol=1e-10)
    assert_allclose([net[0].sum(), net[:, 3].sum()], [result["total_flux"]] * 2, rtol=1e-6)


def test_the_strongest_pathway_comes_first(result):
    assert result["pathway"].values.tolist() == [[0, 1, 3], [0, 2, 3]]
    net = result["net_flux"]
    assert_allclose(result["pathway_flux"], [net.sel({"from": 0, "to": k}) for k in (1, 2)], rtol=1e-6)
    assert_allclose(result["pathway_fraction"].sum(), 1)


def test_pathways_of_different_length_end_in_minus_one(chains):
    lumped = [np.where(s == 2, 0, s) for s in chains]
    result = kinetics.transition_paths(lumped, [0], 3, 1.0, fraction=1.0)
    assert {tuple(path) for path in result["pathway"].values.tolist()} == {(0, 1, 3), (0, 3, -1)}


def test_unconnected_states_are_named(chains):
    once = [*chains[:-1], np.append(chains[-1], [7] * 5)]
    with pytest.raises(
        FelError, match=r"State\(s\) 7 not in the connected set.*Visited back and forth are 0, 1"
    ):
        kinetics.transition_paths(once, 0, 7, 1.0)
    for source, target in (([0, 1], [1]), ([], [1])):
        with pytest.raises(FelError, match="no state is in both"):
            kinetics.transition_paths(chains, source, target, 1.0)


EXACT_MFPT = np.linalg.solve(np.eye(3) - P[:3, :3], np.ones(3))[0]
QUANTITIES = ("mean_first_passage_time", "total_flux", "committor", "stationary_distribution", "net_flux")


def exact():
    """The same quantities of the chain, by first-step equations."""
    values, vectors = np.linalg.eig(P.T)
    pi = vectors[:, values.real.argmax()].real
    pi = pi / pi.sum()
    q = np.array([0, *np.linalg.solve(np.eye(2) - P[1:3, 1:3], P[1:3, 3]), 1])
    net = pi[:, None] * P * np.maximum(q[None, :] - q[:, None], 0)
    return dict(zip(QUANTITIES, (EXACT_MFPT, net[0].sum(), q, pi, net), strict=True))


@pytest.mark.parametrize("uncertainty", ["bootstrap", "bayesian"])
def test_intervals_cover_the_exact_values(uncertainty):
    covered = {name: [] for name in QUANTITIES}
    for seed in range(8):
        chain = sample(4000, seed, 0)
        table = kinetics.transition_paths(chain, 0, 3, 1.0, uncertainty=uncertainty, n_samples=60)
        for name, value in exact().items():
            lower, upper = (table[f"{name}_{side}"].values for side in ("lower", "upper"))
            inside = (lower - 1e-9 <= value) & (value <= upper + 1e-9)
            covered[name].append(np.mean(inside))
    assert all(np.mean(inside) > 0.75 for inside in covered.values()), covered
    assert (table["pathway_fraction_lower"] <= table["pathway_fraction"]).all()


def test_bootstrap_and_bayesian_intervals_agree_on_a_markov_chain(chains):
    widths = []
    for uncertainty in ("bootstrap", "bayesian"):
        table = kinetics.transition_paths(chains, 0, 3, 1.0, uncertainty=uncertainty, n_samples=200)
        widths.append([table[f"{name}_upper"] - table[f"{name}_lower"] for name in QUANTITIES[:4]])
    for one, other in zip(*widths, strict=True):
        free = np.atleast_1d(other) > 1e-12  # committors of source and target are fixed
        assert_allclose(np.atleast_1d(one)[free], np.atleast_1d(other)[free], rtol=0.4)


def test_without_samples_there_are_no_intervals(chains):
    assert "total_flux_lower" not in kinetics.transition_paths(chains, 0, 3, 1.0, n_samples=0)
    with pytest.raises(FelError, match="bootstrap and bayesian"):
        kinetics.transition_paths(chains, 0, 3, 1.0, uncertainty="gaussian")


@pytest.mark.parametrize("uncertainty", ["bootstrap", "bayesian"])
def test_equal_seeds_give_equal_intervals(uncertainty, chains):
    def widths(seed):
        table = kinetics.transition_paths(chains, 0, 3, 1.0, uncertainty=uncertainty, n_samples=50, seed=seed)
        return float(table["total_flux_upper"] - table["total_flux_lower"])

    assert widths(1) == widths(1) != widths(2)
