"""Landscapes hidden in five dimensions, and shots, against quadrature, the literature and mechanics."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import fel_explorer.systems as systems
from fel_explorer.errors import FelError

MULLER_BROWN, THREE_WELL = systems.MullerBrown5D(), systems.ThreeWell5D()
both = pytest.mark.parametrize("system", [MULLER_BROWN, THREE_WELL], ids=["MullerBrown5D", "ThreeWell5D"])


def test_minima_and_barriers_are_those_of_the_paper():
    # Minimised numerically, and the barriers that Sun et al. (2022) name: .9 and .6 eV; 1.2 eV and more.
    assert MULLER_BROWN.energy(MULLER_BROWN.minima).tolist() == pytest.approx([-1.272, -0.938], abs=1e-3)
    assert MULLER_BROWN.barriers()[[0, 1], [1, 0]] == pytest.approx([0.92, 0.586], abs=1e-3)
    barriers = THREE_WELL.barriers()
    assert barriers[[0, 1, 2, 0], [2, 2, 0, 1]] == pytest.approx([1.174, 1.174, 0.263, 1.305], abs=1e-3)


def test_the_energy_is_the_printed_formula():
    x = np.random.default_rng(0).uniform(-40, 40, (20, 5))
    a, b = np.sqrt(x[:, 0] ** 2 + x[:, 1] ** 2 + 1e-7 * x[:, 4] ** 2), np.hypot(x[:, 2], x[:, 3])
    kcal, expected = 0.04337209302, 0.0
    for A, al, be, ga, i, j in zip(
        (-200, -100, -170, 15),
        (-1, -1, -6.5, 0.7),
        (0, 0, 11, 0.6),
        (-10, -10, -6.5, 0.7),
        (1, 0, -0.5, -1),
        (0, 0.5, 1.5, 1),
        strict=True,
    ):
        dx, dy = a - (i * 16 + 32), b - (j * 16 + 8)
        expected += A * kcal * 0.2 * np.exp((al * dx**2 + be * dx * dy + ga * dy**2) / 256)
    np.testing.assert_allclose(MULLER_BROWN.energy(x), expected, rtol=1e-10)


@both
def test_stationary_points_have_as_many_flat_directions_as_said(system):
    for points, unstable in ((system.minima, 0), (system.saddles, 1)):
        for point in points:
            assert system.gradient(point).abs().max() < 1e-9
            curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(system.energy, point))
            assert (curvature < -1e-3).sum() == unstable
            assert (curvature.abs() < 1e-3).sum() == system.n_flat


@both
def test_points_above_the_plane_come_back_to_it(system):
    p = torch.tensor([[7.0, 9.0], [12.0, 4.0]], dtype=torch.float64)
    lifted = system.lift_randomly(p, torch.Generator().manual_seed(0))
    torch.testing.assert_close(system.plane(lifted), p)
    assert (lifted[:, 4] != 0).all()


@both
def test_samples_have_the_energy_and_the_angles_of_quadrature(system):
    p, weight = system.plane_grid(0.1)
    energy = system.plane_energy(p)
    mean = float(weight @ energy)
    spread = float(weight @ (energy - mean) ** 2) ** 0.5
    x = system.sample(20_000, seed=1)
    drawn = system.energy(x)
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * spread / len(x) ** 0.5)
    assert float(drawn.std()) == pytest.approx(spread, rel=0.05)
    angle = torch.atan2(x[:, 1], x[:, 0])
    assert abs(float(angle.cos().mean())) < 0.03 and abs(float(angle.sin().mean())) < 0.03
    assert float(x[:, 4].std()) == pytest.approx(200 / math.sqrt(12), rel=0.02)


def test_dynamics_have_the_mass_of_one_amu():
    data = MULLER_BROWN.simulate(400, 500, stride=50, dynamics="langevin", seed=2)
    assert data.attrs["time_unit"] == "fs" and data["energy"].attrs["units"] == "eV"
    # sqrt(kT / m) at 300 K: 8.314 J/mol/K * 300 K / 1 g/mol = (1579 m/s)^2 = (.01579 A/fs)^2
    np.testing.assert_allclose(data["velocity"].values.std(axis=0), 0.01579, rtol=0.04)


def test_without_friction_the_energy_is_kept():
    data = MULLER_BROWN.simulate(1000, 5, stride=50, dynamics="langevin", friction=0.0, seed=3)
    kinetic = 0.5 * MULLER_BROWN.mass * (data["velocity"].values ** 2).sum(axis=1)
    total = (data["energy"].values + kinetic).reshape(5, -1)
    assert total.std(axis=1).max() < 2e-3 * MULLER_BROWN.kT


@both
def test_the_basin_is_where_descent_in_five_dimensions_ends(system):
    x = systems.near_saddles(system, 9, reach=system._length / 4, seed=4)
    duration = 5 * system._length**2  # in units of length^2 / energy
    ends = [
        solve_ivp(lambda _, y: -system.gradient(y).numpy(), (0, duration), start, method="LSODA").y[:, -1]
        for start in x.numpy()
    ]
    end = torch.from_numpy(np.array(ends))
    minima = system._all_minima
    distance = torch.cdist(system.plane(end), minima)
    assert distance.min(dim=1).values.max() < 0.1 * system._length
    expected = torch.tensor(system._belongs_to)[distance.argmin(dim=1)]
    assert system.basin(x).tolist() == expected.tolist()
    assert len(set(expected.tolist())) == len(system.minima)


def test_starts_lie_around_every_saddle():
    x = systems.near_saddles(THREE_WELL, 300, reach=0.5, seed=0)
    distance = torch.cdist(THREE_WELL.plane(x), THREE_WELL.plane_saddles)
    assert np.bincount(distance.argmin(dim=1)).tolist() == [100, 100, 100]
    assert float(distance.min(dim=1).values.median()) < 0.6
    plain = systems.near_saddles(systems.MullerBrown(), 50, reach=0.02)
    assert plain.shape == (50, 2)


@both
def test_shots_bear_the_label_of_their_end(system):
    starts = systems.near_saddles(system, 60, reach=0.1 * system._length, seed=5)
    data = systems.shoot(system, starts, n_steps=800, stride=100, core=None, seed=6)
    label = data["basin"].values.reshape(60, -1)
    assert (label == label[:, :1]).all()
    last = data["position"].values.reshape(60, -1, 5)[:, -1]
    np.testing.assert_array_equal(label[:, 0], system.basin(last))
    assert set(label[:, 0]) == set(range(len(system.minima)))
    fallen = system.energy(last) < system.energy(starts)
    assert fallen.float().mean() > 0.9


@both
def test_shots_end_where_they_arrive(system):
    starts = systems.near_saddles(system, 60, reach=0.1 * system._length, seed=5)
    whole = systems.shoot(system, starts, n_steps=800, stride=20, core=None, seed=6)
    cut = systems.shoot(system, starts, n_steps=800, stride=20, seed=6)
    floor = system.energy(system.minima).numpy()
    for shot in range(60):
        long, short = (d.isel(frame=d["trajectory"].values == shot) for d in (whole, cut))
        n = short.sizes["frame"]
        np.testing.assert_array_equal(short["position"], long["position"][:n])
        arrived = long["energy"].values - floor[long["basin"].values] < 5 * system.kT
        assert n == (np.argmax(arrived) + 1 if arrived.any() else long.sizes["frame"])


def test_impossible_shots_are_refused():
    with pytest.raises(FelError, match="positive reach"):
        systems.near_saddles(MULLER_BROWN, 5, reach=0.0)
    with pytest.raises(FelError, match="temperature"):
        systems.ThreeWell5D(temperature=-3)
    with pytest.raises(FelError, match="At least one sample"):
        THREE_WELL.sample(0)
