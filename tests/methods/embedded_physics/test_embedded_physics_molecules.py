"""Molecules in embedded physics: coordinates without rigid motion, and a fit with known marginals."""

import numpy as np
import pytest
import torch

from fel_explorer.errors import FelError
from fel_explorer.methods import EmbeddedPhysics
from fel_explorer.methods.embedded_physics.coordinates import MoleculeCoordinates, from_arrays
from fel_explorer.methods.embedded_physics.samples import weighted_samples
from fel_explorer.methods.embedded_physics.target import identity
from fel_explorer.methods.embedded_physics.tempering import effective_sample_size
from fel_explorer.methods.embedded_physics.training import Trainer
from fel_explorer.methods.latent_simulator.internal_coordinates import dihedral, to_internal

CHAIN = [[0, 1], [1, 2], [2, 3], [3, 4]]
KT = 8.31446261815324e-3 * 300
BOND, ANGLE = 0.15, 1.9
SHORT = {"hidden": [16], "batch_size": 100, "n_steps": 250, "learning_rate": 0.02}
K_BOND, K_ANGLE, K_TORSION = 2e5, 400.0, 3.0


class Chain:
    """Atoms in a row: harmonic bonds and angles, torsions K (1 + cos phi): trans is best."""

    def __init__(self, n_atoms=4):
        self.n_atoms = n_atoms

    def energy(self, x):
        steps = x[:, 1:] - x[:, :-1]
        lengths = steps.norm(dim=-1)
        cosines = -(steps[:, 1:] * steps[:, :-1]).sum(-1) / (lengths[:, 1:] * lengths[:, :-1])
        torsion = dihedral(*(x[:, i : self.n_atoms - 3 + i] for i in range(4)))
        return (
            0.5 * K_BOND * (lengths - BOND).square().sum(1)
            + 0.5 * K_ANGLE * (cosines.clamp(-0.999999, 0.999999).acos() - ANGLE).square().sum(1)
            + K_TORSION * (1 + torsion.cos()).sum(1)
        )


def structure(n_atoms):
    """Roughly a zigzag, (atom, 3)."""
    x = np.random.default_rng(0).normal(scale=0.01, size=(n_atoms, 3))
    x[:, 0] += 0.12 * np.arange(n_atoms)
    x[:, 1] += 0.09 * (np.arange(n_atoms) % 2)
    return x


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def five():
    chain = Chain(5)
    return MoleculeCoordinates.of(
        lambda x: chain.energy(x) / KT, torch.as_tensor(structure(5)), np.array(CHAIN)
    )


def test_coordinates_come_back(five):
    y = five.centre + 0.5 * torch.randn(
        20, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    x = five.to_space(y)
    turned = five.to_coordinates(x + 3.0)
    period = five.period
    apart = turned - y
    apart = apart - period * torch.round(apart / torch.where(period > 0, period, torch.inf))
    assert float(apart.abs().max()) < 1e-8
    loaded = from_arrays(five.arrays())
    torch.testing.assert_close(loaded.to_space(y), x)


def test_stiff_coordinates_are_whitened_at_the_minimum(five):
    assert five.free.tolist() == [True, True]
    y = five.centre[None]
    bonds, angles, _ = to_internal(five.to_space(y), five.matrix)
    np.testing.assert_allclose(bonds, BOND, atol=1e-5)
    np.testing.assert_allclose(angles, ANGLE, atol=1e-4)
    # a unit step in a stiff coordinate costs half a kT, about: the chain is nearly harmonic
    steps = y + torch.eye(9, dtype=torch.float64)[:7]
    chain = Chain(5)
    cost = (chain.energy(five.to_space(steps)) - chain.energy(five.to_space(y))) / KT
    np.testing.assert_allclose(cost, 0.5, atol=0.05)


def test_the_volume_is_the_jacobian_with_rigid_motion(five):
    def moved(q):
        """Coordinates y, turn (3) and shift (3) to Cartesian ones (15,)."""
        y, turn, shift = q.split([9, 3, 3])
        a, b, c = turn
        generator = torch.stack(
            [torch.stack([0 * a, -c, b]), torch.stack([c, 0 * a, -a]), torch.stack([-b, a, 0 * a])]
        )
        return (five.to_space(y[None])[0] @ torch.linalg.matrix_exp(generator).T + shift).flatten()

    y = five.centre + 0.7 * normal(4, 9, seed=1)
    for point in y:
        jacobian = torch.autograd.functional.jacobian(moved, torch.cat([point, torch.zeros(6)]))
        expected = torch.linalg.slogdet(jacobian)[1]
        assert float(five.log_volume(point[None])) == pytest.approx(float(expected), abs=1e-8)


@pytest.fixture(scope="module")
def fitted():
    options = {"hidden": [16], "batch_size": 200, "n_steps": 250, "learning_rate": 0.02}
    model = EmbeddedPhysics(Chain(4), n_dims=1, beta_start=0.3, beta_low=0.5, **options)
    return model.fit(structure=structure(4), bonds=CHAIN[:3], device="cpu")


def test_marginals_of_a_chain_are_those_of_quadrature(fitted):
    """Bonds r^2 exp, angles sin exp and the torsion are independent: one-dimensional integrals."""
    bonds, angles, torsions = to_internal(torch.as_tensor(fitted.sample(40_000)), fitted._coordinates.matrix)

    def moments(low, high, weight, f=lambda v: v):
        v = np.linspace(low, high, 4001)
        w = weight(v)
        mean = (w * f(v)).sum() / w.sum()
        return mean, ((w * (f(v) - mean) ** 2).sum() / w.sum()) ** 0.5

    mean, std = moments(0.1, 0.2, lambda r: r**2 * np.exp(-K_BOND * (r - BOND) ** 2 / (2 * KT)))
    np.testing.assert_allclose(bonds.mean(0), mean, atol=2e-4)
    np.testing.assert_allclose(bonds.std(0), std, rtol=0.06)
    mean, std = moments(1.2, 2.6, lambda t: np.sin(t) * np.exp(-K_ANGLE * (t - ANGLE) ** 2 / (2 * KT)))
    np.testing.assert_allclose(angles.mean(0), mean, atol=6e-3)
    np.testing.assert_allclose(angles.std(0), std, rtol=0.06)
    mean, std = moments(-np.pi, np.pi, lambda p: np.exp(-K_TORSION * (1 + np.cos(p)) / KT), np.cos)
    assert float(torsions.cos().mean()) == pytest.approx(mean, abs=0.05)
    assert fitted.effective_sample_size_ > 0.8


def test_densities_and_weights_of_conformations_agree(fitted, tmp_path):
    x, _, log_weight = fitted.draw(200)
    energy = Chain(4).energy(torch.as_tensor(x)).numpy() / KT
    np.testing.assert_allclose(log_weight, -energy - fitted.log_q(x), atol=1e-3)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    np.testing.assert_allclose(fitted.log_q(x @ turn + 1.0), fitted.log_q(x), atol=1e-3)
    assert fitted.decode(fitted.encode(x)).shape == (200, 4, 3)


class Lopsided(Chain):
    """A chain of four whose torsion has two wells, cis and trans, of unequal depth."""

    BARRIER, TILT = 8.0, 2.0  # kJ/mol

    def torsion_energy(self, angle):
        return self.BARRIER * np.sin(angle) ** 2 + self.TILT * (1 + np.cos(angle))

    def energy(self, x):
        angle = dihedral(*(x[:, i : i + 1] for i in range(4)))[:, 0]
        own = self.BARRIER * angle.sin().square() + (self.TILT - K_TORSION) * (1 + angle.cos())
        return super().energy(x) + own


@pytest.fixture(scope="module")
def lopsided():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 4000)
        model = EmbeddedPhysics(Lopsided(), n_dims=1, beta_start=0.1, **SHORT)
        return model.fit(structure=structure(4), bonds=CHAIN[:3], device="cpu")


def cis_weight():
    angle = np.linspace(-np.pi, np.pi, 20_001)
    weight = np.exp(-Lopsided().torsion_energy(angle) / KT)
    return weight[np.cos(angle) > 0].sum() / weight.sum()


def test_both_wells_of_a_torsion_keep_their_weights(lopsided):
    """By quadrature cis weighs a fifth; the model has it as drawn, and better when weighted."""
    x, _, log_weight = lopsided.draw(20_000)
    cis = dihedral(*(torch.as_tensor(x[:, i]) for i in range(4))).cos().numpy() > 0
    weight = np.exp(log_weight - log_weight.max())
    assert cis.mean() == pytest.approx(cis_weight(), abs=0.06)
    assert weight @ cis / weight.sum() == pytest.approx(cis_weight(), abs=0.02)
    assert lopsided.coverage_ > 0.99


def test_a_dropped_well_of_a_molecule_is_told():
    model = EmbeddedPhysics(Lopsided(), n_dims=1, beta_start=0.1, **SHORT)

    def forget(progress):
        if progress.step < 80:
            return False
        with torch.no_grad():  # one well is left: the torsion stays where it is in the middle
            model._network.around.zero_()
            model._network.decoder[-1].weight.zero_()
        return True

    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.warns(UserWarning, match="dropped a mode or is too narrow"),
    ):
        patch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 4000)
        patch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
        model.fit(structure=structure(4), bonds=CHAIN[:3], device="cpu", callback=forget)
    assert model.coverage_ < 0.9


@pytest.mark.filterwarnings("ignore:The model holds")
def test_hot_samples_of_a_molecule_have_weight_when_their_stiff_noise_is_narrowed(monkeypatch):
    """A five-atom chain: nine coordinates, seven of them stiff."""
    sizes = {}

    def look(trainer, network, generator):
        hot = weighted_samples(network, trainer.target, 2000, generator)
        narrow = whole(trainer, network, generator)
        sizes.update(hot=effective_sample_size(hot.log_weights))
        sizes.update(narrow=effective_sample_size(narrow.log_weights))
        return narrow

    whole = Trainer._hot_samples
    monkeypatch.setattr(Trainer, "_hot_samples", look)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 2000)
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    model = EmbeddedPhysics(Chain(5), n_dims=1, beta_start=0.2, **SHORT)
    model.fit(structure=structure(5), bonds=CHAIN, device="cpu", callback=lambda done: done.step == 68)
    assert sizes["narrow"] > 2 * sizes["hot"] and sizes["narrow"] > 400


@pytest.mark.filterwarnings("ignore:The model holds")
def test_a_stopped_fit_of_a_molecule_resumes_to_the_same_numbers(tmp_path, monkeypatch):
    """What it remembers of its own samples is in the checkpoint."""
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.training.POOL", 500)
    monkeypatch.setattr("fel_explorer.methods.embedded_physics.method.MIN_ESS", 0)
    options = SHORT | {"n_steps": 33, "batch_size": 8}

    def fitted(**how):
        model = EmbeddedPhysics(Chain(4), n_dims=1, **options)
        return model.fit(structure=structure(4), bonds=CHAIN[:3], device="cpu", **how)

    whole = fitted()
    fitted(callback=lambda progress: progress.step >= 25, checkpoint_dir=tmp_path)
    resumed = fitted(checkpoint_dir=tmp_path)
    assert resumed.history.identical(whole.history)
    np.testing.assert_array_equal(resumed.sample(20), whole.sample(20))


def test_a_file_holds_the_molecules_coordinates_but_not_its_forces(fitted, tmp_path):
    fitted.save(tmp_path / "chain.fel")
    loaded = EmbeddedPhysics.load(tmp_path / "chain.fel")
    np.testing.assert_array_equal(loaded.sample(5), fitted.sample(5))
    with pytest.raises(FelError, match="not in the model's file"):
        loaded.draw(5)
    np.testing.assert_array_equal(
        loaded.draw(5, weights="model").log_weight, fitted.draw(5, weights="model").log_weight
    )
    loaded.system = Chain(4)
    np.testing.assert_array_equal(loaded.draw(5).log_weight, fitted.draw(5).log_weight)


def test_a_molecule_needs_structure_and_bonds():
    with pytest.raises(FelError, match="without structure or bonds"):
        EmbeddedPhysics(Chain(4)).fit()
    with pytest.raises(FelError, match=r"It is \(4, 3\), in nm"):
        EmbeddedPhysics(Chain(4)).fit(structure=structure(5), bonds=CHAIN)


def test_a_checkpoint_knows_its_molecule_by_structure_bonds_and_energy(monkeypatch):
    known = identity(Chain(4), structure(4), CHAIN[:3])
    assert known == identity(Chain(4), structure(4), np.array(CHAIN[:3]))
    assert known != identity(Chain(4), 1.01 * structure(4), CHAIN[:3])
    assert known != identity(Chain(4), structure(4), CHAIN[:2])
    monkeypatch.setattr(f"{__name__}.K_TORSION", 4.0)
    assert known != identity(Chain(4), structure(4), CHAIN[:3])
