"""Comparison of two sets of frames against distances of known distributions."""

import numpy as np
import pytest
from scipy.stats import norm

import fel_explorer as fel
from fel_explorer.structures.comparison import ComparisonCancelled, compare, distributions

N = 20_000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def dataset(rng, **columns):
    data = fel.as_dataset([rng.normal(size=(N, 2)).astype(np.float32)])
    for name, (values, attrs) in columns.items():
        data[name] = ("frame", np.asarray(values, np.float32), attrs)
    return data


def halves(rng):
    first = rng.random(N) < 0.5
    return first, ~first


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_effect_of_shifted_normals(rng, shift):
    first, second = halves(rng)
    data = dataset(rng, x=(rng.normal(size=N) + shift * second, {}))
    table = compare(data, first, second)
    row = table.sel(quantity="x")
    exact = 2 * norm.cdf(shift / 2) - 1
    assert table["quantity"].values[0] == "x"
    assert float(row["effect"]) == pytest.approx(exact, abs=0.02)
    assert float(row["lower"]) - 0.01 <= exact <= float(row["upper"]) + 0.01
    assert float(row["difference"]) == pytest.approx(shift, abs=0.05)
    assert not bool(row["circular"])
    others = table["effect"].values[1:]
    assert (others < 0.07).all()


def test_angles_are_circular(rng):
    first, second = halves(rng)
    raw = np.where(first, 175.0, -165.0) + rng.normal(scale=5.0, size=N)
    data = dataset(rng, phi=((raw + 180) % 360 - 180, {"units": "deg"}))
    row = compare(data, first, second, names=["phi"]).isel(quantity=0)
    assert bool(row["circular"])
    assert float(row["difference"]) == pytest.approx(20.0, abs=0.3)
    assert float(row["effect"]) == pytest.approx(2 * norm.cdf(2.0) - 1, abs=0.03)
    assert row["spread"].values == pytest.approx([5.0, 5.0], abs=0.2)
    assert abs(abs(float(row["mean"][0])) - 175.0) < 0.5


def test_splits_of_equal_mean_are_seen(rng):
    first, second = halves(rng)
    values = np.where(second, rng.choice([-3.0, 3.0], N), 0.0) + rng.normal(scale=0.3, size=N)
    row = compare(dataset(rng, x=(values, {})), first, second, names=["x"]).isel(quantity=0)
    assert float(row["effect"]) > 0.98
    assert abs(float(row["difference"])) < 0.1


def test_intervals_hold_what_blocks_vary(rng):
    """Frames in a row are alike: the interval is that of the blocks, far wider than that of free frames."""
    first, second = np.arange(N) < N // 2, np.arange(N) >= N // 2
    slow = np.repeat(rng.normal(size=40), N // 40)
    free = rng.permutation(slow)
    table = compare(dataset(rng, slow=(slow, {}), free=(free, {})), first, second)
    width = (table["upper"] - table["lower"]).to_series()
    assert width["slow"] > 4 * width["free"]


def test_torsions_stand_for_their_features(rng):
    angle = rng.uniform(-np.pi, np.pi, N)
    data = fel.as_dataset([np.column_stack([np.cos(angle), np.sin(angle)])])
    data = data.assign_coords(feature=["phi ALA2 cos", "phi ALA2 sin"])
    table = compare(data, angle > 0, angle <= 0)
    assert list(table["quantity"].values) == ["phi ALA2"]
    assert float(table["effect"][0]) == pytest.approx(1.0, abs=1e-6)


def test_weights_count(rng):
    first, second = halves(rng)
    x = rng.normal(size=N)
    data = dataset(rng, x=(x, {}), weight=(np.where(second, np.exp(x), 1.0), {}))
    assert float(compare(data, first, second, names=["x"])["difference"][0]) == pytest.approx(1.0, abs=0.06)


def test_distributions_integrate_to_one(rng):
    first, second = halves(rng)
    found = distributions(dataset(rng, x=(rng.normal(size=N), {})), "x", [first, second])
    width = float(found["value"][1] - found["value"][0])
    assert (found.sum("value") * width).values == pytest.approx([1.0, 1.0])


def test_bad_sets_and_cancel(rng):
    first, second = halves(rng)
    data = dataset(rng)
    with pytest.raises(fel.FelError, match="second set has no frames"):
        compare(data, first, np.zeros(N, bool))
    with pytest.raises(fel.FelError, match="shape"):
        compare(data, first[:5], second)
    with pytest.raises(fel.FelError, match="nothing called"):
        compare(data, first, second, names=["psi"])
    with pytest.raises(ComparisonCancelled):
        compare(data, first, second, callback=lambda progress: True)


def test_a_set_within_one_block_has_no_interval():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(1000, 1)), feature_names=["x"])
    first = np.arange(1000) < 20
    row = compare(data, first, ~first).isel(quantity=0)
    assert np.isnan(row["lower"]) and np.isnan(row["upper"]) and 0 <= row["effect"] <= 1
