"""Clashes: the closest distances of atoms in the data, and the structures that go below them."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
import torch
from torch import Tensor

CONTACT = 0.35  # nm, about two carbons that touch: no atoms farther apart than this clash
MARGIN = 0.95  # of the closest approach seen, below which a distance has no place in the data
BONDS_APART = 3  # up to which distances are a matter of bonds, angles and one torsion
AT_ONCE = 2_000_000  # distances
MAX_DISTANCES = 4_000_000_000  # distances measured in all; larger molecules give fewer frames


def closest_allowed(xyz: Tensor, bonds: Sequence[Sequence[int]] | np.ndarray) -> Tensor:
    """Smallest allowed distance (atom, atom) in nm, from structures ``xyz`` (frame, atom, 3).

    `MARGIN` of the closest approach of the pair in the data, or of `CONTACT` if that is less; 0 for pairs
    within `BONDS_APART` of ``bonds`` (bond, 2).
    """
    n_atoms = xyz.shape[1]
    xyz = xyz[:: 1 + len(xyz) * n_atoms**2 // MAX_DISTANCES]
    closest = torch.full((n_atoms, n_atoms), CONTACT)
    for block in blocks(xyz):
        closest = torch.minimum(closest, distances(block).amin(0).cpu())
    graph = nx.Graph()
    graph.add_nodes_from(range(n_atoms))
    graph.add_edges_from(np.asarray(bonds, int).reshape(-1, 2).tolist())
    for atom, near in nx.all_pairs_shortest_path_length(graph, cutoff=BONDS_APART):
        closest[atom, list(near)] = 0.0
    return MARGIN * closest


def clashing(xyz: Tensor, allowed: Tensor) -> Tensor:
    """Which structures (frame,) hold a pair of atoms closer than ``allowed`` (atom, atom)."""
    return torch.cat([(distances(block) < allowed).any(2).any(1) for block in blocks(xyz)])


def blocks(xyz: Tensor) -> tuple[Tensor, ...]:
    return xyz.split(max(1, AT_ONCE // xyz.shape[1] ** 2))


def distances(xyz: Tensor) -> Tensor:
    """(frame, atom, atom); not by matrix products, which lose the digits of short distances."""
    return torch.cdist(xyz, xyz, compute_mode="donot_use_mm_for_euclid_dist")
