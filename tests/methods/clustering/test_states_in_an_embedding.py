"""KMeans and PCCA+ on embeddings, against scikit-learn, deeptime and a known chain."""

import deeptime
import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.metrics import adjusted_rand_score

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError

# four sites: 0-1 and 2-3 exchange at once, the pairs rarely
CHAIN = np.array(
    [[0.6, 0.4, 0, 0], [0.39, 0.6, 0.01, 0], [0, 0.01, 0.59, 0.4], [0, 0, 0.4, 0.6]], dtype=float
)
SITES = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 1.5], [4.0, 1.5]])  # the slow direction is the short one


def chain(n, seed):
    random, cumulative = np.random.default_rng(seed), np.cumsum(CHAIN, axis=1)
    states = [0]
    for uniform in random.random(n - 1):
        states.append(min(int(np.searchsorted(cumulative[states[-1]], uniform)), 3))
    return np.array(states)


@pytest.fixture(scope="module")
def sites():
    return [chain(6000, 0), chain(4000, 1)]


@pytest.fixture(scope="module")
def data(sites):
    random = np.random.default_rng(2)
    arrays = [
        np.c_[SITES[s] + 0.1 * random.normal(size=(len(s), 2)), 0.1 * random.normal(size=len(s))]
        for s in sites
    ]
    return fel.as_dataset(arrays, time_step=2.0, time_unit="ps")


@pytest.fixture(scope="module")
def pca(data):
    return fel.PCA(n_dims=2).fit(data)


def test_kmeans_on_an_embedding_is_scikit_learns(data, pca):
    method = fel.KMeans(n_states=4).fit(data, embedding=pca)
    points = pca.transform(data).values
    expected = SklearnKMeans(4, n_init=10, random_state=0).fit_predict(points)
    assert adjusted_rand_score(expected, method.predict(data)) == 1.0
    np.testing.assert_array_equal(method.transform(data), points)
    assert set(np.unique(method.predict_proba(data))) == {0.0, 1.0}
    assert method.n_dims == 2 and method.embedding_ is pca


def test_states_are_numbered_by_population(data, pca):
    for method in (
        fel.KMeans(n_states=3).fit(data, embedding=pca),
        fel.PCCA(n_states=3, n_microstates=20, lag_time=2.0).fit(data, embedding=pca),
    ):
        counts = np.bincount(method.predict(data), minlength=3) / data.sizes["frame"]
        np.testing.assert_allclose(method.populations_, counts)
        assert (np.diff(method.populations_) <= 0).all()


def test_without_an_embedding_kmeans_sees_the_standardised_features(data):
    method = fel.KMeans(n_states=4).fit(data)
    x = data["features"].values.astype(float)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = SklearnKMeans(4, n_init=10, random_state=0).fit_predict(scaled)
    assert adjusted_rand_score(expected, method.predict(data)) > 0.99
    np.testing.assert_array_equal(method.transform(data), fel.PCA(n_dims=2).fit(data).transform(data))


def test_kmeans_uses_weights(data, pca):
    x = pca.transform(data).values
    weight = np.where(x[:, 0] > 0, 1.0, 1e-9)
    method = fel.KMeans(n_states=2).fit(data.assign(weight=("frame", weight)), embedding=pca)
    expected = SklearnKMeans(2, n_init=10, random_state=0).fit(x[x[:, 0] > 0]).predict(x)
    assert adjusted_rand_score(expected, method.predict(data)) > 0.999
    share = weight[method.predict(data).values == 0].sum() / weight.sum()
    assert method.populations_[0] == pytest.approx(share)


def test_pcca_finds_the_slow_division_where_kmeans_cuts_the_long_side(data, sites, pca):
    slow = np.concatenate(sites) >= 2
    pcca = fel.PCCA(n_states=2, n_microstates=20, lag_time=2.0).fit(data, embedding=pca)
    kmeans = fel.KMeans(n_states=2).fit(data, embedding=pca)
    assert adjusted_rand_score(slow, pcca.predict(data)) > 0.99
    assert adjusted_rand_score(slow, kmeans.predict(data)) < 0.1
    slowest = np.sort(np.abs(np.linalg.eigvals(CHAIN)))[-2]
    assert pcca.implied_timescales_[0] == pytest.approx(-2.0 / np.log(slowest), rel=0.25)


def test_pcca_memberships_are_deeptimes(data, pca):
    method = fel.PCCA(n_states=3, n_microstates=15, lag_time=4.0).fit(data, embedding=pca)
    points, centres = pca.transform(data).values, method._centres.numpy()
    cell = ((points[:, None] - centres) ** 2).sum(-1).argmin(1)
    parts = np.split(cell, np.cumsum(schema.trajectory_lengths(data))[:-1])
    counts = deeptime.markov.TransitionCountEstimator(2, "sliding").fit_fetch(parts)
    msm = deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    expected = msm.pcca(3).memberships[cell]
    found = method.predict_proba(data).values
    order = [int(np.abs(expected - found[:, [i]]).sum(axis=0).argmin()) for i in range(3)]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found, expected[:, order], atol=1e-6)
    np.testing.assert_allclose(method.implied_timescales_, 2.0 * msm.timescales(k=2), rtol=1e-9)


def test_cells_that_are_never_left_take_the_memberships_of_their_neighbour(sites):
    random = np.random.default_rng(3)
    x = SITES[sites[0]] + 0.1 * random.normal(size=(6000, 2))
    x[-1] = [30.0, 2.0]  # a cell of its own, entered at the last frame
    method = fel.PCCA(n_states=2, n_microstates=12, lag_time=1.0, seed=1)
    method.fit(x, embedding=fel.PCA(n_dims=2).fit(x))
    near = method.predict_proba(np.array([[30.0, 2.0], [4.2, 1.5]])).values
    np.testing.assert_allclose(near[0], near[1], atol=0.05)


@pytest.mark.parametrize("name, options", [("KMeans", {}), ("PCCA", {"lag_time": 4.0, "n_microstates": 15})])
def test_the_embedding_is_saved_with_the_states(name, options, data, tmp_path):
    tica = fel.TICA(lag_time=4.0, n_dims=3).fit(data)
    method = getattr(fel, name)(n_states=3, **options).fit(data, embedding=tica)
    method.save(tmp_path / "states.fel")
    loaded = fel.load_model(tmp_path / "states.fel")
    assert isinstance(loaded.embedding_, fel.TICA) and loaded.n_dims == 3
    np.testing.assert_array_equal(loaded.predict_proba(data), method.predict_proba(data))
    np.testing.assert_array_equal(loaded.transform(data), tica.transform(data))


def test_what_is_no_embedding_of_the_data_is_refused(data):
    with pytest.raises(FelError, match="not fitted"):
        fel.KMeans().fit(data, embedding=fel.PCA())
    with pytest.raises(FelError, match="embedding is a str"):
        fel.KMeans().fit(data, embedding="PCA")
    other = fel.PCA().fit(np.random.default_rng(0).normal(size=(50, 2)))
    with pytest.raises(FelError, match="2 features"):
        fel.KMeans().fit(data, embedding=other)


def test_more_states_than_points_or_connected_cells_are_refused(data):
    few = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(FelError, match="2 different points"):
        fel.KMeans(n_states=3).fit(few)
    with pytest.raises(FelError, match="n_microstates=3"):
        fel.PCCA(n_states=2, n_microstates=3, lag_time=1.0).fit(few)
    with pytest.raises(FelError, match="cells are connected"):
        fel.PCCA(n_states=8, n_microstates=5, lag_time=2.0).fit(data)
