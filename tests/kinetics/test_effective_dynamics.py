"""Drift, diffusion and rates along a variable, against processes of which they are known."""

import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal

from fel_explorer import kinetics
from fel_explorer.errors import FelError

SEEDS = pytest.mark.parametrize("seed", range(3))
BARRIER = 2.0  # kT


def ornstein_uhlenbeck(seed, rates=(1.0,), n_frames=4000, n_walkers=20, step=0.05):
    """Independent processes of unit variance (walker, frame, dim), by their exact propagator."""
    random, rates = np.random.default_rng(seed), np.asarray(rates)
    x = np.empty((n_frames, n_walkers, len(rates)))
    x[0] = random.normal(size=x[0].shape)
    decay = np.exp(-rates * step)
    for i in range(1, n_frames):
        x[i] = decay * x[i - 1] + np.sqrt(1 - decay**2) * random.normal(size=x[0].shape)
    return x.swapaxes(0, 1)


def double_well(seed, n_frames=2000, n_walkers=400, step=0.001, stride=2):
    """Overdamped dynamics (walker, frame) with D = kT = 1 in BARRIER (x^2 - 1)^2."""
    random = np.random.default_rng(seed)
    x = random.choice([-1.0, 1.0], n_walkers)
    kept = np.empty((n_frames, n_walkers))
    for i in range(n_frames + 200):
        for _ in range(stride):
            x = x - 4 * BARRIER * x * (x**2 - 1) * step + np.sqrt(2 * step) * random.normal(size=n_walkers)
        kept[i - 200] = x  # those of the first 200 are written over
    return kept.T


def exact_rates(n, low=-2.5, high=2.5, cells=2000):
    """Eigenvalues of the double well's -L by finite differences on a fine grid."""
    x = np.linspace(low, high, cells)
    density = np.exp(-BARRIER * (x**2 - 1) ** 2)
    flux = np.sqrt(density[1:] * density[:-1]) / (x[1] - x[0]) ** 2
    diagonal = (np.append(flux, 0) + np.insert(flux, 0, 0)) / density
    off = -flux / np.sqrt(density[1:] * density[:-1])
    return eigh_tridiagonal(diagonal, off, select="i", select_range=(1, n))[0]


@SEEDS
def test_moments_of_an_ornstein_uhlenbeck_process_are_those_of_its_exact_propagator(seed):
    z = ornstein_uhlenbeck(seed)[..., 0]
    lag = 0.1
    found = kinetics.effective_dynamics(list(z), lag, time_step=0.05, n_bins=30, seed=seed)
    inner = found.isel(bin=np.abs(found["position"].values) < 1.5)
    drift = -inner["position"] * (1 - np.exp(-lag)) / lag
    diffusion = (1 - np.exp(-2 * lag)) / (2 * lag)
    for name, exact in (("drift", drift), ("diffusion", diffusion)):
        deviation = (inner[name] - exact) / inner[f"{name}_error"]
        assert np.sqrt(float((deviation**2).mean())) < 1.7
        assert float(inner[f"{name}_error"].max()) < 0.15
    assert abs(float(found["rate"][0]) - diffusion) < 4 * float(found["rate_error"][0]) + 0.02
    quadratic = np.polyfit(inner["position"], inner["free_energy"], 2)
    assert quadratic[0] == pytest.approx(0.5, abs=0.06)


@SEEDS
def test_rates_in_a_double_well_are_those_of_finite_differences(seed):
    z = list(double_well(seed))
    found = kinetics.effective_dynamics(z, 0.002, time_step=0.002, n_bins=60, seed=seed)
    exact = exact_rates(3)
    np.testing.assert_allclose(found["rate"], exact, rtol=0.06)
    assert abs(float(found["rate"][0]) - exact[0]) < 4 * float(found["rate_error"][0]) + 0.02 * exact[0]
    inner = found.isel(bin=np.abs(found["position"].values) < 1.2)
    difference = (inner["reversible_drift"] - inner["drift"]) / np.abs(inner["drift"]).max()
    assert np.sqrt(float((difference**2).mean())) < 0.2


def test_rates_do_not_depend_on_the_scale_of_the_variable():
    x = double_well(3)
    straight = kinetics.effective_dynamics(list(x), 0.002, time_step=0.002, n_bins=80, n_bootstraps=0)
    curved = kinetics.effective_dynamics(list(np.sinh(x)), 0.002, time_step=0.002, n_bins=80, n_bootstraps=0)
    np.testing.assert_allclose(curved["rate"], straight["rate"], rtol=0.08)
    assert np.isnan(straight["rate_error"]).all()


@SEEDS
def test_errors_of_the_slowest_rate_are_the_spread_over_other_data(seed):
    def rate(z):
        return kinetics.effective_dynamics(list(z), 0.05, time_step=0.05, seed=seed).isel(process=0)

    x = ornstein_uhlenbeck(seed, n_frames=1000, n_walkers=200)[..., 0]
    found = [rate(part) for part in np.split(x, 10)]
    spread = np.std([float(one["rate"]) for one in found], ddof=1)
    mean = np.mean([float(one["rate_error"]) for one in found])
    assert 0.5 < mean / spread < 2


def test_a_constant_or_vector_variable_is_refused():
    with pytest.raises(FelError, match="The variable changes"):
        kinetics.effective_dynamics(np.zeros(100), 1.0)
    with pytest.raises(FelError, match="along one variable"):
        kinetics.effective_dynamics(np.zeros((100, 2)), 1.0)
    with pytest.raises(FelError, match="lag_time=200"):
        kinetics.effective_dynamics(np.arange(100.0), 200.0)


# ---- the full rates next to those of the variable's functions


def indicators(z, n=40):
    edges = np.quantile(z, np.linspace(0, 1, n + 1)[1:-1])
    return np.concatenate([z[:, None], np.eye(n)[np.searchsorted(edges, z)][:, 1:]], axis=1)


def of_angle(seed, degrees, **options):
    """Two processes of rates 1 and 4, and a variable at an angle to the slow one."""
    x = ornstein_uhlenbeck(seed, (1.0, 4.0))
    frames = x.reshape(-1, 2)
    angle = np.radians(degrees)
    z = frames @ [np.cos(angle), np.sin(angle)]
    given = {"time_step": 0.05, "n_rates": 1, "n_bootstraps": 20, "seed": seed}
    return kinetics.projected_rates(indicators(z), frames, [4000] * 20, 2, **given | options)


@SEEDS
def test_the_slow_variable_has_the_full_rate_and_another_a_higher_one(seed):
    lag = 0.1
    exact = (1 - np.exp(-lag)) / lag
    good, bad = (of_angle(seed, angle).isel(process=0) for angle in (0, 45))
    for found in (good, bad):
        assert abs(float(found["rate"]) - exact) < 4 * float(found["rate_error"])
        assert float(found["rate"]) <= float(found["projected_rate"]) <= float(found["bound"])
    assert float(good["projected_rate"]) == pytest.approx(float(good["rate"]), rel=0.03)
    assert float(good["unexplained"]) < 0.02
    # at 45 degrees functions of z see the mean of both correlations, and half of the slow function's variance
    half = (1 - (np.exp(-lag) + np.exp(-4 * lag)) / 2) / lag
    assert float(bad["projected_rate"]) == pytest.approx(half, rel=0.05)
    assert float(bad["unexplained"]) == pytest.approx(0.5, abs=0.06)
    assert float(good["projected_timescale"]) == pytest.approx(1.0, abs=0.12)


def test_the_bound_is_the_dirichlet_form_of_the_difference():
    random = np.random.default_rng(0)
    x = ornstein_uhlenbeck(1, (1.0, 4.0), n_frames=500, n_walkers=4)
    frames, z = x.reshape(-1, 2), x.reshape(-1, 2).sum(axis=1, keepdims=True)
    weights = random.uniform(0.5, 2, len(frames))
    found = kinetics.projected_rates(
        z, frames[:, :1], [500] * 4, 3, weights=weights, n_bootstraps=0, n_rates=1
    )
    first = np.concatenate([np.arange(497) + 500 * k for k in range(4)])
    pairs = np.concatenate([first, first + 3]), np.concatenate([first + 3, first])
    w = np.tile(weights[first], 2) / weights[first].sum() / 2

    def form(f, g):
        return w @ ((f[pairs[1]] - f[pairs[0]]) * (g[pairs[1]] - g[pairs[0]])) / 6

    basis = [frames[:, 0], frames[:, 1]]
    basis = [f - w @ f[pairs[0]] for f in basis]
    covariance = np.array([[w @ (f * g)[pairs[0]] for f in basis] for g in basis])
    energy = np.array([[form(f, g) for f in basis] for g in basis])
    values, vectors = np.linalg.eig(np.linalg.solve(covariance, energy))
    phi = np.stack(basis, axis=1) @ vectors[:, values.argmin()]
    unit = z[:, 0] - w @ z[pairs[0], 0]
    phi, unit = (f / np.sqrt(w @ f[pairs[0]] ** 2) for f in (phi, unit))
    difference = phi - unit * np.sign(w @ (phi * unit)[pairs[0]])
    one = found.isel(process=0)
    assert float(one["rate"]) == pytest.approx(values.min(), rel=1e-6)
    assert float(one["projected_rate"]) == pytest.approx(form(unit, unit), rel=1e-6)
    assert float(one["bound"]) == pytest.approx(values.min() + form(difference, difference), rel=1e-6)
    assert float(one["unexplained"]) == pytest.approx(1 - (w @ (phi * unit)[pairs[0]]) ** 2, rel=1e-6)


def test_more_rates_than_processes_are_nan_and_a_long_lag_is_refused():
    z = np.random.default_rng(0).normal(size=(200, 1))
    found = kinetics.projected_rates(z, z, [200], 1, n_rates=3, n_bootstraps=0)
    assert np.isfinite(found["rate"][0]) and np.isnan(found["rate"][1:]).all()
    with pytest.raises(FelError, match="shorter than the longest"):
        kinetics.projected_rates(z, z, [200], 200)
