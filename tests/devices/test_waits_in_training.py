"""No training step waits for the device: waits are counted from step to step."""

import collections

import numpy as np
import pytest
from small_methods import METHODS, small
from test_models_on_cuda import BONDS, PHYSICS, Springs, chains

import fel_explorer as fel
from fel_explorer.methods import (
    ConditionalFlowMatching,
    ConditionalWGAN,
    EmbeddedPhysics,
    MixtureDensityPropagator,
)
from fel_explorer.training.loop import Loop

STEPPED = [name for name in sorted(METHODS) if "n_steps" in METHODS[name].hyperparameter_names()]
ONCE = {
    "training/constants.py",
    "methods/koopman/jacobi.py",
    "methods/latent_simulator/internal_coordinates.py",
}
RARELY = {"methods/spib/refinement.py"}  # when frames are labelled anew, a few times in a training


@pytest.fixture
def waits_of_steps(cuda, monkeypatch):
    """Waits of each step that was done, [[Wait]]."""
    steps, advance = [], Loop._advance

    def counting(loop):
        before = len(cuda.waits)
        advance(loop)
        steps.append(cuda.waits[before:])

    monkeypatch.setattr(Loop, "_advance", counting)
    return steps


def check(steps, n_at_least=5):
    """Nothing waits but what is made once, in the first step of a training that needs it."""
    assert len(steps) >= n_at_least
    of = collections.Counter()
    for step in steps:
        for wait in step:
            file = wait.where.partition(":")[0]
            if file not in RARELY:
                of[file] += 1
    once = {file for file in of if sum(any(w.where.startswith(file) for w in step) for step in steps) <= 2}
    assert set(of) <= ONCE and once == set(of), dict(of)


@pytest.mark.parametrize("name", STEPPED)
def test_methods(name, data, cuda, waits_of_steps):
    small(name).fit(data, device="cuda")
    check(waits_of_steps)


def test_spib_waits_only_where_frames_are_labelled_anew(data, cuda, waits_of_steps):
    fel.SPIB(n_steps=60, hidden=[8], batch_size=32, n_states=3, lag_time=2.0, refinements=0).fit(
        data, device="cuda"
    )
    assert not any(waits_of_steps)


@pytest.mark.parametrize("loss", ["resolvent", "penalty"])
@pytest.mark.parametrize("operator", ["transfer", "generator"])
def test_eigenfunctions(operator, loss, cuda, waits_of_steps):
    x = np.c_[chains()[0], np.cos(chains()[0])]
    fel.Eigenfunctions(operator=operator, loss=loss, n_dims=2, n_steps=10, hidden=[8]).fit(x, device="cuda")
    check(waits_of_steps)


@pytest.mark.parametrize(
    "options",
    [{"variational": True}, {"lag_time": 2.0}, {"regularizer": "transfer"}],
    ids=lambda options: next(iter(options)),
)
def test_autoencoders(options, data, cuda, waits_of_steps):
    known = {k: v for k, v in options.items() if k in fel.Autoencoder.hyperparameter_names()}
    small("Autoencoder", **known).fit(data, device="cuda")
    check(waits_of_steps)


def test_deflated_srv(data, cuda, waits_of_steps):
    small("SRV").fit(data, deflate="energy", device="cuda")
    check(waits_of_steps)


def test_parts_of_simulators(cuda, waits_of_steps):
    latent, xyz = chains()
    tiny = {"n_steps": 10, "hidden": [8], "batch_size": 32}
    MixtureDensityPropagator(lag_time=2.0, n_kernels=3, **tiny).fit(latent, device="cuda")
    for decoder in (ConditionalFlowMatching, ConditionalWGAN):
        decoder(**tiny).fit(latent, xyz, bonds=BONDS, device="cuda")
    check(waits_of_steps, 30)


@pytest.mark.parametrize("molecule", [False, True], ids=["model system", "molecule"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_embedded_physics(molecule, cuda, waits_of_steps, monkeypatch):
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 200)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.method.POOL", 200)
    structure = np.random.default_rng(0).normal(scale=0.01, size=(4, 3))
    structure += np.c_[np.arange(4) * 0.1, np.arange(4) % 2 * 0.1, np.zeros(4)]
    given = {"structure": structure, "bonds": BONDS[:3]} if molecule else {}
    system = Springs() if molecule else fel.systems.DoubleWell()
    EmbeddedPhysics(system, **PHYSICS).fit(**given, device="cuda")
    of = collections.Counter(wait.where.partition(":")[0] for step in waits_of_steps[1:] for wait in step)
    assert not of, of
