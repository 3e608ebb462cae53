"""Models outside the registry of methods on a simulated CUDA device: simulators, embedded physics."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.data.schema import assemble
from fel_explorer.methods import (
    ConditionalFlowMatching,
    ConditionalWGAN,
    EmbeddedPhysics,
    MixtureDensityPropagator,
)
from fel_explorer.methods.koopman.jacobi import eigenvalues, generalized_eigenvalues
from fel_explorer.methods.latent_simulator.internal_coordinates import to_space, z_matrix

BONDS = [(0, 1), (1, 2), (2, 3), (3, 4)]
TINY = {"n_steps": 12, "hidden": [8], "batch_size": 32}
PHYSICS = {"n_dims": 1, "hidden": [8], "batch_size": 20, "n_steps": 15, "beta_start": 0.3}


def chains(n=120):
    """Five atoms in a chain whose torsions follow a latent (frame, 1)."""
    random = np.random.default_rng(0)
    latent = np.cumsum(random.normal(size=(n, 1)), axis=0) / 5
    parts = np.full((n, 4), 0.15), np.full((n, 3), 1.9), np.c_[np.sin(latent), np.cos(latent)]
    noisy = (torch.from_numpy(part + 0.02 * random.normal(size=part.shape)) for part in parts)
    return latent, to_space(*noisy, z_matrix(5, BONDS)).numpy()


class Springs:
    """A molecule in which all distances are held by springs."""

    n_atoms = 4

    def energy(self, x):
        i, j = torch.triu_indices(4, 4, 1, device=x.device)
        target = 0.15 * (j - i).sqrt()
        return 2000.0 * ((x[:, i] - x[:, j]).norm(dim=-1) - target).square().sum(1)


@pytest.mark.parametrize("decoder", [ConditionalFlowMatching, ConditionalWGAN])
def test_decoders_learn_and_draw(decoder, cuda, tmp_path):
    latent, xyz = chains()
    fitted = decoder(**TINY).fit(latent, xyz, bonds=BONDS, device="cuda")
    fitted.save(tmp_path / "decoder.fel")
    for model in (fitted, decoder.load(tmp_path / "decoder.fel")):
        for device in ("cuda", "cpu"):
            assert np.isfinite(model.sample(latent[:5], device=device)).all()


def test_propagators_learn_and_simulate_also_collinear_latents(cuda, tmp_path):
    latent, _ = chains()
    fitted = MixtureDensityPropagator(lag_time=2.0, n_kernels=3, **TINY).fit(
        np.c_[latent, latent], device="cuda"
    )
    fitted.save(tmp_path / "propagator.fel")
    for model in (fitted, MixtureDensityPropagator.load(tmp_path / "propagator.fel")):
        for device in ("cuda", "cpu"):
            assert np.isfinite(model.simulate(6, 2, device=device)["features"]).all()
        assert np.isfinite(model.log_likelihood(np.c_[latent, latent]))


def test_the_linear_prediction_of_collinear_latents_is_that_of_least_squares():
    latent, _ = chains()
    x = np.c_[latent, 2 * latent].astype(np.float32)
    model = MixtureDensityPropagator(lag_time=1.0, n_kernels=3, **TINY | {"n_steps": 1}).fit(x, device="cpu")
    scaled = (x - x.mean(0)) / x.std(0)
    a, b = scaled[:-1] - scaled[:-1].mean(0), scaled[1:] - scaled[1:].mean(0)
    expected = a @ np.linalg.lstsq(a, b, rcond=1e-5)[0]
    np.testing.assert_allclose(a @ model._network.matrix.numpy().T, expected, atol=1e-4)


def test_a_one_dimensional_propagator_answers_all_questions(cuda):
    latent, _ = chains()
    model = MixtureDensityPropagator(lag_time=2.0, n_kernels=3, **TINY).fit(latent, device="cuda")
    edges = np.linspace(latent.min(), latent.max(), 6)
    np.testing.assert_allclose(model.transition_matrix(edges).sum(1), 1.0, atol=1e-6)
    assert np.isfinite(model.stationary_density(20)).all()


def test_a_latent_space_simulator_is_trained_reported_and_resumed(cuda, tmp_path):
    import mdtraj

    latent, xyz = chains(240)
    topology = mdtraj.Topology()
    residue = topology.add_residue("UNK", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(5)]
    for i, j in BONDS:
        topology.add_bond(atoms[i], atoms[j])
    trajectory = mdtraj.Trajectory(xyz.astype(np.float32), topology)
    features = np.c_[np.sin(latent), np.cos(latent)].astype(np.float32)
    data = assemble(features, ["a", "b"], [120, 120], time_step=1.0)

    def simulator():
        return fel.LatentSpaceSimulator(
            fel.TICA,
            MixtureDensityPropagator(lag_time=2.0, n_kernels=3, **TINY),
            ConditionalFlowMatching(flow_steps=3, **TINY),
            lag_time=2.0,
            n_dims=1,
            atoms="all",
        )

    fitted = simulator().fit(data, trajectory, device="cuda", checkpoint_dir=tmp_path / "checkpoints")
    simulator().fit(data, trajectory, device="cpu", checkpoint_dir=tmp_path / "checkpoints")
    fitted.save(tmp_path / "simulator.fel")
    for model in (fitted, fel.LatentSpaceSimulator.load(tmp_path / "simulator.fel")):
        run = model.propagator.simulate(5, 2, device="cuda")
        assert np.isfinite(model.decode(run, device="cuda").xyz).all()
    assert fitted.report(data, trajectory, device="cuda") is not None


@pytest.mark.parametrize("posterior", ["exact", "encoder"])
@pytest.mark.parametrize("molecule", [False, True], ids=["model system", "molecule"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_embedded_physics(molecule, posterior, cuda, tmp_path, monkeypatch):
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 200)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.method.POOL", 200)
    random = np.random.default_rng(0)
    structure = np.c_[np.arange(4) * 0.1, np.arange(4) % 2 * 0.1, np.zeros(4)]
    given = (
        {"structure": structure + 0.01 * random.normal(size=(4, 3)), "bonds": BONDS[:3]} if molecule else {}
    )

    options = {"posterior": posterior, "encoder_hidden": [8]}

    def model():
        return EmbeddedPhysics(Springs() if molecule else fel.systems.DoubleWell(), **PHYSICS | options)

    model().fit(**given, device="cuda", callback=lambda progress: True, checkpoint_dir=tmp_path / "a")
    model().fit(**given, device="cpu", checkpoint_dir=tmp_path / "a")
    model().fit(**given, device="cpu", callback=lambda progress: True, checkpoint_dir=tmp_path / "b")
    fitted = model().fit(**given, device="cuda", checkpoint_dir=tmp_path / "b")
    fitted.save(tmp_path / "model.fel")
    for one in (fitted, EmbeddedPhysics.load(tmp_path / "model.fel")):
        x = one.sample(4)
        assert np.isfinite(one.encode(x)).all() and np.isfinite(one.log_q(x, refined=False)).all()
        assert np.isfinite(one.decode([[0.0]], noise=True)).all()
        assert len(one.draw(4, weights="model", refined=False).z) == 4
    fitted.draw(4)


def test_the_generators_eigenfunctions(cuda):
    latent, _ = chains()
    for loss in ("resolvent", "penalty"):
        model = fel.Eigenfunctions(operator="generator", loss=loss, n_dims=2, n_steps=10, hidden=[8])
        model.fit(np.c_[latent, np.cos(latent)], device="cuda")
        assert np.isfinite(model.transform(np.c_[latent, np.cos(latent)])).all()


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9])
def test_eigenvalues_without_a_wait_are_those_of_lapack(n):
    random = np.random.default_rng(n)
    for matrix in (random.normal(size=(n, n)), np.ones((n, n)), np.eye(n), np.diag(10.0 ** -np.arange(n))):
        symmetric = torch.from_numpy(matrix + matrix.T)
        expected = np.linalg.eigvalsh(symmetric.numpy())
        np.testing.assert_allclose(eigenvalues(symmetric), expected, atol=1e-12 * abs(expected).max())
    energy, root = random.normal(size=(2, n, n))
    energy, covariance = energy + energy.T, root @ root.T + np.eye(n)
    expected = np.sort(np.linalg.eigvals(np.linalg.solve(covariance, energy)).real)
    found = generalized_eigenvalues(torch.from_numpy(energy), torch.from_numpy(covariance))
    np.testing.assert_allclose(found, expected, atol=1e-10)
