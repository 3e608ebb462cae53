"""PCA and TICA against NumPy and an exactly known process."""

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import pytest
import scipy.linalg
import sklearn.decomposition

import fel_explorer as fel
from fel_explorer.errors import FelError


def relaxing(times, n=40_000, seed=0):
    """Independent Ornstein-Uhlenbeck processes with the given relaxation times, unit variance."""
    random, a = np.random.default_rng(seed), np.exp(-1 / np.asarray(times))
    x = np.empty((n, len(times)))
    x[0] = random.normal(size=len(times))
    noise = random.normal(size=x.shape) * np.sqrt(1 - a**2)
    for t in range(1, n):
        x[t] = a * x[t - 1] + noise[t]
    return x


def test_pca_is_the_singular_value_decomposition():
    x = relaxing([5, 3, 2], 500) @ [[3, 0, 1], [0, 1, 0], [0, 0, 0.2]] + 10
    centred = x - x.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    pca = fel.PCA(n_dims=2).fit(x)
    np.testing.assert_allclose(np.abs(pca.transform(x)), np.abs(u[:, :2] * s[:2]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(pca.explained_variance_ratio_, (s**2 / (s**2).sum())[:2], rtol=1e-5)
    whitened = fel.PCA(n_dims=2, whiten=True).fit(x)
    np.testing.assert_allclose(whitened.transform(x).values.std(axis=0, ddof=1), 1.0, rtol=1e-4)
    for method in (pca, whitened):
        decoded = method.inverse_transform(method.transform(x))
        np.testing.assert_allclose(decoded, (u[:, :2] * s[:2]) @ vt[:2] + x.mean(axis=0), atol=1e-3)


def test_pca_is_scikit_learns_and_frame_weights_count_as_copies_do():
    x = relaxing([5, 3, 2], 500) @ [[3, 0, 1], [0, 1, 0], [0, 0, 0.2]] + 10
    oracle = sklearn.decomposition.PCA(2)
    np.testing.assert_allclose(fel.PCA(n_dims=2).fit(x).transform(x), oracle.fit_transform(x), atol=1e-4)
    copies = np.random.default_rng(0).integers(0, 4, size=500)
    weighted = fel.PCA(n_dims=2).fit(fel.as_dataset(x, weights=copies.astype(float)))
    repeated = fel.PCA(n_dims=2).fit(np.repeat(x, copies, axis=0))
    np.testing.assert_allclose(weighted.transform(x), repeated.transform(x), atol=1e-4)
    np.testing.assert_allclose(weighted.explained_variance_ratio_, repeated.explained_variance_ratio_)


@pytest.mark.parametrize("reversible", [True, False])
def test_tica_finds_the_relaxation_times(reversible):
    mixing = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, -0.3, 1.5]])
    data = fel.as_dataset(relaxing([80, 20, 4]) @ mixing + 100, time_step=2.0)
    tica = fel.TICA(lag_time=20.0, n_dims=2, reversible=reversible, scaling="none").fit(data)
    np.testing.assert_allclose(tica.implied_timescales_, [160, 40], rtol=0.15)
    embedding = tica.transform(data).values
    np.testing.assert_allclose(embedding.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(embedding.std(axis=0), 1.0, rtol=0.01)
    scaled = fel.TICA(lag_time=20.0, n_dims=2, reversible=reversible).fit(data).transform(data).values
    np.testing.assert_allclose(scaled, embedding * tica.eigenvalues_, rtol=1e-3, atol=1e-4)


def test_tica_is_the_generalised_eigenproblem_with_weights_and_without_crossing_trajectories():
    pieces, lag = [relaxing([30, 5], n, seed) for seed, n in enumerate((3000, 500, 3))], 4
    weights = [np.random.default_rng(9).exponential(size=len(piece)) for piece in pieces]
    x = np.concatenate([p[:-lag] for p in pieces if len(p) > lag])
    y = np.concatenate([p[lag:] for p in pieces if len(p) > lag])
    w = np.concatenate([w[:-lag] for w in weights if len(w) > lag])
    mean = (w @ x + w @ y) / (2 * w.sum())
    x, y = x - mean, y - mean
    lagged = (x.T * w) @ y
    instant = (x.T * w) @ x + (y.T * w) @ y
    expected = scipy.linalg.eigh(lagged + lagged.T, instant, eigvals_only=True)[::-1]
    tica = fel.TICA(lag_time=float(lag)).fit(fel.as_dataset(pieces, weights=weights))
    np.testing.assert_allclose(tica.eigenvalues_, expected, rtol=1e-4)


@pytest.mark.parametrize("reversible", [True, False])
def test_tica_is_deeptimes(reversible):
    pieces, lag = [relaxing([30, 5, 2], n, seed) for seed, n in enumerate((3000, 500))], 4
    pieces = [piece @ [[3, 0, 1], [0, 1, 0], [0.5, 0, 0.2]] + 10 for piece in pieces]
    options = {"compute_c0t": True, "compute_ctt": not reversible, "remove_data_mean": True}
    covariance = deeptime.covariance.Covariance(lag, reversible=reversible, **options)
    for piece in pieces:
        covariance.partial_fit((piece[:-lag], piece[lag:]))
    oracle = deeptime.decomposition.TICA if reversible else deeptime.decomposition.VAMP
    model = oracle(scaling=None).fit_from_covariances(covariance).fetch_model()
    tica = fel.TICA(lag_time=float(lag), n_dims=2, scaling="none", reversible=reversible)
    embedding = tica.fit_transform(fel.as_dataset(pieces)).values
    expected = model.transform(np.concatenate(pieces))[:, :2]
    expected *= np.sign((expected * embedding).sum(axis=0))  # signs are free
    np.testing.assert_allclose(tica.spectrum_, model.singular_values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(embedding, expected, atol=1e-3)


def test_units_do_not_change_the_slow_modes():
    x = relaxing([50, 5], 5000)
    large = fel.TICA(lag_time=5.0).fit(x * [1e4, 1.0]).eigenvalues_
    small = fel.TICA(lag_time=5.0).fit(x * [1e-4, 1.0]).eigenvalues_
    np.testing.assert_allclose(large, small, rtol=1e-4)


def test_more_dimensions_than_the_features_span_are_refused():
    x = relaxing([10, 5], 300)
    with pytest.raises(FelError, match="Take n_dims=2"):
        fel.TICA(lag_time=1.0, n_dims=3).fit(np.c_[x, x[:, 0]])
    with pytest.raises(FelError, match="At most 2"):
        fel.PCA(n_dims=3).fit(x)


def test_constant_features_are_refused_by_tica():
    with pytest.raises(FelError, match="constant"):
        fel.TICA(lag_time=1.0).fit(np.ones((30, 3)))
