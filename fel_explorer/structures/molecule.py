"""The bonded graph of a molecule: branches, rings, stereocentres, hydrogens."""

from __future__ import annotations

import mdtraj
import networkx as nx
import numpy as np

from fel_explorer.structures import geometry

CHIRAL_VOLUME = 5e-4  # nm^3; a tetrahedral carbon spans 1.5e-3 to 3e-3, a planar atom about 0


def bond_graph(topology: mdtraj.Topology) -> nx.Graph:
    """Atoms as nodes (their index), bonds as edges."""
    graph = nx.Graph()
    graph.add_nodes_from(range(topology.n_atoms))
    graph.add_edges_from((first.index, second.index) for first, second in topology.bonds)
    return graph


def is_hydrogen(atom: mdtraj.core.topology.Atom) -> bool:
    return atom.element is not None and atom.element.symbol == "H"


def farthest_apart(topology: mdtraj.Topology) -> tuple[int, int] | None:
    """The two heavy atoms that most bonds lie between, lower index first; None where no two are bonded.

    Found by two searches, each from the end that the one before found: exact for molecules without rings.
    """
    heavy = bond_graph(topology)
    heavy.remove_nodes_from([atom.index for atom in topology.atoms if is_hydrogen(atom)])
    start = min(max(nx.connected_components(heavy), key=len, default=()), default=None)
    if start is None or heavy.degree[start] == 0:
        return None
    ends = [start]
    for _ in range(2):
        steps = nx.single_source_shortest_path_length(heavy, ends[-1])
        ends.append(min(steps, key=lambda atom: (-steps[atom], atom)))
    return min(ends[-2:]), max(ends[-2:])


class Branches:
    """Which atoms turn when a bond is twisted, for every bond of a molecule."""

    def __init__(self, topology: mdtraj.Topology) -> None:
        graph = bond_graph(topology)
        self._bridges = {frozenset(edge) for edge in nx.bridges(graph)}
        self._parent, self._entry, self._exit = {}, {}, {}
        order: list[int] = []
        for parent, child, event in nx.dfs_labeled_edges(graph):
            if event == "forward":
                self._parent[child], self._entry[child] = parent, len(order)
                order.append(child)
            elif event == "reverse":
                self._exit[child] = len(order)
        self._order = np.array(order)

    def twist(self, positions: np.ndarray, start: int, end: int, angle: float) -> bool:
        """Turn ``positions`` (atom, 3) in place: the side of ``end`` by ``angle`` against that of ``start``.

        Returns False, and moves nothing, where the two are not bonded or their bond is in a ring.
        """
        if frozenset((start, end)) not in self._bridges:
            return False
        if self._parent[end] != start:  # turning the other side back is the same twist
            start, end = end, start
        side = self._order[self._entry[end] : self._exit[end]]
        positions[side] = geometry.rotate_about(positions[side], positions[start], positions[end], angle)
        return True


def rotatable_bonds(topology: mdtraj.Topology) -> set[tuple[int, int]]:
    """Bonds (lower index first) whose twist moves heavy atoms: no rings, no ends, no amide bonds."""
    heavy = bond_graph(topology)
    heavy.remove_nodes_from([atom.index for atom in topology.atoms if is_hydrogen(atom)])
    bridges = {tuple(sorted(edge)) for edge in nx.bridges(heavy)}
    inner = {edge for edge in bridges if min(heavy.degree[edge[0]], heavy.degree[edge[1]]) > 1}
    return {edge for edge in inner if not _is_amide(topology, heavy, edge)}


def _is_amide(topology, graph, edge) -> bool:
    for carbon, nitrogen in (edge, edge[::-1]):
        if _symbol(topology, carbon) == "C" and _symbol(topology, nitrogen) == "N":
            ends = [n for n in graph[carbon] if _symbol(topology, n) == "O" and graph.degree[n] == 1]
            if ends and graph.degree[carbon] == 3:
                return True
    return False


def _symbol(topology, index) -> str:
    element = topology.atom(index).element
    return element.symbol if element is not None else ""


def chirality_agreement(topology: mdtraj.Topology, positions: np.ndarray, nearest: np.ndarray) -> int:
    """Stereocentres with the same hand in both, less those with opposite hands.

    ``positions`` (atom, 3) may hold NaN rows; a centre counts when three of its heavy neighbours are known.
    """
    graph, score = bond_graph(topology), 0
    for centre in np.flatnonzero(np.isfinite(positions[:, 0])):
        arms = [n for n in sorted(graph[centre]) if np.isfinite(positions[n, 0])][:3]
        if len(arms) < 3:
            continue
        here = np.linalg.det(positions[arms] - positions[centre])
        there = np.linalg.det(nearest[arms] - nearest[centre])
        if min(abs(here), abs(there)) > CHIRAL_VOLUME:
            score += int(np.sign(here * there))
    return score


def bond_error(topology: mdtraj.Topology, positions: np.ndarray, nearest: np.ndarray) -> float:
    """RMS difference of the bond lengths of known atoms from those in ``nearest``, nm; NaN without bonds."""
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds], int).reshape(-1, 2)
    bonds = bonds[np.isfinite(positions[bonds, 0]).all(axis=1)]
    if not len(bonds):
        return float("nan")
    return float(
        np.sqrt(np.mean((geometry.distances(positions, bonds) - geometry.distances(nearest, bonds)) ** 2))
    )


def add_hydrogens(
    topology: mdtraj.Topology, positions: np.ndarray, nearest: np.ndarray
) -> tuple[np.ndarray, int]:
    """Place unknown hydrogens on known heavy atoms as they sit in ``nearest``, by a fit of the atoms around.

    Returns the positions (atom, 3) and how many were placed.
    """
    graph, filled, added = bond_graph(topology), positions.copy(), 0
    for atom in topology.atoms:
        if not is_hydrogen(atom) or np.isfinite(positions[atom.index, 0]):
            continue
        around = _known_around(graph, atom.index, positions)
        if len(around) < 3:
            continue
        rotation, shift = geometry.fit(nearest[around], positions[around])
        filled[atom.index] = nearest[atom.index] @ rotation + shift
        added += 1
    return filled, added


def _known_around(graph, hydrogen, positions) -> list[int]:
    """Known atoms within two bonds of the hydrogen's heavy atom, which is known itself; else none."""
    parents = [n for n in graph[hydrogen] if np.isfinite(positions[n, 0])]
    if not parents:
        return []
    near = nx.single_source_shortest_path_length(graph, parents[0], cutoff=2)
    one_bond = [n for n, steps in near.items() if steps <= 1 and np.isfinite(positions[n, 0])]
    if len(one_bond) >= 3:
        return one_bond
    return [n for n in near if np.isfinite(positions[n, 0])]
