"""Free energies against what the sampled densities say."""

import numpy as np
import pytest
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.free_energy import (
    Grid,
    at_points,
    free_energy_profile,
    free_energy_surface,
    from_density,
    marginal,
)
from fel_explorer.free_energy import grid as grid_module


def well_sampled(free_energy, kT=4.0):
    return free_energy.values < kT


def test_surface_of_a_gaussian_is_its_parabola():
    xy = np.random.default_rng(0).normal(size=(400_000, 2)) * (1.0, 0.5)
    surface = free_energy_surface(xy, bins=80, smoothing=1.0)
    x, y = np.meshgrid(surface["x"], surface["y"])
    exact = 0.5 * (x**2 + (y / 0.5) ** 2)
    good = well_sampled(surface, 3.0)
    error = (surface.values - exact)[good]
    assert np.abs(error - error.mean()).max() < 0.15
    assert np.nanmin(surface) == 0


def test_profile_of_a_double_well_has_its_barrier_and_its_depths():
    grid = np.linspace(-2, 2, 4001)
    energy = 3.0 * (grid**2 - 1) ** 2 + 0.5 * grid
    density = np.exp(-energy) / np.exp(-energy).sum()
    rng = np.random.default_rng(1)
    x = rng.choice(grid, 300_000, p=density) + rng.uniform(-5e-4, 5e-4, 300_000)
    profile = free_energy_profile(x, bins=100, smoothing=1.0)
    width = float(profile["x"][1] - profile["x"][0])
    kernel = np.exp(-0.5 * (np.arange(-2000, 2001) * 1e-3 / width) ** 2)
    blurred = -np.log(np.convolve(density, kernel, "same"))  # what the estimate converges to
    exact = np.interp(profile["x"], grid, blurred - blurred.min())
    good = well_sampled(profile, 5.0)
    assert np.abs(profile.values - exact)[good].max() < 0.1
    barrier = float(profile.sel(x=slice(-0.3, 0.3)).max())
    assert barrier == pytest.approx(np.interp(0, grid, energy - energy.min()), abs=0.15)


def test_weights_turn_a_uniform_sample_into_the_weighted_density():
    x = np.random.default_rng(2).uniform(-3, 3, (200_000, 2))
    surface = free_energy_surface(x, np.exp(-0.5 * (x**2).sum(axis=1)), bins=60, smoothing=0)
    gx, gy = np.meshgrid(surface["x"], surface["y"])
    error = (surface.values - 0.5 * (gx**2 + gy**2))[well_sampled(surface)]
    assert np.abs(error - np.median(error)).max() < 0.8  # a bin holds some 55 frames: 0.13 each, 6 sigma
    assert np.abs(error.std()) < 0.2


def test_constant_weights_change_nothing():
    xy = np.random.default_rng(3).normal(size=(5000, 2))
    plain, weighted = free_energy_surface(xy), free_energy_surface(xy, np.full(5000, 7.0))
    np.testing.assert_allclose(plain, weighted, atol=1e-10)


def test_where_no_frame_is_near_there_is_no_number():
    xy = np.concatenate([np.random.default_rng(4).normal(c, 0.1, (500, 2)) for c in (-3, 3)])
    surface = free_energy_surface(xy, bins=60, smoothing=1.0)
    assert np.isnan(surface.sel(x=0, y=0, method="nearest"))
    assert np.isfinite(surface.sel(x=3, y=3, method="nearest"))


def test_angles_join_at_the_ends():
    phi = (np.random.default_rng(5).normal(180, 15, 50_000) + 180) % 360 - 180
    profile = free_energy_profile(phi, bins=90, periodic=True)
    assert abs(float(profile[0] - profile[-1])) < 0.1
    assert float(profile.sel(x=179, method="nearest")) < 0.05
    flat = free_energy_surface(np.column_stack([phi, phi]), bins=60, periodic=(True, True))
    assert abs(float(flat[0, 0] - flat[-1, -1])) < 0.3


def test_every_frame_has_a_free_energy():
    xy = np.random.default_rng(6).standard_cauchy((3000, 2)).clip(-20, 20)
    values = at_points(free_energy_surface(xy), xy)
    assert np.isfinite(values).all() and values.min() >= 0
    x = xy[:, :1]
    profile = free_energy_profile(x[:, 0])
    middle = float(profile["x"][75])
    assert at_points(profile, [[middle]])[0] == pytest.approx(float(profile[75]), abs=1e-5)


@pytest.mark.parametrize(
    ("xy", "weights", "told"),
    [
        (np.zeros((0, 2)), None, "at least one frame"),
        (np.zeros((5, 3)), None, r"\(5, 3\)"),
        (np.zeros((5, 2)), np.ones(4), "5 frames"),
        (np.zeros((5, 2)), -np.ones(5), "negative"),
        (np.zeros((5, 2)), np.zeros(5), "zero"),
    ],
)
def test_bad_input_is_told(xy, weights, told):
    with pytest.raises(FelError, match=told):
        free_energy_surface(xy, weights)


def test_one_frame_alone_is_a_point_of_free_energy_zero():
    surface = free_energy_surface([[1.0, 2.0]])
    assert float(surface.sel(x=1, y=2, method="nearest")) == 0


def test_frames_outside_of_a_grid_are_in_no_cell_and_angles_wrap():
    grid = Grid(((0.0, 3.0), (-180.0, 180.0)), (3, 4), (False, True))
    values = np.array([[0.0, -180], [3.0, 179], [3.01, 0], [np.nan, 0], [1.5, 180.0], [-0.1, 0], [1.5, 190]])
    assert grid.cells(values).tolist() == [0, 11, -1, -1, 1, -1, 1]


def test_the_marginal_of_an_energy_is_minus_the_log_of_the_summed_boltzmann_factors():
    energy = np.random.default_rng(8).normal(size=(5, 7)) * 3
    weights = np.exp(-energy / 2.5)
    expected = -2.5 * np.log(weights.sum(axis=0) / weights.sum() / 0.1)
    np.testing.assert_allclose(marginal(energy, 0, 0.1, 2.5), expected)
    np.testing.assert_allclose(from_density(weights.sum(axis=0) / weights.sum() / 0.1, 2.5), expected)
    assert np.isnan(from_density([0.0, 1.0])).tolist() == [True, False]
    assert np.isfinite(marginal(1e4 * energy, 0)).all()  # where the density itself is zero in floating point


@pytest.mark.parametrize("weighted", [False, True])
def test_stored_positions_are_read_in_blocks_and_give_the_same_map(weighted, monkeypatch):
    random = np.random.default_rng(0)
    xy = random.normal(size=(5000, 2))
    xy[7, 0] = np.nan
    weights = random.random(5000) if weighted else None
    expected = free_energy_surface(xy, weights, bins=20)
    monkeypatch.setattr(grid_module, "BLOCK", 333)
    stored = xr.DataArray(xy, dims=("frame", "cv")).chunk({"frame": 700})
    np.testing.assert_allclose(free_energy_surface(stored, weights, bins=20), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("n_frames", "bins", "smoothing"), [(2_000, 30, 1.5), (50_000, 89, 1.5), (2_000, 40, 3.0)]
)
def test_the_outermost_contour_closes_within_the_grid(n_frames, bins, smoothing):
    xy = np.random.default_rng(5).uniform(-1, 1, (n_frames, 2))  # dense up to the rim
    surface = free_energy_surface(xy, bins=bins, smoothing=smoothing)
    kT = 1.0  # the rim of the data rises above it, all around
    inside = np.nan_to_num(surface.values, nan=np.inf) < kT
    assert inside.any()
    assert not any(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    step = float(surface["x"][1] - surface["x"][0])
    room = xy[:, 0].min() - (float(surface["x"][0]) - step / 2)
    assert room >= (2 * smoothing + 0.5) * step * (1 - 1e-9) or room == pytest.approx(0.04 * np.ptp(xy[:, 0]))


def test_bins_without_a_kernel_keep_a_small_margin():
    x = np.linspace(0.0, 10.0, 500)
    profile = free_energy_profile(x, bins=20, smoothing=0)
    step = float(profile["x"][1] - profile["x"][0])
    assert float(profile["x"][0]) - step / 2 == pytest.approx(-0.4)
    assert np.isfinite(profile.values).all()
