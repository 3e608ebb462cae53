"""Small peptides with random coordinates."""

import mdtraj
import numpy as np

NUCLEOTIDE = ["P", "OP1", "OP2", "O5'", "C5'", "C4'", "O4'", "C3'", "O3'", "C2'", "C1'"]
ATOMS = {
    "ACE": ["CH3", "C", "O"],
    "ALA": ["N", "H", "CA", "HA", "CB", "C", "O"],
    "SER": ["N", "H", "CA", "CB", "OG", "C", "O"],
    "NME": ["N", "H", "C"],
    "DA": [*NUCLEOTIDE, "N9", "C8", "C4"],
    "DC": [*NUCLEOTIDE, "N1", "C2", "C6"],
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


def random_chains(topology, n_frames, rng, bond=0.13):
    """(frame, atom, 3) nm: every bond ``bond`` long, in a random direction; molecules at random places."""
    xyz, steps = np.split(rng.normal(size=(n_frames, topology.n_atoms, 6)), 2, axis=2)
    steps *= bond / np.linalg.norm(steps, axis=2, keepdims=True)
    parents = dict(sorted((max(a.index, b.index), min(a.index, b.index)) for a, b in topology.bonds))
    for atom, parent in parents.items():
        xyz[:, atom] = xyz[:, parent] + steps[:, atom]
    return xyz


def make_trajectory(residues=("ACE", "ALA", "NME"), n_frames=20, seed=0, first_time=0.0, step=2.0):
    topology = make_topology(residues)
    xyz = random_chains(topology, n_frames, np.random.default_rng(seed))
    # XTC keeps 0.001 nm: coordinates of that precision come back as they were.
    return mdtraj.Trajectory(
        xyz.round(3), topology, time=first_time + step * np.arange(n_frames, dtype=float)
    )
