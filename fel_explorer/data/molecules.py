"""Molecules of a topology, made whole across periodic boundaries."""

from __future__ import annotations

import weakref

import mdtraj
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

LONGEST_LINK = 0.8  # nm; neighbours in the sequence of coarse-grained chains are up to 0.7 nm apart
ANCHORS = ("CA", "BB", "P", "C4'")  # which atom of a residue is linked to that of the next one
CACHED = 8  # sets of atoms, or topologies

_known: list[tuple[weakref.ref, Molecules]] = []


class Molecules:
    """Which atoms belong together, and how broken molecules are made whole.

    Atoms belong together by bonds. Where a chain has no bonds because most of its atoms are missing
    (C-alphas only, coarse-grained beads), neighbours in its sequence are linked that are near each other in
    the reference.

    Parameters
    ----------
    topology
        The atoms and bonds.
    reference
        A frame of it, for links of chains without bonds; default none are made.

    Attributes
    ----------
    label : ndarray (atom,)
        Number of the molecule of each atom.
    parent : ndarray (atom,)
        A linked atom that is nearer to the first atom of the molecule; that atom itself for the first one.
    """

    def __init__(self, topology: mdtraj.Topology, reference: mdtraj.Trajectory | None = None) -> None:
        n = topology.n_atoms
        links = np.array([(a.index, b.index) for a, b in topology.bonds], int).reshape(-1, 2)
        label = _components(n, links)[1]
        if reference is not None:
            links = np.concatenate([links, _sequence_links(topology, label, reference)])
            label = _components(n, links)[1]
        self.label = label
        first = np.unique(label, return_index=True)[1]
        root = np.column_stack([np.full(len(first), n), first])  # one tree of all molecules
        graph = _graph(n + 1, np.concatenate([links, root]))
        _, parent = breadth_first_order(graph, n, directed=False)
        self.parent = np.where(parent[:n] == n, np.arange(n), parent[:n])
        self._trees: dict[bytes, tuple] = {}

    @classmethod
    def of(cls, trajectory: mdtraj.Trajectory) -> Molecules:
        """Those of a trajectory's topology, its first frame being the reference; kept for the next call."""
        topology = trajectory.topology
        for known, molecules in list(_known):
            if known() is topology:
                return molecules
        molecules = cls(topology, trajectory.slice([0], copy=False))
        _known[:] = [pair for pair in _known if pair[0]() is not None][-CACHED:]
        _known.append((weakref.ref(topology), molecules))
        return molecules

    def inside(self, entries: np.ndarray) -> np.ndarray:
        """Whether all atoms of each of ``entries`` (entry, k) are of one molecule, (entry,) bool."""
        labels = self.label[np.asarray(entries, int)]
        return (labels == labels[:, :1]).all(axis=1)

    def positions(self, trajectory: mdtraj.Trajectory, atoms: np.ndarray) -> np.ndarray:
        """Positions (frame, atom, 3) of ``atoms`` (sorted indices) with every molecule whole.

        Molecules stay where their first atom is. Not a copy where there is no box and ``atoms`` are all.
        """
        every = len(atoms) == trajectory.n_atoms
        vectors = trajectory.unitcell_vectors
        if vectors is None:
            return trajectory.xyz if every else trajectory.xyz[:, atoms]
        tree, parent, chosen = self._tree(atoms)
        xyz = trajectory.xyz if every else trajectory.xyz[:, tree]
        shifts = _shifts(xyz, vectors, parent)
        if shifts is not None:
            frames, images = shifts
            xyz = xyz.copy() if every else xyz
            xyz[frames] += images @ vectors[frames]
        return xyz if every else xyz[:, chosen]

    def place_near(self, trajectory: mdtraj.Trajectory, atoms: np.ndarray, near: np.ndarray) -> np.ndarray:
        """`positions`, with the molecules at those images that lie to each other as in a structure.

        ``near`` (atom, 3) holds the positions of ``atoms`` in it, in nm. The largest molecule stays.
        """
        xyz, vectors = self.positions(trajectory, atoms), trajectory.unitcell_vectors
        if vectors is None:
            return xyz
        _, molecule, count = np.unique(self.label[atoms], return_inverse=True, return_counts=True)
        if len(count) == 1:
            return xyz
        centres, expected = (_centres(x, molecule, count) for x in (xyz, near[None]))
        off = (centres - expected) @ np.linalg.inv(vectors)
        images = np.rint(off - off[:, [int(np.argmax(count))]])
        if not images.any():
            return xyz
        return xyz - (images @ vectors)[:, molecule].astype(np.float32)

    def _tree(self, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Atoms from ``atoms`` to the first of their molecules, their parents, and ``atoms`` among them."""
        key = np.asarray(atoms, np.int64).tobytes()
        if (known := self._trees.get(key)) is not None:
            return known
        needed, left = np.zeros(len(self.parent), bool), np.asarray(atoms, int)
        while len(left):
            needed[left] = True
            left = np.unique(self.parent[left])
            left = left[~needed[left]]
        tree = np.flatnonzero(needed)
        found = tree, np.searchsorted(tree, self.parent[tree]), np.searchsorted(tree, atoms)
        if len(self._trees) >= CACHED:
            self._trees.clear()
        self._trees[key] = found
        return found


def make_whole(trajectory: mdtraj.Trajectory) -> mdtraj.Trajectory:
    """``trajectory`` with every molecule whole; itself where it has no box or no molecule is broken."""
    if trajectory.unitcell_lengths is None:
        return trajectory
    xyz = Molecules.of(trajectory).positions(trajectory, np.arange(trajectory.n_atoms))
    if xyz is trajectory.xyz:
        return trajectory
    return _with_positions(trajectory, xyz)


def _with_positions(trajectory, xyz) -> mdtraj.Trajectory:
    moved = trajectory.slice(slice(None), copy=False)
    moved.xyz = xyz
    return moved


def arrange(trajectory: mdtraj.Trajectory) -> mdtraj.Trajectory:
    """A copy with molecules whole and at the images whose centres are nearest to that of the largest one.

    ``trajectory`` itself where it has no box.
    """
    if trajectory.unitcell_lengths is None:
        return trajectory
    atoms, molecules = np.arange(trajectory.n_atoms), Molecules.of(trajectory)
    return _with_positions(trajectory, molecules.place_near(trajectory, atoms, np.zeros((len(atoms), 3))))


def _centres(xyz: np.ndarray, molecule: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean positions (frame, molecule, 3) of ``xyz`` (frame, atom, 3) by ``molecule`` (atom,)."""
    order = np.argsort(molecule, kind="stable")
    begins = np.concatenate([[0], np.cumsum(count)[:-1]])
    return np.add.reduceat(xyz[:, order], begins, axis=1) / count[:, None]


def _shifts(xyz, vectors, parent) -> tuple[np.ndarray, np.ndarray] | None:
    """Broken frames, and the moves (frame, atom, 3) of their atoms in box vectors; None where none is."""
    child = np.flatnonzero(parent != np.arange(len(parent)))
    if not len(child):
        return None
    steps = xyz[:, child] - xyz[:, parent[child]]
    jumps = np.rint(steps @ np.linalg.inv(vectors))
    frames = np.flatnonzero(jumps.any(axis=(1, 2)))
    if not len(frames):
        return None
    images = np.zeros((len(frames), len(parent), 3), np.float32)
    images[:, child] = -jumps[frames]
    while True:  # sums along the tree, in twice as large steps each time
        images += images[:, parent]
        further = parent[parent]
        if np.array_equal(further, parent):
            return frames, images
        parent = further


def _graph(n: int, links: np.ndarray) -> coo_matrix:
    return coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(n, n)).tocsr()


def _components(n: int, links: np.ndarray) -> tuple[int, np.ndarray]:
    return connected_components(_graph(n, links), directed=False)


def _sequence_links(topology, label, reference) -> np.ndarray:
    """Pairs of atoms that no bonds join although they are neighbours in a protein or nucleic acid."""
    pairs = []
    for chain in topology.chains:
        before = None
        for residue in chain.residues:
            if not (residue.is_protein or residue.is_nucleic):
                before = None
                continue
            names = {atom.name: atom.index for atom in residue.atoms}
            anchor = next((names[name] for name in ANCHORS if name in names), min(names.values()))
            pairs += [(anchor, atom) for atom in names.values() if label[atom] != label[anchor]]
            if before is not None and label[before] != label[anchor]:
                pairs.append((before, anchor))
            before = anchor
    if not pairs:
        return np.zeros((0, 2), int)
    candidates = np.array(pairs)
    near = mdtraj.compute_distances(reference, candidates, periodic=True)[0] < LONGEST_LINK
    return candidates[near]
