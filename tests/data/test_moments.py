"""Moments accumulated in one pass against NumPy over all pairs, and against deeptime."""

import deeptime.covariance
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.data import blocks, moments
from fel_explorer.data.blocks import feature_blocks
from fel_explorer.data.moments import Covariance, LaggedCovariance, Moments, accumulate_features, weights_of
from fel_explorer.errors import FelError
from fel_explorer.methods.clustering import base

LENGTHS = (3, 400, 2, 1, 57, 250, 5)  # some shorter than a chunk, some than the lag


def walks(weights=False, offset=1e4):
    random = np.random.default_rng(0)
    pieces = [np.cumsum(random.normal(size=(n, 4)), axis=0) * [1, 2, 0.1, 5] + offset for n in LENGTHS]
    given = [random.exponential(size=n) * (random.random(n) > 0.3) for n in LENGTHS] if weights else None
    return fel.as_dataset(pieces, weights=given)


def stored(dataset, rows):
    """The same dataset in chunks of so many frames, read lazily."""
    return dataset.assign(features=dataset["features"].chunk({"frame": rows}))


def pairs(dataset, lag):
    """Earlier and later frames (pair,) by brute force."""
    trajectory = dataset["trajectory"].values
    first = [t for t in range(len(trajectory) - lag) if trajectory[t] == trajectory[t + lag]]
    return np.array(first), np.array(first) + lag


@pytest.mark.parametrize("rows", [7, 64, 1000])
@pytest.mark.parametrize("lag", [1, 5, 200])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reversible", [False, True])
def test_lagged_covariances_are_those_of_all_pairs_within_trajectories(
    rows, lag, weighted, reversible, monkeypatch
):
    monkeypatch.setattr(blocks, "READ_BYTES", 16 * rows)
    dataset = walks(weighted)
    x = dataset["features"].values.astype(float)
    now, later = pairs(dataset, lag)
    w = dataset["weight"].values[now] if weighted else np.ones(len(now))
    a, b = x[now], x[later]
    if reversible:
        a, b, w = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([w, w])
    mean, mean_later = np.average(a, axis=0, weights=w), np.average(b, axis=0, weights=w)
    a, b = a - mean, b - mean_later
    for data in (dataset, stored(dataset, rows)):
        own = moments.lagged_covariance(data, lag, reversible=reversible)
        accumulate_features(data, own)
        found = own.result()
        np.testing.assert_allclose([found.mean, found.mean_later], [mean, mean_later], rtol=1e-10)
        for name, (p, q) in {"c00": (a, a), "c0t": (a, b), "ctt": (b, b)}.items():
            expected = (p.T * w) @ q / w.sum()
            np.testing.assert_allclose(
                getattr(found, name), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max()
            )
        assert found.weight == pytest.approx(w.sum())


def test_covariances_and_scaling_are_numpys_whatever_the_chunks():
    dataset = walks(weights=True)
    x, w = dataset["features"].values.astype(float), dataset["weight"].values
    for rows in (5, 13, 10_000):
        data = stored(dataset, rows)
        scale, covariance = Moments(), Covariance(weights_of(data))
        accumulate_features(data, scale, covariance)
        np.testing.assert_allclose(scale.mean, x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(scale.variance, x.var(axis=0), rtol=1e-8)
        np.testing.assert_allclose(covariance.mean, np.average(x, axis=0, weights=w), rtol=1e-12)
        np.testing.assert_allclose(covariance.covariance, np.cov(x.T, aweights=w, ddof=0), rtol=1e-8)


def test_the_covariances_are_deeptimes():
    dataset, lag = walks(offset=3.0), 5
    options = {"compute_c0t": True, "compute_ctt": True, "remove_data_mean": True}
    estimator = deeptime.covariance.Covariance(lag, bessels_correction=False, **options)
    for _, piece in dataset["features"].groupby(dataset["trajectory"]):
        if len(piece) > lag:
            piece = piece.values.astype(float)
            estimator.partial_fit((piece[:-lag], piece[lag:]))
    expected = estimator.fetch_model()
    own = LaggedCovariance(LENGTHS, lag)
    accumulate_features(stored(dataset, 50), own)
    found = own.result()
    for name, theirs in {"c00": expected.cov_00, "c0t": expected.cov_0t, "ctt": expected.cov_tt}.items():
        np.testing.assert_allclose(getattr(found, name), theirs, rtol=1e-8, atol=1e-8)


def test_a_long_lag_reads_the_earlier_frames_again_and_counts_the_same(monkeypatch):
    data, results = stored(walks(), 20), []
    for limit in (moments.KEPT_BYTES, 0):
        monkeypatch.setattr(moments, "KEPT_BYTES", limit)
        own = moments.lagged_covariance(data, 100, reversible=False)
        accumulate_features(data, own)
        assert bool(own._kept) == bool(limit)
        results.append(own.result().c0t)
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_a_mean_far_from_zero_costs_no_digits():
    x = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    far = (x + np.float32(2**14)).astype(np.float32)
    data = stored(fel.as_dataset(far), 100)
    own = Moments()
    accumulate_features(data, own)
    np.testing.assert_allclose(own.variance, far.astype(float).var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("frame", [0, 9, 10, 19, 20, 699])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_wherever_chunks_end(frame, value):
    data = walks()
    values = data["features"].values.copy()
    values[frame, 2] = value
    data = stored(data.assign(features=(("frame", "feature"), values)), 10)
    for method in (fel.PCA(), fel.TICA(lag_time=2.0), fel.KMeans(n_states=2)):
        with pytest.raises(FelError, match=rf"Feature 'x2' is {value} at frame {frame}\."):
            method.fit(data)


@pytest.mark.parametrize("chunks", [(10, 10, 10, 7), (1, 30, 6), (37,), (0, 20, 0, 17)])
@pytest.mark.parametrize("rows", [1, 3, 10, 25, 100])
def test_blocks_follow_each_other_and_end_where_chunks_end(chunks, rows, monkeypatch):
    monkeypatch.setattr(blocks, "READ_BYTES", rows * 8)
    x = np.arange(74, dtype=np.float32).reshape(37, 2)
    data = fel.as_dataset(x)
    data = data.assign(features=data["features"].chunk({"frame": chunks}))
    found = list(feature_blocks(data))
    np.testing.assert_array_equal(np.concatenate([block for _, block in found]), x)
    ends = np.cumsum([len(block) for _, block in found])
    assert set(ends) <= set(np.cumsum(chunks)) and [start for start, _ in found] == [0, *ends[:-1]]
    assert max(len(block) for _, block in found) < 2 * max(rows, *chunks)


def test_reading_ends_when_what_uses_the_blocks_fails():
    data = stored(walks(), 10)
    for _, block in feature_blocks(data):
        assert len(block)
        break


def test_methods_that_use_a_part_of_stored_data_say_so(monkeypatch):
    data = stored(walks(offset=0.0), 100)
    with pytest.warns(UserWarning, match="DiffusionMap was fitted to 50 of 718 frames"):
        method = fel.DiffusionMap(n_landmarks=50).fit(data)
    assert method.n_sampled_ == 50
    monkeypatch.setattr(base, "SAMPLE", 200)
    monkeypatch.setattr(base, "SAMPLE_VALUES", 0)
    with pytest.warns(UserWarning, match="KMeans was fitted to 20 of 718 frames"):
        method = fel.KMeans(n_states=2).fit(data)
    assert method.n_sampled_ == 20
