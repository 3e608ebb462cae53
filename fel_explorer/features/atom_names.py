"""Readable names of residues and atoms."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mdtraj


def residue_labels(topology: mdtraj.Topology) -> list[str]:
    """ "ALA2" for each residue; with its chain, or else its index, where that is not unique."""
    for label in (str, lambda r: f"{r.chain.chain_id or r.chain.index}:{r}", lambda r: f"{r}#{r.index}"):
        labels = [label(residue) for residue in topology.residues]
        if len(set(labels)) == len(labels):
            break
    return labels


def atom_labels(topology: mdtraj.Topology) -> list[str]:
    """ "ALA2-CB" for each atom; with its index where that is not unique."""
    residues = residue_labels(topology)
    labels = [f"{residues[atom.residue.index]}-{atom.name}" for atom in topology.atoms]
    count = Counter(labels)
    return [f"{label}#{i}" if count[label] > 1 else label for i, label in enumerate(labels)]
