import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.data.topology_text import pdb_text, read_structure, read_topology
from fel_explorer.structures import read_pdb


def awkward():
    """Names, numbers, chains and bonds that a PDB file can't hold, and names that readers change."""
    topology = mdtraj.Topology()
    atoms = {
        "LIGAND": [("C100A", "C"), ("C100B", "C"), ("C100C", "C"), ("BR1", "Br"), ("X", None)],
        "HSD": [("N", "N"), ("HN", "H"), ("CA", "C"), ("C", "C"), ("OT1", "O")],
        "NA+": [("NA+", "Na")],
        "SOL": [("OW", "O"), ("HW1", "H"), ("HW2", "H")],
    }
    for chain_id, number in (("A", 1), ("PROT2", 9_998), (None, 123_456), ("A", -5)):
        chain = topology.add_chain(chain_id)
        for offset, (name, members) in enumerate(atoms.items()):
            residue = topology.add_residue(name, chain, number + offset, f"SEG{offset}")
            for atom, symbol in members:
                element = mdtraj.element.get_by_symbol(symbol) if symbol else None
                topology.add_atom(atom, element, residue)
    rng = np.random.default_rng(0)
    for first, second in {tuple(sorted(rng.choice(topology.n_atoms, 2, replace=False))) for _ in range(40)}:
        topology.add_bond(topology.atom(int(first)), topology.atom(int(second)))
    topology.add_bond(topology.atom(0), topology.atom(1), type=mdtraj.core.topology.Double, order=2)
    return topology


def contents(topology):
    return (
        [(c.chain_id, c.n_residues) for c in topology.chains],
        [(r.name, r.resSeq, r.n_atoms, r.segment_id) for r in topology.residues],
        [(a.name, a.element.symbol if a.element else None, a.residue.index) for a in topology.atoms],
        [(a.index, b.index) for a, b in topology.bonds],
        [(str(bond.type), bond.order) for bond in topology.bonds],
    )


def test_text_gives_back_every_atom_residue_number_chain_and_bond():
    topology = awkward()
    xyz = np.random.default_rng(1).uniform(-5, 5, (1, topology.n_atoms, 3)).round(4)
    text = pdb_text(mdtraj.Trajectory(xyz, topology))
    assert contents(read_topology(text)) == contents(topology)
    np.testing.assert_allclose(read_pdb(text).xyz, xyz, atol=1e-4)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_text_keeps_the_unit_cell():
    topology = awkward()
    frame = mdtraj.Trajectory(np.ones((1, topology.n_atoms, 3)), topology)
    frame.unitcell_lengths = np.array([[3.0, 4.0, 5.0]])
    frame.unitcell_angles = np.array([[70.0, 80.0, 100.0]])
    back = read_structure(pdb_text(frame))
    np.testing.assert_allclose(back.unitcell_lengths, frame.unitcell_lengths)
    np.testing.assert_allclose(back.unitcell_angles, frame.unitcell_angles)


def test_other_programs_read_the_text_as_a_pdb_file(tmp_path):
    from fel_explorer.data.samples import sample_data

    frame = sample_data().reference
    (tmp_path / "a.pdb").write_text(pdb_text(frame))
    read = mdtraj.load(str(tmp_path / "a.pdb"))
    np.testing.assert_allclose(read.xyz, frame.xyz, atol=1e-4)
    assert [a.name for a in read.topology.atoms] == [a.name for a in frame.topology.atoms]


def test_a_changed_topology_does_not_change_the_next_reading():
    topology = awkward()
    text = pdb_text(mdtraj.Trajectory(np.ones((1, topology.n_atoms, 3)), topology))
    first = read_topology(text)
    first.add_bond(first.atom(3), first.atom(9))
    first.atom(0).name = "other"
    assert contents(read_topology(text)) == contents(topology)


@pytest.mark.parametrize("atoms", [None, "not solvent"])
def test_a_dataset_opens_its_files_with_the_same_topology(tmp_path, atoms):
    topology = awkward()
    rng = np.random.default_rng(2)
    trajectory = mdtraj.Trajectory(rng.uniform(0, 1, (6, topology.n_atoms, 3)), topology, time=np.arange(6.0))
    trajectory.save(str(tmp_path / "a.h5"))
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    source = topology if atoms is None else tmp_path / "a.h5"
    trajs = fel.load_trajectories(tmp_path / "a.xtc", source, atoms=atoms)
    data = fel.featurize(trajs, ("distances", {"selection": [0, 3, 7]}), store=tmp_path / "data.zarr")
    for dataset in (data, fel.open_dataset(tmp_path / "data.zarr")):
        assert contents(read_pdb(dataset.attrs["topology"]).topology) == contents(trajs.topology)
        again = fel.data.trajectories_of(dataset)
        assert contents(again.topology) == contents(trajs.topology)
        np.testing.assert_array_equal(again.frames([4]).xyz, trajs.frames([4]).xyz)
