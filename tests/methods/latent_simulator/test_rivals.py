"""Rival propagators, their comparison, and new starting points, on processes that are known."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods import LinearPropagator, MixtureDensityPropagator
from fel_explorer.methods.latent_simulator.propagator_comparison import compare_propagators, propose_starts

SEEDS = pytest.mark.parametrize("seed", range(3))
RATES = np.array([0.1, 0.5])


def ornstein_uhlenbeck(seed, n_frames=3000, n_walkers=8):
    """Two processes of the given rates and unit variance, mixed and moved: (dataset, mixing, offset)."""
    random, decay = np.random.default_rng(seed), np.exp(-RATES)
    x = np.empty((n_frames, n_walkers, 2))
    x[0] = random.normal(size=x[0].shape)
    for i in range(1, n_frames):
        x[i] = decay * x[i - 1] + np.sqrt(1 - decay**2) * random.normal(size=x[0].shape)
    mixing = np.array([[1.0, 0.3], [0.2, 0.5]])
    return fel.as_dataset(list(x.swapaxes(0, 1) @ mixing + [3.0, -1.0])), mixing


def double_well(seed, n_frames=4000, n_walkers=8):
    """Overdamped dynamics in 3 (x^2 - 1)^2, a frame each .05 of time."""
    random = np.random.default_rng(seed)
    x, kept = random.choice([-1.0, 1.0], n_walkers), np.empty((n_frames, n_walkers))
    for i in range(n_frames):
        for _ in range(10):
            x = x - 12 * x * (x**2 - 1) * 0.005 + np.sqrt(0.01) * random.normal(size=n_walkers)
        kept[i] = x
    return fel.as_dataset(list(kept.T[:, :, None]), time_step=0.05)


@SEEDS
def test_linear_propagation_has_the_eigenvalues_and_moments_of_the_process(seed):
    data, mixing = ornstein_uhlenbeck(seed)
    model = LinearPropagator(lag_time=2.0, seed=seed).fit(data)
    np.testing.assert_allclose(model.eigenvalues_, np.exp(-2.0 * RATES), atol=0.03)
    simulated = model.simulate(500, 200)["features"].values
    observed = data["features"].values
    np.testing.assert_allclose(simulated.mean(0), observed.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(simulated.T), np.cov(observed.T), atol=0.1)
    # Eq. 4: each mode decays by its time scale
    later = model.expected([[5.0, 0.0]], 3)[0]
    modes = ([5.0, 0.0] - np.array([3.0, -1.0])) @ np.linalg.inv(mixing)
    exact = (modes * np.exp(-6.0 * RATES)) @ mixing + [3.0, -1.0]
    np.testing.assert_allclose(later, exact, atol=0.15)


def test_a_dropped_mode_is_at_equilibrium_and_the_others_are_as_before():
    data, _ = ornstein_uhlenbeck(0)
    model = LinearPropagator(lag_time=1.0).fit(data)
    z = data["features"].values[:5]
    everything, without = model.expected(z, 2), model.expected(z, 2, dropped=(0,))
    to_modes = lambda x: (x - model.mean_) @ model.modes_  # noqa: E731
    np.testing.assert_allclose(to_modes(without)[:, 0], 0.0, atol=1e-9)
    np.testing.assert_allclose(to_modes(without)[:, 1], to_modes(everything)[:, 1], atol=1e-9)
    np.testing.assert_allclose(model.expected(z, 0), z, atol=1e-5)
    np.testing.assert_allclose(model.expected(z, 10_000), np.tile(model.mean_, (5, 1)), atol=1e-9)
    with pytest.raises(FelError, match="modes 0 to 1"):
        model.expected(z, 1, dropped=(2,))


def test_a_saved_propagator_simulates_the_same(tmp_path):
    model = LinearPropagator(lag_time=1.0).fit(ornstein_uhlenbeck(0, 200)[0])
    model.save(tmp_path / "m.fel")
    again = LinearPropagator.load(tmp_path / "m.fel")
    np.testing.assert_array_equal(
        again.simulate(20, 3)["features"].values, model.simulate(20, 3)["features"].values
    )
    start = model.simulate(1, 4, start=[3.0, -1.0])
    assert start.sizes["frame"] == 4
    with pytest.raises(FelError, match="whole numbers"):
        model.simulate(0)


@SEEDS
def test_rivals_are_compared_with_the_data_in_one_table(seed):
    data = double_well(seed)
    small = {"n_steps": 300, "hidden": [32], "batch_size": 512, "seed": seed, "reversible": True}
    propagators = {
        "mixture": MixtureDensityPropagator(lag_time=0.5, n_kernels=6, **small).fit(data, device="cpu"),
        "Langevin": MixtureDensityPropagator(lag_time=0.05, n_kernels=1, **small).fit(data, device="cpu"),
        "linear": LinearPropagator(lag_time=0.5).fit(data),
    }
    found = compare_propagators(data, propagators, 0.5, n_trajectories=20, n_steps=400, seed=seed)
    assert list(found["propagator"].values) == ["MD", *propagators]
    assert np.isfinite(found["time"]).all() and (found["autocorrelation_error"] > 0).all()
    rms = found["free_energy_rms"].to_series()
    # a Gaussian can't have two wells
    assert rms["linear"] > 0.7 > rms["mixture"] and rms["linear"] > 1.5 * rms["Langevin"]
    variation = found["transition_density_variation"].to_series()
    assert variation["linear"] > 1.5 * variation["mixture"]
    time = found["time"].isel(process=0).to_series()
    assert time["linear"] == pytest.approx(time["MD"], rel=0.25)
    assert time["mixture"] == pytest.approx(time["MD"], rel=0.5)


def test_a_lag_that_does_not_divide_is_refused():
    data = ornstein_uhlenbeck(0, 100)[0]
    model = LinearPropagator(lag_time=2.0).fit(data)
    with pytest.raises(FelError, match="does not divide 3"):
        compare_propagators(data, {"linear": model}, 3.0)
    with pytest.raises(FelError, match="No propagators"):
        compare_propagators(data, {}, 2.0)


@SEEDS
def test_new_starts_are_where_propagators_disagree(seed):
    random = np.random.default_rng(seed)
    x = np.concatenate([random.normal(size=3000), 6 + 0.5 * random.normal(size=8)])  # few frames at 6
    data = fel.as_dataset(x[:, None])
    small = {"lag_time": 1.0, "n_steps": 150, "hidden": [32], "batch_size": 256, "n_kernels": 2}
    ensemble = [MixtureDensityPropagator(seed=s, **small).fit(data, device="cpu") for s in range(3)]
    found = propose_starts(ensemble, data, 5, n_candidates=3008)
    assert (found["latent"].values[:, 0] > 3).any()
    np.testing.assert_array_equal(found["latent"].values[:, 0], data["features"].values[found["frame"], 0])
    means = np.stack([model.expected(found["latent"].values) for model in ensemble])
    expected = means.var(axis=0, ddof=1)[:, 0] / x.var()
    np.testing.assert_allclose(found["uncertainty"], expected, rtol=1e-3)
    distances = np.abs(np.subtract.outer(found["latent"].values[:, 0], found["latent"].values[:, 0]))
    assert (distances + np.eye(5) > 0.05).all()  # spread out
    with pytest.raises(FelError, match="can disagree"):
        propose_starts(ensemble[:1], data)


def test_the_mean_of_a_trained_propagator_is_that_of_its_simulation():
    data, _ = ornstein_uhlenbeck(1)
    model = MixtureDensityPropagator(lag_time=1.0, n_steps=100, hidden=[16], n_kernels=3).fit(
        data, device="cpu"
    )
    start = data["features"].values[100]
    drawn = model.simulate(1, 20_000, start=start, device="cpu")["features"].values
    np.testing.assert_allclose(model.expected(start)[0], drawn.mean(axis=0), atol=0.03)
