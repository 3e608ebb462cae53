"""Energies, gradients, known answers and basins, against finite differences, quadrature and ODE solvers."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import fel_explorer.systems as systems
from fel_explorer.errors import FelError

SYSTEMS = list(systems.list_systems().items())
every_system = pytest.mark.parametrize("system", [cls() for _, cls in SYSTEMS], ids=[n for n, _ in SYSTEMS])
ISOLATED = [(name, cls) for name, cls in SYSTEMS if not cls.n_flat]  # the others: test_embedded.py
isolated = pytest.mark.parametrize("system", [cls() for _, cls in ISOLATED], ids=[n for n, _ in ISOLATED])


def hessian(system, x, h=1e-5):
    """By central differences of the gradient."""
    rows = [
        (system.gradient(x + h * e) - system.gradient(x - h * e)) / (2 * h)
        for e in torch.eye(system.dim, dtype=torch.float64)
    ]
    return torch.stack(rows).numpy()


@every_system
def test_the_gradient_is_the_derivative_of_the_energy(system):
    x, h = system.sample(50, seed=1).numpy(), 1e-5
    for axis in range(system.dim):
        step = h * np.eye(system.dim)[axis]
        difference = (system.energy(x + step) - system.energy(x - step)) / (2 * h)
        np.testing.assert_allclose(system.gradient(x)[:, axis], difference, rtol=1e-5, atol=1e-5)


@every_system
def test_the_energy_is_differentiable_by_autograd(system):
    x = system.sample(20, seed=2).requires_grad_()
    (gradient,) = torch.autograd.grad(system.energy(x).sum(), x)
    torch.testing.assert_close(gradient, system.gradient(x.detach()))


@isolated
def test_the_known_minima_are_all_the_minima(system, boltzmann):
    for minimum in system.minima:
        assert system.gradient(minimum).abs().max() < 1e-7
        assert np.linalg.eigvalsh(hessian(system, minimum)).min() > 0
    assert system.basin(system.minima).tolist() == list(range(len(system.minima)))
    x, p = boltzmann(system, 40)
    found = system.basin(x).numpy()
    assert set(found[p > 1e-12]) == set(range(len(system.minima)))


@isolated
def test_descent_from_both_sides_of_a_saddle_reaches_the_two_minima_it_joins(system):
    for saddle, pair in zip(system.saddles, system.saddle_pairs, strict=True):
        assert system.gradient(saddle).abs().max() < 1e-7
        curvature, directions = np.linalg.eigh(hessian(system, saddle))
        assert (curvature[1:] > 0).all()
        way = torch.from_numpy(directions[:, 0] * 0.02)
        assert {int(system.basin(saddle + way)), int(system.basin(saddle - way))} == set(pair)
        assert system.energy(saddle) > max(system.energy(saddle + way), system.energy(saddle - way))


def test_the_barriers_are_those_of_the_literature():
    periodic = systems.PeriodicPotential().barriers() / systems.PeriodicPotential().kT
    neighbours = np.array([[bin(i ^ j).count("1") == 1 for j in range(8)] for i in range(8)])
    np.testing.assert_allclose(periodic[neighbours], 4.0)
    assert np.isinf(periodic[~neighbours]).all()
    original = systems.MullerBrown(scale=1.0)
    np.testing.assert_allclose(original.energy(original.minima), [-146.700, -80.768, -108.167], atol=1e-3)
    np.testing.assert_allclose(original.energy(original.saddles), [-40.665, -72.249], atol=1e-3)
    assert systems.MullerBrown().barriers()[0, 1] == pytest.approx(5.30, abs=0.01)
    assert systems.DoubleWell().barriers()[[0, 1], [1, 0]] == pytest.approx([11.57, 6.68], abs=0.01)


def test_the_second_mode_of_the_double_well_weighs_what_was_published(boltzmann):
    well = systems.DoubleWell()
    x, p = boltzmann(well, 400)
    # By quadrature .00835, the marginal's weight beyond x1 = 0.
    assert p[x[:, 0] > 0].sum() == pytest.approx(0.00835, rel=0.01)


def test_muller_brown_basins_are_those_of_an_ode_solver():
    system = systems.MullerBrown(scale=1.0)
    start = np.random.default_rng(0).uniform([-1.5, -0.4], [1.25, 2.05], (25, 2))
    ends = [
        solve_ivp(lambda _, x: -system.gradient(x).numpy(), (0, 0.5), x, method="LSODA", rtol=1e-6).y[:, -1]
        for x in start
    ]
    distance = np.linalg.norm(np.array(ends)[:, None] - system.minima.numpy(), axis=-1)
    assert distance.min(axis=1).max() < 1e-3
    np.testing.assert_array_equal(system.basin(start), distance.argmin(axis=1))
    assert len(set(distance.argmin(axis=1))) == 3


@isolated
def test_samples_follow_the_boltzmann_distribution(system, boltzmann):
    x, p = boltzmann(system, 40 if system.dim == 3 else 200)
    energy = system.energy(x).numpy()
    populations = np.bincount(system.basin(x), weights=p, minlength=len(system.minima))
    draws = system.sample(5_000, seed=3)
    drawn = system.energy(draws).numpy()
    assert drawn.mean() == pytest.approx((p * energy).sum(), abs=5 * drawn.std() / len(draws) ** 0.5)
    error = 5 * np.sqrt(populations * (1 - populations) / len(draws))
    assert (
        np.abs(np.bincount(system.basin(draws), minlength=len(populations)) / len(draws) - populations)
        < error + 1e-4
    ).all()


@every_system
def test_points_of_another_dimension_are_refused(system):
    with pytest.raises(FelError, match=f"last axis holds {system.dim} coordinates"):
        system.energy(np.zeros((5, system.dim + 1)))


def test_impossible_parameters_are_refused():
    with pytest.raises(FelError, match="positive"):
        systems.DoubleWell(kT=0.0)
    with pytest.raises(FelError, match="scale=-1"):
        systems.MullerBrown(scale=-1)
    with pytest.raises(FelError, match="Raise kT"):
        systems.MullerBrown(kT=1e-9).sample(10)
