"""Conditions against analytic potentials and Markov chains; equal conditions give no significance."""

import numpy as np
import pytest
from chains import markov_chain

from fel_explorer import FelError, comparison
from fel_explorer.data import as_dataset

GRID = np.linspace(-2.0, 2.0, 4001)


def potential(x, tilt):
    """A double well in kT, tilted."""
    return 3.0 * (x**2 - 1) ** 2 + tilt * x


def boltzmann(tilt, n, seed):
    """Independent samples (n,) of exp(-potential), by its cumulative distribution."""
    cumulative = np.cumsum(np.exp(-potential(GRID, tilt)))
    return np.interp(np.random.default_rng(seed).random(n) * cumulative[-1], cumulative, GRID)


def correlated(seed, n_trajectories=10, length=400, memory=0.9):
    """Gaussian trajectories (frame,) whose neighbours are correlated, and their trajectory (frame,)."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(n_trajectories, length))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for t in range(1, length):
        x[:, t] = memory * x[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return x.ravel(), np.repeat(np.arange(n_trajectories), length)


@pytest.fixture(scope="module")
def tilted():
    x = np.concatenate([boltzmann(0.0, 40_000, 1), boltzmann(0.5, 40_000, 2)])
    trajectory = np.repeat(np.arange(40), 2000)
    return x[:, None], np.repeat(["flat", "tilted"], 40_000), trajectory


def test_the_difference_of_two_potentials_is_found_with_its_error(tilted):
    found = comparison.free_energies(*tilted, bins=60, smoothing=0.0)
    x = found["x"].values
    norms = [np.log(np.trapezoid(np.exp(-potential(GRID, tilt)), GRID)) for tilt in (0.0, 0.5)]
    exact = potential(x, 0.5) - potential(x, 0.0) + norms[1] - norms[0]
    well = np.abs(np.abs(x) - 1) < 0.3
    difference, error = (found[name].values[0] for name in ("difference", "difference_error"))
    z = (difference - exact)[well] / error[well]
    assert error[well].max() < 0.15 and np.abs(z).max() < 4 and 0.5 < np.std(z) < 1.6
    assert np.allclose(found["free_energy"][1] - found["free_energy"][0], difference, equal_nan=True)
    assert found["significant"].values[0][well & (np.abs(exact) > 0.3)].all()


def test_a_map_of_two_variables_has_the_difference_along_both(tilted):
    x, condition, trajectory = tilted
    y = np.random.default_rng(3).normal(size=(len(x), 1))
    found = comparison.free_energies(np.hstack([x, y]), condition, trajectory, bins=24, reference="tilted")
    assert found["difference"].dims == ("compared", "y", "x") and found.attrs["reference"] == "tilted"
    assert list(found["condition"].values) == ["tilted", "flat"]
    middle = found["difference"].isel(compared=0).sel(y=0.0, method="nearest")
    assert float(middle.sel(x=-1, method="nearest")) > 0.2 > -0.2 > float(middle.sel(x=1, method="nearest"))


def test_equal_conditions_are_called_different_at_most_at_the_level():
    alarms = dict.fromkeys(["map", "population", "rate"], 0)
    runs = 80
    for seed in range(runs):
        x, trajectory = correlated(seed)
        condition = np.where(trajectory % 2, "a", "b")
        order = np.argsort(trajectory % 2, kind="stable")  # the trajectories of each condition in a row
        x, trajectory, condition = x[order], trajectory[order], condition[order]
        found = comparison.free_energies(x[:, None], condition, trajectory, bins=20, n_draws=60)
        alarms["map"] += bool(found["significant"].any())
        state = np.digitize(x, [-0.5, 0.5])
        found = comparison.states(state, condition, trajectory, n_draws=60)
        alarms["population"] += bool(found["population_difference_significant"].any())
        alarms["rate"] += bool(found["rate_difference_significant"].any())
    most = 0.05 * runs + 2.6 * np.sqrt(0.05 * 0.95 * runs)  # 99.5 % of binomial draws
    assert max(alarms.values()) <= most, alarms


def test_populations_and_rates_of_two_chains_are_those_of_their_matrices():
    matrices = [np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.9, 0.1], [0.3, 0.7]])]
    state = np.concatenate(
        [markov_chain(P, 1000, 20 * k + i) for k, P in enumerate(matrices) for i in range(15)]
    )
    condition, trajectory = np.repeat(["wild type", "mutant"], 15_000), np.repeat(np.arange(30), 1000)
    found = comparison.states(state, condition, trajectory, time_step=2.0)
    exact = [[0.5, 0.5], [0.75, 0.25]]
    assert found["population"].values == pytest.approx(np.array(exact), abs=0.03)
    z = (found["population"] - exact) / found["population_error"]
    assert np.abs(z).max() < 4
    assert float(found["rate"].sel(condition="mutant")[1, 0]) == pytest.approx(0.15, abs=0.02)
    assert found["population_difference_significant"].all()
    assert found["rate_difference_significant"].values[0].tolist() == [[False, False], [True, False]]


def test_a_state_that_one_condition_never_visits_differs():
    state = np.concatenate([np.zeros(4000, int), np.tile([0, 1], 2000)])
    condition, trajectory = np.repeat([0, 1], 4000), np.repeat(np.arange(20), 400)
    state[5::17] = np.where(condition[5::17] == 1, 0, state[5::17])
    found = comparison.states(state, condition, trajectory)
    assert found["population"].values[0].tolist() == [1.0, 0.0]
    assert found["population_difference_significant"].values.all()


def test_features_that_differ_are_found_and_equal_ones_are_not():
    parts = []
    for seed in range(6):
        x, trajectory = correlated(100 + seed, n_trajectories=20, memory=0.95)
        parts.append(x)
    second = trajectory >= 10
    parts[2] = parts[2] + 1.5 * second  # shifted
    parts[4] = parts[4] * np.where(second, 2.5, 1.0)  # wider, with the same mean
    columns = np.stack(parts, axis=1)
    data = as_dataset([columns[trajectory == i] for i in range(20)])
    found = comparison.features(data, ~second, second)
    differs = [str(name) for name in found["quantity"].values[found["significant"].values]]
    assert sorted(differs) == ["x2", "x4"] and list(found["quantity"].values[:2]) in (
        ["x2", "x4"],
        ["x4", "x2"],
    )
    assert found["p_value"].values.min() <= 0.003


def test_p_values_of_equal_features_are_uniform():
    p = []
    for seed in range(40):
        x, trajectory = correlated(seed)
        data = as_dataset([x[trajectory == i, None] for i in range(10)])
        found = comparison.features(data, trajectory < 5, trajectory >= 5, n_permutations=99)
        p.append(float(found["p_value"][0]))
    assert np.mean(np.array(p) <= 0.05) <= 0.15 and 0.35 < np.mean(p) < 0.65


def test_the_false_discovery_rate_is_that_of_the_ordered_p_values():
    p = np.array([0.005, 0.009, 0.019, 0.5, np.nan])
    assert comparison.benjamini_hochberg(p, 0.02).tolist() == [True, True, False, False, False]
    assert comparison.benjamini_hochberg(p, 0.05).tolist() == [True, True, True, False, False]
    with pytest.raises(FelError, match="between 0 and 1"):
        comparison.benjamini_hochberg(p, 5)


def test_what_can_not_be_compared_is_said(tilted):
    x, condition, trajectory = tilted
    with pytest.raises(FelError, match="two at least"):
        comparison.free_energies(x, np.full(len(x), "one"), trajectory)
    with pytest.raises(FelError, match="flat, tilted"):
        comparison.free_energies(x, condition, trajectory, reference="none")
    few = np.where(np.arange(len(x)) < len(x) - 5, "a", "b")
    with pytest.raises(FelError, match="condition of 5 frames"):
        comparison.states(np.zeros(len(x), int), few, trajectory)
