"""VAMP scores against deeptime, and VAMPnets on chains with known eigenvalues."""

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import pytest
import torch
from deeptime.decomposition.deep import vamp_score
from sklearn.metrics import adjusted_rand_score

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.koopman import vamp

FAST = {"hidden": [32], "n_steps": 500, "batch_size": 256, "learning_rate": 5e-3}
CHAIN = np.array([[0.98, 0.02, 0.0], [0.03, 0.94, 0.03], [0.0, 0.02, 0.98]])


def pairs(n=400, k=4, seed=0):
    """Correlated functions of two frames, not mean-free."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, k)) @ random.normal(size=(k, k)) + random.normal(size=k)
    y = x @ random.normal(size=(k, k)) * 0.3 + random.normal(size=(n, k))
    return torch.from_numpy(x), torch.from_numpy(y)


def deeptimes(x, y):
    estimator = deeptime.covariance.Covariance(
        1, compute_c0t=True, compute_ctt=True, remove_data_mean=True, bessels_correction=False
    )
    return estimator.partial_fit((x.numpy(), y.numpy())).fetch_model()


def chain(n, seed=0):
    random, cumulative = np.random.default_rng(seed), np.cumsum(CHAIN, axis=1)
    states = [0]
    for uniform in random.random(n - 1):
        states.append(min(int(np.searchsorted(cumulative[states[-1]], uniform)), 2))
    return np.array(states)


# ---- the maths


@pytest.mark.parametrize("n, k, seed", [(400, 4, 0), (60, 2, 1), (2000, 7, 2)])
def test_scores_are_deeptimes(n, k, seed):
    x, y = pairs(n, k, seed)
    covariances = vamp.covariances(x, y)
    expected = float(vamp_score(x, y, method="VAMP2", epsilon=1e-12))
    assert float(vamp.vamp2(covariances)) == pytest.approx(expected, rel=1e-6)
    model = vamp.koopman(covariances)
    assert float(1 + model.singular_values.square().sum()) == pytest.approx(expected, rel=1e-6)
    assert float(vamp.vamp_e(model, covariances)) == pytest.approx(expected, rel=1e-6)


def test_the_score_on_other_data_is_deeptimes_and_punishes_what_does_not_hold_there():
    (x, y), (x_test, y_test) = pairs(seed=0), pairs(300, seed=5)
    train, other = (
        deeptime.decomposition.VAMP().fit_from_covariances(c)
        for c in (deeptimes(x, y), deeptimes(x_test, y_test))
    )
    expected = train.fetch_model().score("VAMPE", test_model=other.fetch_model())
    model, test = vamp.koopman(vamp.covariances(x, y)), vamp.covariances(x_test, y_test)
    assert float(vamp.vamp_e(model, test)) == pytest.approx(expected, rel=1e-6)
    assert float(vamp.vamp_e(model, test)) < float(vamp.vamp2(test))


def test_singular_functions_are_deeptimes():
    x, y = pairs()
    model = vamp.koopman(vamp.covariances(x, y))
    expected = deeptime.decomposition.VAMP().fit_from_covariances(deeptimes(x, y)).fetch_model()
    np.testing.assert_allclose(model.singular_values, expected.singular_values, rtol=1e-6)
    whitened = (x - model.mean) @ model.left
    np.testing.assert_allclose(whitened.T @ whitened / len(x), np.eye(4), atol=1e-9)
    later = (y - y.mean(0)) @ model.right
    np.testing.assert_allclose(whitened.T @ later / len(x), np.diag(model.singular_values.numpy()), atol=1e-9)


def test_detailed_balance_is_pairs_in_both_directions_and_a_weight_is_a_number_of_pairs():
    x, y = pairs(50)
    times = torch.from_numpy(np.random.default_rng(1).integers(1, 4, 50))
    plain = vamp.covariances(
        torch.cat([x, y]).repeat_interleave(times.repeat(2), 0),
        torch.cat([y, x]).repeat_interleave(times.repeat(2), 0),
    )
    found = vamp.covariances(x, y, times, reversible=True)
    for name in ("c00", "c0t", "ctt", "mean", "mean_later"):
        np.testing.assert_allclose(getattr(found, name), getattr(plain, name), atol=1e-12)


def test_dependent_functions_neither_break_the_score_nor_the_model():
    x, y = (torch.softmax(values, 1) for values in pairs())
    reduced = float(vamp.vamp2(vamp.covariances(x[:, 1:], y[:, 1:])))
    covariances = vamp.covariances(x.requires_grad_(), y)
    score = vamp.vamp2(covariances, ridge=1e-9)
    assert score.item() == pytest.approx(reduced, rel=1e-4)
    score.backward()
    assert torch.isfinite(x.grad).all()
    assert len(vamp.koopman(vamp.covariances(x.detach(), y)).singular_values) == 3


# ---- the method


@pytest.fixture(scope="module")
def states():
    return chain(10_000)


@pytest.fixture(scope="module")
def data(states):
    noise = 0.15 * np.random.default_rng(1).normal(size=(len(states), 3))
    return fel.as_dataset(np.eye(3)[states] + noise, time_step=2.0)


@pytest.fixture(scope="module")
def fitted(data):
    return fel.VAMPNet(lag_time=10.0, n_states=3, **FAST).fit(data, device="cpu")


def test_the_states_and_time_scales_of_a_chain_are_found(fitted, data, states):
    assert adjusted_rand_score(states, fitted.predict(data)) > 0.97
    eigenvalues = np.sort(np.linalg.eigvals(CHAIN).real)[::-1]
    exact = -2.0 / np.log(eigenvalues[1:])
    np.testing.assert_allclose(fitted.implied_timescales_[:2], exact, rtol=0.2)
    # a perfect model scores 1 + the squared eigenvalues at the lag of five frames
    assert fitted.vamp2_ == pytest.approx(1 + (eigenvalues[1:] ** 10).sum(), abs=0.1)
    counts = np.bincount(fitted.predict(data), minlength=3) / data.sizes["frame"]
    np.testing.assert_allclose(fitted.populations_, counts)
    assert (np.diff(fitted.populations_) <= 0).all()


def test_the_score_of_the_memberships_is_deeptimes(fitted, data):
    chi = torch.from_numpy(fitted.predict_proba(data).values[:, 1:]).double()
    x, y = chi[:-5], chi[5:]
    expected = float(vamp_score(torch.cat([x, y]), torch.cat([y, x]), method="VAMP2", epsilon=1e-12))
    assert fitted.vamp2_ == pytest.approx(expected, rel=1e-4)


def test_the_embedding_is_tica_of_the_log_memberships(fitted, data):
    logs = np.log(fitted.predict_proba(data).values.astype(float))
    logs = fel.as_dataset(logs - logs.mean(axis=1, keepdims=True), time_step=2.0)
    expected = fel.TICA(lag_time=10.0).fit(logs).transform(logs).values
    found = fitted.transform(data).values
    np.testing.assert_allclose(np.abs(np.corrcoef(found.T, expected.T)[:2, 2:]), np.eye(2), atol=1e-2)
    np.testing.assert_allclose(found.std(axis=0), expected.std(axis=0), rtol=1e-2)


def test_the_sides_of_a_double_well_are_the_states():
    data = fel.systems.DoubleWell(kT=3.0).simulate(10_000, 20, stride=50, seed=0, device="cpu")
    lag_time = 2 * data.attrs["time_step"]
    method = fel.VAMPNet(lag_time=lag_time, n_states=2, n_dims=1, **FAST).fit(data, device="cpu")
    agreement = (method.predict(data).values == data["basin"].values).mean()
    assert max(agreement, 1 - agreement) > 0.95


def test_training_stops_when_held_out_data_say_so():
    noise = np.random.default_rng(0).normal(size=(400, 5))
    options = {**FAST, "hidden": [128], "n_steps": 2000, "batch_size": 64}
    method = fel.VAMPNet(lag_time=1.0, **options).fit(noise, device="cpu")
    assert method.history.sizes["step"] < 1000
    best = -np.nanmin(method.history["validation"].values)
    assert best < 1.2  # there is nothing to find


def test_a_killed_training_goes_on_to_the_same_numbers(data, tmp_path):
    options = {**FAST, "lag_time": 10.0, "n_states": 3, "n_steps": 60, "batch_size": 64}
    whole = fel.VAMPNet(**options).fit(data, device="cpu")
    fel.VAMPNet(**options).fit(
        data, device="cpu", checkpoint_dir=tmp_path, callback=lambda progress: progress.step >= 1
    )
    resumed = fel.VAMPNet(**options).fit(data, device="cpu", checkpoint_dir=tmp_path)
    np.testing.assert_array_equal(resumed.predict_proba(data), whole.predict_proba(data))
    assert resumed.history.identical(whole.history)


def test_weights_make_the_populations(data, states):
    weight = np.where(states == 1, 5.0, 1.0)
    method = fel.VAMPNet(lag_time=10.0, n_states=3, **FAST)
    method.fit(data.assign(weight=("frame", weight)), device="cpu")
    exact = np.sort([weight[states == s].sum() for s in range(3)])[::-1] / weight.sum()
    np.testing.assert_allclose(method.populations_, exact, atol=0.02)


def test_more_dimensions_than_slow_modes_are_refused(data):
    with pytest.raises(FelError, match="Take n_dims=1"):
        fel.VAMPNet(n_states=2, n_dims=2, lag_time=10.0).fit(data)
    with pytest.raises(FelError, match="hidden"):
        fel.VAMPNet(hidden=[0], lag_time=10.0).fit(data)
