import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fel_explorer.structures import geometry


def test_torsions_agree_with_mdtraj(peptide):
    quads = np.random.default_rng(0).permuted(np.tile(np.arange(30), (20, 1)), axis=1)[:, :4]
    expected = mdtraj.compute_dihedrals(peptide[0], quads)[0]
    np.testing.assert_allclose(geometry.torsions(peptide.xyz[0].astype(float), quads), expected, atol=1e-4)


def test_rotation_agrees_with_scipy():
    rng = np.random.default_rng(1)
    points, start, end = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)
    turn = Rotation.from_rotvec(0.7 * (end - start) / np.linalg.norm(end - start))
    expected = turn.apply(points - start) + start
    np.testing.assert_allclose(geometry.rotate_about(points, start, end, 0.7), expected, atol=1e-12)


def test_fit_undoes_a_motion_and_never_mirrors():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(6, 3))
    moved = Rotation.random(random_state=4).apply(points) + np.array([1, -2, 3])
    rotation, shift = geometry.fit(points, moved)
    np.testing.assert_allclose(points @ rotation + shift, moved, atol=1e-12)
    rotation, _ = geometry.fit(points, points * [1, 1, -1])
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_rmsd_agrees_with_mdtraj(peptide):
    expected = mdtraj.rmsd(peptide, peptide, 0)
    ours = [geometry.rmsd(xyz.astype(float), peptide.xyz[0].astype(float)) for xyz in peptide.xyz]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_classical_scaling_recovers_distances():
    points = np.random.default_rng(5).normal(size=(8, 3))
    matrix = np.linalg.norm(points[:, None] - points, axis=2)
    found = geometry.embed_distances(matrix)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), matrix, atol=1e-10)


@pytest.mark.parametrize(
    ("n_atoms", "removed", "rigid"),
    [(5, 0, True), (5, 1, True), (5, 2, False), (6, 2, True), (4, 1, False)],
)
def test_rigidity_of_complete_graphs_with_bars_removed(n_atoms, removed, rigid):
    """Maxwell's count, which generic graphs this dense obey: 3 n - 6 bars are needed."""
    pairs = np.array([(i, j) for i in range(n_atoms) for j in range(i + 1, n_atoms)])
    assert geometry.is_rigid(n_atoms, pairs[removed:]) is rigid


def test_enough_bars_in_the_wrong_place_are_not_rigid():
    """Two tetrahedra that share an edge hinge about it: 11 bars, one more than needed is 12."""
    two = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (0, 4), (0, 5), (1, 4), (1, 5), (4, 5)]
    doubled = np.array([*two, (5, 4)])
    assert not geometry.is_rigid(6, doubled)
    assert geometry.is_rigid(6, np.array([*two, (3, 5)]))
