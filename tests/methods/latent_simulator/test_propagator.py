"""The propagator against linear processes with known answers, scipy and its own simulations."""

import numpy as np
import pytest
import scipy.stats
import torch
from spectra import relaxing

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.latent_simulator.mixture_network import Mixture, MixtureNetwork
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator

FAST = {"n_steps": 60, "learning_rate": 1e-3, "n_kernels": 3, "hidden": [16], "batch_size": 512}


@pytest.fixture(scope="module")
def latents():
    x = relaxing([50, 20], 6_000)
    return fel.as_dataset(x * [1.0, 3.0] + [5.0, -2.0], time_step=0.5, feature_names=["psi 1", "psi 2"])


@pytest.fixture(scope="module")
def propagator(latents):
    return MixtureDensityPropagator(lag_time=5.0, **FAST).fit(latents, device="cpu")


def random_mixture(dim, n=4, kernels=3):
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.ones(kernels), n)
    means, widths = random.normal(size=(n, kernels, dim)), random.uniform(0.2, 2, (n, kernels, dim))
    tensors = (torch.from_numpy(a) for a in (np.log(weights), means, widths))
    return Mixture(*tensors), weights, means, widths


def test_the_likelihood_is_that_of_scipys_normals():
    mixture, weights, means, widths = random_mixture(2)
    y = np.random.default_rng(1).normal(size=(4, 2))
    expected = [
        np.log(
            sum(
                w * scipy.stats.multivariate_normal.pdf(point, m, np.diag(s**2))
                for w, m, s in zip(weights[i], means[i], widths[i], strict=True)
            )
        )
        for i, point in enumerate(y)
    ]
    np.testing.assert_allclose(mixture.log_likelihood(torch.from_numpy(y)), expected, rtol=1e-10)


def test_draws_follow_the_mixture_and_its_distribution_function():
    mixture, *_ = random_mixture(1, n=1)
    many = Mixture(*(t.expand(20_000, *t.shape[1:]) for t in vars(mixture).values()))
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(20_000, 1, generator=generator, dtype=torch.float64)
    normal = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    drawn = many.draw(uniform, normal)[:, 0].numpy()
    known = scipy.stats.kstest(drawn, lambda y: mixture.cumulative(torch.from_numpy(y))[0].numpy())
    assert known.pvalue > 0.01


def test_untrained_it_is_the_linear_process(latents):
    x = torch.from_numpy(relaxing([50, 20], 6_000)).float()
    network = MixtureNetwork(2, 3, [16], "residual", torch.Generator().manual_seed(0))
    network.set_data(x[:-10], x[10:], x.min(0).values, x.max(0).values)
    with torch.no_grad():
        for parameter in network.net.parameters():
            parameter.zero_()
        mixture = network(x)
    decay = np.exp(-10 / np.array([50, 20]))
    np.testing.assert_allclose(network.matrix.diagonal(), decay, atol=0.03)
    np.testing.assert_allclose(mixture.means[:, 1], network.linear(x))
    np.testing.assert_allclose(mixture.widths[0, 0], np.sqrt(1 - decay**2), rtol=0.1)


@pytest.mark.parametrize("reversible", [False, True])
def test_simulations_have_the_time_scales_and_the_distribution_of_the_process(latents, reversible):
    options = {**FAST, "n_steps": 300, "reversible": reversible}
    propagator = MixtureDensityPropagator(lag_time=5.0, **options).fit(latents, device="cpu")
    simulated = propagator.simulate(400, 300, seed=1, device="cpu")
    z = simulated["features"].values.reshape(300, 400, 2)[:, 50:]
    data = latents["features"].values
    np.testing.assert_allclose(z.mean((0, 1)), data.mean(0), atol=0.3 * data.std(0).max())
    np.testing.assert_allclose(z.std((0, 1)), data.std(0), rtol=0.12)
    deviation = z - z.mean((0, 1))
    decay = (deviation[:, 1:] * deviation[:, :-1]).mean((0, 1)) / (deviation**2).mean((0, 1))
    centred = data - data.mean(0)
    observed = (centred[10:] * centred[:-10]).mean(0) / (centred**2).mean(0)
    np.testing.assert_allclose(decay, observed, atol=0.04)


def test_the_bounded_form_keeps_its_means_inside_the_data(latents):
    propagator = MixtureDensityPropagator(lag_time=5.0, form="bounded", **FAST).fit(latents, device="cpu")
    low, high = propagator._network.low, propagator._network.high
    means = propagator._network(10 * torch.randn(50, 2)).means
    assert (means >= low).all() and (means <= high).all()


def test_a_simulation_is_a_dataset_within_the_data(propagator, latents):
    simulated = propagator.simulate(30, 4, device="cpu")
    fel.data.schema.validate(simulated)
    assert simulated.sizes["frame"] == 120 and simulated.attrs["time_step"] == 5.0
    assert list(simulated["feature"].values) == ["psi 1", "psi 2"]
    features = latents["features"].values
    far = propagator.simulate(30, 1, start=[100.0, 100.0], device="cpu")
    for z in (simulated, far):
        assert (z["features"] >= features.min(0)).all() and (z["features"] <= features.max(0)).all()
    assert far.attrs["clipped"] < 1


def test_simulations_repeat_by_seed_and_start_where_told(propagator):
    first, again = (propagator.simulate(50, 3, seed=7, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(first["features"], again["features"])
    other = propagator.simulate(50, 3, seed=8, device="cpu")
    assert not np.array_equal(first["features"], other["features"])
    near = propagator.simulate(1, 500, start=[5.0, -2.0], device="cpu")["features"].values
    assert np.abs(near.mean(0) - [5.0, -2.0]).max() < 0.5


def test_a_simulation_reports_and_stops(propagator):
    seen = []
    done = propagator.simulate(100_000, 2, device="cpu", callback=lambda p: seen.append(p) or len(seen) == 2)
    assert done.sizes["frame"] == 2 * seen[-1].step < 200_000
    assert seen[0].n_steps == 100_000 and seen[0].eta > 0


def test_the_stationary_density_is_what_long_simulations_visit():
    x = relaxing([30], 20_000)
    x = np.where(x > 0, x + 1, x - 1)  # two wells
    options = {**FAST, "n_steps": 200, "hidden": [32]}
    propagator = MixtureDensityPropagator(lag_time=10.0, **options).fit(x, device="cpu")
    density = propagator.stationary_density(200)
    width = float(density["x"][1] - density["x"][0])
    assert float(density.sum()) * width == pytest.approx(1)
    z = propagator.simulate(300, 500, device="cpu")["features"].values.reshape(500, 300)[:, 100:]
    edges = np.r_[density["x"].values - width / 2, density["x"].values[-1] + width / 2]
    found = np.histogram(z, edges)[0] / z.size
    assert 0.5 * np.abs(found - density.values * width).sum() < 0.06
    matrix = propagator.transition_matrix(edges)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


def test_it_is_a_file_of_its_own_kind(propagator, tmp_path):
    propagator.save(tmp_path / "p.fel")
    loaded = MixtureDensityPropagator.load(tmp_path / "p.fel")
    first, second = (p.simulate(20, 2, seed=3, device="cpu")["features"] for p in (propagator, loaded))
    np.testing.assert_array_equal(first, second)
    assert loaded.log_likelihood(first) == propagator.log_likelihood(first)
    with pytest.raises(FelError, match=r"MixtureDensityPropagator\.load"):
        fel.load_model(tmp_path / "p.fel")
    assert "MixtureDensityPropagator" not in fel.list_methods()


def test_what_can_not_be_simulated_is_told(propagator):
    with pytest.raises(FelError, match="n_steps=0"):
        propagator.simulate(0)
    with pytest.raises(FelError, match="start of shape"):
        propagator.simulate(1, start=[1.0])
    with pytest.raises(FelError, match="one latent"):
        propagator.stationary_density()
    with pytest.raises(FelError, match="not fitted"):
        MixtureDensityPropagator().simulate(1)
