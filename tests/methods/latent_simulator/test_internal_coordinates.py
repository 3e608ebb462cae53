"""Internal coordinates against mdtraj, an independent superposition and the way back."""

from dataclasses import replace

import mdtraj
import numpy as np
import pytest
import torch

from fel_explorer.errors import FelError
from fel_explorer.methods.latent_simulator.internal_coordinates import (
    dihedral,
    superpose,
    to_internal,
    to_space,
    wrap,
    z_matrix,
)
from fel_explorer.methods.latent_simulator.internal_features import CartesianFeatures, InternalFeatures
from fel_explorer.structures import geometry

# a ring with two tails: closure bond, siblings and a lone fragment
BONDS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (2, 5), (5, 6), (5, 7), (8, 9)]


def structures(n_atoms=10, n=30, scale=0.01, seed=0):
    random = np.random.default_rng(seed)
    mean = random.normal(size=(n_atoms, 3)) * 0.3
    return torch.from_numpy(mean + scale * random.normal(size=(n, n_atoms, 3)))


@pytest.mark.parametrize("bonds", [BONDS, [], [(i, i + 1) for i in range(9)]])
def test_structures_come_back_but_for_place_and_turn(bonds):
    xyz, matrix = structures(scale=0.3), z_matrix(10, bonds)
    rebuilt = to_space(*to_internal(xyz, matrix), matrix)
    torch.testing.assert_close(torch.cdist(rebuilt, rebuilt), torch.cdist(xyz, xyz), rtol=1e-6, atol=1e-6)
    for before, after in zip(xyz, rebuilt, strict=True):  # the same hand, not the mirror image
        assert geometry.rmsd(after.numpy(), before.numpy()) < 1e-6


def test_internal_coordinates_are_mdtrajs():
    xyz, matrix = structures(scale=0.2), z_matrix(10, BONDS)
    bonds, angles, torsions = (v.numpy() for v in to_internal(xyz, matrix))
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(10):
        topology.add_atom("C", mdtraj.element.carbon, residue)
    frames, order, anchors = mdtraj.Trajectory(xyz.float().numpy(), topology), matrix.order, matrix.anchors
    pairs = np.c_[order[1:], anchors[1:, 0]]
    np.testing.assert_allclose(bonds, mdtraj.compute_distances(frames, pairs), atol=1e-5)
    triples = np.c_[order[2:], anchors[2:, :2]]
    np.testing.assert_allclose(angles, mdtraj.compute_angles(frames, triples), atol=1e-3)
    quads = np.c_[anchors[3:, ::-1], order[3:]]
    plain = mdtraj.compute_dihedrals(frames, quads)
    lead = matrix.leader
    expected = np.where(lead >= 0, plain - plain[:, lead], plain)
    assert wrap(torch.from_numpy(torsions - expected)).abs().max() < 1e-2
    assert (lead >= 0).any()


def test_a_torsion_has_the_sign_of_the_convention():
    a, b, c = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1]])
    d = torch.tensor([0.0, 1.0, 1.0])
    assert float(dihedral(a, b, c, d)) == pytest.approx(
        float(geometry.torsions(torch.stack([a, b, c, d]).numpy(), np.array([[0, 1, 2, 3]]))[0])
    )


def test_superposition_is_kabschs():
    xyz = structures(scale=0.3)
    moved = superpose(xyz, xyz[0])
    for frame, laid in zip(xyz.numpy(), moved.numpy(), strict=True):
        rotation, shift = geometry.fit(frame, xyz[0].numpy())
        np.testing.assert_allclose(laid, frame @ rotation + shift, atol=1e-10)


@pytest.mark.parametrize("kind", [InternalFeatures, CartesianFeatures])
def test_features_hold_the_whole_structure(kind):
    xyz = structures(n=400, scale=0.005)
    features = kind.of(xyz, BONDS)
    values = features.encode(xyz)
    assert values.shape == (400, features.n_features) and values.dtype == torch.float32
    torch.testing.assert_close(features.decode(values).double(), superpose(xyz, xyz[0]), atol=2e-4, rtol=0)
    again = kind.from_arrays(features.arrays())
    torch.testing.assert_close(again.decode(values), features.decode(values))


def test_stiff_coordinates_are_white():
    features = InternalFeatures.of(structures(n=500), BONDS)
    values = features.encode(structures(n=500))[:, : features.whiten.shape[1]].double()
    np.testing.assert_allclose(np.cov(values.T, bias=True), np.eye(values.shape[1]), atol=1e-4)


def puckered_rings(n=3000):
    """Rings of six atoms that buckle by 6 pm and whose bonds spread by 2 pm, all alike; and their bonds."""
    random = np.random.default_rng(0)
    turn = np.arange(6) * np.pi / 3
    xyz = np.tile(0.14 * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1), (n, 1, 1))
    xyz += random.normal(size=(n, 6, 3)) * [0.002, 0.002, 0.006]
    bonds = np.array([(i, (i + 1) % 6) for i in range(6)])
    length = 0.14 + 0.002 * random.normal(size=(n, 6))
    for _ in range(200):  # SHAKE
        for bond, (a, b) in enumerate(bonds):
            arm = xyz[:, b] - xyz[:, a]
            excess = (1 - length[:, bond] / np.linalg.norm(arm, axis=1))[:, None] * arm / 2
            xyz[:, a] += excess
            xyz[:, b] -= excess
    np.testing.assert_allclose(np.linalg.norm(xyz - xyz[:, [1, 2, 3, 4, 5, 0]], axis=2), length, atol=1e-5)
    return torch.from_numpy(xyz), bonds


def test_the_bond_that_closes_a_buckling_ring_keeps_its_spread():
    xyz, bonds = puckered_rings()
    features = InternalFeatures.of(xyz, bonds)
    noise = torch.randn(3000, features.n_features, generator=torch.Generator().manual_seed(0))

    def spreads(features):
        decoded = features.decode(noise).numpy()
        return np.linalg.norm(decoded[:, bonds[:, 1]] - decoded[:, bonds[:, 0]], axis=2).std(0)

    np.testing.assert_allclose(spreads(features), 0.002, rtol=0.15)
    assert spreads(replace(features, bend=0 * features.bend)).max() > 0.002 * 1.5


def test_too_few_atoms_and_wrong_bonds_are_refused():
    with pytest.raises(FelError, match="at least four"):
        z_matrix(3, [])
    with pytest.raises(FelError, match="There are 5 atoms"):
        z_matrix(5, [(0, 7)])
