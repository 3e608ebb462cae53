"""Observables and measurements of molecules that the box cuts, against the molecules before it did."""

import itertools

import mdtraj
import numpy as np
import pytest
from strands import BOXES, cut_strands

import fel_explorer as fel
from fel_explorer.structures import geometry, measure, observables, superpose


@pytest.fixture(params=BOXES)
def strands(request, tmp_path):
    true, broken = cut_strands(request.param)
    broken.save_dcd(str(tmp_path / "a.dcd"))
    return true, fel.load_trajectories(tmp_path / "a.dcd", true.topology, time_step=1.0)


@pytest.fixture
def one_strand(strands, tmp_path):
    true, _ = strands
    trajs = fel.load_trajectories(tmp_path / "a.dcd", true.topology, time_step=1.0, atoms=range(60))
    return true.atom_slice(range(60)), trajs


def test_ends_and_radius_are_those_of_the_whole_molecule(one_strand):
    true, trajs = one_strand
    found = observables(trajs, ["end_to_end_distance", "radius_of_gyration", "rmsd"], cache=False)
    ends = np.linalg.norm(true.xyz[:, 56] - true.xyz[:, 1], axis=1)
    np.testing.assert_allclose(found["end_to_end_distance"], ends, atol=1e-4)
    masses = np.array([atom.element.mass for atom in true.topology.atoms])
    centre = np.average(true.xyz, axis=1, weights=masses)[:, None]
    radius = np.sqrt(np.average(((true.xyz - centre) ** 2).sum(-1), axis=1, weights=masses))
    np.testing.assert_allclose(found["radius_of_gyration"], radius, atol=1e-4)
    alphas = true.topology.select("name CA")
    chosen = true.xyz[:, alphas].astype(float)
    expected = [geometry.rmsd(xyz, chosen[0]) for xyz in chosen]
    np.testing.assert_allclose(found["rmsd"], expected, atol=4e-3)  # mdtraj's, in float32


def test_residue_contacts_are_counted_over_images_between_molecules(strands):
    true, trajs = strands
    found = observables(trajs, [("residue_contacts", {"cutoff": 1.2})], cache=False)["residue_contacts"]
    images = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    for frame in (0, 5):
        xyz, box = true.xyz[frame].astype(float), true.unitcell_vectors[frame]
        inside = np.linalg.norm(xyz[:60, None] - xyz[None, :60], axis=2)
        vectors = xyz[:60, None] - xyz[None, 60:]
        between = np.min([np.linalg.norm(vectors + shift, axis=2) for shift in images @ box], axis=0)
        other = np.linalg.norm(xyz[60:, None] - xyz[None, 60:], axis=2)
        closest = [d.reshape(12, 5, 12, 5).min(axis=(1, 3)) for d in (inside, between, other)]
        apart = np.triu(np.ones((12, 12), bool), 3)
        masks = (apart, np.ones_like(apart), apart)
        expected = sum(int((d[mask] < 1.2).sum()) for d, mask in zip(closest, masks, strict=True))
        assert int(found[frame]) == expected


def test_what_is_measured_between_atoms_is_of_whole_molecules(strands):
    true, trajs = strands
    angle = np.rad2deg(mdtraj.compute_angles(true, [[1, 31, 56]], periodic=False)[:, 0])
    np.testing.assert_allclose(measure(trajs, [1, 31, 56]), angle, atol=0.05)
    images = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    shifts = np.einsum("nd,fde->fne", images, true.unitcell_vectors)
    vectors = (true.xyz[:, 61] - true.xyz[:, 1])[:, None] + shifts
    np.testing.assert_allclose(
        measure(trajs, [1, 61]), np.linalg.norm(vectors, axis=2).min(axis=1), atol=1e-4
    )


def test_superposed_complexes_are_whole_and_together(strands):
    true, trajs = strands
    reference = superpose(trajs.frames([0]), trajs.frames([0]))
    shown = superpose(trajs.frames(range(8)), reference)
    bonds = np.array([(a.index, b.index) for a, b in true.topology.bonds])
    assert np.linalg.norm(shown.xyz[:, bonds[:, 0]] - shown.xyz[:, bonds[:, 1]], axis=2).max() < 0.25
    assert np.abs(shown.xyz - shown.xyz[:1]).max() < 0.3  # no molecule jumps to another image
