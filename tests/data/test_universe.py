"""MDAnalysis universes in place of files, against mdtraj and NumPy on the same coordinates."""

import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data.universe import topology_of
from fel_explorer.errors import FelError


@pytest.fixture
def files(tmp_path):
    """Two runs of a peptide in a box, from 100 ps on, as XTC with a PDB."""
    parts = [make_trajectory(["ACE", "ALA", "SER", "NME"], n, seed=n, first_time=100.0) for n in (15, 9)]
    for number, part in enumerate(parts):
        part.unitcell_lengths = np.full((len(part), 3), 4.0)
        part.unitcell_angles = np.full((len(part), 3), 90.0)
        part.save_xtc(str(tmp_path / f"{number}.xtc"))
    parts[0][0].save_pdb(str(tmp_path / "top.pdb"))
    return tmp_path, parts


def universe(folder, number=0):
    from MDAnalysis import Universe  # takes seconds

    return Universe(str(folder / "top.pdb"), str(folder / f"{number}.xtc"))


def empty(n_atoms, owners):
    from MDAnalysis import Universe

    return Universe.empty(n_atoms, n_residues=2, atom_resindex=owners, trajectory=True)


@pytest.mark.parametrize("stride", [1, 4])
def test_a_universe_gives_the_features_times_and_boxes_of_its_files(files, stride):
    folder, parts = files
    trajs = fel.load_trajectories([universe(folder, 0), universe(folder, 1)], stride=stride)
    own = fel.load_trajectories([folder / "0.xtc", folder / "1.xtc"], folder / "top.pdb", stride=stride)
    expected = np.concatenate([part.xyz[::stride] for part in parts])
    everything = trajs.frames(np.arange(trajs.n_frames))
    np.testing.assert_allclose(everything.xyz, expected, atol=1e-4)
    np.testing.assert_allclose(everything.time, np.concatenate([part.time[::stride] for part in parts]))
    np.testing.assert_allclose(everything.unitcell_lengths, 4.0, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([c.xyz for _, _, c in trajs.chunks(4)]), expected, atol=1e-4)
    kinds = ["heavy_atom_distances", "torsions"]
    a, b = (fel.featurize(one, kinds, cache=False) for one in (trajs, own))
    assert a["feature"].values.tolist() == b["feature"].values.tolist()
    np.testing.assert_allclose(a["features"], b["features"], atol=1e-4)
    np.testing.assert_allclose(a["time"], b["time"])


def test_a_dataset_of_a_universe_opens_its_file_again(files, tmp_path):
    folder, parts = files
    data = fel.featurize(fel.load_trajectories(universe(folder)), "torsions", store=tmp_path / "a.zarr")
    again = fel.data.trajectories_of(fel.open_dataset(tmp_path / "a.zarr"))
    np.testing.assert_allclose(again.frames([7]).xyz[0], parts[0].xyz[7], atol=1e-4)
    assert data.attrs["topology"]


def test_atoms_are_chosen_as_of_files(files):
    folder, parts = files
    trajs = fel.load_trajectories(universe(folder), atoms="element != H")
    heavy = [a.index for a in parts[0].topology.atoms if a.element.symbol != "H"]
    assert trajs.atoms.tolist() == heavy
    np.testing.assert_allclose(trajs.frames([3]).xyz[0], parts[0].xyz[3, heavy], atol=1e-4)


def test_the_universe_stays_at_its_frame(files):
    given = universe(files[0])
    given.trajectory[4]
    before = given.atoms.positions.copy()
    fel.featurize(fel.load_trajectories(given), "torsions", cache=False)
    assert given.trajectory.frame == 4
    np.testing.assert_array_equal(given.atoms.positions, before)


def test_coordinates_in_memory_and_transformations_are_those_that_are_read(files):
    folder, parts = files
    from MDAnalysis.coordinates.memory import MemoryReader
    from MDAnalysis.transformations import translate

    memory = universe(folder)
    memory.load_new(10 * parts[1].xyz, format=MemoryReader, dt=5.0)
    trajs = fel.load_trajectories(memory)
    np.testing.assert_allclose(trajs.frames([0, 8]).xyz, parts[1].xyz[[0, 8]], atol=1e-4)
    data = fel.featurize(trajs, "torsions")
    assert data["time"].values.tolist() == [5.0 * i for i in range(9)]
    assert fel.data.trajectories_of(data) is None
    moved = universe(folder)
    moved.trajectory.add_transformations(translate([10.0, 0, 0]))
    trajs = fel.load_trajectories(moved)
    np.testing.assert_allclose(trajs.frames([2]).xyz[0], parts[0].xyz[2] + [1.0, 0, 0], atol=1e-4)
    assert fel.data.trajectories_of(fel.featurize(trajs, "torsions")) is None


def test_elements_come_from_masses_where_the_universe_has_none():
    bare = empty(5, [0, 0, 0, 1, 1])
    bare.add_TopologyAttr("masses", [12.011, 14.007, 1.008, 14.027, 72.0])
    bare.add_TopologyAttr("bonds", [(0, 1), (1, 2), (3, 4)])
    topology = topology_of(bare)
    assert [a.element.symbol for a in topology.atoms] == ["C", "N", "H", "VS", "VS"]
    assert [(a.index, b.index) for a, b in topology.bonds] == [(0, 1), (1, 2), (3, 4)]
    assert [r.n_atoms for r in topology.residues] == [3, 2]


def test_universes_and_files_together_and_scattered_residues_are_refused(files):
    folder, _ = files
    with pytest.raises(FelError, match="A list of universes and files"):
        fel.load_trajectories([universe(folder), folder / "1.xtc"])
    scattered = empty(3, [0, 1, 0])
    with pytest.raises(FelError, match="atoms of residue UNK1 of the universe are not together"):
        fel.load_trajectories(scattered)
