"""Sensitivities against weights that are known: PCA, TICA, a net fitted to two of ten features, torsions."""

import numpy as np
import pytest
import torch
from spectra import relaxing

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.features.names import feature_groups
from fel_explorer.methods import sensitivity

MIXING = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, -0.3, 1.5]])


def test_strengths_of_a_linear_method_are_its_weights_times_the_deviations():
    x = relaxing([30, 10, 3], 3000) @ MIXING * [1.0, 20.0, 0.1]
    weights = np.random.default_rng(0).exponential(size=len(x))
    for data in (fel.as_dataset(x), fel.as_dataset(x, weights=weights)):
        w = data["weight"].values if "weight" in data else None
        deviation = np.sqrt(np.diag(np.cov(x.T, aweights=w, ddof=0)))
        tica = fel.TICA(lag_time=2.0, n_dims=2, scaling="none").fit(data)
        slopes = np.linalg.lstsq(np.c_[x, np.ones(len(x))], tica.transform(data).values, rcond=None)[0][:3]
        expected = np.abs(slopes.T) * deviation
        table = sensitivity(tica, data).sel(group=["x0", "x1", "x2"])
        np.testing.assert_allclose(table["strength"], expected, rtol=1e-3)
        np.testing.assert_allclose(table["share"], expected / expected.sum(axis=1, keepdims=True), rtol=1e-3)


def test_features_are_ranked_and_unused_ones_have_no_share():
    x = np.random.default_rng(0).normal(size=(1000, 4)) * [1.0, 5.0, 0.1, 2.0]
    table = sensitivity(fel.PCA(n_dims=1).fit(x), x)
    assert list(table["group"].values[:2]) == ["x1", "x3"]
    share = table["share"].mean("cv").values
    assert (np.diff(share) <= 0).all() and share[0] > 0.9


class Known(fel.methods.Method):
    """A fixed function of the features."""

    def _fit(self, dataset, **options):
        return

    def _transform(self, features):
        return self.function(features)


def known(function, data):
    method = Known()
    method.function = function
    return method.fit(data)


def test_a_net_fitted_to_two_of_ten_features_is_sensitive_to_those():
    random = np.random.default_rng(0)
    x = random.normal(size=(4000, 10)).astype(np.float32)
    target = torch.from_numpy(np.sin(x[:, 3:4]) + 0.5 * x[:, 7:8] ** 2)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        (net(torch.from_numpy(x)) - target).square().mean().backward()
        optimizer.step()
    table = sensitivity(known(net, x), x)
    assert set(table["group"].values[:2]) == {"x3", "x7"}
    assert float(table["share"][0, :2].sum()) > 0.8
    exact = np.sqrt([np.mean(np.cos(x[:, 3]) ** 2), np.mean(x[:, 7] ** 2)])
    np.testing.assert_allclose(table["strength"].sel(group=["x3", "x7"])[0], exact, rtol=0.08)


def test_a_torsion_counts_once_and_only_along_its_circle():
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, size=(5000, 2))
    x = np.stack([np.cos(angle[:, 0]), np.sin(angle[:, 0]), np.cos(angle[:, 1]), np.sin(angle[:, 1])], axis=1)
    data = fel.as_dataset(x, feature_names=["phi A cos", "phi A sin", "psi A cos", "psi A sin"])

    def function(features):
        """sin(2 phi), written so that its derivative across the circle is not 0; psi only by its radius."""
        phi, psi = features[:, :2], features[:, 2:]
        return 2 * phi[:, :1] * phi[:, 1:] + 10 * psi.square().sum(1, keepdim=True)

    table = sensitivity(known(function, data), data)
    assert list(table["group"]) == ["phi A", "psi A"]
    slope = np.sqrt(np.mean((2 * np.cos(2 * angle[:, 0])) ** 2))
    spread = np.sqrt(x[:, :2].var(axis=0).sum())
    assert float(table["strength"].sel(group="phi A")[0]) == pytest.approx(slope * spread, rel=1e-3)
    assert float(table["share"].sel(group="psi A")[0]) < 1e-4
    np.testing.assert_allclose(table["feature_share"][0], [0.5, 0.5, 0, 0], atol=1e-4)
    assert list(table["group_of"].values) == ["phi A", "phi A", "psi A", "psi A"]


def test_the_coordinates_of_an_atom_count_as_one():
    x = np.random.default_rng(0).normal(size=(500, 4))
    data = fel.as_dataset(x, feature_names=["x ALA1-CA", "y ALA1-CA", "z ALA1-CA", "d A B"])
    table = sensitivity(known(lambda f: f @ torch.tensor([[1.0], [2.0], [2.0], [1.0]]), data), data)
    d = np.array([1, 2, 2, 1]) * x.std(axis=0)
    assert float(table["strength"].sel(group="ALA1-CA")[0]) == pytest.approx(np.linalg.norm(d[:3]), rel=1e-4)
    np.testing.assert_allclose(
        table["feature_share"].groupby("group_of").sum(), table["share"].sortby("group")
    )


def test_groups_of_names():
    names = ["phi A cos", "d A B", "phi A sin", "psi A cos", "x B", "y B", "x C", "y C", "z C"]
    assert feature_groups(names) == {
        "phi A": [0, 2], "d A B": [1], "psi A cos": [3], "x B": [4], "y B": [5], "C": [6, 7, 8],
    }  # fmt: skip


SMALL = {"n_steps": 5, "hidden": [8], "batch_size": 32, "n_states": 3, "lag_time": 2.0}


@pytest.mark.parametrize("name", ["DiffusionMap", "SRV", "VAMPNet", "Eigenfunctions", "Autoencoder", "IDM"])
def test_derivatives_of_trained_methods_are_finite_differences(name):
    x = (relaxing([20, 5, 3], 200) @ MIXING).astype(np.float32)
    names = fel.list_methods()[name].hyperparameter_names()
    method = fel.list_methods()[name](**{key: value for key, value in SMALL.items() if key in names})
    method.fit(x, device="cpu")
    for of in ("embedding", "memberships")[: 1 + method.has_states]:
        function = method.transform if of == "embedding" else method.predict_proba
        table = sensitivity(method, x, of=of, n_frames=len(x)).sel(group=["x0", "x1", "x2"])
        steps = 0.02 * x.std(axis=0) * np.eye(3, dtype=np.float32)
        moved = [(function(x + step).values - function(x - step).values) / 0.04 for step in steps]
        expected = np.sqrt(np.square(moved).mean(axis=1)).T
        np.testing.assert_allclose(table["strength"], expected, rtol=0.02, atol=1e-4 * expected.max() + 1e-5)


def test_what_has_no_sensitivity_is_told():
    x = relaxing([20, 5], 100)
    pca = fel.PCA(n_dims=1).fit(x)
    with pytest.raises(FelError, match="method with states"):
        sensitivity(pca, x, of="memberships")
    with pytest.raises(FelError, match="fitted on 2"):
        sensitivity(pca, np.ones((3, 5)))
    with pytest.raises(FelError, match="not fitted"):
        sensitivity(fel.PCA(), x)
    stairs = known(lambda features: features.detach().round(), x)
    with pytest.raises(FelError, match="no derivatives"):
        sensitivity(stairs, x)
