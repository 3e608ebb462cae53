"""Decoders against distributions of structures that are known."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods import ConditionalFlowMatching, ConditionalWGAN
from fel_explorer.methods.latent_simulator.clashes import CONTACT, MARGIN, clashing, closest_allowed
from fel_explorer.methods.latent_simulator.flow_matching import path
from fel_explorer.methods.latent_simulator.internal_coordinates import to_internal, to_space, z_matrix
from fel_explorer.structures import geometry

BONDS = [(i, i + 1) for i in range(4)]
TINY = {"n_steps": 30, "hidden": [16], "batch_size": 64}
BOTH = pytest.mark.parametrize("decoder", [ConditionalFlowMatching, ConditionalWGAN])


def chains(n=1500, seed=0):
    """Five atoms in a chain; a latent turns the middle torsion, the bonds spread by 2 pm, in random poses."""
    random = np.random.default_rng(seed)
    latent = random.uniform(-1, 1, (n, 1))
    lengths = 0.15 + 0.002 * random.normal(size=(n, 4))
    angles = np.radians(110) + 0.03 * random.normal(size=(n, 3))
    torsions = np.stack([latent[:, 0] * 1.5, random.choice([-1.0, 1.0], n)], axis=1) + 0.05 * random.normal(
        size=(n, 2)
    )
    internal = (torch.from_numpy(v) for v in (lengths, angles, torsions))
    xyz = to_space(*internal, z_matrix(5, BONDS)).numpy()
    turns = np.linalg.qr(random.normal(size=(n, 3, 3)))[0]
    turns *= np.linalg.det(turns)[:, None, None]
    return latent, xyz @ turns + random.normal(size=(n, 1, 3))


@pytest.fixture(scope="module")
def flow():
    latent, xyz = chains()
    options = {"n_steps": 400, "hidden": [48, 48], "batch_size": 256, "learning_rate": 5e-3, "flow_steps": 10}
    return ConditionalFlowMatching(**options).fit(latent, xyz, bonds=BONDS, device="cpu")


def internal(xyz):
    return [v.numpy() for v in to_internal(torch.from_numpy(xyz).double(), z_matrix(5, BONDS))]


def test_flow_matching_keeps_bonds_and_angles(flow):
    latent, xyz = chains(seed=1)
    drawn = flow.sample(latent, device="cpu")
    for observed, decoded in zip(internal(xyz.astype(np.float32))[:2], internal(drawn)[:2], strict=True):
        np.testing.assert_allclose(decoded.mean(0), observed.mean(0), rtol=0.005)
        np.testing.assert_allclose(decoded.std(0), observed.std(0), rtol=0.1)


def test_a_path_leads_from_noise_to_structures_with_its_own_velocity():
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 4000, 3, generator=generator, dtype=torch.float64)
    for t, end in ((0.0, x0), (1.0, x1)):
        reached = path(x0, x1, torch.full((4000, 1), t).double(), 1)[0]
        torch.testing.assert_close(reached[:, :2], end[:, :2])
        torch.testing.assert_close(reached[:, 2].cos(), end[:, 2].cos())
    t = torch.rand(4000, 1, generator=generator, dtype=torch.float64)
    (before, _), (x, velocity), (after, _) = (path(x0, x1, t + h, 1) for h in (-1e-5, 0, 1e-5))
    torch.testing.assert_close((after - before) / 2e-5, velocity, atol=1e-6, rtol=0)
    assert velocity[:, 2].abs().max() <= np.pi  # the shorter way round
    white = torch.cat([x[:, :2], velocity[:, :2]], dim=1)  # of a normal distribution nothing is to be learnt
    np.testing.assert_allclose(np.cov(white.T), np.diag([1, 1, np.pi**2 / 4, np.pi**2 / 4]), atol=0.15)


def test_bonds_have_their_spread_before_anything_is_learnt():
    latent, xyz = chains(4000)
    untrained = ConditionalFlowMatching(**{**TINY, "n_steps": 1, "learning_rate": 1e-9}).fit(
        latent, xyz, bonds=BONDS, device="cpu"
    )
    drawn = untrained.sample(latent, device="cpu")
    for observed, decoded in zip(internal(xyz.astype(np.float32))[:2], internal(drawn)[:2], strict=True):
        np.testing.assert_allclose(decoded.std(0), observed.std(0), rtol=0.06)


def test_clashes_are_of_atoms_closer_than_the_data_and_are_drawn_again():
    latent, xyz = chains(300)
    xyz = torch.from_numpy(xyz.astype(np.float32))
    allowed = closest_allowed(xyz, BONDS)
    nearest = (xyz[:, 0] - xyz[:, 4]).norm(dim=1).min()
    assert float(allowed[0, 4]) == pytest.approx(MARGIN * min(float(nearest), CONTACT), rel=1e-5)
    assert allowed[0, 3] == allowed[2, 2] == 0  # a torsion's matter
    assert not clashing(xyz, allowed).any()
    squeezed = xyz.clone()
    squeezed[7, 4] = squeezed[7, 0] + 0.5 * allowed[0, 4] / 3**0.5
    assert clashing(squeezed, allowed).nonzero().tolist() == [[7]]
    shares = []
    for redraws in (0, 20):
        decoder = ConditionalFlowMatching(**TINY, redraws=redraws).fit(latent, xyz, bonds=BONDS, device="cpu")
        decoder._allowed = torch.zeros(5, 5)
        decoder._allowed[0, 4] = float((xyz[:, 0] - xyz[:, 4]).norm(dim=1).median())
        drawn = torch.from_numpy(decoder.sample(latent, device="cpu"))
        shares.append(float(clashing(drawn, decoder._allowed).float().mean()))
    assert shares[0] > 0.1 and shares[1] < 0.02


def test_structures_follow_the_latents_and_every_mode_is_drawn(flow):
    latent = np.repeat([[-0.8], [0.8]], 400, axis=0)
    _, _, torsions = internal(flow.sample(latent, device="cpu"))
    means = torsions[:, 0].reshape(2, 400).mean(1)
    np.testing.assert_allclose(means, np.array([-0.8, 0.8]) * 1.5, atol=0.15)
    assert 0.35 < (torsions[:, 1] > 0).mean() < 0.65
    assert (np.abs(torsions[:, 1]) > 0.5).mean() > 0.7


def test_a_gan_learns_where_structures_are():
    random = np.random.default_rng(0)
    latent = random.uniform(-1, 1, (800, 1))
    square = 0.2 * np.array([[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0.5]])
    xyz = square * (1 + 0.3 * latent[:, :, None]) + 0.002 * random.normal(size=(800, 4, 3))
    options = {"n_steps": 600, "hidden": [32], "batch_size": 64, "learning_rate": 2e-3, "n_noise": 2}
    gan = ConditionalWGAN(**options).fit(latent, xyz, device="cpu")
    sizes = [np.linalg.norm(x[:, 0] - x[:, 2], axis=1) for x in (xyz, gan.sample(latent, device="cpu"))]
    assert np.corrcoef(*sizes)[0, 1] > 0.9  # the latent sets the size
    assert sizes[1].mean() == pytest.approx(sizes[0].mean(), rel=0.1)
    assert "distance" in gan.history


def test_a_step_of_the_gan_moves_one_adversary():
    latent, xyz = chains(100)
    gan = ConditionalWGAN(**{**TINY, "n_steps": 1}, critic_steps=1000).fit(latent, xyz, device="cpu")
    start = ConditionalWGAN(**TINY)
    start._n_latents, start._scaling = 1, gan._scaling
    from fel_explorer.training.random import random_generator

    before = start._build(16, random_generator("cpu", 0, 0)).state_dict()
    after = gan._network.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"critic"}


@BOTH
def test_structures_repeat_by_seed_lie_on_the_first_and_come_in_blocks(decoder, monkeypatch):
    latent, xyz = chains(200)
    fitted = decoder(**TINY).fit(latent, xyz, bonds=BONDS, device="cpu")
    first, again = (fitted.sample(latent[:50], seed=3, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, fitted.sample(latent[:50], seed=4, device="cpu"))
    for frame in first[:5]:
        rotation, shift = geometry.fit(frame, xyz[0])
        np.testing.assert_allclose(frame @ rotation + shift, frame, atol=1e-4)
    monkeypatch.setattr("fel_explorer.methods.latent_simulator.decoder.BLOCK", 20)
    assert [len(block) for block in fitted.blocks(latent[:50], device="cpu")] == [20, 20, 10]
    seen = []
    stopped = fitted.sample(latent, device="cpu", callback=lambda p: seen.append(p.step) or True)
    assert len(stopped) == seen[0] <= 200


@BOTH
def test_a_decoder_is_a_file(decoder, tmp_path):
    latent, xyz = chains(120)
    fitted = decoder(**TINY).fit(latent, xyz, bonds=BONDS, device="cpu")
    fitted.save(tmp_path / "d.fel")
    loaded = decoder.load(tmp_path / "d.fel")
    np.testing.assert_array_equal(loaded.sample(latent, device="cpu"), fitted.sample(latent, device="cpu"))
    assert loaded.n_atoms == 5
    with pytest.raises(FelError, match=rf"{decoder.__name__}\.load"):
        fel.load_model(tmp_path / "d.fel")


@BOTH
def test_a_killed_training_goes_on_to_the_same_numbers(decoder, tmp_path):
    latent, xyz = chains(120)
    whole = decoder(**TINY).fit(latent, xyz, device="cpu")
    options = {"device": "cpu", "checkpoint_dir": tmp_path}
    decoder(**TINY).fit(latent, xyz, callback=lambda p: p.step >= 1, **options)
    resumed = decoder(**TINY).fit(latent, xyz, **options)
    np.testing.assert_array_equal(resumed.sample(latent, device="cpu"), whole.sample(latent, device="cpu"))


@BOTH
def test_what_does_not_fit_is_told(decoder):
    latent, xyz = chains(50)
    with pytest.raises(FelError, match="latents of 50 frames"):
        decoder(**TINY).fit(latent, xyz[:30])
    with pytest.raises(FelError, match="not a number"):
        decoder(**TINY).fit(latent, np.full_like(xyz, np.nan))
    fitted = decoder(**TINY).fit(latent, xyz, device="cpu")
    with pytest.raises(FelError, match="1 latents"):
        fitted.sample(np.zeros((3, 2)))
    assert decoder.__name__ not in fel.list_methods()
