"""Long molecules in periodic boxes, as they are and cut anywhere."""

import mdtraj
import numpy as np

ELEMENTS = {"N": "N", "CA": "C", "C": "C", "O": "O", "CB": "C"}
BOXES = {
    "orthorhombic": ([6.4, 7.0, 6.8], [90.0, 90.0, 90.0]),
    "triclinic": ([6.4, 6.8, 7.0], [75.0, 100.0, 65.0]),
    "truncated octahedron": ([6.6, 6.6, 6.6], [70.53, 109.47, 70.53]),
}


def strand(n, shift, random):
    """Positions (5 n, 3) in nm of an extended chain of ``n`` alanines along x, 0.365 nm each."""
    places = []
    for i in range(n):
        x, s = 0.365 * i, (-1) ** i
        places += [[x, 0.05 * s, 0], [x + 0.12, -0.03 * s, 0.04], [x + 0.245, 0.04 * s, 0]]
        places += [[x + 0.25, 0.16 * s, 0.03], [x + 0.12, -0.12 * s, 0.165]]
    return np.array(places) + shift + random.normal(scale=0.01, size=(5 * n, 3))


def two_strands(n=12):
    topology = mdtraj.Topology()
    for _ in range(2):
        chain = topology.add_chain()
        for number in range(n):
            residue = topology.add_residue("ALA", chain, resSeq=number + 1)
            for name, symbol in ELEMENTS.items():
                topology.add_atom(name, mdtraj.element.get_by_symbol(symbol), residue)
    topology.create_standard_bonds()
    return topology


def cut_strands(box, seed=0):
    """Two strands, each longer than half of the box, as they are and with atoms in any image (8 frames)."""
    random, (lengths, angles) = np.random.default_rng(seed), BOXES[box]
    xyz = np.stack(
        [
            np.concatenate([strand(12, [1, 1, 1], random), strand(12, [0.5, 1.9, 2.1], random)])
            for _ in range(8)
        ]
    )
    true = mdtraj.Trajectory(
        xyz, two_strands(), unitcell_lengths=np.tile(lengths, (8, 1)), unitcell_angles=np.tile(angles, (8, 1))
    )
    images = random.integers(-2, 3, (8, true.n_atoms, 3))
    images[0] = 0  # the reference is not cut
    broken = true[:]
    broken.xyz = true.xyz + np.einsum("fad,fde->fae", images, true.unitcell_vectors)
    return true, broken
