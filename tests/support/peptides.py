"""Small peptides with random coordinates."""

import mdtraj
import numpy as np

ATOMS = {
    "ACE": ["CH3", "C", "O"],
    "ALA": ["N", "H", "CA", "HA", "CB", "C", "O"],
    "SER": ["N", "H", "CA", "CB", "OG", "C", "O"],
    "NME": ["N", "H", "C"],
    "HOH": ["O", "H1", "H2"],
}


def make_topology(residues):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number, name in enumerate(residues, 1):
        residue = topology.add_residue(name, chain, resSeq=number)
        for atom in ATOMS[name]:
            topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    topology.create_standard_bonds()
    return topology


def make_trajectory(residues=("ACE", "ALA", "NME"), n_frames=20, seed=0, first_time=0.0, step=2.0):
    topology = make_topology(residues)
    xyz = np.random.default_rng(seed).normal(scale=0.4, size=(n_frames, topology.n_atoms, 3))
    # XTC keeps 0.001 nm: coordinates of that precision come back as they were.
    return mdtraj.Trajectory(
        xyz.round(3), topology, time=first_time + step * np.arange(n_frames, dtype=float)
    )
