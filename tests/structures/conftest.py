"""A polyalanine built atom by atom from bond lengths, angles and torsions: geometries with known answers."""

import mdtraj
import numpy as np
import pytest

from fel_explorer.data.schema import assemble

# atom: (element, bonded to, angle with, torsion with, nm, degrees, degrees); "-" is the residue before
RESIDUE = {
    "N": ("N", "-C", "-CA", "-N", 0.1335, 116.6, "psi"),
    "CA": ("C", "N", "-C", "-CA", 0.1449, 121.9, "omega"),
    "C": ("C", "CA", "N", "-C", 0.1522, 111.2, "phi"),
    "O": ("O", "C", "CA", "N", 0.1229, 120.4, "psi+180"),
    "CB": ("C", "CA", "N", "C", 0.1526, 110.1, -122.5),
    "H": ("H", "N", "CA", "C", 0.1010, 118.0, "phi+180"),
    "HA": ("H", "CA", "N", "C", 0.1090, 108.5, 118.0),
    "HB1": ("H", "CB", "CA", "N", 0.1090, 109.5, 60.0),
    "HB2": ("H", "CB", "CA", "N", 0.1090, 109.5, 180.0),
    "HB3": ("H", "CB", "CA", "N", 0.1090, 109.5, -60.0),
}


def place(a, b, c, bond, angle, torsion):
    """The atom d with |cd|, angle bcd and torsion abcd (Parsons et al., J. Comput. Chem. 26, 1063 (2005))."""
    angle, torsion = np.radians([angle, torsion])
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    local = bond * np.array(
        [-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)]
    )
    return c + local @ np.stack([axis, np.cross(normal, axis), normal])


def build(phi, psi, omega=None):
    """Polyalanine with the given torsions in degrees, each (residue,); (atom, 3) in nm."""
    omega = np.full(len(phi), 180.0) if omega is None else omega
    positions, rows = {}, []
    for r in range(len(phi)):
        angles = {"phi": phi[r], "phi+180": phi[r] + 180, "psi+180": psi[r] + 180}
        angles |= {"psi": psi[r - 1], "omega": omega[r - 1]} if r else {}
        for name, (_, *others, bond, angle, torsion) in RESIDUE.items():
            before = [(r - 1, o[1:]) if o.startswith("-") else (r, o) for o in others]
            if r == 0 and name in ("N", "CA", "C"):
                start = {"N": [0, 0, 0], "CA": [0.1449, 0, 0], "C": [0.2, 0.1415, 0]}
                positions[r, name] = np.array(start[name], float)
            else:
                c, b, a = (
                    positions[key] if key in positions else np.array([-0.05, -0.1, 0.02]) for key in before
                )
                positions[r, name] = place(a, b, c, bond, angle, angles.get(torsion, torsion))
            rows.append(positions[r, name])
    return np.array(rows)


def topology(n_residues):
    top = mdtraj.Topology()
    chain, atoms = top.add_chain(), {}
    for r in range(n_residues):
        residue = top.add_residue("ALA", chain, resSeq=r + 1)
        for name, (symbol, other, *_) in RESIDUE.items():
            atoms[r, name] = top.add_atom(name, mdtraj.element.get_by_symbol(symbol), residue)
            key = (r - 1, other[1:]) if other.startswith("-") else (r, other)
            if key in atoms:
                top.add_bond(atoms[key], atoms[r, name])
    return top


class Trajs:
    """What panels and exports ask of a TrajectorySet."""

    def __init__(self, trajectory):
        self.trajectory, self.topology, self.n_frames = trajectory, trajectory.topology, len(trajectory)

    def frames(self, indices):
        return self.trajectory[np.atleast_1d(indices)]


@pytest.fixture(scope="session")
def peptide():
    """40 conformations of three alanines, drawn around two basins."""
    rng = np.random.default_rng(3)
    centres = np.array([[-70.0, -40.0], [-120.0, 140.0]])
    xyz = []
    for frame in range(40):
        angles = centres[frame % 2] + rng.normal(scale=15, size=(3, 2))
        xyz.append(build(angles[:, 0], angles[:, 1]))
    return mdtraj.Trajectory(np.array(xyz, np.float32), topology(3), time=np.arange(40.0))


@pytest.fixture(scope="session")
def dataset(peptide):
    """Features that tell the two basins apart: the C-alpha distances."""
    alphas = [a.index for a in peptide.topology.atoms if a.name == "CA"]
    pairs = [(i, j) for n, i in enumerate(alphas) for j in alphas[n + 1 :]]
    features = mdtraj.compute_distances(peptide, pairs)
    data = assemble(features, [f"d {i} {j}" for i, j in pairs], [25, 15], time_step=2.0)
    return data.assign(energy=("frame", np.arange(40.0) / 3))


@pytest.fixture
def trajs(peptide):
    return Trajs(peptide)


@pytest.fixture
def build_peptide():
    return build


@pytest.fixture
def polyalanine():
    """``(phi, psi, ...) -> trajectory``: one frame per pair of angles in degrees, each (residue,)."""

    def make(*angles):
        xyz = np.array([build(np.asarray(phi, float), np.asarray(psi, float)) for phi, psi in angles])
        return mdtraj.Trajectory(xyz.astype(np.float32), topology(len(angles[0][0])))

    return make
