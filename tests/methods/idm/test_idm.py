"""IDM: its equations against NumPy, and states that are known."""

import numpy as np
import pytest
import torch
from chains import markov_chain

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.idm import objective

FAST = {"hidden": [32], "n_steps": 400, "batch_size": 256, "learning_rate": 3e-3}


def seen_through_noise(states, noise=0.15, seed=1):
    return np.eye(states.max() + 1)[states] + noise * np.random.default_rng(seed).normal(
        size=(len(states), states.max() + 1)
    )


CHAIN = np.array([[0.98, 0.02, 0.0], [0.03, 0.94, 0.03], [0.0, 0.02, 0.98]])


@pytest.fixture(scope="module")
def states():
    return markov_chain(CHAIN, 20_000)


@pytest.fixture(scope="module")
def fitted(states):
    idm = fel.IDM(lag_time=10.0, n_states=6, **FAST)
    return idm.fit(fel.as_dataset(seen_through_noise(states), time_step=2.0), device="cpu")


# ---- equations


def random_memberships(n=50, k=4, seed=0):
    values = np.random.default_rng(seed).exponential(size=(n, k)) ** 3
    return values / values.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("beta", [0.6, 0.9, 1.0, 1.5])
def test_the_objective_is_equation_2(beta):
    chi, later = random_memberships(seed=0), random_memberships(seed=1)
    weight = np.random.default_rng(2).exponential(size=50)
    joint = np.zeros((4, 4))
    for w, p, q in zip(weight, chi, later, strict=True):
        joint += w * (np.outer(p, q) + np.outer(q, p)) / 2
    joint /= weight.sum()
    expected, marginal = 0.0, joint.sum(axis=1)
    for i in range(4):
        for j in range(4):
            expected += joint[i, j] * np.log(joint[i, j] / (marginal[i] ** beta * marginal[j] ** beta))
    ours = objective.joint_matrix(*map(torch.tensor, (chi, later, weight)))
    np.testing.assert_allclose(ours, joint, rtol=1e-12)
    assert float(objective.information(ours, beta)) == pytest.approx(expected, rel=1e-6)


def test_states_that_never_change_carry_their_entropy():
    """I_beta = (2 beta - 1) H for hard states with full memory: the price of a split."""
    chi = torch.eye(4, dtype=torch.float64)[torch.tensor([0] * 8 + [1] * 4 + [2] * 3 + [3])]
    p = np.array([8, 4, 3, 1]) / 16
    entropy = -(p * np.log(p)).sum()
    joint = objective.joint_matrix(chi, chi)
    for beta in (0.5, 0.9, 1.0):
        expected = (2 * beta - 1) * entropy
        assert float(objective.information(joint, beta)) == pytest.approx(expected, abs=1e-6)


def test_independent_frames_carry_no_information():
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert float(objective.information(p[:, None] * p)) == pytest.approx(0.0, abs=1e-6)


def test_empty_states_give_finite_gradients():
    logits = torch.zeros(10, 5)
    logits[:, 0] = 500.0
    logits.requires_grad_()
    chi = logits.softmax(1)
    objective.information(objective.joint_matrix(chi, chi), 0.9).backward()
    assert logits.grad.isfinite().all()


def test_states_that_mix_within_the_lag_are_merged_and_slow_ones_are_not():
    mixing = 0.5 * np.array([[0.5, 0.5], [0.5, 0.5]])
    joint = torch.from_numpy(np.kron([[0.96, 0.04], [0.04, 0.96]], mixing / 2))
    assert objective.merged_states(joint, 0.9).tolist() == [0, 0, 2, 2]
    assert objective.merged_states(joint, 1.1).tolist() == [0, 1, 2, 3]
    assert objective.merged_states(joint, 0.5).tolist() == [0, 0, 0, 0]


def test_a_split_at_a_barrier_goes_when_it_has_no_memory_left():
    """Two states that mix in 3 frames and overlap nowhere leave no frames to move the border by."""
    states = markov_chain(np.array([[0.84, 0.16, 0.0], [0.16, 0.83, 0.01], [0.0, 0.01, 0.99]]), 20_000)
    features = seen_through_noise(states, noise=0.02)
    slow = fel.IDM(lag_time=40.0, n_states=6, **FAST).fit(features, device="cpu")
    assert slow.n_populated_ == 2
    np.testing.assert_allclose(
        np.sort(slow.populations_[:2]), np.sort([(states < 2).mean(), (states == 2).mean()]), atol=0.01
    )


@pytest.mark.parametrize("kind", objective.SIMILARITIES)
def test_similarities_match_their_definitions(kind):
    random = np.random.default_rng(0)
    z, c = random.normal(size=(7, 3)), random.normal(size=(5, 3))
    expected = np.empty((7, 5))
    for i, a in enumerate(z):
        for j, b in enumerate(c):
            expected[i, j] = {
                "negative squared distance": -np.sum((a - b) ** 2),
                "scaled dot product": a @ b / np.sqrt(3),
                "cosine": a @ b / np.linalg.norm(a) / np.linalg.norm(b),
            }[kind]
    ours = objective.similarity(torch.tensor(z), torch.tensor(c), kind)
    np.testing.assert_allclose(ours, expected, rtol=1e-10)
    softmax = np.exp(2.5 * expected) / np.exp(2.5 * expected).sum(axis=1, keepdims=True)
    memberships = objective.log_memberships(torch.tensor(z), torch.tensor(c), 2.5, kind).exp()
    np.testing.assert_allclose(memberships, softmax, rtol=1e-9)


def test_the_koopman_matrix_of_hard_states_counts_transitions(states):
    lag, k = 5, 3
    counts = np.zeros((k, k))
    np.add.at(counts, (states[:-lag], states[lag:]), 1)
    counts += counts.T
    expected = counts / counts.sum(axis=1, keepdims=True)
    chi = torch.eye(k)[torch.tensor(states)]
    matrix, vamp2 = objective.koopman_matrix(chi, torch.arange(len(states) - lag), lag)
    np.testing.assert_allclose(matrix, expected, atol=1e-10)
    assert float(vamp2) == pytest.approx((np.linalg.eigvals(expected) ** 2).sum(), rel=1e-9)


def test_koopman_weights_act_like_repeated_frames():
    chi = torch.tensor(random_memberships(4, 2, seed=3))
    weighted, _ = objective.koopman_matrix(chi, torch.tensor([0, 2]), 1, torch.tensor([2.0, 2.0, 1.0, 1.0]))
    repeated, _ = objective.koopman_matrix(chi[[0, 1, 0, 1, 2, 3]], torch.tensor([0, 2, 4]), 1)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-10)


# ---- states that are known


def test_the_states_of_a_markov_chain_are_found(fitted, states):
    predicted = fitted.predict(seen_through_noise(states)).values
    assert fitted.n_populated_ == 3
    table = np.zeros((6, 3), int)
    np.add.at(table, (predicted, states), 1)
    assert table.max(axis=0).sum() / len(states) > 0.995


def test_states_are_numbered_by_population(fitted, states):
    predicted = fitted.predict(seen_through_noise(states)).values
    counted = np.bincount(predicted, minlength=6) / len(states)
    np.testing.assert_allclose(fitted.populations_, counted, atol=1e-12)
    assert (np.diff(fitted.populations_) <= 0).all()


def test_kinetics_are_those_of_the_chain(fitted, states):
    """Lag 10 with a frame every 2: five steps of the chain."""
    expected = np.linalg.matrix_power(CHAIN, 5)
    order = np.argsort(-np.bincount(states))
    np.testing.assert_allclose(fitted.transition_matrix_.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(fitted.transition_matrix_, expected[order][:, order], atol=0.03)
    exact = -2.0 / np.log(np.sort(np.linalg.eigvals(CHAIN))[::-1][1:])
    np.testing.assert_allclose(fitted.implied_timescales_, exact, rtol=0.25)


def test_the_mutual_information_is_that_of_the_true_states(fitted, states):
    joint = np.zeros((3, 3))
    for offset in range(1, 6):
        counts = np.zeros((3, 3))
        np.add.at(counts, (states[:-offset], states[offset:]), 1)
        joint += (counts + counts.T) / (2 * counts.sum()) / 5
    p = joint.sum(axis=1)
    exact = (joint * np.log((joint + 1e-300) / np.outer(p, p))).sum()
    assert fitted.mutual_information_ == pytest.approx(exact, abs=0.05)


def test_the_decoder_reconstructs_the_centres_of_the_states(fitted, states):
    features = seen_through_noise(states)
    embedding = fitted.transform(features).values
    for state in range(3):
        centre = np.median(embedding[states == state], axis=0)
        np.testing.assert_allclose(fitted.inverse_transform(centre)[0], np.eye(3)[state], atol=0.3)


def test_the_history_has_every_term(fitted, states):
    random = fel.IDM(lag_time=5.0, n_states=6, start="random", **FAST).fit(seen_through_noise(states))
    beta = random.history["beta"].values
    assert beta[0] == pytest.approx(1.5) and beta[-1] == pytest.approx(0.9) and len(beta) == 400
    assert (fitted.history["beta"] == np.float32(0.9)).all() and fitted.history.sizes["step"] <= 400
    for history in (random.history, fitted.history):
        assert {"objective", "mutual_information", "beta", "reconstruction", "n_populated"} <= set(history)
        assert history["reconstruction"][-50:].mean() < 0.5 * history["reconstruction"][0]


def test_a_split_without_memory_does_not_count(states):
    """A coin tossed anew in each frame splits every state in two, and is seen as clearly as they are."""
    coin = np.random.default_rng(5).integers(0, 2, len(states))
    features = np.c_[seen_through_noise(states), coin]
    idm = fel.IDM(lag_time=5.0, n_states=8, **FAST).fit(features, device="cpu")
    assert idm.n_populated_ == 3


def test_given_structures_become_the_prototypes(states):
    centres = np.eye(3)[[2, 0, 1]]
    idm = fel.IDM(lag_time=5.0, n_states=3, **FAST)
    idm.fit(seen_through_noise(states), prototypes=centres, device="cpu")
    np.testing.assert_array_equal(np.sort(idm.predict(centres).values), [0, 1, 2])
    assert idm.n_populated_ == 3


def test_misshapen_prototypes_are_refused(states):
    with pytest.raises(FelError, match="prototypes has shape"):
        fel.IDM(lag_time=1.0, n_states=4).fit(seen_through_noise(states), prototypes=np.eye(3))


def test_two_short_trajectories_are_as_good_as_one(states):
    features = seen_through_noise(states)
    idm = fel.IDM(lag_time=5.0, n_states=6, **FAST).fit(np.array_split(features, 200), device="cpu")
    assert idm.n_populated_ == 3


# ---- options


@pytest.mark.parametrize(
    "options",
    [
        {"similarity": "scaled dot product"},
        {"similarity": "cosine"},
        {"gradient_clip": "adaptive"},
        {"seeding": "farthest_point"},
        {"seeding": "expanded"},
        {"seeding": "alternate", "n_restarts": 2},
        {"reconstruction": 0.0},
        {"hidden": []},
        {"n_dims": 1},
    ],
    ids=str,
)
def test_every_option_trains_and_survives_the_file(options, states, tmp_path):
    features = seen_through_noise(states[:2000])
    idm = fel.IDM(**({"lag_time": 3.0, "n_states": 4, "n_steps": 30, "hidden": [8]} | options))
    idm.fit(features, device="cpu")
    idm.save(tmp_path / "idm.fel")
    loaded = fel.load_model(tmp_path / "idm.fel")
    np.testing.assert_array_equal(loaded.predict_proba(features), idm.predict_proba(features))


def test_restarts_keep_the_best_objective(states):
    features = seen_through_noise(states[:5000])
    options = {"lag_time": 5.0, "n_states": 6, "hidden": [8], "n_steps": 40, "n_dims": 1, "seed": 3}
    seen = []
    once = fel.IDM(**options).fit(features, device="cpu")
    best = fel.IDM(**options, n_restarts=4).fit(features, device="cpu", callback=seen.append)
    assert seen[-1].step == seen[-1].n_steps == 160 and "restart 4 of 4" in seen[-1].message
    assert best.mutual_information_ >= once.mutual_information_ - 1e-6
    assert best.history.sizes["step"] == 40


def test_validation_stops_early_and_records_it(states):
    idm = fel.IDM(lag_time=5.0, n_states=4, hidden=[8], n_steps=500, validation_fraction=0.2, beta_decay=0.1)
    idm.fit(seen_through_noise(states[:4000]), device="cpu")
    recorded = idm.history["validation"].values
    assert np.isfinite(recorded).sum() >= 5


def test_one_frame_says_so():
    with pytest.raises(FelError, match="at least two frames"):
        fel.IDM(lag_time=1.0).fit(np.ones((1, 3)))


@pytest.mark.parametrize(
    "bad", [{"n_states": 1}, {"gamma": 0.0}, {"hidden": [8, 0]}, {"beta_end": 0.5}], ids=str
)
def test_bad_values_are_refused(bad):
    with pytest.raises(FelError, match=next(iter(bad))):
        fel.IDM(lag_time=1.0, **bad).fit(np.random.default_rng(0).normal(size=(50, 2)))


def test_frames_in_blocks_from_disk_give_the_same_states(states, monkeypatch):
    from fel_explorer.training import data, windows

    monkeypatch.setattr(data, "memory_budget", lambda device: 0)
    monkeypatch.setattr(windows, "memory_budget", lambda device: 400_000)
    monkeypatch.setattr(windows, "STEPS", 20)
    idm = fel.IDM(lag_time=5.0, n_states=6, **FAST).fit(seen_through_noise(states), device="cpu")
    assert idm.n_populated_ == 3
