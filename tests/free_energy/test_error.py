"""Standard errors of free energies, against the multinomial distribution, repeated simulations and theory."""

import numpy as np
import pytest
from scipy.signal import lfilter

from fel_explorer.errors import FelError
from fel_explorer.free_energy import (
    FreeEnergy,
    Grid,
    barrier,
    barriers,
    basin_difference,
    estimate,
    free_energy_error,
    free_energy_profile,
    free_energy_surface,
    path_barrier,
)

FINE = np.linspace(-3, 3, 60_001)
ENDS = np.linspace(-2, 2, 21)


def double_well(x):
    """Energy in kT: barrier of some 3 kT between a deeper left and a right well."""
    return 3.0 * (x**2 - 1) ** 2 + 0.5 * x


def walk(n_frames, n_series, seed=0, step=0.25):
    """Stationary Metropolis walks (series, frame) in the double well."""
    rng = np.random.default_rng(seed)
    density = np.exp(-double_well(FINE))
    x = rng.choice(FINE, n_series, p=density / density.sum())
    frames = np.empty((n_frames, n_series))
    for frame in frames:
        trial = x + step * rng.normal(size=n_series)
        x = np.where(rng.random(n_series) < np.exp(double_well(x) - double_well(trial)), trial, x)
        frame[:] = x
    return frames.T


def exact_bins(edges=ENDS, n=400):
    """Free energy (bin,) of the double well in bins, by the midpoint rule."""
    inner = np.linspace(edges[:-1], edges[1:], 2 * n + 1)[1::2]
    f = -np.log(np.exp(-double_well(inner)).sum(axis=0))
    return f - f.min()


def test_independent_frames_have_the_error_of_counting():
    rng = np.random.default_rng(0)
    values = rng.random((40_000, 1))  # 20 bins of p = 1/20
    error = free_energy_error(values, bins=20, smoothing=0, n_blocks=100, n_resamples=300)
    lowest = int(np.nanargmin(free_energy_profile(values[:, 0], bins=20, smoothing=0)))
    assert error.values[lowest] == 0
    others = np.delete(error.values[1:-1], lowest - 1)
    expected = np.sqrt(2 * 20 / 40_000)  # of the log ratio of two multinomial counts: sqrt(1 / n_1 + 1 / n_2)
    assert np.isfinite(others).all()
    assert np.mean(others) == pytest.approx(expected, rel=0.1)


def telegraph(rng, n=20_000, stay=0.999):
    """Two states that are left once in a thousand frames, as values about -1 and 1."""
    state = np.cumsum(rng.random(n) > stay) % 2
    return (2.0 * state - 1 + rng.normal(0, 0.2, n))[:, None]


def test_slow_processes_are_not_taken_for_independent_frames():
    rng = np.random.default_rng(1)
    runs = [telegraph(rng) for _ in range(60)]
    truth = np.std([np.log(np.mean(run > 0) / np.mean(run < 0)) for run in runs])
    estimates = [
        float(np.nanmax(free_energy_error(run, bins=2, smoothing=0, n_blocks=10))) for run in runs[:10]
    ]
    assert np.mean(estimates) == pytest.approx(truth, rel=0.4)
    assert np.mean(estimates) > 10 / np.sqrt(20_000)


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
    assert error.values[np.unravel_index(np.nanargmin(surface.values), surface.shape)] == 0
    profile = free_energy_profile(values[:, 0], bins=30)
    np.testing.assert_array_equal(free_energy_error(values[:, :1], bins=30)["x"], profile["x"])


def test_an_estimate_is_the_surface_with_its_error():
    rng = np.random.default_rng(7)
    xy, weights = rng.normal(size=(3000, 2)), rng.random(3000)
    options = {"bins": (20, 30), "smoothing": 1.0}
    found = estimate(xy, weights, **options)
    np.testing.assert_allclose(found.values, free_energy_surface(xy, weights, **options), atol=1e-9)
    np.testing.assert_array_equal(found.error, free_energy_error(xy, weights, **options))


@pytest.mark.parametrize(
    "arguments",
    [{"n_blocks": 1}, {"n_blocks": 200}, {"trajectory": np.zeros(3)}, {"weights": np.full(100, -1.0)}],
)
def test_what_cannot_be_is_said(arguments):
    with pytest.raises(FelError):
        free_energy_error(np.random.default_rng(0).normal(size=(100, 2)), **arguments)


@pytest.fixture(scope="module")
def repeated():
    """Profiles of 60 independent sets of ten walks each."""
    walks = walk(1000, 600).reshape(60, 10, 1000)
    trajectory = np.repeat(np.arange(10), 1000)
    # the lowest bin is given, else its choice by the same noise adds a bias
    options = {"grid": Grid.of_edges(ENDS), "smoothing": 0, "lowest": int(exact_bins().argmin())}
    return [(x.ravel(), estimate(x.reshape(-1, 1), None, trajectory, **options)) for x in walks]


def test_profile_of_a_double_well_is_exact_within_its_errors(repeated):
    exact = exact_bins()
    others = np.flatnonzero((exact > 0) & (exact < 3.5))
    away = np.array([f.values.values - exact for _, f in repeated])[:, others]
    error = np.array([f.error.values for _, f in repeated])[:, others]
    # Student's distribution with 9 degrees of freedom, of ten trajectories, holds 93 % within 2.05; here 95 %
    assert np.mean(np.abs(away) < 2.05 * error) == pytest.approx(0.93, abs=0.04)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(np.sqrt(np.mean(away**2)), rel=0.15)


def test_height_of_a_barrier_and_its_error_as_a_difference(repeated):
    exact = exact_bins()
    x = (ENDS[1:] + ENDS[:-1]) / 2
    top = int(np.flatnonzero(np.abs(x) < 0.5)[exact[np.abs(x) < 0.5].argmax()])
    right = exact[x > 0.5].min()
    heights = [barrier(f, (0.97, -0.97)) for _, f in repeated]
    values, errors = np.array(heights).T
    assert values.mean() == pytest.approx(exact[top] - right, abs=0.15)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(ddof=1), rel=0.3)
    # errors relative to the other well hold the wells' difference, and would add up as if independent
    right_well = int(np.flatnonzero(x > 0.5)[exact[x > 0.5].argmin()])
    added = [np.hypot(f.error.values[top], f.error.values[right_well]) for _, f in repeated]
    assert np.mean(errors) < 0.8 * np.mean(added)


def test_barriers_are_seen_from_both_sides():
    x = np.linspace(-1.6, 1.6, 61)
    f = 6 * (x**2 - 1) ** 2 + x
    grid = Grid.of_edges(np.append(x - 0.5 * (x[1] - x[0]), x[-1] + 0.5 * (x[1] - x[0])))
    values = grid.array(f - f.min())
    profile = FreeEnergy(values, values * 0, np.stack([f - f.min()] * 3), 10)
    (found,) = barriers(profile)
    top = f[np.abs(x) < 0.5].max()
    assert abs(found.position) < 0.1
    np.testing.assert_allclose([found.left, found.right], [top - f[x < 0].min(), top - f[x > 0].min()])
    assert (found.left_error, found.right_error) == (0, 0)
    assert not barriers(profile, minimum=10)
    inner = slice(10, 50)
    along = path_barrier(profile.at(x[inner, None]))
    assert along.index == found.index - 10
    np.testing.assert_allclose([along.left, along.right], top - f[inner][[0, -1]], atol=1e-5)


def test_difference_of_basins_is_the_log_ratio_of_their_populations(repeated):
    p = np.exp(-double_well(FINE))
    exact = -np.log(p[FINE > 0].sum() / p[FINE < 0].sum())
    trajectory = np.repeat(np.arange(10), 1000)
    found = [basin_difference(x < 0, x > 0, trajectory=trajectory) for x, _ in repeated]
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(exact, abs=4 * values.std() / np.sqrt(60))
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(ddof=1), rel=0.3)
    x = repeated[0][0]
    assert basin_difference(x < 0, x > 0, kT=2.5)[0] == pytest.approx(2.5 * values[0])
    assert basin_difference(x < 0, x > 0, np.where(x > 0, np.e, 1.0))[0] == pytest.approx(values[0] - 1)


def ar1(n_frames, correlation_time, n_series):
    a = np.exp(-1 / correlation_time)
    rng = np.random.default_rng(3)
    noise = np.sqrt(1 - a * a) * rng.normal(size=(n_series, n_frames))
    return lfilter([1], [1, -a], noise, axis=1, zi=a * rng.normal(size=(n_series, 1)))[0]


def test_errors_of_a_harmonic_profile_from_one_correlated_trajectory_cover_its_parabola():
    # AR(1) with blocks of 20 correlation times: 2 errors hold some 94 % (Student, 19 degrees of freedom)
    grid = Grid.of_edges(np.linspace(-1.75, 1.75, 8))
    inner = np.linspace(-1.75, 1.75, 7001).reshape(-1)[1::2].reshape(7, 500)
    exact = -np.log(np.exp(-(inner**2) / 2).sum(axis=1))
    inside = []
    for x in ar1(4000, 10, 150):
        found = estimate(x[:, None], grid=grid, smoothing=0)
        lowest = int(np.nanargmin(found.values))
        others = np.delete(np.arange(7), lowest)
        away = found.values.values - (exact - exact[lowest])
        inside.append(np.abs(away)[others] < 2 * found.error.values[others])
    assert np.mean(inside) == pytest.approx(0.94, abs=0.03)


def test_an_empty_basin_is_refused():
    with pytest.raises(FelError, match="0 frames in A"):
        basin_difference(np.zeros(50, bool), np.ones(50, bool))
    with pytest.raises(FelError, match="shapes"):
        basin_difference(np.zeros(50), np.ones(40))
