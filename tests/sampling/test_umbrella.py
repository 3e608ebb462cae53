"""Umbrella sampling on model systems against quadrature; MBAR and its errors against known densities."""

import json

import numpy as np
import pytest
import torch
import xarray as xr

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.sampling import (
    Windows,
    basin_difference,
    mbar_weights,
    place_windows,
    profile,
    profile_barrier,
    reweighted_statistic,
    toy,
    umbrella,
    unbiased_profile,
)
from fel_explorer.sampling.reweighting import newton_weights, resample, resampled_free_energies, windows_of
from fel_explorer.sampling.rounds import Plan, Sampler
from fel_explorer.sampling.windows import starting_frames, windows_between

WELL = fel.systems.DoubleWell(kT=1.0)
SMALL = {"n_windows": 16, "n_walkers": 10, "n_steps": 1200, "stride": 20, "seed": 2}


@pytest.fixture(scope="module")
def hot():
    """Frames that cross the barrier, to place windows from."""
    return fel.systems.DoubleWell(kT=4.0).simulate(1000, 40, dynamics="langevin", stride=20)


@pytest.fixture(scope="module")
def linear(hot):
    return fel.PCA(n_dims=1).fit(hot)


@pytest.fixture(scope="module")
def sampled(linear, hot):
    return umbrella(linear, WELL, hot, **SMALL)


def exact(cv, f):
    """Free energy (bin,) of a CV by quadrature, in the bins of a profile."""
    axes = np.linspace(-4.5, 4.5, 800), np.linspace(-5, 5, 400)
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    half = float(f["centre"][1] - f["centre"][0]) / 2
    edges = np.append(f["centre"].values - half, f["centre"].values[-1] + half)
    with np.errstate(divide="ignore"):
        free = -np.log(np.histogram(cv(x), edges, weights=np.exp(-WELL.energy(x).numpy()))[0])
    return free - free[np.nanargmin(f["free_energy"].values)]


def test_the_profile_is_that_of_quadrature_within_its_errors(sampled, linear):
    f = profile(sampled, n_bins=30)
    expected = exact(lambda x: linear.transform(x).values[:, 0], f)
    known = (expected < 12) & np.isfinite(f["free_energy"].values)
    assert known.sum() > 20
    difference = (f["free_energy"].values - expected)[known]
    assert np.abs(difference).max() < 0.8 and np.sqrt((difference**2).mean()) < 0.3
    assert (np.abs(difference) < 4 * f["error"].values[known] + 0.15).mean() > 0.9
    deep, shallow = linear.transform(WELL.minima.numpy()).values[:, 0]
    height, error = profile_barrier(f, (deep, shallow))
    x = f["centre"].values
    top = expected[(x > min(deep, shallow)) & (x < max(deep, shallow))].max()
    assert height == pytest.approx(top, abs=0.8) and 0 < error < 0.6


def test_the_difference_of_the_basins_is_the_exact_one(sampled):
    right = sampled["position"].values[:, 0] > 0
    value, error = basin_difference(sampled, ~right, right)
    assert value == pytest.approx(-np.log(0.00835 / 0.99165), abs=4 * error) and error < 0.4


def test_an_unbiased_simulation_gives_the_same_profile_in_the_same_bins(sampled, linear):
    f = profile(sampled, n_bins=30)
    data = fel.as_dataset(list(WELL.sample(40_000, seed=5).numpy().reshape(10, -1, 2)))
    plain = unbiased_profile(linear.transform(data)[:, 0], f)
    expected = exact(lambda x: linear.transform(x).values[:, 0], f)
    sure = (expected < 5) & np.isfinite(f["free_energy"].values)
    away = (plain["free_energy"].values - expected)[sure]
    assert sure.sum() > 8 and np.abs(away).max() < 0.6
    assert (np.abs(away) < 4 * plain["error"].values[sure] + 0.02).mean() > 0.9
    assert 0 < np.nanmax(plain["error"].values[sure]) < 0.5
    doubled = unbiased_profile(linear.transform(data)[:, 0], f, weight=np.full(40_000, 2.0))
    np.testing.assert_allclose(doubled["free_energy"], plain["free_energy"])
    assert np.isnan(plain["free_energy"].values).any()  # where windows were and no frame is


def test_neighbouring_windows_overlap(sampled):
    assert json.loads(sampled.attrs["gaps"]) == []
    np.testing.assert_allclose(sampled["overlap"].sum("other_umbrella"), 1.0, atol=1e-6)


def test_gaps_are_told_and_then_filled_by_going_on(linear, hot, tmp_path):
    few = {"n_windows": 6, "n_walkers": 5, "n_steps": 300, "stiffness": 20.0, "checkpoint_dir": tmp_path}
    with pytest.warns(UserWarning, match="overlap too little"):
        gappy = umbrella(linear, WELL, hot, fill_gaps=0, **few)
    weak = json.loads(gappy.attrs["gaps"])
    assert len(weak) == 5
    np.testing.assert_allclose([gap[0] for gap in weak], gappy["centre"][:5])
    seen = []
    filled = umbrella(linear, WELL, hot, callback=lambda p: seen.append(p.message), **few)
    assert json.loads(filled.attrs["gaps"]) == [] and all("more" in message for message in seen)
    centre = filled["centre"].values
    assert (np.diff(centre) > 0).all() and len(centre) >= 11
    assert np.isin(gappy["centre"].values, centre).all()
    # frames are those of their window, after sorting too
    held = [filled["cv"].values[filled["window"].values == w].mean() for w in range(len(centre))]
    assert (np.diff(held) > 0).all()
    np.testing.assert_array_equal(
        filled["features"].values[filled["window"] == 0], gappy["features"].values[gappy["window"] == 0]
    )
    right = filled["position"].values[:, 0] > 0
    value, error = basin_difference(filled, ~right, right)
    assert value == pytest.approx(-np.log(0.00835 / 0.99165), abs=4 * error) and error < 1.2


def test_windows_where_no_frame_is_are_reached_in_small_steps(linear, hot):
    cv = linear.transform(hot).values[:, 0].astype(float)
    apart = hot.isel(frame=np.flatnonzero(np.abs(cv) > 1.5))
    names = ("trajectory", "frame_in_trajectory", "time")
    apart = apart.assign({name: ("frame", hot[name].values[: apart.sizes["frame"]]) for name in names})
    cv = cv[np.abs(cv) > 1.5]
    plan = Plan(0, 2, 400, 10, 0.5, None, 0, 1)
    assert plan.n_steered == 10
    seen = Sampler(linear, WELL, apart, plan).sample(place_windows(cv, kT=1.0, n_windows=25))
    value = linear.transform(seen.arrays["features"].reshape(-1, 2)).values.reshape(25, 2, 40)
    middle = np.abs(cv[:, None] - seen.windows.centres).min(axis=0).argmax()
    start = np.abs(cv[:, None] - seen.windows.centres[middle]).min()
    away = np.abs(value[middle] - seen.windows.centres[middle])
    width = (seen.windows.kT / seen.windows.stiffness[middle]) ** 0.5
    assert start > 4 * width and away[:, :2].min() > 2 * width  # it has begun where the frames are
    assert away[:, 20:].mean() < 2.5 * width


def test_the_result_is_a_dataset_like_any_other(sampled, linear):
    fel.data.schema.validate(sampled)
    assert sampled.sizes["frame"] == 16 * 10 * 48  # a fifth of 60 frames is left out
    np.testing.assert_allclose(linear.transform(sampled)[:, 0], sampled["cv"], rtol=1e-5, atol=1e-5)
    assert float(sampled["weight"].mean()) == pytest.approx(1.0)
    mean = float((sampled["weight"] * sampled["position"][:, 1] ** 2).mean())
    assert mean == pytest.approx(1.0, rel=0.15)  # <x2^2> = kT, unbiased


def test_the_bias_has_the_derivative_of_its_energy(hot):
    method = fel.Autoencoder(n_dims=1, hidden=[8], n_steps=20, batch_size=64).fit(hot)
    cv = toy.cv_of(method, WELL, 0)
    centre, k = torch.tensor([0.3, -0.2]).double(), torch.tensor([2.0, 5.0]).double()
    x = torch.tensor([[1.0, 0.5], [-2.0, 0.1]], dtype=torch.float64)
    slope = toy.biased_gradient(cv, WELL, centre, k)(x)

    def energy(x):
        return WELL.energy(x) + 0.5 * k * (cv(x) - centre) ** 2

    h = 1e-2  # the network is float32
    for axis in range(2):
        step = h * torch.eye(2, dtype=torch.float64)[axis]
        difference = (energy(x + step) - energy(x - step)) / (2 * h)
        torch.testing.assert_close(slope[:, axis], difference.detach(), rtol=5e-3, atol=5e-3)


def test_a_killed_run_goes_on_to_the_same_numbers_and_a_cancelled_one_keeps_its_frames(linear, hot, tmp_path):
    settings = {"n_windows": 4, "n_walkers": 2, "n_steps": 400, "stride": 10, "discard": 0.0}
    whole, seen = umbrella(linear, WELL, hot, **settings), []

    def stop(progress):
        seen.append((progress.step, progress.n_steps))
        return progress.step == 5

    from fel_explorer.training import checkpoint

    interval, checkpoint.INTERVAL = checkpoint.INTERVAL, 0.0
    try:
        part = umbrella(linear, WELL, hot, callback=stop, checkpoint_dir=tmp_path, **settings)
    finally:
        checkpoint.INTERVAL = interval
    assert seen[-1] == (5, 40) and part.sizes["frame"] == 4 * 2 * 5
    resumed = umbrella(linear, WELL, hot, checkpoint_dir=tmp_path, **settings)
    np.testing.assert_array_equal(resumed["position"], whole["position"])
    with pytest.raises(FelError):
        umbrella(linear, WELL, hot, checkpoint_dir=tmp_path, **(settings | {"n_steps": 500}))


def test_exchanges_keep_the_distribution_of_each_window():
    windows = Windows(np.array([0.0, 1.0, 2.5]), np.array([2.0, 3.0, 1.0]), 0.5)
    generator = torch.Generator().manual_seed(0)
    width = torch.as_tensor((windows.kT / windows.stiffness) ** 0.5)[:, None]
    value = torch.as_tensor(windows.centres)[:, None] + width * torch.randn(
        (3, 20_000), generator=generator, dtype=torch.float64
    )
    for first, pair in ((0, (0, 1)), (1, (1, 2))):
        order = toy.exchange(value, windows, first=first, generator=generator)
        assert torch.equal(order.sort().values, torch.arange(60_000))
        assert torch.equal(order % 20_000, torch.arange(60_000) % 20_000)  # walkers keep their number
        after = value.flatten()[order].reshape(3, -1)
        moved = (after != value).float().mean(dim=1)
        assert moved[pair[0]] == moved[pair[1]] and 0.05 < moved[pair[0]] < 0.95
        assert moved[3 - sum(pair)] == 0
        torch.testing.assert_close(after.mean(1), value.mean(1), rtol=0, atol=0.02)
        torch.testing.assert_close(after.std(1), value.std(1), rtol=0.03, atol=0)


# ---- windows and MBAR


def test_mbar_recovers_a_known_density_from_exact_draws():
    random, kT = np.random.default_rng(0), 0.7
    windows = Windows(np.linspace(-3, 3, 7), np.full(7, 3.0), kT)
    # of U = kT x^2 / 2 with a harmonic restraint: normal, by completing the square
    precision = 1.0 + 3.0 / kT
    cv = np.concatenate(
        [random.normal(3.0 / kT * c / precision, precision**-0.5, 4000) for c in windows.centres]
    )
    shuffle = random.permutation(len(cv))
    window = np.repeat(np.arange(7), 4000)[shuffle]
    weight, free, overlap = mbar_weights(cv[shuffle], window, windows)
    assert weight.sum() == pytest.approx(1.0)
    assert weight @ cv[shuffle] ** 2 == pytest.approx(1.0, abs=0.05)
    expected = 0.5 * windows.centres**2 * (3.0 / kT) / precision
    np.testing.assert_allclose(free - free[3], expected, atol=0.12)
    assert np.diagonal(overlap, 1).min() > 0.1


def test_newtons_method_solves_the_equations_of_mbar(sampled):
    windows = windows_of(sampled)
    free = sampled["window_free_energy"].values / float(sampled.attrs["kT"])
    for keep in (sampled["trajectory"].values % 3 > 0, sampled["window"].values != 5):
        cv, window = sampled["cv"].values[keep], sampled["window"].values[keep]
        expected, _, _ = mbar_weights(cv, window, windows)
        for start in (free, 0.9 * free):
            found = newton_weights(cv, window, windows, start)
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert newton_weights(cv, window, windows, 100.0 * np.arange(16.0)) is None


def test_windows_span_the_data_and_start_near_their_centres():
    cv = np.random.default_rng(1).uniform(-2, 5, 5000)
    windows = place_windows(cv, kT=2.0, n_windows=15)
    assert windows.centres[[0, -1]] == pytest.approx([-2, 5], abs=0.05)
    assert windows.stiffness[0] == pytest.approx(4 * 2.0 / 0.5**2, rel=0.02)
    frames = starting_frames(cv, windows, 6, seed=3)
    assert frames.shape == (15, 6)
    assert np.abs(cv[frames] - windows.centres[:, None]).max() < 0.05


def test_windows_between_are_as_stiff_as_their_distance_and_their_neighbours_ask_for():
    windows = Windows(np.array([0.0, 1.0, 2.0, 2.5]), np.array([60.0, 50.0, 70.0, 900.0]), 3.0)
    added = windows_between([(0.0, 1.0, 0.01), (2.0, 2.5, 0.0)], windows)
    np.testing.assert_allclose(added.centres, [0.5, 2.25])
    np.testing.assert_allclose(added.stiffness, [50.0, 4 * 3.0 / 0.25**2])


@pytest.mark.parametrize(
    "change, match",
    [
        ({"dimension": 1}, "dimension=1"),
        ({"n_walkers": 0}, "n_walkers=0"),
        ({"n_windows": 1}, "At least two windows"),
        ({"stiffness": -1.0}, "stiffness=-1"),
    ],
)
def test_impossible_windows_are_refused(linear, hot, change, match):
    with pytest.raises(FelError, match=match):
        umbrella(linear, WELL, hot, **(SMALL | change))


def test_data_without_positions_and_results_of_others_are_refused(linear, hot, sampled):
    with pytest.raises(FelError, match="no 'position'"):
        umbrella(linear, WELL, hot.drop_vars("position"))
    with pytest.raises(FelError, match=r"result of fel\.sampling\.umbrella"):
        profile(hot)
    with pytest.raises(FelError, match="0 frames in A"):
        basin_difference(sampled, np.zeros(sampled.sizes["frame"]), np.ones(sampled.sizes["frame"]))


def sampled_exactly(n_walkers, n_frames, seed):
    """Twelve windows of independent frames of a double well in one dimension, as `umbrella` returns them."""
    rng, x = np.random.default_rng(seed), np.linspace(-2.2, 2.2, 4001)
    windows = Windows(np.linspace(-1.6, 1.6, 12), np.full(12, 30.0), 1.0)
    density = np.exp(-tilted(x) - windows.reduced(x))
    cv = [rng.choice(x, n_walkers * n_frames, p=p / p.sum()) for p in density]
    n, rank = 12 * n_walkers, np.arange(n_frames)
    data = xr.Dataset(
        {
            "cv": ("frame", np.concatenate(cv)),
            "window": ("frame", np.repeat(np.arange(12), n_walkers * n_frames)),
            "centre": ("umbrella", windows.centres),
            "stiffness": ("umbrella", windows.stiffness),
        },
        coords={
            "trajectory": ("frame", np.repeat(np.arange(n), n_frames)),
            "frame_in_trajectory": ("frame", np.tile(rank, n)),
        },
        attrs={"kT": 1.0},
    )
    weight, free, _ = mbar_weights(data["cv"].values, data["window"].values, windows)
    data["weight"], data["window_free_energy"] = ("frame", weight * len(weight)), ("umbrella", free)
    samples = resampled_free_energies(data, free)
    return data.assign(window_free_energy_sample=(("draw", "umbrella"), samples))


def tilted(x):
    return 3 * (x**2 - 1) ** 2 + 0.5 * x


@pytest.mark.parametrize("n_walkers, n_frames, n_blocks", [(5, 60, 5), (1, 300, 10)])
def test_errors_of_mbar_are_the_spread_over_repeats(n_walkers, n_frames, n_blocks):
    x, found = np.linspace(-2.2, 2.2, 4001), []
    for seed in range(16):
        data = sampled_exactly(n_walkers, n_frames, seed)
        draws, block = resample(data)
        assert len(draws.blocks) == n_blocks == block.max() + 1
        assert (np.bincount(block) == 12 * 300 / n_blocks).all()
        right = data["cv"].values > 0
        f = profile(data, n_bins=40)
        found.append((*basin_difference(data, ~right, right), *profile_barrier(f, (-1, 1))))
    values, errors, heights, height_errors = np.array(found).T
    p = np.exp(-tilted(x))
    exact = -np.log(p[x > 0].sum() / p[x < 0].sum())
    assert values.mean() == pytest.approx(exact, abs=4 * values.std() / 4)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(ddof=1), rel=0.5)
    assert np.sqrt(np.mean(height_errors**2)) == pytest.approx(heights.std(ddof=1), rel=0.5)


def test_any_statistic_is_reweighted_with_its_error(sampled):
    x = sampled["position"].values[:, 0]
    value, error = reweighted_statistic(sampled, lambda weight: weight @ x / weight.sum())
    axes = np.stack(np.meshgrid(np.linspace(-4.5, 4.5, 400), np.linspace(-5, 5, 200)), axis=-1).reshape(-1, 2)
    weight = np.exp(-WELL.energy(axes).numpy())
    assert value == pytest.approx(weight @ axes[:, 0] / weight.sum(), abs=4 * error) and 0 < error < 0.1
    # a dataset that was saved before bootstrap samples were kept
    older = sampled.drop_vars("window_free_energy_sample")
    again = reweighted_statistic(older, lambda weight: weight @ x / weight.sum())
    np.testing.assert_allclose(again, (value, error), rtol=1e-6)
