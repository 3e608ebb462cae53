"""What a featurizer is, their registry, and readable names of atoms and residues."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import asdict
from typing import ClassVar

import mdtraj
import numpy as np

from fel_explorer.data.topologies import describe_topology
from fel_explorer.errors import FelError
from fel_explorer.plugins import check_unique

MAX_FEATURES = 20_000

registry: dict[str, type[Featurizer]] = {}


def register_featurizer(cls: type[Featurizer]) -> type[Featurizer]:
    """Class decorator: put a featurizer into the registry under its ``name``.

    Raises
    ------
    FelError
        If a featurizer of another module has the name.
    """
    check_unique(cls, registry.get(cls.name), cls.name)
    registry[cls.name] = cls
    return cls


class Featurizer:
    """Maps structures to features; its options are the fields of its dataclass.

    Attributes
    ----------
    name : str
        What users call it.
    kind : str
        "distance", "torsion", "contact" or "coordinate".
    atoms : ndarray (entry, k)
        Atom indices of each entry, once prepared. A torsion (k=4) makes two features, a coordinate (k=1)
        three.
    """

    name: ClassVar[str]
    kind: ClassVar[str]

    def prepare(self, reference: mdtraj.Trajectory) -> Featurizer:
        """A copy bound to the topology (and coordinates, where it aligns) of a one-frame ``reference``."""
        bound = copy.copy(self)
        bound.atoms = self.find(reference.topology)
        bound.reference = reference
        bound.names = self.label(reference.topology, bound.atoms)
        return bound

    def describe(self, topology: mdtraj.Topology) -> list[str]:
        """Readable names of the features, in order, such as "phi ALA2 cos".

        Raises
        ------
        FelError
            If the topology has nothing that this featurizer measures.
        """
        return self.label(topology, self.find(topology))

    @property
    def options(self) -> dict:
        return asdict(self)

    def record(self) -> dict:
        """The entry of a prepared featurizer in the dataset's ``attrs["featurizers"]``."""
        return {
            "name": self.name,
            "options": self.options,
            "kind": self.kind,
            "atoms": self.atoms.tolist(),
            "n_features": len(self.names),
        }

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        raise NotImplementedError

    def label(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        raise NotImplementedError

    def compute(self, trajectory: mdtraj.Trajectory) -> np.ndarray:
        """Features of a prepared featurizer, (frame, feature) float32."""
        raise NotImplementedError

    def nothing(self, topology: mdtraj.Topology, what: str) -> FelError:
        return FelError(
            f"{self.name} finds no {what}.",
            f"The topology has {describe_topology(topology)}.",
            "Choose other features, such as heavy_atom_distances, or another atom selection.",
        )


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
