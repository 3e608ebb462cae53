"""Autoencoders against PCA, a curve, and known processes; level sets against NumPy."""

import json

import numpy as np
import pytest
import torch
from spectra import correlation, relaxing

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.autoencoder.committor_target import log_loss

FAST = {"n_steps": 400, "batch_size": 256, "learning_rate": 1e-2, "hidden": [20]}


@pytest.fixture(scope="module")
def fast_and_slow():
    """A wide coordinate that relaxes within 2 frames, and a narrow one that takes 100."""
    return fel.as_dataset(relaxing([2, 100], 8000) * [3.0, 1.0])


def test_a_linear_autoencoder_is_pca():
    x = relaxing([3, 3, 3], 3000) @ [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.2, 0.0, 1.0]] + 5
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    weights = np.random.default_rng(0).exponential(size=len(x))
    options = {**FAST, "hidden": [], "n_dims": 2, "n_steps": 800, "validation_fraction": 0}
    for data in (fel.as_dataset(x), fel.as_dataset(x, weights=weights)):
        method = fel.Autoencoder(**options).fit(data, device="cpu")
        w = data["weight"].values if "weight" in data else np.ones(len(x))
        lost = np.linalg.eigvalsh(np.cov(x.T, aweights=w, ddof=0))[0] / 3
        assert method.reconstruction_error_ == pytest.approx(lost, rel=0.02)


def test_the_decoder_follows_a_curve_and_features_come_back():
    angle = np.random.default_rng(0).uniform(-1.3, 1.3, size=3000)
    x = np.stack([3 * np.cos(angle) + 10, np.sin(angle)], axis=1)
    method = fel.Autoencoder(n_dims=1, **{**FAST, "n_steps": 1500}).fit(x, device="cpu")
    rebuilt = method.inverse_transform(method.transform(x))
    assert np.abs(rebuilt - x).mean() < 0.1
    error = np.square((rebuilt - x) / x.std(axis=0)).mean()
    assert method.reconstruction_error_ == pytest.approx(error, rel=1e-3)


def test_with_a_lag_the_slow_coordinate_is_kept_and_without_the_wide_one():
    x = relaxing([2, 100], 8000)
    data = fel.as_dataset(np.c_[x[:, 0], x[:, 0] + 0.05 * x[:, 1], x[:, 1]])
    plain, lagged = (
        fel.Autoencoder(n_dims=1, lag_time=lag, **FAST).fit(data, device="cpu").transform(data)
        for lag in (0.0, 10.0)
    )
    assert correlation(plain, x[:, 0]) > 0.95 > 0.3 > correlation(plain, x[:, 1])
    assert correlation(lagged, x[:, 1]) > 0.95


@pytest.mark.parametrize("operator", ["transfer", "generator"])
def test_a_regularizer_turns_the_embedding_to_the_slow_process(operator, fast_and_slow):
    # uncoupled coordinates: diffusion = variance / relaxation time
    settings = {"lag_time": 5.0, "n_dims": 1, "hidden": [8], "diffusion": [9 / 2, 1 / 100]}
    regularizer = fel.Eigenfunctions(operator=operator, **settings)
    options = {**FAST, "n_dims": 1, "reconstruction_weight": 0.1}
    method = fel.Autoencoder(regularizer=regularizer, **options).fit(fast_and_slow, device="cpu")
    assert correlation(method.transform(fast_and_slow), fast_and_slow["features"][:, 1]) > 0.95


def test_a_variational_embedding_holds_no_more_than_it_pays_for():
    x = relaxing([2, 2], 3000) * [1.0, 1.0]
    free, priced = (
        fel.Autoencoder(variational=True, kl_weight=price, **FAST).fit(x, device="cpu")
        for price in (1e-3, 5.0)
    )
    assert free.reconstruction_error_ < 0.1 and priced.reconstruction_error_ > 0.9
    assert np.abs(priced.transform(x)).max() < 0.2
    assert {"reconstruction", "information"} <= set(free.history)


def test_the_regularizer_is_json_whatever_it_was_given_as():
    method = fel.Eigenfunctions(operator="generator", n_dims=1, diffusion=[2.0])
    whole = fel.Autoencoder(regularizer=method)
    for given in (method.hyperparameters(), json.dumps(method.hyperparameters())):
        assert fel.Autoencoder(regularizer=given).hyperparameters() == whole.hyperparameters()
    assert whole.eigenfunctions().hyperparameters() == method.hyperparameters()
    assert fel.Autoencoder(regularizer="transfer", lag_time=4.0).eigenfunctions().lag_time == 4.0
    assert fel.Autoencoder().eigenfunctions() is None
    for bad in ("slow", "[1]", "3", '{"colour": 1}'):
        with pytest.raises(FelError, match=r"regularizer|colour"):
            fel.Autoencoder(regularizer=bad)


@pytest.mark.parametrize("variational", [False, True])
def test_a_regularised_autoencoder_is_a_file(variational, tmp_path):
    x = relaxing([5, 2], 100)
    options = {**FAST, "n_steps": 3, "regularizer": fel.Eigenfunctions(lag_time=1.0, hidden=[4])}
    method = fel.Autoencoder(variational=variational, **options).fit(x, device="cpu")
    method.save(tmp_path / "model.fel")
    loaded = fel.load_model(tmp_path / "model.fel")
    np.testing.assert_array_equal(loaded.transform(x), method.transform(x))
    np.testing.assert_array_equal(loaded.inverse_transform([[0, 1]]), method.inverse_transform([[0, 1]]))
    assert "regularizer" in method.history


def test_two_lags_are_refused():
    regularizer = fel.Eigenfunctions(lag_time=2.0)
    with pytest.raises(FelError, match="Give both the same lag_time"):
        fel.Autoencoder(lag_time=3.0, regularizer=regularizer).fit(relaxing([5, 2], 50), device="cpu")


def test_the_regularizers_energy_is_by_the_features_through_the_encoder():
    """E_ij of the functions g(xi(x)), by finite differences in the features' own units."""
    x = relaxing([5, 2], 60) * [2.0, 0.1]
    regularizer = fel.Eigenfunctions(operator="generator", n_dims=2, hidden=[4], diffusion=[3.0, 0.2])
    method = fel.Autoencoder(regularizer=regularizer, **{**FAST, "n_steps": 2}).fit(x, device="cpu")
    method._network.double()

    def functions(values):
        scaled = (values - method._scaling.mean.double()) / method._scaling.scale.double()
        return method._network["modes"](method._encode(scaled)[0]).detach()

    points, step = torch.from_numpy(x), 1e-5
    gradients = torch.stack(
        [(functions(points + h) - functions(points - h)) / 2e-5 for h in step * torch.eye(2).double()], dim=2
    )
    expected = torch.einsum("fic,c,fjc->ij", gradients, torch.tensor([3.0, 0.2]).double(), gradients) / 60
    scaled = method._scaling(points.float()).double().requires_grad_()
    z, _ = method._encode(scaled)
    energy, _ = method._forms(method.eigenfunctions(), scaled, z, None, torch.ones(60))
    np.testing.assert_allclose(energy.detach(), expected, rtol=1e-4)


# ---- the extended autoencoder


@pytest.fixture(scope="module")
def committed():
    """A wide coordinate, and a narrow one that alone decides; half of the frames were shot from once."""
    random = np.random.default_rng(0)
    x = random.normal(size=(6000, 2)) * [3.0, 1.0]
    exact = 1 / (1 + np.exp(-4 * x[:, 1]))
    outcome = np.where(random.random(6000) < 0.5, random.random(6000) < exact, np.nan)
    mixed = np.c_[x[:, 0], x[:, 0] + 0.3 * x[:, 1], x[:, 0] - 0.3 * x[:, 1]]
    return fel.as_dataset(mixed).assign(outcome=("frame", outcome), exact=("frame", exact)), x


def test_an_embedding_that_has_to_tell_the_committor_turns_to_what_decides(committed):
    data, x = committed
    options = {**FAST, "n_dims": 1, "learning_rate": 5e-3}
    plain = fel.Autoencoder(**options).fit(data, device="cpu")
    assert correlation(plain.transform(data), x[:, 0]) > 0.95
    for column, tolerance in (("exact", 0.03), ("outcome", 0.06)):
        method = fel.Autoencoder(committor=column, committor_weight=10.0, **options).fit(data, device="cpu")
        rank = np.argsort(np.argsort(method.transform(data).values[:, 0]))
        assert correlation(rank, np.argsort(np.argsort(x[:, 1]))) > 0.95
        told = method.predict_committor(data)
        assert told.dims == ("frame",) and np.abs(told - data["exact"]).mean() < tolerance
        assert {"reconstruction", "committor"} <= set(method.history)


def test_the_log_loss_is_that_of_the_labelled_frames_by_weight():
    logit, label = torch.tensor([0.3, -1.0, 2.0, 0.5]), torch.tensor([1.0, 0.0, -1.0, 0.25])
    weight = torch.tensor([1.0, 2.0, 5.0, 3.0])
    p = 1 / (1 + np.exp(-logit.numpy()))
    expected = -np.log(p[0]) - 2 * np.log(1 - p[1]) - 3 * (0.25 * np.log(p[3]) + 0.75 * np.log(1 - p[3]))
    assert float(log_loss(logit, label, weight)) == pytest.approx(expected / 6, rel=1e-6)
    assert float(log_loss(logit, -torch.ones(4), weight)) == 0


def test_an_extended_autoencoder_is_a_file_and_resumes_with_its_labels_only(committed, tmp_path):
    data, _ = committed
    options = {**FAST, "n_steps": 5, "n_dims": 1, "lag_time": 2.0, "regularizer": "transfer"}
    method = fel.Autoencoder(committor="outcome", **options)
    method.fit(data, device="cpu", checkpoint_dir=tmp_path)
    method.save(tmp_path / "model.fel")
    loaded = fel.load_model(tmp_path / "model.fel")
    np.testing.assert_array_equal(loaded.predict_committor(data), method.predict_committor(data))
    np.testing.assert_array_equal(loaded.inverse_transform([[0.5]]), method.inverse_transform([[0.5]]))
    other = data.assign(outcome=1 - data["outcome"])
    with pytest.raises(FelError, match="committors differ"):
        fel.Autoencoder(committor="outcome", **options).fit(other, device="cpu", checkpoint_dir=tmp_path)


@pytest.mark.parametrize("column, message", [("q", "no column 'q'"), ("odd", "0 to 1"), ("none", "but NaN")])
def test_columns_that_are_no_committors_are_told(committed, column, message):
    data = committed[0].assign(odd=("frame", np.arange(6000.0)), none=("frame", np.full(6000, np.nan)))
    with pytest.raises(FelError, match=message):
        fel.Autoencoder(committor=column, **FAST).fit(data, device="cpu")
    with pytest.raises(FelError, match="not fitted to committors"):
        fel.Autoencoder(**{**FAST, "n_steps": 1}).fit(data, device="cpu").predict_committor(data)


# ---- level sets


def test_level_sets_are_conditional_moments():
    random = np.random.default_rng(0)
    x, w = random.normal(size=(500, 3)) + 100, random.exponential(size=500)
    w[:5] = 0
    data = fel.as_dataset(x, weights=w)
    pca = fel.PCA(n_dims=1).fit(x)
    table = fel.methods.level_sets(pca, data, n_bins=4)
    z = pca.transform(x).values[:, 0]
    edges = np.linspace(z.min(), z.max(), 5)
    total = 0.0
    for i in range(4):
        inside = (z >= edges[i]) & ((z < edges[i + 1]) | (i == 3))
        mean = np.average(x[inside], axis=0, weights=w[inside])
        variance = np.average((x[inside] - mean) ** 2, axis=0, weights=w[inside])
        np.testing.assert_allclose(table["mean"][i], mean, rtol=1e-5)
        np.testing.assert_allclose(table["variance"][i], variance, rtol=1e-3)
        np.testing.assert_allclose(table["population"][i], w[inside].sum() / w.sum())
        np.testing.assert_allclose(table["cv"][i, 0], np.average(z[inside], weights=w[inside]), rtol=1e-5)
        total = total + w[inside].sum() / w.sum() * variance
    share = (total / np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w)).mean()
    assert table.attrs["unexplained_variance"] == pytest.approx(share, rel=1e-3)
    assert float(table["population"] @ table["unexplained"]) == pytest.approx(share, rel=1e-3)
    assert table["bin"].values[:, 0].tolist() == [0, 1, 2, 3] and int(table["n_frames"].sum()) == 495
    spread = np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w)
    wrong = ((table["decoded"] - table["mean"]) ** 2 / spread).mean("feature")
    np.testing.assert_allclose(table["decoder_error"], wrong, rtol=1e-3)
    np.testing.assert_allclose(table["decoded"], pca.inverse_transform(table["cv"]), rtol=1e-6)


def test_the_best_decoder_is_the_conditional_mean():
    random = np.random.default_rng(0)
    t = random.uniform(-1, 1, size=4000)
    x = np.c_[2 * t, t**2] + 0.05 * random.normal(size=(4000, 2))
    method = fel.Autoencoder(n_dims=1, **{**FAST, "n_steps": 1500}).fit(x, device="cpu")
    table = fel.methods.level_sets(method, x, n_bins=100)
    populated = table.isel(cell=table["population"].values > 0.005)
    assert np.abs(populated["decoded"] - populated["mean"]).max() < 0.06
    assert table.attrs["unexplained_variance"] == pytest.approx(method.reconstruction_error_, rel=0.2)


def test_level_sets_of_two_dimensions_and_of_too_many():
    x = np.random.default_rng(0).normal(size=(300, 3))
    table = fel.methods.level_sets(fel.PCA(n_dims=2).fit(x), x, n_bins=3)
    assert table["cv"].shape == (table.sizes["cell"], 2) and table.sizes["cell"] <= 9
    with pytest.raises(FelError, match="one or two dimensions"):
        fel.methods.level_sets(fel.PCA(n_dims=3).fit(x), x)
