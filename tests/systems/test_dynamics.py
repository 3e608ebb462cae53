"""Trajectories against quadrature, equipartition and conservation laws."""

import json

import numpy as np
import pytest

import fel_explorer.systems as systems
from fel_explorer.data import schema
from fel_explorer.errors import FelError

WARM_WELL = systems.DoubleWell(kT=4.0)


@pytest.fixture
def density_error(boltzmann):
    """Total variation between the marginal of positions and that of quadrature."""

    def evaluate(system, positions, axis=0, n_bins=24):
        x, p = boltzmann(system, 240)
        edges = np.linspace(*system.domain[axis], n_bins + 1)
        expected = np.histogram(x[:, axis], edges, weights=p)[0]
        return 0.5 * np.abs(np.histogram(positions[:, axis], edges)[0] / len(positions) - expected).sum()

    return evaluate


@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
def test_the_double_well_is_visited_as_quadrature_says(dynamics, density_error):
    step = {"overdamped": 0.005, "langevin": 0.1}[dynamics]
    data = WARM_WELL.simulate(4000, 1000, time_step=step, stride=100, dynamics=dynamics, start=[-2.5, 0.0])
    late = data["position"].values[data["frame_in_trajectory"].values >= 20]
    assert density_error(WARM_WELL, late) < 0.02
    assert late[:, 1].var() == pytest.approx(WARM_WELL.kT, rel=0.05)


def test_walls_reflect_without_changing_the_distribution(density_error):
    system = systems.MullerBrown(kT=4.0)
    for dynamics in ("overdamped", "langevin"):
        position = system.simulate(300, 3000, stride=100, dynamics=dynamics)["position"].values
        for axis, (low, high) in enumerate(system.walls):
            assert low <= position[:, axis].min() and position[:, axis].max() <= high
            assert density_error(system, position, axis) < 0.03


def test_without_walls_walkers_leave_the_box():
    free = systems.MullerBrown(kT=20.0, walls=False).simulate(2000, 50, seed=1)
    assert (free["position"].max("frame").values > [1.25, 2.05]).any()


def test_velocities_obey_equipartition_and_do_not_depend_on_position():
    data = WARM_WELL.simulate(1000, 1000, stride=100, dynamics="langevin", seed=4)
    velocity, position = data["velocity"].values, data["position"].values
    np.testing.assert_allclose((velocity**2).mean(axis=0), WARM_WELL.kT, rtol=0.05)
    assert abs(np.corrcoef(velocity[:, 0], position[:, 0])[0, 1]) < 0.04


def test_baoab_without_friction_conserves_energy_to_second_order_in_the_step():
    def drift(step):
        data = WARM_WELL.simulate(
            round(20 / step), 20, time_step=step, stride=1, dynamics="langevin", friction=0.0, seed=5
        )
        total = data["energy"].values + 0.5 * (data["velocity"].values ** 2).sum(axis=1)
        return total.reshape(20, -1).std(axis=1).mean()

    assert drift(0.01) < 0.01 * WARM_WELL.kT
    assert drift(0.02) / drift(0.01) == pytest.approx(4.0, rel=0.15)


def test_free_diffusion_has_the_coefficient_of_einstein():
    class Flat(systems.DoubleWell):
        def energy(self, x):
            return 0 * super().energy(x)

        def gradient(self, x):
            return 0 * super().gradient(x)

    data = Flat(kT=2.0).simulate(50, 5000, time_step=0.1, stride=50, friction=4.0, start=[0.0, 0.0])
    assert data["position"].values.var() == pytest.approx(2 * (2.0 / 4.0) * 5.0, rel=0.05)


def test_the_periodic_potential_has_eight_equal_metastable_wells():
    system = systems.PeriodicPotential()
    data = system.simulate(400, 2000, time_step=0.002, stride=100, seed=6)
    populations = np.bincount(data["basin"], minlength=8) / data.sizes["frame"]
    np.testing.assert_allclose(populations, 1 / 8, atol=0.03)
    basin = data["basin"].values.reshape(2000, 4)
    assert 0.95 < (basin[:, 1:] == basin[:, :-1]).mean() < 1
    x = data["position"].values
    assert (np.abs(x) <= np.pi).all()
    assert list(data["feature"].values) == ["cos x", "sin x", "cos y", "sin y", "cos z", "sin z"]
    expected = np.stack([np.cos(x), np.sin(x)], axis=-1).reshape(-1, 6)
    np.testing.assert_allclose(data["features"], expected, atol=1e-6)


def test_the_dataset_follows_the_schema_and_says_how_it_was_made():
    system = systems.MullerBrown()
    data = schema.validate(system.simulate(100, 3, stride=20, time_step=1e-3, friction=2.0, seed=7))
    assert schema.trajectory_lengths(data).tolist() == [5, 5, 5]
    assert schema.time_step(data) == pytest.approx(0.02)
    np.testing.assert_allclose(data["energy"], system.energy(data["position"].values))
    np.testing.assert_array_equal(data["basin"], system.basin(data["position"].values))
    assert type(systems.list_systems()[data.attrs["system"]](**json.loads(data.attrs["system_parameters"])))
    assert json.loads(data.attrs["simulation"]) == {
        "dynamics": "overdamped",
        "time_step": 1e-3,
        "stride": 20,
        "friction": 2.0,
        "seed": 7,
    }


def test_the_default_overdamped_step_grows_with_the_friction():
    slow = systems.MullerBrown().simulate(50, 4, friction=10.0, seed=8)
    fast = systems.MullerBrown().simulate(50, 4, friction=1.0, seed=8)
    assert schema.time_step(slow) == pytest.approx(10 * schema.time_step(fast))
    np.testing.assert_allclose(slow["position"], fast["position"], rtol=1e-9)


@pytest.mark.parametrize("dynamics", ["overdamped", "langevin"])
def test_a_seed_fixes_the_trajectory(dynamics):
    first, again, other = (
        systems.MullerBrown().simulate(50, 4, dynamics=dynamics, seed=seed) for seed in (1, 1, 2)
    )
    assert first.identical(again)
    assert not np.allclose(first["position"], other["position"])


def test_starts_are_one_point_or_one_a_walker():
    system = systems.DoubleWell()
    for start in (system.minima[0], system.minima):
        data = system.simulate(1, 2, stride=1, time_step=1e-12, start=start)
        np.testing.assert_allclose(data["position"], start.expand(2, 2), atol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"time_step": 0.0}, "time step is positive"),
        ({"time_step": float("nan")}, "time step is positive"),
        ({"dynamics": "newton"}, "'overdamped', 'langevin'"),
        ({"start": np.zeros((3, 2))}, r"shape \(3, 2\).*per walker \(4, 2\)"),
        ({"start": [np.nan, 0.0]}, "not finite"),
        ({"start": [9.0, 0.0]}, "outside the walls"),
        ({"n_walkers": 0}, "at least one walker"),
        ({"n_steps": 5}, "at least the stride"),
        ({"friction": 0.0}, "friction is positive"),
        ({"device": "abacus"}, "Devices are"),
    ],
)
def test_bad_input_is_told(options, message):
    with pytest.raises(FelError, match=message):
        systems.MullerBrown().simulate(**{"n_steps": 20, "n_walkers": 4, **options})


def test_a_time_step_that_diverges_is_told():
    with pytest.raises(FelError, match="Take a smaller time_step"):
        systems.DoubleWell().simulate(2000, 2, time_step=1.0)
