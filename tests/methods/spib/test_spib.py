"""SPIB: its terms against torch.distributions, its states against wells and chains, its refinement."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from torch import distributions

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.spib import method as spib
from fel_explorer.methods.spib.network import BottleneckNetwork
from fel_explorer.methods.spib.refinement import Refinement
from fel_explorer.training import loop

FAST = {"hidden": [32], "n_steps": 400, "batch_size": 256, "learning_rate": 5e-3, "refinements": 3}
LAG = 20  # frames of the double well


# ---- the maths


@pytest.fixture
def network():
    generator = torch.Generator().manual_seed(0)
    network = BottleneckNetwork(5, 2, 4, [8], generator)
    with torch.no_grad():
        network.pseudo_inputs.normal_(generator=generator, std=2.0)
        network.prior_logits.normal_(generator=generator)
        network.alive[1] = False
    return network


def prior(network):
    """r(z) by torch.distributions, without the state that is switched off."""
    mean, log_variance = network.encode(network.pseudo_inputs[[0, 2, 3]])
    weights = distributions.Categorical(logits=network.prior_logits[[0, 2, 3]])
    normals = distributions.Independent(distributions.Normal(mean, (0.5 * log_variance).exp()), 1)
    return distributions.MixtureSameFamily(weights, normals)


@torch.no_grad()
def test_the_information_is_that_of_torchs_distributions(network):
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    mean, log_variance = network.encode(x)
    posterior = distributions.Independent(distributions.Normal(mean, (0.5 * log_variance).exp()), 1)
    z = mean + 0.3
    expected = posterior.log_prob(z) - prior(network).log_prob(z)
    torch.testing.assert_close(network.information(z, mean, log_variance), expected)


@torch.no_grad()
def test_with_one_state_its_mean_is_the_divergence_in_closed_form(network):
    network.alive[:] = torch.tensor([True, False, False, False])
    generator = torch.Generator().manual_seed(2)
    mean, log_variance = network.encode(torch.randn(1, 5, generator=generator))
    normal = distributions.Independent(distributions.Normal(mean, (0.5 * log_variance).exp()), 1)
    other, other_log_variance = network.encode(network.pseudo_inputs[:1])
    expected = distributions.kl_divergence(
        normal, distributions.Independent(distributions.Normal(other, (0.5 * other_log_variance).exp()), 1)
    )
    z = mean + torch.randn(200_000, 2, generator=generator) * (0.5 * log_variance).exp()
    found = network.information(z, mean, log_variance)
    assert float(found.mean()) == pytest.approx(float(expected), abs=4 * float(found.std()) / 200_000**0.5)


def test_states_that_are_switched_off_have_no_probability_and_no_part_in_gradients(network):
    z = torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    probabilities = network.log_probabilities(z).exp()
    assert (probabilities[:, 1] == 0).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(7))
    (network.log_probabilities(z)[:, 0].sum() + network.log_prior(z).sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    assert (network.pseudo_inputs.grad[1] == 0).all() and (network.pseudo_inputs.grad[0] != 0).any()
    order = torch.tensor([3, 0, 2])
    network.keep(order)
    torch.testing.assert_close(network.log_probabilities(z).exp(), probabilities[:, order])


def test_a_refinement_labels_by_the_decoder_and_sets_the_prior(network):
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(4))
    network.alive[:] = True
    weight = torch.linspace(1.0, 2.0, 300, dtype=torch.float64)
    labels = torch.arange(300) % 4
    refinement = Refinement(network, x, weight, labels, sample=np.arange(300), n_rounds=2, longest=10)
    with torch.no_grad():  # a decoder that never says 2
        network.decoder[-1].bias[2] = -1e3
    refinement.relabel()
    z = network.encode(x)[0].detach()
    expected = network.decoder(z).argmax(1)
    np.testing.assert_array_equal(refinement.labels, expected)
    changed = expected != labels
    assert float(refinement.changed[0]) == pytest.approx(float(weight[changed].sum() / weight.sum()))
    alive = torch.bincount(expected, minlength=4) > 0
    np.testing.assert_array_equal(network.alive, alive)
    assert not alive[2]
    state = int(expected.mode().values)
    share = weight[expected == state].sum() / weight.sum()
    prior_weights = network.prior_logits.detach()[alive].softmax(0)
    assert float(prior_weights[alive.nonzero()[:, 0] == state]) == pytest.approx(float(share), rel=1e-5)
    inside = (expected == state).nonzero()[:, 0]
    nearest = inside[(z[inside] - z[inside].mean(0)).norm(dim=1).argmin()]
    torch.testing.assert_close(network.pseudo_inputs[state].detach(), x[nearest])


# ---- the method


def agreement(reference, states):
    """Share of frames in the state that is matched with theirs (Hungarian method)."""
    table = contingency_matrix(reference, states)
    return table[linear_sum_assignment(table, maximize=True)].sum() / table.sum()


@pytest.fixture(scope="module")
def wells():
    system = fel.systems.DoubleWell(kT=3.0)
    return system, system.simulate(10_000, 20, stride=50, seed=0, device="cpu")


@pytest.fixture(scope="module")
def fitted(wells):
    _, data = wells
    return fel.SPIB(lag_time=LAG * data.attrs["time_step"], n_states=8, n_dims=1, **FAST).fit(
        data, device="cpu"
    )


def test_too_many_clusters_become_the_wells(wells, fitted):
    system, data = wells
    assert len(fitted.populations_) == 2
    core = (np.abs(data["features"].values[:, 0, None] - system.minima[:, 0].numpy()) < 1).any(axis=1)
    assert agreement(data["basin"].values[core], fitted.predict(data).values[core]) > 0.95
    assert fitted.history["n_populated"][0] == 8 and fitted.history["n_populated"][-1] == 2


def test_states_are_numbered_by_population_and_history_has_each_term(wells, fitted):
    _, data = wells
    states = fitted.predict(data).values
    np.testing.assert_allclose(fitted.populations_, np.bincount(states) / len(states))
    assert (np.diff(fitted.populations_) <= 0).all()
    assert fitted.predict_proba(data).sizes["state"] == 2
    history = fitted.history
    total = history["prediction"] + fitted.beta * history["information"]
    np.testing.assert_allclose(history["loss"], total, rtol=1e-4, atol=1e-5)
    assert len(fitted.relabelled_) == 3 and fitted.relabelled_[-1] < 0.1 < fitted.relabelled_[0]


def test_probabilities_are_those_of_the_state_a_lag_later(wells, fitted):
    _, data = wells
    states, chi = fitted.predict(data).values, fitted.predict_proba(data).values[:, 0]
    trajectory = data["trajectory"].values
    pairs = np.flatnonzero(trajectory[:-LAG] == trajectory[LAG:])
    sure, unsure = pairs[chi[pairs] > 0.9], pairs[np.abs(chi[pairs] - 0.5) < 0.2]
    for chosen in (sure, unsure):
        assert (states[chosen + LAG] == 0).mean() == pytest.approx(chi[chosen].mean(), abs=0.1)
    assert len(sure) > 100 and len(unsure) > 50


CENTRES = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])


@pytest.fixture(scope="module")
def chain():
    """Three states left after 200 frames on average, within which a frame is forgotten after 5."""
    random, n = np.random.default_rng(0), 15_000
    jumps = np.where(random.random(n) < 0.005, random.integers(1, 3, n), 0)
    states, noise = np.cumsum(jumps) % 3, np.zeros((n, 2))
    for t in range(1, n):
        noise[t] = 0.82 * noise[t - 1] + 0.57 * random.normal(size=2)
    return states, fel.as_dataset(CENTRES[states] + noise, time_step=2.0)


def test_clusters_that_mix_within_the_lag_are_joined_and_no_others(chain):
    states, data = chain
    slow = fel.SPIB(lag_time=40.0, n_states=9, **FAST).fit(data, device="cpu")
    fast = fel.SPIB(lag_time=2.0, n_states=9, **FAST | {"n_steps": 160}).fit(data, device="cpu")
    assert len(slow.populations_) == 3 and agreement(states, slow.predict(data)) > 0.95
    np.testing.assert_allclose(slow.populations_, np.sort(np.bincount(states))[::-1] / len(states), atol=0.02)
    assert len(fast.populations_) > 3


def test_labels_may_be_given_and_without_refinement_they_are_what_is_predicted(chain):
    states, data = chain
    labels = np.where(states == 2, -7, 3 * states)
    options = {**FAST, "lag_time": 2.0, "refinements": 0, "label_column": "first"}
    method = fel.SPIB(**options).fit(data.assign(first=("frame", labels)), device="cpu")
    assert len(method.relabelled_) == 0 and len(method.populations_) == 3
    assert agreement(states, method.predict(data)) > 0.98
    with pytest.raises(FelError, match="no column 'first'"):
        fel.SPIB(**options).fit(data)
    with pytest.raises(FelError, match="Labels are whole"):
        fel.SPIB(**options).fit(data.assign(first=("frame", labels + 0.5)))
    with pytest.raises(FelError, match="Take n_states=3"):
        fel.SPIB(**options, n_states=2).fit(data.assign(first=("frame", labels)))


def test_weights_make_the_populations_and_the_probabilities(chain):
    states, data = chain
    weight = np.where(states == 1, 5.0, 1.0)
    options = {**FAST, "lag_time": 40.0, "label_column": "first", "refinements": 1}
    weighted = data.assign(first=("frame", states), weight=("frame", weight))
    method = fel.SPIB(**options).fit(weighted, device="cpu")
    exact = np.sort([weight[states == s].sum() for s in range(3)])[::-1] / weight.sum()
    np.testing.assert_allclose(method.populations_, exact, atol=0.02)


def test_a_price_beyond_all_information_leaves_one_state(chain):
    _, data = chain
    method = fel.SPIB(lag_time=40.0, n_states=4, beta=50.0, **FAST).fit(data, device="cpu")
    assert float(method.history["information"][-50:].mean()) < 0.05
    assert len(method.populations_) == 1


def test_a_killed_training_goes_on_to_the_same_numbers_across_refinements(chain, tmp_path, monkeypatch):
    _, data = chain
    monkeypatch.setattr(loop, "REPORT_INTERVAL", 0.0)
    options = {**FAST, "lag_time": 40.0, "n_steps": 100, "batch_size": 64, "validation_fraction": 0.2}
    whole = fel.SPIB(**options).fit(data, device="cpu")
    seen = []

    def kill(progress):
        seen.append(progress.losses["refinements"])
        return progress.step >= 50

    fel.SPIB(**options).fit(data, device="cpu", checkpoint_dir=tmp_path, callback=kill)
    resumed = fel.SPIB(**options).fit(data, device="cpu", checkpoint_dir=tmp_path)
    np.testing.assert_array_equal(resumed.predict_proba(data), whole.predict_proba(data))
    np.testing.assert_array_equal(resumed.relabelled_, whole.relabelled_)
    assert resumed.history.identical(whole.history)
    assert 1 <= seen[-1] < whole.history["refinements"][-1] == 3


def test_frames_are_told_apart_beyond_the_precision_of_a_float(chain, monkeypatch):
    _, data = chain
    options = {**FAST, "lag_time": 40.0, "n_steps": 20}
    expected = fel.SPIB(**options).fit(data, device="cpu").predict_proba(data)
    monkeypatch.setattr(spib, "DIGIT", 7)
    np.testing.assert_array_equal(fel.SPIB(**options).fit(data, device="cpu").predict_proba(data), expected)
