"""Sets of atoms as arrays, and that decoders draw each of them."""

import mdtraj
import numpy as np
import pytest
import torch
from peptides import make_trajectory
from strands import cut_strands

import fel_explorer as fel
from fel_explorer.data.coordinates import read_coordinates
from fel_explorer.data.topology_text import read_topology
from fel_explorer.methods import ConditionalFlowMatching, MixtureDensityPropagator

RESIDUES = ("ACE", "ALA", "SER", "ALA", "ALA", "SER", "NME", "HOH")
SETS = {
    "alpha": lambda atom: atom.name == "CA",
    "backbone": lambda atom: atom.residue.is_protein and atom.name in ("N", "CA", "C", "O"),
    "heavy": lambda atom: atom.element.symbol != "H",
    "all": lambda atom: True,
}


@pytest.fixture(scope="module")
def peptide():
    return make_trajectory(RESIDUES, n_frames=60)


@pytest.mark.parametrize("name", SETS)
def test_a_set_holds_its_atoms_and_their_bonds(peptide, name):
    chosen = [atom.index for atom in peptide.topology.atoms if SETS[name](atom)]
    frames = np.array([7, 3, 40])
    xyz, text, bonds = read_coordinates(peptide, frames, name)
    np.testing.assert_array_equal(xyz, peptide.xyz[frames][:, chosen])
    assert [a.name for a in read_topology(text).atoms] == [peptide.topology.atom(i).name for i in chosen]
    expected = {(a.index, b.index) for a, b in peptide.topology.bonds if {a.index, b.index} <= set(chosen)}
    assert {(chosen[a], chosen[b]) for a, b in bonds} == expected
    assert bool(expected) == (name != "alpha")


@pytest.mark.parametrize("name", SETS)
def test_a_simulator_draws_the_atoms_that_it_was_asked_for(peptide, name, tmp_path):
    dry = peptide.atom_slice(peptide.topology.select("protein"))
    data = fel.as_dataset(np.cumsum(np.random.default_rng(0).normal(size=(60, 3)), axis=0))
    simulator = fel.LatentSpaceSimulator(
        fel.PCA,
        MixtureDensityPropagator(lag_time=1.0, n_steps=2),
        ConditionalFlowMatching(n_steps=2, hidden=[8], flow_steps=2, redraws=0),
        lag_time=1.0, n_dims=2, atoms=name,
    ).fit(data, dry, device="cpu")  # fmt: skip
    drawn = simulator.decode(simulator.simulate(5, 2, device="cpu"), device="cpu")
    expected = [atom.name for atom in dry.topology.atoms if SETS[name](atom)]
    assert [atom.name for atom in drawn.topology.atoms] == expected
    assert drawn.n_frames == 10 and np.isfinite(drawn.xyz).all()
    first = mdtraj.Trajectory(
        dry.xyz[:1][:, [a.index for a in dry.topology.atoms if SETS[name](a)]], drawn.topology
    )
    there = drawn.xyz.copy()  # laid on the first frame of the data: superposing again moves nothing
    np.testing.assert_allclose(drawn.superpose(first).xyz, there, atol=1e-4)


def test_positions_and_coordinates_of_cut_molecules_are_those_of_whole_ones(tmp_path):
    """Distances between all C-alphas, also of two molecules, are those before the box cut them."""
    true, broken = cut_strands("truncated octahedron")
    broken.save_dcd(str(tmp_path / "raw.dcd"))
    trajs = fel.load_trajectories(tmp_path / "raw.dcd", true.topology, time_step=1.0)
    alphas = true.topology.select("name CA")

    def distances(xyz):
        return np.linalg.norm(xyz[:, :, None] - xyz[:, None], axis=-1)

    expected = distances(true.xyz[:, alphas])
    xyz, _, _ = read_coordinates(trajs, np.arange(8), "alpha")
    data = fel.featurize(trajs, "ca_distances", cache=False)
    for found in (distances(xyz), distances(fel.data.positions_of(data)[:, alphas])):
        same = (alphas[:, None] < 60) == (alphas < 60)
        np.testing.assert_allclose(found[:, same], expected[:, same], atol=1e-4)
        assert np.ptp(found, axis=0).max() < 0.2  # no jumps from frame to frame


def test_positions_are_those_that_gradients_of_distances_need(tmp_path):
    true, broken = cut_strands("triclinic")
    broken.save_dcd(str(tmp_path / "raw.dcd"))
    trajs = fel.load_trajectories(tmp_path / "raw.dcd", true.topology, time_step=1.0)
    data = fel.featurize(trajs, "distances:selection=chainid 0 and name CA", cache=False)
    function = fel.features.MolecularFeatures(data.attrs)
    found = function(torch.from_numpy(fel.data.positions_of(data)))
    np.testing.assert_allclose(found, data["features"], atol=1e-4)
