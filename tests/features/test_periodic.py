"""Molecules in periodic boxes: whole inside, nearest images between them, against NumPy over all images."""

import itertools
import json

import mdtraj
import numpy as np
import pytest
import torch
from strands import BOXES, cut_strands

import fel_explorer as fel
from fel_explorer.data.molecules import Molecules, arrange, make_whole
from fel_explorer.data.topology_text import pdb_text
from fel_explorer.features import MolecularFeatures, make_featurizers

SPECS = [
    "ca_distances",
    "heavy_atom_distances",
    "backbone_torsions",
    "contacts",
    "contacts:scheme=ca",
    "coordinates:selection=name CA",
]


@pytest.fixture(params=BOXES)
def frames(request):
    return cut_strands(request.param)


def nearest_distance(true, i, j):
    """Distances (frame,) by the rule, from unbroken molecules: over 343 images between molecules."""
    vector = (true.xyz[:, j] - true.xyz[:, i]).astype(float)
    if (i < 60) == (j < 60):
        return np.linalg.norm(vector, axis=1)
    images = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    shifts = np.einsum("nd,fde->fne", images, true.unitcell_vectors)
    return np.linalg.norm(vector[:, None] + shifts, axis=2).min(axis=1)


def compute(spec, reference, trajectory):
    [featurizer] = make_featurizers(spec)
    bound = featurizer.prepare(arrange(reference))
    return bound, bound.compute(trajectory)


def test_distances_are_within_whole_molecules_and_to_nearest_images_between_them(frames):
    true, broken = frames
    bound, found = compute("ca_distances", broken[0], broken)
    oracle = np.stack([nearest_distance(true, i, j) for i, j in bound.atoms], axis=1)
    np.testing.assert_allclose(found, oracle, atol=2e-5)
    ends = bound.names.index("d 0:ALA1-CA 0:ALA12-CA")
    assert found[:, ends].min() > 3.9  # an image of the molecule's own end is nearer


@pytest.mark.parametrize("scheme", ["ca", "closest-heavy"])
def test_contacts_follow_the_same_rule(frames, scheme):
    true, broken = frames
    options = {"scheme": scheme, "cutoff": 2.0, "min_separation": 6}
    bound, found = compute(("contacts", options), broken[0], broken)
    for column, pair in list(zip(found.T, bound.atoms, strict=True))[::15]:
        groups = [[i] if scheme == "ca" else range(i - 1, i + 4) for i in pair]
        distance = np.min([nearest_distance(true, i, j) for i, j in itertools.product(*groups)], axis=0)
        np.testing.assert_allclose(column, 1 / (1 + (distance / 2.0) ** 6), atol=1e-4)


@pytest.mark.parametrize("spec", SPECS)
def test_features_do_not_depend_on_where_the_box_cuts(frames, spec):
    true, broken = frames
    _, expected = compute(spec, true[0], true)
    _, found = compute(spec, broken[0], broken)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_coordinates_of_a_complex_have_no_jumps(frames):
    """RMS spread of coordinates cut anywhere is that of the whole complex, not that of the box."""
    true, broken = frames
    arranged = arrange(true[0])
    moved = true[:]
    moved.xyz += arranged.xyz[0] - true.xyz[0]
    moved.superpose(moved, 0)
    _, found = compute("coordinates:selection=all", broken[0], broken)
    spread = found.reshape(8, -1, 3).std(axis=0)
    np.testing.assert_allclose(spread.mean(), moved.xyz.std(axis=0).mean(), rtol=0.05)


def test_alpha_carbons_alone_are_one_molecule(frames):
    """Without bonds, neighbours in the sequence hold a chain together."""
    true, broken = frames
    atoms = true.topology.select("name CA")
    bound, found = compute("ca_distances", broken[0].atom_slice(atoms), broken.atom_slice(atoms))
    pairs = atoms[bound.atoms]
    oracle = np.stack([nearest_distance(true, i, j) for i, j in pairs], axis=1)
    np.testing.assert_allclose(found, oracle, atol=2e-5)


def test_water_stays_apart_and_whole_molecules_are_not_copied():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(50):
        residue = topology.add_residue("HOH", chain, resSeq=number)
        for name in ("O", "H1", "H2"):
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
    topology.create_standard_bonds()
    centres = np.random.default_rng(1).uniform(0, 2, (3, 50, 1, 3))
    shape = np.array([[0, 0, 0], [0.096, 0, 0], [-0.024, 0.093, 0]])
    xyz = (centres + shape).reshape(3, 150, 3)
    water = mdtraj.Trajectory(
        xyz, topology, unitcell_lengths=np.full((3, 3), 2.0), unitcell_angles=np.full((3, 3), 90.0)
    )
    assert len(set(Molecules(topology, water[0]).label)) == 50
    assert make_whole(water) is water
    cut = water[:]
    cut.xyz %= 2.0
    whole = make_whole(cut)
    oxygen, hydrogen = whole.xyz[:, ::3], whole.xyz[:, 1::3]
    np.testing.assert_allclose(np.linalg.norm(hydrogen - oxygen, axis=2), 0.096, atol=1e-5)
    assert np.abs(cut.xyz).max() <= 2.0  # the given frames stay as they are


def test_the_dataset_s_reference_is_whole_and_features_are_those_of_the_rule(frames, tmp_path):
    true, broken = frames
    broken = broken[1:]
    broken.save_dcd(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", true.topology, time_step=1.0)
    data = fel.featurize(trajs, "ca_distances", cache=False)
    at = data["features"].sel(feature="d 0:ALA1-CA 0:ALA12-CA").values
    np.testing.assert_allclose(at, np.linalg.norm(true.xyz[1:, 56] - true.xyz[1:, 1], axis=1), atol=1e-4)
    from fel_explorer.structures import read_pdb

    reference = read_pdb(data.attrs["topology"])
    bonds = np.array([(a.index, b.index) for a, b in reference.topology.bonds])
    vectors = reference.xyz[0, bonds[:, 1]] - reference.xyz[0, bonds[:, 0]]
    assert np.linalg.norm(vectors, axis=1).max() < 0.25


@pytest.mark.parametrize(
    "spec",
    [
        "ca_distances",
        "contacts:scheme=ca:min_separation=1",
        "minimum_distances",
        "torsions:selection=name CA",
    ],
)
def test_torch_follows_the_same_rule(frames, spec):
    """Values as by mdtraj in each frame's box, derivatives by finite differences."""
    _, broken = frames
    bound, expected = compute(spec, broken[0], broken)
    attrs = {"topology": pdb_text(arrange(broken[0])), "featurizers": json.dumps([bound.record()])}
    function = MolecularFeatures(attrs)
    whole, boxes = make_whole(broken), torch.from_numpy(broken.unitcell_vectors).double()
    positions = torch.from_numpy(whole.xyz).double()
    np.testing.assert_allclose(function(positions, boxes), expected, atol=2e-4)
    np.testing.assert_allclose(function(positions[3], boxes[3]), expected[3], atol=2e-4)
    random = torch.Generator().manual_seed(0)
    direction = torch.randn(positions[3].shape, generator=random, dtype=torch.float64)
    x = positions[3].clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x, boxes[3]).sum(), x)
    moved = [function(positions[3] + h * direction, boxes[3]).sum() for h in (1e-6, -1e-6)]
    assert float((slope * direction).sum()) == pytest.approx(float(moved[0] - moved[1]) / 2e-6, rel=1e-4)


@pytest.mark.parametrize("groups", [("resid 0 to 5", "resid 18 to 23"), ("resid 0 to 1", "resid 10 to 11")])
def test_distances_of_centres_are_those_of_whole_groups(frames, groups):
    """Between molecules to the nearest image of the centre, within one never; the same in torch."""
    true, broken = frames
    options = dict(zip(("first", "second"), groups, strict=True))
    bound, found = compute(("centre_distances", options), broken[0], broken)
    centres = [true.xyz[:, true.topology.select(group)].astype(float).mean(axis=1) for group in groups]
    vectors = centres[1] - centres[0]
    images = np.array(list(itertools.product(range(-3, 4), repeat=3))) * (groups[1] == "resid 18 to 23")
    shifts = np.einsum("nd,fde->fne", images, true.unitcell_vectors)
    oracle = np.linalg.norm(vectors[:, None] + shifts, axis=2).min(axis=1)
    np.testing.assert_allclose(found[:, 0], oracle, atol=2e-5)
    attrs = {"topology": pdb_text(arrange(broken[0])), "featurizers": json.dumps([bound.record()])}
    boxes = torch.from_numpy(broken.unitcell_vectors)
    whole = torch.from_numpy(make_whole(broken).xyz)
    np.testing.assert_allclose(MolecularFeatures(attrs)(whole, boxes)[:, 0], oracle, atol=2e-4)
