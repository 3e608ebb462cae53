"""The base class of featurizers, and their registry."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.data.molecules import Molecules
from fel_explorer.data.topologies import describe_topology, select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.kind_base import FeatureBlock, get_kind, load_kinds
from fel_explorer.plugins import check_unique

if TYPE_CHECKING:
    import mdtraj

MAX_FEATURES = 20_000
THINNED = 100  # atoms that are left where a remedy thins them: 4,950 distances

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


class Featurizer(ABC):
    """Choice of atoms whose features of one kind describe structures; its options are its dataclass's fields.

    Attributes
    ----------
    name : str
        What users call it.
    kind : str
        Name of the kind of its features (`fel_explorer.features.list_kinds`).
    atoms : ndarray (entry, k)
        Atom indices of each entry, once prepared.
    block : FeatureBlock
        The features with their kind, once prepared.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    atoms: np.ndarray
    block: FeatureBlock
    names: list[str]

    def prepare(self, reference: mdtraj.Trajectory) -> Featurizer:
        """A copy bound to the topology, and where its kind aligns the positions, of a ``reference`` frame."""
        bound = copy.copy(self)
        bound.atoms = self.find(reference.topology)
        kind = get_kind(self.kind)
        positions = reference.xyz[0][bound.atoms] if kind.needs_reference else None
        molecules = Molecules.of(reference)
        bound.block = FeatureBlock(kind, bound.atoms, self.options, positions, self.name, molecules)
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
        return asdict(self)  # type: ignore[call-overload]  # every subclass is a dataclass

    def record(self) -> dict:
        """The entry of a prepared featurizer in the dataset's ``attrs["featurizers"]``."""
        return {
            "name": self.name,
            "options": self.options,
            "kind": self.kind,
            "atoms": self.atoms.tolist(),
            "n_features": len(self.names),
        }

    @abstractmethod
    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        """Atoms (entry, k) of each entry; raises `nothing` where the topology has none."""

    def label(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        """Names of the features; default those of the kind."""
        kind = get_kind(self.kind)
        return kind.feature_names(kind.quantities(topology, atoms))

    def compute(self, trajectory: mdtraj.Trajectory) -> np.ndarray:
        """Features of a prepared featurizer, (frame, feature) float32; default those of the kind."""
        return self.block.kind.compute(trajectory, self.block)

    def nothing(self, topology: mdtraj.Topology, what: str) -> FelError:
        """The error of a topology without what the featurizer measures, with a remedy that works for it."""
        return FelError(
            f"{self.name} finds no {what}.",
            f"The topology has {describe_topology(topology)}.",
            suggest(topology),
        )

    def too_many(self, topology: mdtraj.Topology, what: str, n_features: int) -> FelError:
        """The error of more features than are sensible, with a remedy that works for the topology."""
        return FelError(
            f"{self.name}: {what} make {n_features:,} features.",
            f"At most {MAX_FEATURES:,} features are sensible.",
            suggest(topology),
        )


_suggesting: ContextVar[bool] = ContextVar("suggesting", default=False)


def suggest(topology: mdtraj.Topology, most: int = 3) -> str:
    """Suggest featurizers that work for a topology, with their numbers of features, as a sentence.

    Each was tried on the topology, so that no remedy leads to the next error.
    """
    if _suggesting.get():  # a featurizer is being tried for a suggestion
        return ""
    token, found = _suggesting.set(True), []
    try:
        for name, options in _candidates(topology):
            with suppress(FelError):
                n_features = len(list_featurizers()[name](**options).describe(topology))
                spec = ":".join([name, *(f"{option}={value}" for option, value in options.items())])
                found.append(f"{spec} ({n_features:,} features)")
            if len(found) == most:
                break
    finally:
        _suggesting.reset(token)
    if not found:
        return "No featurizer of the package fits these atoms; load others with atoms=."
    return f"For these atoms there are {' or '.join(found)}."


def _candidates(topology) -> Iterator[tuple[str, dict]]:
    """Featurizers with options to try, the common ones first."""
    yield "backbone_torsions", {}
    yield "nucleic_torsions", {}
    yield "heavy_atom_distances", {}
    chosen = {"name CA": "ca_distances", "name BB": "distances", "not solvent": "distances"}
    for selection, name in chosen.items():
        atoms = len(select_atoms(topology, selection, allow_none=True))
        options = {"selection": selection} if name == "distances" else {}
        yield name, options
        if atoms > THINNED:
            yield name, options | {"every": -(-atoms // THINNED)}


def list_featurizers() -> dict[str, type[Featurizer]]:
    """All registered featurizers, {name: class}."""
    load_kinds()
    return dict(registry)
