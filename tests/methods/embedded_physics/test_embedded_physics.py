"""Embedded physics against quadrature, Gaussians with known answers, and the published formulas."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from fel_explorer.errors import FelError
from fel_explorer.methods import EmbeddedPhysics
from fel_explorer.methods.embedded_physics import density as latent_density
from fel_explorer.methods.embedded_physics import method as embedded_physics
from fel_explorer.methods.embedded_physics.density import LatentDensity
from fel_explorer.methods.embedded_physics.target import Target, coordinates_of
from fel_explorer.systems import DoubleWell, PeriodicPotential
from fel_explorer.systems.potential import Potential

VARIANCES = (0.5, 2.0)
SMALL = {"n_dims": 1, "hidden": [16], "batch_size": 200, "n_steps": 200}


class Harmonic(Potential):
    """U = sum x_i^2 / (2 variance_i), in kT = 1."""

    coordinate_names = ("a", "b")
    domain = ((-6.0, 6.0), (-8.0, 8.0))

    def __init__(self, *, kT: float = 1.0):
        super().__init__(kT=kT)

    def energy(self, x):
        return (torch.as_tensor(x) ** 2 / (2 * torch.tensor(VARIANCES))).sum(-1)


def density(n_dims=1, dim=2, period=0.0, hidden=(8,), seed=0, width=0.7, **options):
    generator = torch.Generator().manual_seed(seed)
    values = [torch.full((dim,), v) for v in (0.3, 1.5, period, width)]
    return LatentDensity(n_dims, *values, generator, hidden=hidden, **options).double()


def grid(system, n=150):
    """Cell centres (cell, 2) of the system's box and the volume of a cell."""
    axes = [low + (high - low) * (np.arange(n) + 0.5) / n for low, high in system.domain]
    volume = np.prod([(high - low) / n for low, high in system.domain])
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2), float(volume)


@pytest.fixture(scope="module")
def gaussian():
    return EmbeddedPhysics(Harmonic(), **SMALL | {"n_steps": 300, "learning_rate": 0.02}).fit(device="cpu")


@pytest.fixture(scope="module")
def double_well():
    """A short fit: rough, but its weights must be right all the same."""
    with pytest.warns(UserWarning, match="dropped a mode or is too narrow"):
        return EmbeddedPhysics(DoubleWell(), **SMALL, seed=1).fit(device="cpu")


# ---- the density


@pytest.mark.parametrize("n_dims", [1, 2])
def test_a_linear_decoder_makes_a_gaussian_whose_density_and_posterior_are_known(n_dims):
    model = density(n_dims, dim=3, hidden=())
    weight = 1.5 * model.decoder[0].weight.detach().numpy()
    mean = 0.3 + 1.5 * model.decoder[0].bias.detach().numpy()
    covariance = weight @ weight.T + 0.49 * np.eye(3)
    x = np.random.default_rng(0).multivariate_normal(mean, covariance, 50)
    with torch.no_grad():
        log_q, z = model.log_prob(torch.as_tensor(x)), model.encode(torch.as_tensor(x))
    np.testing.assert_allclose(log_q, multivariate_normal(mean, covariance).logpdf(x), atol=1e-3)
    expected = (x - mean) @ np.linalg.solve(covariance, weight)
    np.testing.assert_allclose(z, expected, atol=2e-3)


def test_draws_follow_the_density():
    model = density()
    with torch.no_grad():
        z, x = model.draw(40_000, torch.Generator().manual_seed(1))
        assert float(z.std()) == pytest.approx(1.0, abs=1e-3)  # stratified
        # E_q[f / q] is the volume where f = 1
        inside = ((x - 0.3).abs() < 1.0).all(1)
        volume = (inside / model.log_prob(x).exp()).mean()
    assert float(volume) == pytest.approx(4.0, rel=0.03)


def test_periodic_coordinates_have_a_periodic_density_of_integral_one():
    period = 3.0
    model = density(dim=1, period=period, width=5.0)  # wider than the widest
    x = torch.linspace(0, period, 301, dtype=torch.float64)[:-1, None]
    with torch.no_grad():
        log_q = model.log_prob(x)
        torch.testing.assert_close(model.log_prob(x + 7 * period), log_q)
        assert float(log_q.exp().mean() * period) == pytest.approx(1.0, abs=1e-6)
        z = torch.zeros(300, 1, dtype=torch.float64)
        one = model.log_conditional(x, model.mean(z))
    assert float(one.exp().mean() * period) == pytest.approx(1.0, abs=1e-6)


def test_all_nodes_together_are_the_mixture_that_the_density_says():
    """`log_prob` takes plain coordinates by one product and periodic ones by their own function."""
    model = density(2, dim=3, period=0.0)
    model.period = torch.tensor([0.0, 2.0, 5.0], dtype=torch.float64)
    model.widest = 0.25 * model.period
    model._list_turns()
    x = 4.0 * torch.rand(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parts = model.log_conditional(x[:, None], model.mean(model.nodes)[None])
    expected = torch.logsumexp(model.log_weights + parts, 1)
    torch.testing.assert_close(model.log_prob(x), expected)
    names = ["log_sigma", "decoder.0.weight"]
    parameters = [dict(model.named_parameters())[name] for name in names]
    found = torch.autograd.grad(model.log_prob(x).sum(), parameters)
    for gradient, other in zip(found, torch.autograd.grad(expected.sum(), parameters), strict=True):
        torch.testing.assert_close(gradient, other)


def test_carried_turns_start_once_around_evenly_and_with_little_noise():
    period = 2 * np.pi
    model = density(2, dim=3, period=period, carried=[2, 1])
    with torch.no_grad():
        model.decoder[-1].weight.zero_()
        z, _ = model.draw(4000, torch.Generator().manual_seed(0))
        mean = model.mean(z) - 0.3 - 1.5 * model.decoder[-1].bias
    for column, cv in ((2, 0), (1, 1)):
        order = torch.argsort(z[:, cv])
        expected = period * ((torch.arange(4000) + 0.5) / 4000 - 0.5)
        torch.testing.assert_close(mean[order, column], expected.double(), atol=2e-3, rtol=0)
    assert float(mean[:, 0].abs().max()) < 1e-6
    with torch.no_grad():
        model.log_sigma.fill_(5.0)
    np.testing.assert_allclose(model.sigma().detach() / period, [0.25, 0.08, 0.08], rtol=1e-3)


def test_a_narrowed_copy_has_less_noise_where_it_is_told():
    model = density(dim=3)
    narrow = model.narrow(torch.tensor([True, False, True]), 0.5)
    np.testing.assert_allclose((narrow.sigma() / model.sigma()).detach(), [0.5, 1.0, 0.5])
    np.testing.assert_allclose(model.sigma().detach(), 0.7)


def test_the_encoder_bounds_the_density_from_both_sides():
    model = density(encoder_hidden=(8,))
    with torch.no_grad():
        z, x = model.draw(20_000, torch.Generator().manual_seed(2))
        exact = model.log_prob(x).mean()
        above = model.log_joint(z, x).mean()
        below = model.lower_bound(x, torch.Generator().manual_seed(3)).mean()
    assert below < exact < above


def test_more_than_two_dimensions_are_estimated_by_the_encoder(monkeypatch):
    monkeypatch.setattr(latent_density, "DRAWS", 2000)  # this encoder is not trained
    model = density(3, dim=3, hidden=(), encoder_hidden=(), width=2.0)
    weight = 1.5 * model.decoder[0].weight.detach().numpy()
    mean = 0.3 + 1.5 * model.decoder[0].bias.detach().numpy()
    exact = multivariate_normal(mean, weight @ weight.T + 4.0 * np.eye(3))
    x = exact.rvs(40, random_state=0)
    with torch.no_grad():
        log_q = model.log_prob(torch.as_tensor(x))
    assert not model.exact
    error = log_q.numpy() - exact.logpdf(x)
    assert abs(error).max() < 0.6 and abs(error.mean()) < 0.05


# ---- the target and its gradients


def test_gradients_are_the_systems_and_long_ones_are_shortened():
    system = DoubleWell(kT=2.0)
    target = Target(system, 2.0, coordinates_of(system, 2.0, None, ()), "cpu")
    x = torch.tensor([[-2.0, 1.0], [0.5, -1.0], [4.0, 2.0]], dtype=torch.float64, requires_grad=True)
    values, energy = target.differentiable(x, 0.3, kappa=1.2)
    (gradients,) = torch.autograd.grad(values.sum(), x)
    exact = 0.3 * system.gradient(x).detach() / 2.0
    norms = exact.norm(dim=1)
    expected = exact * (1.2 * norms.mean() / norms).clamp(max=1)[:, None]
    assert float(expected.norm(dim=1).max()) < float(norms.max())  # one is shortened
    torch.testing.assert_close(gradients, expected)
    torch.testing.assert_close(energy, system.energy(x).detach() / 2.0)
    torch.testing.assert_close(values.detach(), 0.3 * energy)


def test_outside_the_box_walls_rise_at_every_temperature():
    system = DoubleWell()
    target = Target(system, 1.0, coordinates_of(system, 1.0, None, ()), "cpu")
    edge = torch.tensor([[6.5, 0.0]], dtype=torch.float64)
    for beta in (1e-10, 1.0):
        at_edge, beyond = (target.log_density(p, beta)[0] for p in (edge, edge + torch.tensor([[0.5, 0.0]])))
        assert float(at_edge - beyond) == pytest.approx(500.0)


def test_a_period_has_no_walls():
    system = PeriodicPotential()
    target = Target(system, system.kT, coordinates_of(system, system.kT, None, ()), "cpu")
    x = torch.rand(10, 3, dtype=torch.float64)
    torch.testing.assert_close(target.log_density(x)[0], target.log_density(x + 4 * np.pi)[0])


# ---- fits


def test_a_gaussian_is_recovered(gaussian):
    x, volume = grid(gaussian.system)
    log_p = multivariate_normal(np.zeros(2), np.diag(VARIANCES)).logpdf(x)
    divergence = (np.exp(log_p) * volume * (log_p - gaussian.log_q(x))).sum()
    assert 0 <= divergence < 5e-3
    assert gaussian.log_partition_ == pytest.approx(np.log(2 * np.pi * np.prod(VARIANCES) ** 0.5), abs=0.01)
    assert gaussian.effective_sample_size_ > 0.98
    assert gaussian.coverage_ > 0.999
    late = gaussian.history.isel(step=slice(-50, None))
    assert float(late["kl_reverse"].mean()) == pytest.approx(0.0, abs=0.02)
    assert float(late["kl_forward"].mean()) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("weights", ["energy", "model"])
def test_another_temperature_scales_a_gaussians_variance(gaussian, weights):
    x, _, log_weight = gaussian.draw(40_000, temperature=0.7, weights=weights, seed=5)
    weight = np.exp(log_weight - log_weight.max())
    variance = (weight[:, None] * x**2).sum(0) / weight.sum()
    np.testing.assert_allclose(variance, 0.7 * np.array(VARIANCES), rtol=0.04)


def test_weights_by_the_model_are_powers_of_its_density(gaussian):
    x, _, log_weight = gaussian.draw(100, temperature=2.0, weights="model")
    np.testing.assert_allclose(log_weight, -0.5 * gaussian.log_q(x), atol=1e-5)


def test_the_density_is_normalised(double_well):
    x, volume = grid(double_well.system, 300)
    assert np.exp(double_well.log_q(2 * x)).sum() * 4 * volume == pytest.approx(1.0, abs=1e-3)


def test_weights_correct_a_rough_model(double_well):
    system = double_well.system
    x, volume = grid(system, 300)
    p = np.exp(-system.energy(x).numpy())
    assert double_well.log_partition_ == pytest.approx(np.log(p.sum() * volume), abs=0.05)
    drawn, _, log_weight = double_well.draw(40_000)
    weight = np.exp(log_weight)
    mean = (weight * drawn[:, 0]).sum() / weight.sum()
    assert mean == pytest.approx((p * x[:, 0]).sum() / p.sum(), abs=0.05)
    inside = (np.abs(drawn) < 6).all(1)
    expected = -system.energy(drawn).numpy() - double_well.log_q(drawn)
    np.testing.assert_allclose(log_weight[inside], expected[inside], atol=1e-3)


def test_decoding_is_the_mean_and_noise_has_its_width(gaussian):
    z = np.full((20_000, 1), 0.4)
    mean, drawn = gaussian.decode(z[:1]), gaussian.decode(z, noise=True)
    np.testing.assert_allclose(drawn.mean(0), mean[0], atol=0.05)
    np.testing.assert_allclose(drawn.std(0), gaussian._network.sigma().detach(), rtol=0.03)
    assert gaussian.encode(drawn[:7]).shape == (7, 1)


def test_the_published_schedule_cools_step_by_step():
    options = {"schedule": "adaptive", "posterior": "encoder", "beta_start": 1e-10, "encoder_hidden": [16]}
    model = EmbeddedPhysics(Harmonic(), **SMALL | options, steps_per_temperature=2)
    with pytest.warns(UserWarning, match="tempering ended at"):
        model.fit(device="cpu")
    steps = np.diff(model.history["beta"])
    assert (steps >= 0).all() and 0 < steps.max() <= 1e-3 + 1e-6
    assert float(model.history["beta"][0]) == pytest.approx(1e-10)
    assert np.isfinite(model.history["loss"]).all()
    assert model.encode(model.sample(5)).shape == (5, 1)


def test_hot_models_are_pooled():
    seen = []
    model = EmbeddedPhysics(Harmonic(), **SMALL | {"n_steps": 22}, n_restarts=3)
    with pytest.warns(UserWarning):
        model.fit(device="cpu", callback=seen.append)
    assert seen[-1].step == seen[-1].n_steps == 3 * 6 + 16
    assert list(model.history["step"].values) == list(range(1, 23))


def test_a_callback_ends_the_fit_and_the_model_stays_usable():
    model = EmbeddedPhysics(Harmonic(), **SMALL)
    with pytest.warns(UserWarning, match="dropped a mode or is too narrow"):
        model.fit(device="cpu", callback=lambda progress: True)
    assert model.history.sizes["step"] == 1
    assert model.sample(3).shape == (3, 2)


@pytest.mark.parametrize("options", [{"n_restarts": 2}, {"schedule": "adaptive", "beta_start": 0.2985}])
@pytest.mark.parametrize("stop", [14, 25])  # the second hot model, the cooling
@pytest.mark.filterwarnings("ignore:The model holds", "ignore:The tempering ended")
def test_a_stopped_fit_resumes_to_the_same_numbers(options, stop, tmp_path, monkeypatch):
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 500)
    monkeypatch.setattr(embedded_physics, "MIN_ESS", 0)
    options = SMALL | {"n_steps": 33, "steps_per_temperature": 4} | options
    whole = EmbeddedPhysics(Harmonic(), **options).fit(device="cpu")
    first = EmbeddedPhysics(Harmonic(), **options)
    first.fit(device="cpu", callback=lambda progress: progress.step >= stop, checkpoint_dir=tmp_path)
    resumed = EmbeddedPhysics(Harmonic(), **options).fit(device="cpu", checkpoint_dir=tmp_path)
    assert resumed.history.identical(whole.history)
    assert resumed.log_partition_ == whole.log_partition_ and resumed.coverage_ == whole.coverage_
    np.testing.assert_array_equal(resumed.sample(20), whole.sample(20))


def test_a_checkpoint_of_another_system_is_refused(tmp_path):
    options = SMALL | {"n_steps": 11}
    with pytest.warns(UserWarning):
        EmbeddedPhysics(Harmonic(), **options).fit(device="cpu", checkpoint_dir=tmp_path)
    with pytest.raises(FelError, match="another fit: system differ"):
        EmbeddedPhysics(Harmonic(kT=2.0), **options).fit(device="cpu", checkpoint_dir=tmp_path)


def test_files_hold_the_model_and_its_system(double_well, tmp_path):
    double_well.save(tmp_path / "well.fel")
    loaded = EmbeddedPhysics.load(tmp_path / "well.fel")
    for first, second in zip(double_well.draw(50), loaded.draw(50), strict=True):
        np.testing.assert_array_equal(first, second)
    assert type(loaded.system) is DoubleWell
    assert loaded.hyperparameters() == double_well.hyperparameters()
    assert loaded.coverage_ == double_well.coverage_
    assert loaded.history.equals(double_well.history)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_model(dtype):
    models = []
    for seed in (3, 3, 4):
        with pytest.warns(UserWarning):
            options = SMALL | {"n_steps": 8, "dtype": dtype, "seed": seed}
            models.append(EmbeddedPhysics(Harmonic(), **options).fit(device="cpu"))
    samples = [model.sample(20, seed=0) for model in models]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert not np.allclose(samples[0], samples[2])


def test_what_does_not_fit_is_said(gaussian):
    with pytest.raises(FelError, match="system=None"):
        EmbeddedPhysics().fit()
    with pytest.raises(FelError, match="model system or a ForceField"):
        EmbeddedPhysics("water").fit()
    with pytest.raises(FelError, match="posterior='encoder'"):
        EmbeddedPhysics(Harmonic(), n_dims=3).fit()
    with pytest.raises(FelError, match="not fitted"):
        EmbeddedPhysics(Harmonic()).sample(3)
    with pytest.raises(FelError, match="'energy' or 'model'"):
        gaussian.draw(3, weights="none")
    with pytest.raises(FelError, match="positive"):
        gaussian.draw(3, temperature=0.0)
    with pytest.raises(FelError, match=r"\(sample, 2\)"):
        gaussian.encode(np.zeros((3, 5)))
    with pytest.raises(FelError, match=r"\(sample, 1\)"):
        gaussian.decode(np.zeros((3, 2)))
    with pytest.raises(FelError, match="At least one"):
        gaussian.sample(0)


def test_hot_samples_without_weight_judge_nothing(monkeypatch):
    monkeypatch.setattr(embedded_physics, "MIN_ESS", 10**9)
    model = EmbeddedPhysics(Harmonic(), **SMALL | {"n_steps": 8}).fit(device="cpu")  # does not warn
    assert np.isnan(model.coverage_)
