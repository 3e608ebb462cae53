"""SRV against TICA, deeptime and the generator's spectrum on a grid."""

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import pytest
import torch
from spectra import correlation, generator_on_a_line, relaxing

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.slow_modes import committee

MIXING = np.array([[1.0, 0.4, 0.2], [0.3, 2.0, 0.1], [0.2, -0.3, 1.5]])
FAST = {"n_steps": 300, "batch_size": 512, "learning_rate": 1e-2, "hidden": [32], "n_networks": 1}


@pytest.fixture(scope="module")
def linear():
    return fel.as_dataset(relaxing([80, 20, 4], 10_000) @ MIXING + 100, time_step=2.0)


@pytest.fixture(scope="module")
def well():
    return fel.systems.DoubleWell(kT=4.0).simulate(20_000, 20, stride=50, seed=0, device="cpu")


def test_without_hidden_layers_all_dimensions_are_tica_whatever_the_training(linear):
    weighted = linear.assign(weight=("frame", np.random.default_rng(1).exponential(size=len(linear.frame))))
    for data in (linear, weighted):
        srv = fel.SRV(lag_time=20.0, n_dims=3, hidden=[], n_steps=2).fit(data, device="cpu")
        tica = fel.TICA(lag_time=20.0, n_dims=3, scaling="none").fit(data)
        np.testing.assert_allclose(srv.eigenvalues_, tica.eigenvalues_, rtol=1e-5)
        np.testing.assert_allclose(srv.implied_timescales_, tica.implied_timescales_, rtol=1e-4)
        for mode in range(3):
            assert correlation(srv.transform(data)[:, mode], tica.transform(data)[:, mode]) > 1 - 1e-6


def test_training_a_linear_net_finds_ticas_slowest_modes():
    random = np.random.default_rng(0)
    linear = fel.as_dataset(
        relaxing([80, 20, 4, 3, 3, 2, 2, 2], 10_000) @ random.normal(size=(8, 8)), time_step=2
    )
    options = {"hidden": [], "n_steps": 400, "learning_rate": 2e-2, "validation_fraction": 0, "n_networks": 1}
    srv = fel.SRV(lag_time=20.0, n_dims=1, **options).fit(linear, device="cpu")
    tica = fel.TICA(lag_time=20.0, n_dims=1).fit(linear)
    assert srv.eigenvalues_[0] == pytest.approx(tica.eigenvalues_[0], rel=2e-3)


def test_eigenvalues_are_deeptimes_on_the_same_outputs(well):
    lag_time = 4 * well.attrs["time_step"]
    srv = fel.SRV(lag_time=lag_time, **FAST).fit(well, device="cpu")
    covariance = deeptime.covariance.Covariance(4, compute_c0t=True, reversible=True, remove_data_mean=True)
    outputs = srv._network(srv._scaled(torch.from_numpy(well["features"].values))).double().detach().numpy()
    for trajectory in outputs.reshape(20, 400, -1):
        covariance.partial_fit((trajectory[:-4], trajectory[4:]))
    tica = (
        deeptime.decomposition.TICA(scaling=None, epsilon=1e-12)
        .fit_from_covariances(covariance)
        .fetch_model()
    )
    np.testing.assert_allclose(srv.eigenvalues_, tica.singular_values[:2], rtol=1e-6)


def test_the_slow_mode_of_the_double_well_is_the_generators(well):
    srv = fel.SRV(lag_time=4 * well.attrs["time_step"], **FAST).fit(well, device="cpu")
    grid, rates, modes = generator_on_a_line(lambda x: x**4 / 4 - 3 * x**2 + x, -6, 6, kT=4.0, diffusion=4.0)
    assert srv.implied_timescales_[0] == pytest.approx(1 / rates[0], rel=0.1)
    psi = srv.transform(well).values
    assert correlation(psi[:, 0], np.interp(well["position"][:, 0], grid, modes[:, 0])) > 0.995
    np.testing.assert_allclose(psi.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(psi.T), np.eye(2), atol=0.03)
    assert psi[well["position"].values[:, 0] > 2, 0].mean() > 0  # the rare well


def test_known_slow_processes_are_deflated():
    x = relaxing([200, 40, 3], 20_000)
    data = fel.as_dataset(x @ MIXING).assign(flip=("frame", x[:, 0]))
    options = {"lag_time": 10.0, "n_dims": 1, **FAST, "hidden": []}
    whole = fel.SRV(**options).fit(data, device="cpu")
    assert correlation(whole.transform(data), x[:, 0]) > 0.98
    for deflate in ("flip", ["flip"], x[:, 0], whole.transform(data)):
        srv = fel.SRV(**options).fit(data, deflate=deflate, device="cpu")
        z = srv.transform(data).values
        assert correlation(z, x[:, 0]) < 0.05 and correlation(z, x[:, 1]) > 0.98
        assert srv.implied_timescales_[0] == pytest.approx(40, rel=0.2)


def test_columns_to_leave_out_are_a_parameter():
    x = relaxing([200, 40, 3], 2000)
    data = fel.as_dataset(x @ MIXING).assign(flip=("frame", x[:, 0]), other=("frame", x[:, 2]))
    options = {"lag_time": 5.0, "n_dims": 1, "n_steps": 5, "hidden": []}
    for deflated, deflate in (("flip", "flip"), (" flip, other ", ["flip", "other"])):
        given = fel.SRV(**options).fit(data, deflate=deflate, device="cpu")
        named = fel.SRV(**options, deflated=deflated).fit(data, device="cpu")
        np.testing.assert_array_equal(named.transform(data), given.transform(data))
    with pytest.raises(FelError, match="Columns of the dataset"):
        fel.SRV(**options, deflated="phi").fit(data, device="cpu")


def test_a_model_with_deflation_is_a_file(tmp_path):
    x = relaxing([200, 40, 3], 500)
    srv = fel.SRV(lag_time=1.0, n_dims=2, n_steps=5, hidden=[8]).fit(x, deflate=x[:, 0], device="cpu")
    srv.save(tmp_path / "srv.fel")
    np.testing.assert_array_equal(fel.load_model(tmp_path / "srv.fel").transform(x), srv.transform(x))


@pytest.mark.parametrize(
    "deflate, message",
    [("phi", "Columns of the dataset"), (np.ones(3), "one finite value a frame"), (np.ones(100), "constant")],
)
def test_what_can_not_be_deflated_is_told(deflate, message):
    with pytest.raises(FelError, match=message):
        fel.SRV(lag_time=1.0).fit(relaxing([5, 2], 100), deflate=deflate, device="cpu")


def test_the_score_on_other_data_prefers_what_generalises(linear):
    fitted = fel.SRV(lag_time=20.0, n_dims=2, hidden=[], n_steps=2).fit(linear, device="cpu")
    assert fitted.score(linear) == pytest.approx(1 + (fitted.eigenvalues_**2).sum(), rel=1e-4)
    noise = np.random.default_rng(0).normal(size=(400, 5))
    options = {"lag_time": 1.0, "n_dims": 2, "batch_size": 128, "learning_rate": 5e-3, "n_networks": 1}
    over = fel.SRV(**options, n_steps=300, validation_fraction=0).fit(noise, device="cpu")
    assert over.score(noise) > 1.5 > 1.2 > over.score(np.random.default_rng(1).normal(size=(4000, 5)))
    stopped = fel.SRV(**options, n_steps=1000).fit(noise, device="cpu")
    assert stopped.history.sizes["step"] < 500


def test_a_killed_training_goes_on_to_the_same_numbers(linear, tmp_path):
    options = {"lag_time": 10.0, "n_steps": 40, "batch_size": 64, "hidden": [8], "n_networks": 2}
    whole = fel.SRV(**options).fit(linear, device="cpu")
    for killed_at in (1, 41):  # of 2 x 40 steps
        stop = {"checkpoint_dir": tmp_path / str(killed_at), "device": "cpu"}
        fel.SRV(**options).fit(linear, callback=lambda progress: progress.step >= killed_at, **stop)  # noqa: B023
        resumed = fel.SRV(**options).fit(linear, **stop)
        np.testing.assert_array_equal(resumed.transform(linear), whole.transform(linear))
        assert resumed.history.identical(whole.history)
    with pytest.raises(FelError, match="deflated differ"):
        fel.SRV(**options).fit(linear, deflate=linear["features"].values[:, 0], **stop)


# ---- the committee


def test_a_committee_generalises_better_than_its_networks_do():
    def simulated(n, seed):
        """A slow process behind noise, and twelve fast ones."""
        random = np.random.default_rng(seed)
        slow = np.tanh(3 * relaxing([30], n, seed)) + 0.3 * random.normal(size=(n, 1))
        return np.hstack([slow, random.normal(size=(n, 12))])

    training, other = [simulated(150, seed) for seed in range(4)], simulated(5_000, 9)
    options = {"lag_time": 3.0, "n_dims": 1, "n_steps": 80, "batch_size": 128, "learning_rate": 5e-3}
    alone = [fel.SRV(**options, n_networks=1, seed=s).fit(training, device="cpu") for s in range(4)]
    together = fel.SRV(**options).fit(training, device="cpu")
    assert together.score(other) > np.mean([srv.score(other) for srv in alone]) + 0.01


def test_what_networks_share_is_kept_and_what_one_has_alone_is_not():
    random = np.random.default_rng(0)
    functions = random.normal(size=(500, 6)) @ random.normal(size=(6, 6))
    covariance = torch.from_numpy(np.cov(functions.T))
    shared = random.normal(size=(6, 2))
    spaces = [np.hstack([shared, random.normal(size=(6, 1))]) for _ in range(3)]
    root = np.linalg.cholesky(covariance.numpy())
    orthonormal = [np.linalg.solve(root.T, np.linalg.qr(root.T @ space)[0]) for space in spaces]
    basis = committee.consensus(covariance, [torch.from_numpy(v) for v in orthonormal], 2).numpy()
    rest = shared - basis @ np.linalg.lstsq(basis, shared, rcond=None)[0]
    np.testing.assert_allclose(rest, 0, atol=1e-8)


def test_each_network_holds_out_another_part():
    parts = committee.parts([100] * 8, 4, 0.25, 5, seed=0)
    assert sorted(first for _, held_out in parts for first, _ in held_out) == [*range(0, 800, 100)]
    for training, held_out in parts:
        assert {*map(tuple, training)} | {*map(tuple, held_out)} == {(i, i + 100) for i in range(0, 800, 100)}
    again = committee.parts([100] * 8, 8, 0.25, 5, seed=0)
    first, second = ([held_out.tolist() for _, held_out in half] for half in (again[:4], again[4:]))
    assert len(again) == 8 and first == [held_out.tolist() for _, held_out in parts] and first != second
    ((training, held_out),) = committee.parts([100, 50], 1, 0.0, 5, seed=0)
    assert held_out is None and training.tolist() == [[0, 100], [100, 150]]
    with pytest.raises(FelError, match="validation_fraction=0"):
        committee.parts([20], 4, 0.25, 10, seed=0)


def test_a_stopped_training_keeps_the_networks_that_are_done(linear):
    options = {"lag_time": 10.0, "n_steps": 20, "batch_size": 64, "hidden": [8]}
    stopped = fel.SRV(**options).fit(linear, device="cpu", callback=lambda p: p.step > 40)
    whole = fel.SRV(**options, n_networks=2).fit(linear, device="cpu")
    np.testing.assert_array_equal(stopped.transform(linear), whole.transform(linear))
    assert stopped.history["step"].values.tolist() == list(range(1, 41))
