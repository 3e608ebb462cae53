"""Plausibility of structures: bond lengths and clashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mdtraj
import networkx as nx
import numpy as np
import xarray as xr

from fel_explorer.structures.geometry import distances
from fel_explorer.structures.molecule import bond_graph, is_hydrogen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

RADII = {"C": 0.170, "N": 0.155, "O": 0.152, "S": 0.180, "P": 0.180, "F": 0.147, "Cl": 0.175, "Br": 0.185}
OTHER = 0.17  # nm, van der Waals radius (Bondi 1964, doi:10.1021/j100785a001), for other elements
OVERLAP = 0.04  # nm; MolProbity's clash (Chen et al. 2010, doi:10.1107/S0907444909042073)
APART = 4  # bonds; the distances of closer neighbours are fixed by bonds
HYDROGEN_BOND = 0.05  # nm that donors and acceptors may come closer
LONG_BOND = 0.02  # nm off: bonds fluctuate less


def soundness(trajectory: mdtraj.Trajectory, reference: ArrayLike) -> xr.Dataset:
    """Check the bonds and contacts of every frame.

    Parameters
    ----------
    trajectory
        Structures with bonds in their topology.
    reference
        (atom, 3) in nm: a structure whose bond lengths can be trusted.

    Returns
    -------
    xarray.Dataset
        Over ``frame``: ``bond_error``, the largest deviation of a bond between heavy atoms from its length in
        the reference (nm; 0 without bonds), and ``clashes``, the number of pairs of heavy atoms, four bonds
        apart or more, whose van der Waals spheres overlap by .04 nm or more (.09 nm for pairs of N and O,
        which may form a hydrogen bond).
    """
    topology, reference = trajectory.topology, np.asarray(reference, float)
    heavy = [atom.index for atom in topology.atoms if not is_hydrogen(atom)]
    graph = bond_graph(topology)
    bonds = np.array([b for b in graph.edges if set(b) <= set(heavy)], int).reshape(-1, 2)
    pairs, smallest = _contacts(topology, graph, heavy)
    lengths = distances(reference, bonds)
    errors, clashes = [], []
    for xyz in trajectory.xyz.astype(float):
        errors.append(np.abs(distances(xyz, bonds) - lengths).max(initial=0.0))
        clashes.append(int(np.count_nonzero(distances(xyz, pairs) < smallest)))
    return xr.Dataset({"bond_error": ("frame", np.array(errors)), "clashes": ("frame", np.array(clashes))})


def _contacts(topology, graph, heavy):
    """Pairs (pair, 2) of heavy atoms far apart along bonds, and how near each may come (pair,)."""
    near = {atom: set(nx.single_source_shortest_path_length(graph, atom, cutoff=APART - 1)) for atom in heavy}
    pairs = [(a, b) for i, a in enumerate(heavy) for b in heavy[i + 1 :] if b not in near[a]]
    symbol = [atom.element.symbol if atom.element is not None else "" for atom in topology.atoms]
    polar = {"N", "O"}
    smallest = [
        RADII.get(symbol[a], OTHER)
        + RADII.get(symbol[b], OTHER)
        - OVERLAP
        - (HYDROGEN_BOND if symbol[a] in polar and symbol[b] in polar else 0.0)
        for a, b in pairs
    ]
    return np.array(pairs, int).reshape(-1, 2), np.array(smallest)
