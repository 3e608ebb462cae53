import json

import mdtraj
import numpy as np
import pytest

from fel_explorer.errors import FelError
from fel_explorer.structures import geometry, pdb_text, reconstruct
from fel_explorer.structures.molecule import Branches, chirality_agreement, rotatable_bonds


def described(frame, *blocks):
    """Attrs of a dataset whose features are ``blocks`` of (kind, atoms, features per entry)."""
    specs = [
        {
            "name": kind,
            "options": {},
            "kind": kind,
            "atoms": np.asarray(atoms).tolist(),
            "n_features": len(atoms) * n,
        }
        for kind, atoms, n in blocks
    ]
    return {"topology": pdb_text(frame.topology, frame.xyz[0]), "featurizers": json.dumps(specs)}


def pairs_of(atoms):
    return np.array([(i, j) for n, i in enumerate(atoms) for j in atoms[n + 1 :]])


def waves(frame, quads):
    angles = mdtraj.compute_dihedrals(frame, quads)[0]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).ravel()


@pytest.fixture
def heavy(peptide):
    return peptide.topology.select("element != H")


@pytest.fixture
def backbone(peptide):
    phi, _ = mdtraj.compute_phi(peptide[0])
    psi, _ = mdtraj.compute_psi(peptide[0])
    return np.concatenate([phi, psi])


@pytest.mark.parametrize("frame", [1, 2, 7])
def test_all_heavy_distances_give_the_structure_back(peptide, heavy, frame):
    pairs = pairs_of(heavy)
    features = mdtraj.compute_distances(peptide[frame], pairs, periodic=False)[0]
    made = reconstruct(
        features, described(peptide[0], ("distance", pairs, 1)), nearest=peptide.xyz[frame + 2]
    )
    truth = peptide.xyz[frame].astype(float)
    kept = np.isin(made.atoms, heavy)
    assert set(heavy) <= set(made.atoms)
    assert geometry.rmsd(made.xyz[kept], truth[heavy]) < 0.001
    assert made.errors["distance"] < 1e-4
    assert geometry.rmsd(made.xyz, truth[made.atoms]) < 0.02  # with hydrogens of another frame


def test_hand_follows_the_molecule_not_the_likeness(peptide, heavy):
    """The distances of D-alanine are those of L-alanine: the molecule of the nearest frame is made."""
    nearest = peptide.xyz[0]
    mirrored = described(peptide[0], ("distance", pairs_of(heavy), 1))
    features = geometry.distances(nearest * [1.0, 1.0, -1.0], pairs_of(heavy))
    made = reconstruct(features, mirrored, nearest=nearest)
    positions = np.full_like(nearest, np.nan, dtype=float)
    positions[heavy] = made.xyz[np.isin(made.atoms, heavy)]
    assert chirality_agreement(peptide.topology, positions, nearest.astype(float)) == 3


def test_a_left_handed_conformation_keeps_l_residues(peptide, heavy, build_peptide):
    truth = build_peptide([60.0] * 3, [45.0] * 3)
    pairs = pairs_of(heavy)
    features = geometry.distances(truth, pairs)
    made = reconstruct(features, described(peptide[0], ("distance", pairs, 1)), nearest=peptide.xyz[0])
    assert geometry.rmsd(made.xyz[np.isin(made.atoms, heavy)], truth[heavy]) < 0.001


def test_incomplete_but_rigid_distances_are_enough(peptide, heavy):
    pairs = pairs_of(heavy)
    near = geometry.distances(peptide.xyz[1].astype(float), pairs) < 0.45
    features = geometry.distances(peptide.xyz[1].astype(float), pairs[near])
    assert len(features) < 0.8 * len(pairs)
    attrs = described(peptide[0], ("distance", pairs[near], 1))
    made = reconstruct(features, attrs, nearest=peptide.xyz[3])
    kept = np.isin(made.atoms, heavy)
    assert geometry.rmsd(made.xyz[kept], peptide.xyz[1][heavy].astype(float)) < 0.02


def test_error_is_that_of_inconsistent_distances(peptide, heavy):
    pairs = pairs_of(heavy)
    noise = np.random.default_rng(0).normal(scale=0.01, size=len(pairs))
    features = geometry.distances(peptide.xyz[1].astype(float), pairs) + noise
    made = reconstruct(features, described(peptide[0], ("distance", pairs, 1)), nearest=peptide.xyz[1])
    positions = np.full((peptide.n_atoms, 3), np.nan)
    positions[made.atoms] = made.xyz
    expected = np.sqrt(np.mean((geometry.distances(positions, pairs) - features) ** 2))
    assert made.errors["distance"] == pytest.approx(expected)
    # A least-squares fit leaves the share of the noise that its 3 n - 6 freedoms can't take up.
    assert expected == pytest.approx(0.01 * np.sqrt(1 - (3 * len(heavy) - 6) / len(pairs)), rel=0.2)
    assert "distances 0.00" in made.error_text and "nm" in made.error_text


def test_alpha_carbons_become_a_chain(peptide):
    pairs = pairs_of(peptide.topology.select("name CA or name N"))
    bare = peptide.topology.copy()
    bare._bonds = []
    features = geometry.distances(peptide.xyz[1].astype(float), pairs)
    made = reconstruct(features, described(peptide[0], ("distance", pairs, 1)), nearest=peptide.xyz[1])
    shown = made.trajectory(bare)
    assert shown.n_atoms == len(made.atoms)
    assert shown.topology.n_bonds == shown.n_atoms - 1


def test_torsions_turn_the_reference_geometry(peptide, backbone):
    made = reconstruct(
        waves(peptide[1], backbone), described(peptide[0], ("torsion", backbone, 2)), nearest=peptide.xyz[0]
    )
    assert len(made.atoms) == peptide.n_atoms
    ends = [
        peptide.topology.select(f"resid {residue} and name {name}")[0]
        for residue, name in ((0, "H"), (2, "O"))
    ]
    inner = np.delete(np.arange(peptide.n_atoms), ends)  # the first phi and the last psi are no features
    assert geometry.rmsd(made.xyz[inner], peptide.xyz[1][inner].astype(float)) < 0.001
    assert made.errors["torsion"] < 0.1
    assert made.bond_error < 1e-6


def test_blurred_torsions_show_in_the_error(peptide, backbone):
    """A wave of half the length is 60 degrees from any angle: the chord of 1/2 is 2 asin(1/4) = 28.96."""
    made = reconstruct(0.5 * waves(peptide[1], backbone), described(peptide[0], ("torsion", backbone, 2)))
    assert made.errors["torsion"] == pytest.approx(2 * np.degrees(np.arcsin(0.25)), rel=1e-3)


def test_coordinates_are_taken_as_they_are(peptide, heavy):
    attrs = described(peptide[0], ("coordinate", heavy[:, None], 3))
    made = reconstruct(peptide.xyz[1][heavy].ravel(), attrs, nearest=peptide.xyz[1])
    kept = np.isin(made.atoms, heavy)
    assert geometry.rmsd(made.xyz[kept], peptide.xyz[1][heavy].astype(float)) < 1e-6
    assert made.bond_error < 1e-6 and "bond lengths" in made.error_text


def test_joined_features_are_cut_where_the_featurizers_end(peptide, heavy, backbone):
    pairs = pairs_of(heavy)
    attrs = described(peptide[0], ("torsion", backbone, 2), ("contact", [[0, 20]], 1), ("distance", pairs, 1))
    distances = geometry.distances(peptide.xyz[1].astype(float), pairs)
    features = np.concatenate([waves(peptide[1], backbone), [0.4], distances])
    made = reconstruct(features, attrs, nearest=peptide.xyz[3])
    assert made.errors["distance"] < 1e-4 and made.errors["torsion"] < 0.1


@pytest.mark.parametrize("kind", ["contact", "few", "one torsion"])
def test_features_that_fix_nothing_say_so(peptide, heavy, backbone, kind):
    blocks = {
        "contact": ("contact", [[0, 20], [1, 25]], 1),
        "few": ("distance", pairs_of(heavy)[::7], 1),
        "one torsion": ("torsion", backbone[:1], 2),
    }
    block = blocks[kind]
    with pytest.raises(FelError, match="nearest observed frame"):
        reconstruct(np.ones(len(block[1]) * block[2]), described(peptide[0], block))


def test_features_of_another_dataset_are_refused(peptide, backbone):
    with pytest.raises(FelError, match="3 features were given"):
        reconstruct(np.ones(3), described(peptide[0], ("torsion", backbone, 2)))


def test_arrays_have_no_structure():
    with pytest.raises(FelError, match="does not say which atoms"):
        reconstruct(np.ones(3), {"time_unit": "1"})


def test_twisting_either_way_changes_only_that_torsion(peptide):
    branches = Branches(peptide.topology)
    index = {(a.residue.index, a.name): a.index for a in peptide.topology.atoms}
    bond = index[1, "N"], index[1, "CA"]
    for start, end in (bond, bond[::-1]):
        positions = peptide.xyz[0].astype(float)
        ends = (index[0, "C"], index[1, "C"]) if start == bond[0] else (index[1, "C"], index[0, "C"])
        quad = np.array([[ends[0], start, end, ends[1]]])
        before = geometry.torsions(positions, quad)
        assert branches.twist(positions, start, end, 0.4)
        np.testing.assert_allclose(geometry.torsions(positions, quad) - before, 0.4, atol=1e-9)


def test_rings_do_not_twist():
    top = mdtraj.Topology()
    residue = top.add_residue("RNG", top.add_chain())
    atoms = [top.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(6)]
    for i in range(6):
        top.add_bond(atoms[i], atoms[(i + 1) % 6])
    positions = np.random.default_rng(0).normal(size=(6, 3))
    before = positions.copy()
    assert not Branches(top).twist(positions, 0, 1, 1.0)
    np.testing.assert_array_equal(positions, before)


def test_rotatable_bonds_of_polyalanine_are_phi_and_psi(peptide):
    """Of three residues: phi 2 and 3, psi 1 and 2, and the ends' N-CA and CA-C, which move N or O alone."""
    names = {tuple(peptide.topology.atom(i).name for i in bond) for bond in rotatable_bonds(peptide.topology)}
    assert names == {("N", "CA"), ("CA", "C")}
