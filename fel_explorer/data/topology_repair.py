"""Topologies made to agree with coordinates: chains end where they are broken, no bond is too long.

Readers guess bonds and chains from names and numbers. In GRO and PRMTOP files, in PDB files without TER,
where a loop is missing, or where atoms were left out, they join what is far apart.
"""

from __future__ import annotations

import mdtraj
import numpy as np
from scipy.spatial import cKDTree

LONGEST_BOND = 0.25  # nm
LINKS = (("C", "N"), ("O3'", "P"), ("O3*", "P"))  # atoms by which a residue is bonded to the next one
RADII = {"H": 0.04, "P": 0.105, "S": 0.105, "Cl": 0.1, "Br": 0.12, "I": 0.139, "Si": 0.115, "Se": 0.12}
RADIUS, TOLERANCE = 0.077, 0.03  # nm; covalent radius of other elements
COVALENT = {"H", "B", "C", "N", "O", "F", *RADII}


def nearest_image(vectors: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """The shortest periodic images of ``vectors`` (n, 3) in a box (3, 3) whose rows are its vectors, nm."""
    vectors = np.asarray(vectors, float)
    if box is None or not len(vectors):
        return vectors
    box = np.asarray(box, float)
    vectors = vectors - np.round(vectors @ np.linalg.inv(box)) @ box
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ box
    images = vectors[:, None] + shifts
    best = np.argmin((images**2).sum(axis=-1), axis=1)
    return images[np.arange(len(vectors)), best]


def repair(topology: mdtraj.Topology, xyz: np.ndarray, box: np.ndarray | None = None) -> mdtraj.Topology:
    """A topology whose chains and bonds agree with a structure of it.

    A chain is split where the C of a residue and the N of the next are more than 0.25 nm apart (O3' and P
    of nucleic acids alike), so that no torsion joins them. Longer bonds are dropped, unless they are
    between beads: atoms without element, or the only ones of their residues. An atom of a larger residue
    that is left without bonds is bonded to the atoms of that residue that lie within the sum of covalent
    radii.

    Parameters
    ----------
    topology
        Not changed.
    xyz
        (atom, 3) in nm.
    box
        (3, 3), rows are the box vectors in nm; distances are then to nearest images.

    Returns
    -------
    mdtraj.Topology
        ``topology`` itself where it agrees.
    """
    atoms = list(topology.atoms)
    bonds = list(topology.bonds)
    pairs = np.array([(a.index, b.index) for a, b in bonds], int).reshape(-1, 2)
    kept = ~_too_long(atoms, pairs, xyz, box)
    starts = _broken_after(topology, xyz, box)
    added = _bonds_by_distance(topology, atoms, pairs[kept], xyz, box)
    if kept.all() and not starts and not added:
        return topology
    repaired = _with_chains(topology, starts)
    new = list(repaired.atoms)
    for bond, keep in zip(bonds, kept, strict=True):
        if keep:
            repaired.add_bond(new[bond[0].index], new[bond[1].index], type=bond.type, order=bond.order)
    for first, second in added:
        repaired.add_bond(new[first], new[second])
    return repaired


def _lengths(pairs: np.ndarray, xyz: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    lengths = np.linalg.norm(np.asarray(xyz[pairs[:, 1]] - xyz[pairs[:, 0]], float), axis=1)
    far = np.flatnonzero(lengths > LONGEST_BOND)
    if box is not None and len(far):
        chosen = pairs[far]
        lengths[far] = np.linalg.norm(nearest_image(xyz[chosen[:, 1]] - xyz[chosen[:, 0]], box), axis=1)
    return lengths


def _is_bead(atom) -> bool:
    return atom.element is None or atom.element.symbol == "VS"


def _too_long(atoms, pairs, xyz, box) -> np.ndarray:
    if not len(pairs):
        return np.zeros(0, bool)
    long = _lengths(pairs, xyz, box) > LONGEST_BOND
    for at in np.flatnonzero(long):
        ends = [atoms[index] for index in pairs[at]]
        if any(map(_is_bead, ends)) or all(atom.residue.n_atoms == 1 for atom in ends):
            long[at] = False
    return long


def _broken_after(topology, xyz, box) -> set[int]:
    """Indices of the residues that begin a new chain."""
    found: list[tuple[int, int, int]] = []
    for chain in topology.chains:
        last: dict[str, int] = {}
        for residue in chain.residues:
            names = {atom.name: atom.index for atom in residue.atoms} if residue.n_atoms > 1 else {}
            for before, after in LINKS:
                if before in last and after in names:
                    found.append((residue.index, last[before], names[after]))
            last = names
    if not found:
        return set()
    table = np.array(found)
    return set(table[_lengths(table[:, 1:], xyz, box) > LONGEST_BOND, 0].tolist())


def _bonds_by_distance(topology, atoms, pairs, xyz, box) -> list[tuple[int, int]]:
    """Bonds of atoms that have none, to atoms of the same residue."""
    bonded = np.zeros(len(atoms), bool)
    bonded[pairs.ravel()] = True
    lone = {
        atoms[i].residue.index
        for i in np.flatnonzero(~bonded)
        if atoms[i].residue.n_atoms > 1 and not _is_bead(atoms[i]) and atoms[i].element.symbol in COVALENT
    }
    added = []
    for index in sorted(lone):
        residue = topology.residue(index)
        members = np.array(
            [a.index for a in residue.atoms if not _is_bead(a) and a.element.symbol in COVALENT]
        )
        local = nearest_image(xyz[members] - xyz[members[0]], box)
        if not np.isfinite(local).all():
            continue
        radii = np.array([RADII.get(atoms[i].element.symbol, RADIUS) for i in members])
        hydrogen = np.array([atoms[i].element.symbol == "H" for i in members])
        for i, j in sorted(cKDTree(local).query_pairs(LONGEST_BOND)):
            close = np.linalg.norm(local[i] - local[j]) < radii[i] + radii[j] + TOLERANCE
            free = not (bonded[members[i]] and bonded[members[j]])
            if close and free and not (hydrogen[i] and hydrogen[j]):
                added.append((int(members[i]), int(members[j])))
    return added


def _with_chains(topology, starts: set[int]) -> mdtraj.Topology:
    """The same atoms without bonds, a new chain beginning at each of the residues ``starts``."""
    new = mdtraj.Topology()
    for chain in topology.chains:
        added = new.add_chain(chain.chain_id)
        for residue in chain.residues:
            if residue.index in starts:
                added = new.add_chain(chain.chain_id)
            place = new.add_residue(residue.name, added, residue.resSeq, residue.segment_id)
            for atom in residue.atoms:
                new.add_atom(
                    atom.name, atom.element, place, serial=atom.serial, formal_charge=atom.formal_charge
                )
    return new
