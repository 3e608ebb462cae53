"""Eigenfunctions against the generator's spectrum on a grid, TICA, and finite differences."""

import numpy as np
import pytest
import scipy.linalg
import torch
from spectra import correlation, generator_on_a_line, relaxing

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.koopman import ritz
from fel_explorer.methods.slow_modes import eigenfunction_objective as objective
from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets

FAST = {"n_steps": 300, "batch_size": 1000, "learning_rate": 1e-2, "n_dims": 2}
MIXING = np.array([[1.0, 0.4], [0.3, 2.0]])


# ---- the maths


def forms(seed=0, k=4):
    """E and C of k functions, dense, with known generalised eigenproblem."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, 20, k))
    return torch.from_numpy(a.T @ a), torch.from_numpy(b.T @ b)


def test_ritz_is_scipys_generalised_eigenproblem():
    energy, covariance = forms()
    values, vectors = ritz.ritz(energy, covariance)
    expected = scipy.linalg.eigh(energy.numpy(), covariance.numpy(), eigvals_only=True)
    np.testing.assert_allclose(values, expected, rtol=1e-10)
    np.testing.assert_allclose(vectors.T @ covariance @ vectors, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(vectors.T @ energy @ vectors, np.diag(expected), atol=1e-9)


def test_the_resolvent_loss_sees_only_the_space_of_the_functions():
    energy, covariance = forms()
    rates = scipy.linalg.eigh(energy.numpy(), covariance.numpy(), eigvals_only=True)
    expected = -(rates[2] / (rates + rates[2])).sum()
    mixing = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 4)))
    for mixed in (torch.eye(4, dtype=torch.float64), mixing):
        loss = objective.resolvent_loss(mixed.T @ energy @ mixed, mixed.T @ covariance @ mixed)
        assert float(loss) == pytest.approx(expected, rel=1e-6)
    fixed = objective.resolvent_loss(energy, covariance, torch.tensor(0.3))
    assert float(fixed) == pytest.approx(-(0.3 / (rates + 0.3)).sum(), rel=1e-6)


def test_the_published_loss_orders_functions_before_it_weighs_them():
    energy, covariance = torch.diag(torch.tensor([6.0, 1.0])).double(), torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    omega = torch.tensor([1.0, 0.5]).double()
    loss = objective.penalty_loss(energy, covariance.double(), omega, 20.0)
    assert float(loss) == pytest.approx(1.0 * 1 + 0.5 * 3 + 20 * (1.0 + 0.25))


def test_the_published_loss_of_the_transfer_operator_is_the_mean_square_step():
    random = np.random.default_rng(0)
    f, later = random.normal(size=(2, 50, 2))
    forms = objective.transfer_forms(*map(torch.from_numpy, (f, later, np.ones(50))), 5.0)
    omega = torch.tensor([1.0, 0.5]).double()
    loss = objective.transfer_penalty_loss(*forms, omega, 20.0, 5.0)
    covariance = np.cov(np.concatenate([f, later]).T, ddof=0)
    printed = 0.5 * (np.array([1.0, 0.5]) * ((later - f) ** 2).mean(0)).sum()
    assert float(loss) == pytest.approx(
        printed + 20 * np.square(np.triu(covariance - np.eye(2))).sum(), rel=1e-6
    )
    method = fel.Eigenfunctions(loss="penalty", lag_time=5.0, n_dims=2, omega=[1.0, 0.5])
    assert float(method.objective(*forms)) == pytest.approx(float(loss), rel=1e-9)


def test_the_figure_of_merit_is_the_sum_of_squares_on_its_own_data_and_less_on_others():
    own, other, c = forms(0), forms(1), torch.tensor(0.7)
    rates = scipy.linalg.eigh(own[0].numpy(), own[1].numpy(), eigvals_only=True)
    merit = float(objective.figure_of_merit(own, own, c))
    assert merit == pytest.approx(((0.7 / (rates + 0.7)) ** 2).sum(), rel=1e-6)
    assert float(objective.figure_of_merit(own, other, c)) < float(objective.figure_of_merit(other, other, c))


def test_gradients_of_all_functions_are_finite_differences():
    nets = EigenfunctionNets(3, [5, 5], 2, torch.Generator().manual_seed(0)).double()
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 3)))
    values, gradients = nets.values_and_gradients(x)
    np.testing.assert_allclose(values.detach(), nets(x).detach())
    step = 1e-5 * torch.eye(3, dtype=torch.float64)
    for i in range(3):
        difference = (nets(x + step[i]) - nets(x - step[i])).detach() / 2e-5
        np.testing.assert_allclose(gradients[:, :, i].detach(), difference, atol=1e-8)


def test_forms_are_weighted_moments():
    random = np.random.default_rng(0)
    f, later, g = random.normal(size=(50, 2)), random.normal(size=(50, 2)), random.normal(size=(50, 2, 3))
    w, a = random.exponential(size=50), np.array([1.0, 2.0, 3.0])
    gamma = objective.carre_du_champ(torch.from_numpy(g), torch.from_numpy(a))
    energy, covariance = objective.generator_forms(*map(torch.from_numpy, (f,)), gamma, torch.from_numpy(w))
    np.testing.assert_allclose(energy, np.einsum("n,nic,c,njc->ij", w / w.sum(), g, a, g))
    np.testing.assert_allclose(covariance, np.cov(f.T, aweights=w, ddof=0))
    energy, _ = objective.transfer_forms(*map(torch.from_numpy, (f, later, w)), 5.0)
    step = later - f
    np.testing.assert_allclose(energy, np.einsum("n,ni,nj->ij", w / w.sum(), step, step) / 2 / 5.0)


def test_the_jackknife_of_a_rate_is_the_spread_over_repeated_data():
    rates, errors = [], []
    for seed in range(40):
        x = torch.from_numpy(relaxing([3.0], 2000, seed))
        pairs = x[:-1], x[1:]

        def rate(weight, pairs=pairs):
            return objective.transfer_forms(*pairs, weight, 1.0)

        weight = torch.ones(1999, dtype=torch.float64)
        rates.append(float(ritz.ritz(*rate(weight))[0]))
        errors.append(float(ritz.ritz_error(rate, weight, 1)))
    assert np.mean(errors) == pytest.approx(np.std(rates), rel=0.3)


# ---- the method


@pytest.fixture(scope="module")
def well():
    """Equilibrium samples of the double well at kT = 4, without order."""
    return fel.systems.DoubleWell(kT=4.0).sample(20_000, seed=0).numpy()


@pytest.fixture(scope="module")
def exact():
    return generator_on_a_line(lambda x: x**4 / 4 - 3 * x**2 + x, -6, 6, kT=4.0, diffusion=4.0)


@pytest.mark.parametrize("loss", ["resolvent", "penalty"])
def test_rates_and_modes_of_the_double_well_are_those_of_its_generator(well, exact, loss):
    grid, rates, modes = exact
    method = fel.Eigenfunctions(operator="generator", diffusion=[4.0], loss=loss, **FAST).fit(
        well, device="cpu"
    )
    assert method.eigenvalues_[0] == pytest.approx(rates[0], rel=0.08)
    psi = method.transform(well).values
    assert correlation(psi[:, 0], np.interp(well[:, 0], grid, modes[:, 0])) > 0.99
    np.testing.assert_allclose(psi.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(psi.T), np.eye(2), atol=1e-2)
    assert psi[well[:, 0] > 2, 0].mean() > 0  # the rare well
    np.testing.assert_allclose(method.implied_timescales_, 1 / method.eigenvalues_)
    assert 0 < method.eigenvalue_errors_[0] < 0.1 * rates[0]
    late = fel.methods.late_rates(method)
    last = method.history["rate_1"].values[-round(method.history.sizes["step"] / 5) :]
    np.testing.assert_allclose([late["rate"][0], late["spread"][0]], [last.mean(), last.std()], rtol=1e-4)
    assert float(late["rate"][0]) == pytest.approx(rates[0], rel=0.1)
    with pytest.raises(FelError, match="hold 0 rates"):
        fel.methods.late_rates(fel.PCA().fit(well))


def test_weights_undo_a_bias(exact):
    x = fel.systems.DoubleWell(kT=12.0).sample(20_000, seed=1).numpy()
    energy = fel.systems.DoubleWell().energy(x).numpy()
    weights = np.exp(-energy * (1 / 4 - 1 / 12))
    data = fel.as_dataset(x, weights=weights)
    method = fel.Eigenfunctions(operator="generator", diffusion=[4.0, 4.0], **FAST).fit(data, device="cpu")
    assert method.eigenvalues_[0] == pytest.approx(exact[1][0], rel=0.08)


def test_the_transfer_operator_has_the_generators_rates():
    data = fel.systems.DoubleWell(kT=4.0).simulate(20_000, 20, stride=50, seed=0, device="cpu")
    rates = generator_on_a_line(lambda x: x**4 / 4 - 3 * x**2 + x, -6, 6, kT=4.0, diffusion=4.0)[1]
    lag_time = 4 * data.attrs["time_step"]
    method = fel.Eigenfunctions(lag_time=lag_time, **FAST).fit(data, device="cpu")
    assert method.eigenvalues_[0] == pytest.approx(rates[0], rel=0.1)
    assert abs(method.eigenvalues_[0] - rates[0]) < 4 * method.eigenvalue_errors_[0]


def test_linear_functions_are_tica():
    data = fel.as_dataset(relaxing([80, 10], 5000) @ MIXING, time_step=2.0)
    method = fel.Eigenfunctions(lag_time=20.0, n_dims=2, hidden=[], n_steps=2).fit(data, device="cpu")
    tica = fel.TICA(lag_time=20.0, n_dims=2).fit(data)
    np.testing.assert_allclose(method.implied_timescales_, tica.implied_timescales_, rtol=1e-4)


def test_linear_functions_of_a_harmonic_oscillator_decay_at_d_over_variance():
    x = np.random.default_rng(0).normal(size=(2000, 2)) * [3.0, 0.5] + 7.0
    options = {"operator": "generator", "n_dims": 2, "hidden": [], "n_steps": 2, "diffusion": [2.0, 0.1]}
    method = fel.Eigenfunctions(**options).fit(x, device="cpu")
    exact = scipy.linalg.eigh(np.diag([2.0, 0.1]), np.cov(x.T, ddof=0), eigvals_only=True)
    np.testing.assert_allclose(method.eigenvalues_, exact, rtol=1e-4)


def test_the_generator_of_features_that_are_not_coordinates_is_refused():
    periodic = fel.systems.PeriodicPotential().simulate(100, 4, device="cpu")
    molecular = fel.as_dataset(np.random.default_rng(0).normal(size=(9, 2)))
    molecular.attrs["topology"] = "ATOM"
    for data in (periodic, molecular):
        with pytest.raises(FelError, match="operator='transfer'"):
            fel.Eigenfunctions(operator="generator").fit(data, device="cpu")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"diffusion": [1.0, 2.0, 3.0]}, "one for each: 2"),
        ({"diffusion": [-1.0]}, "positive diffusion"),
        ({"loss": "penalty", "omega": [1.0]}, "one positive weight for each"),
        ({"loss": "penalty", "omega": [0.5, 1.0, 1.0]}, "none is larger"),
    ],
)
def test_settings_that_do_not_fit_are_told(options, message):
    with pytest.raises(FelError, match=message):
        fel.Eigenfunctions(operator="generator", **options).fit(relaxing([3, 2], 50), device="cpu")
