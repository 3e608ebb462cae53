"""Koopman models of functions of a Markov chain have the chain's own eigenvalues and eigenvectors."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.koopman.of_functions import koopman_model, mode_functions, standardise

STAY = np.array([[0.95, 0.05, 0.0], [0.02, 0.9, 0.08], [0.0, 0.1, 0.9]])


@pytest.fixture(scope="module")
def chain():
    rng, states = np.random.default_rng(0), []
    for _ in range(4):
        state, visited = 0, []
        for _ in range(20_000):
            state = rng.choice(3, p=STAY[state])
            visited.append(state)
        states.append(np.array(visited))
    return fel.as_dataset([np.eye(3, dtype="f4")[s] for s in states], time_step=2.0)


def test_singular_values_are_the_eigenvalues_of_the_chain(chain):
    model = koopman_model(chain["features"].values, chain, lag_time=4.0)
    exact = np.sort(np.linalg.eigvals(STAY).real)[::-1][1:] ** 2
    np.testing.assert_allclose(model.singular_values, exact, atol=0.01)


def test_mode_functions_are_the_eigenvectors_of_the_chain(chain):
    values = chain["features"].values
    model = koopman_model(values, chain, lag_time=2.0)
    modes = mode_functions(values, model, np.ones(len(values)))
    eigenvalues, vectors = np.linalg.eig(STAY)
    for i, at in enumerate(np.argsort(-eigenvalues.real)[1:]):
        exact = values @ vectors[:, at].real
        assert abs(np.corrcoef(modes[:, i], exact)[0, 1]) > 0.99


def test_functions_of_labels_have_the_model_of_their_frames(chain):
    labels = chain["features"].values.argmax(axis=1)
    weight = np.random.default_rng(0).uniform(0.5, 1.5, size=len(labels))
    weighted = chain.assign(weight=("frame", weight))
    values = np.array([[1.0, 0.0, 2.0], [0.5, 0.2, 2.0], [0.0, 1.0, 2.0]], "f4")  # the third is constant
    known = koopman_model(values, weighted, 2.0, labels=labels)
    expected = koopman_model(values[labels], weighted, 2.0)
    np.testing.assert_allclose(known.singular_values, expected.singular_values, atol=1e-9)
    modes = mode_functions(values, known, np.bincount(labels, weight)).take(labels, axis=0)
    of_frames = mode_functions(values[labels], expected, weight)
    for mode, other in zip(modes.T, of_frames.T, strict=True):
        assert abs(np.mean(mode * other)) == pytest.approx(np.mean(other**2), rel=1e-4)


def test_a_constant_function_adds_no_process(chain):
    values = np.concatenate(
        [chain["features"].values[:, :1], np.ones((chain.sizes["frame"], 1), "f4")], axis=1
    )
    assert len(koopman_model(values, chain, 2.0).singular_values) == 1
    assert len(koopman_model(values[:, 1:], chain, 2.0).singular_values) == 0


def test_standardised_functions_have_weighted_moments():
    rng = np.random.default_rng(1)
    values, weights = -rng.exponential(size=(5000, 2)), rng.uniform(size=5000)
    functions = standardise(values, weights)
    mean = np.average(functions, axis=0, weights=weights)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(np.average((functions - mean) ** 2, axis=0, weights=weights), 1, atol=1e-4)
    assert (np.average((functions - mean) ** 3, axis=0, weights=weights) > 0).all()


def test_a_lag_longer_than_the_trajectories_is_refused(chain):
    with pytest.raises(FelError, match="lag"):
        koopman_model(chain["features"].values, chain, lag_time=1e6)
