"""Standard errors of free energies, against the multinomial distribution and against repeated simulations."""

import numpy as np
import pytest

from fel_explorer.errors import FelError
from fel_explorer.plots.energy_units import KT, energy_unit
from fel_explorer.plots.free_energy import free_energy_profile, free_energy_surface
from fel_explorer.plots.free_energy_error import free_energy_error, stretches


def test_independent_frames_have_the_error_of_counting():
    rng = np.random.default_rng(0)
    values = rng.random((40_000, 1))  # 20 bins of p = 1/20
    error = free_energy_error(values, bins=20, smoothing=0, n_blocks=100, n_resamples=300)
    inner = error.values[1:-1]
    expected = np.sqrt(19 / 40_000)  # of ln of a multinomial share: sqrt((1 - p) / (n p))
    assert np.isfinite(inner).all()
    assert np.mean(inner) == pytest.approx(expected, rel=0.1)


def telegraph(rng, n=20_000, stay=0.999):
    """Two states that are left once in a thousand frames, as values about -1 and 1."""
    state = np.cumsum(rng.random(n) > stay) % 2
    return (2.0 * state - 1 + rng.normal(0, 0.2, n))[:, None]


def test_slow_processes_are_not_taken_for_independent_frames():
    rng = np.random.default_rng(1)
    runs = [telegraph(rng) for _ in range(60)]

    def share(run):  # -ln of the share of the bin about 1, on the grid of the error
        profile = np.histogram(run, bins=4, range=(-2, 2))[0] / len(run)
        return -np.log(profile[3] + profile[2])

    truth = np.std([share(run) for run in runs])
    estimates = []
    for run in runs[:10]:
        error = free_energy_error(run, bins=2, smoothing=0, n_blocks=10)
        estimates.append(float(error.values[1]))
    assert np.mean(estimates) == pytest.approx(truth, rel=0.4)
    assert np.mean(estimates) > 5 / np.sqrt(20_000)


def test_the_grid_is_that_of_the_free_energy():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(5000, 2)), rng.random(5000)
    surface = free_energy_surface(values, weights, bins=30)
    error = free_energy_error(values, weights, bins=30)
    assert error.dims == surface.dims
    np.testing.assert_array_equal(error["x"], surface["x"])
    assert np.isnan(error.values[np.isnan(surface.values)]).all()
    known = np.isfinite(error.values)
    assert known.mean() > 0.3
    lowest = np.unravel_index(np.nanargmin(surface.values), surface.shape)
    assert error.values[lowest] < np.nanmedian(error.values)
    profile = free_energy_profile(values[:, 0], bins=30)
    np.testing.assert_array_equal(free_energy_error(values[:, :1], bins=30)["x"], profile["x"])


def test_stretches_never_cross_trajectories():
    trajectory = np.repeat([0, 1, 2], [10, 7, 4])
    blocks = stretches(21, trajectory, 6)
    assert (np.diff(blocks) >= 0).all() and blocks.max() + 1 == 6
    for block in np.unique(blocks):
        assert len(np.unique(trajectory[blocks == block])) == 1
    many = stretches(40, np.repeat(np.arange(20), 2), 6)
    np.testing.assert_array_equal(many, np.repeat(np.arange(20), 2))


@pytest.mark.parametrize(
    "arguments",
    [{"n_blocks": 1}, {"n_blocks": 200}, {"trajectory": np.zeros(3)}, {"weights": np.full(100, -1.0)}],
)
def test_what_cannot_be_is_said(arguments):
    with pytest.raises(FelError):
        free_energy_error(np.random.default_rng(0).normal(size=(100, 2)), **arguments)


def test_units_of_energy():
    assert energy_unit("kT", 0.0) is KT
    assert energy_unit("kJ/mol", 300.0).kT == pytest.approx(2.4943, abs=1e-4)
    assert energy_unit("kcal/mol", 298.15).kT == pytest.approx(0.59248, abs=1e-5)
    assert energy_unit("kJ/mol", 300.0).text(2.0) == "5.0 kJ/mol"
    assert [energy_unit("kJ/mol", 300.0).step(top) for top in (9.0, 21.0, 48.0)] == [1.0, 5.0, 5.0]
    assert [KT.step(top) for top in (4.0, 21.0)] == [1.0, 3.0]
    for name, temperature in (("eV", 300.0), ("kJ/mol", 0.0)):
        with pytest.raises(FelError):
            energy_unit(name, temperature)
