"""The featurizers and their registry.

To add one, write a dataclass whose fields are its options and register it::

    @register_featurizer
    @dataclass
    class EndToEnd(Featurizer):
        '''One sentence: shown as the featurizer's help.'''

        name = "end_to_end"
        kind = "distance"

        def find(self, topology): ...                  # -> atoms (entry, atoms of one entry)
        def label(self, topology, atoms): ...          # -> one name per feature
        def compute(self, trajectory): ...             # -> (frame, feature) float32

It is then offered by `list_featurizers`, the app and the command line.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import ClassVar

import mdtraj
import numpy as np
from mdtraj.geometry import dihedral

from fel_explorer.data.topologies import describe_topology, select_atoms
from fel_explorer.errors import FelError

HEAVY = "element != H and not water"
MAX_FEATURES = 20_000

_registry: dict[str, type[Featurizer]] = {}


def register_featurizer(cls: type[Featurizer]) -> type[Featurizer]:
    """Class decorator: put a featurizer into the registry under its ``name``."""
    _registry[cls.name] = cls
    return cls


def list_featurizers() -> dict[str, type[Featurizer]]:
    """All registered featurizers, {name: class}."""
    return dict(_registry)


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


class _Distances(Featurizer):
    kind = "distance"
    periodic: bool

    def selection_of(self) -> str | list[int]:
        raise NotImplementedError

    def find(self, topology):
        atoms = select_atoms(topology, self.selection_of(), allow_none=True)
        if len(atoms) < 2:
            raise self.nothing(topology, f"two atoms of '{self.selection_of()}'")
        n_pairs = len(atoms) * (len(atoms) - 1) // 2
        if n_pairs > MAX_FEATURES:
            raise FelError(
                f"{self.name}: {len(atoms)} atoms make {n_pairs} distances.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Take ca_distances, or ('distances', {'selection': ...}) with fewer atoms.",
            )
        return np.array(list(combinations(atoms, 2)))

    def label(self, topology, atoms):
        labels = atom_labels(topology)
        return [f"d {labels[i]} {labels[j]}" for i, j in atoms]

    def compute(self, trajectory):
        return mdtraj.compute_distances(trajectory, self.atoms, periodic=self.periodic)


@register_featurizer
@dataclass
class HeavyAtomDistances(_Distances):
    """Distances (nm) between all pairs of heavy atoms but water's; nearest images where there is a box."""

    periodic: bool = True
    name: ClassVar[str] = "heavy_atom_distances"

    def selection_of(self):
        return HEAVY


@register_featurizer
@dataclass
class CaDistances(_Distances):
    """Distances (nm) between all pairs of C-alpha atoms; nearest images where there is a box."""

    periodic: bool = True
    name: ClassVar[str] = "ca_distances"

    def selection_of(self):
        return "name CA and element C"


@register_featurizer
@dataclass
class Distances(_Distances):
    """Distances (nm) between all pairs of atoms of an mdtraj selection."""

    selection: str | list[int] = "name CA or name CB"
    periodic: bool = True
    name: ClassVar[str] = "distances"

    def selection_of(self):
        return self.selection


@dataclass
class _Torsions(Featurizer):
    periodic: bool = True
    kind: ClassVar[str] = "torsion"
    angles: ClassVar[tuple[str, ...]] = ()

    def _entries(self, topology) -> list[tuple[str, np.ndarray]]:
        """(angle name, four atoms), ordered by residue, then by angle."""
        entries = []
        for order, angle in enumerate(self.angles):
            for atoms in np.reshape(getattr(dihedral, f"indices_{angle}")(topology), (-1, 4)).astype(int):
                # phi hangs on the residue before: the residue that it belongs to is that of its second atom.
                residue = topology.atom(atoms[1]).residue.index
                entries.append((residue, order, angle, atoms))
        entries.sort(key=lambda entry: entry[:2])
        return [(angle, atoms) for _, _, angle, atoms in entries]

    def find(self, topology):
        entries = self._entries(topology)
        if not entries:
            raise self.nothing(topology, f"torsion ({', '.join(self.angles)})")
        return np.array([atoms for _, atoms in entries])

    def label(self, topology, atoms):
        residues = residue_labels(topology)
        return [
            f"{angle} {residues[topology.atom(four[1]).residue.index]} {part}"
            for angle, four in self._entries(topology)
            for part in ("cos", "sin")
        ]

    def compute(self, trajectory):
        angles = mdtraj.compute_dihedrals(trajectory, self.atoms, periodic=self.periodic)
        return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1)


CHI = ("chi1", "chi2", "chi3", "chi4", "chi5")


@register_featurizer
@dataclass
class Torsions(_Torsions):
    """Cosines and sines of all protein torsions: phi, psi, omega and chi1 to chi5."""

    name: ClassVar[str] = "torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi", "omega", *CHI)


@register_featurizer
@dataclass
class BackboneTorsions(_Torsions):
    """Cosines and sines of the backbone torsions phi and psi."""

    name: ClassVar[str] = "backbone_torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi")


@register_featurizer
@dataclass
class SidechainTorsions(_Torsions):
    """Cosines and sines of the side-chain torsions chi1 to chi5."""

    name: ClassVar[str] = "sidechain_torsions"
    angles: ClassVar[tuple[str, ...]] = CHI


@register_featurizer
@dataclass
class Contacts(Featurizer):
    """Contacts between residues: 1 / (1 + (d / cutoff)^6), smoothly from 1 to 0, 1/2 at the cutoff.

    This is PLUMED's rational switching function with n=6, m=12. ``scheme`` is "closest-heavy" (d is the
    shortest distance between heavy atoms of the two residues) or "ca" (between their C-alphas); ``cutoff`` in
    nm, default 0.45 and 0.8. Residues closer than ``min_separation`` in sequence are left out.
    """

    scheme: str = "closest-heavy"
    cutoff: float | None = None
    min_separation: int = 3
    periodic: bool = True
    name: ClassVar[str] = "contacts"
    kind: ClassVar[str] = "contact"

    def __post_init__(self):
        if self.scheme not in ("closest-heavy", "ca"):
            raise FelError(f"contacts with scheme='{self.scheme}'.", "It is 'closest-heavy' or 'ca'.")
        if self.cutoff is not None and not self.cutoff > 0:
            raise FelError(f"contacts with cutoff={self.cutoff}.", "It is a positive distance in nm.")
        if self.min_separation < 1:
            raise FelError(f"contacts with min_separation={self.min_separation}.", "It is 1 or more.")

    def find(self, topology):
        """One atom for each of the two residues: the C-alpha, or without one the first heavy atom."""
        anchors = {}
        for residue in topology.residues:
            heavy = [
                a for a in residue.atoms if a.element is not None and a.element.symbol not in ("H", "VS")
            ]
            alphas = [a for a in heavy if a.name == "CA" and a.element.symbol == "C"]
            if alphas or (heavy and self.scheme == "closest-heavy" and not residue.is_water):
                anchors[residue.index] = (alphas or heavy)[0]
        pairs = [
            (a.index, b.index)
            for (i, a), (j, b) in combinations(anchors.items(), 2)
            if j - i >= self.min_separation or a.residue.chain.index != b.residue.chain.index
        ]
        if not pairs:
            raise self.nothing(topology, f"two residues at least {self.min_separation} apart in sequence")
        if len(pairs) > MAX_FEATURES:
            raise FelError(
                f"contacts: {len(anchors)} residues make {len(pairs)} pairs.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Load fewer residues with load_trajectories(..., atoms=...).",
            )
        return np.array(pairs)

    def label(self, topology, atoms):
        labels = residue_labels(topology)
        return [f"contact {' '.join(labels[topology.atom(i).residue.index] for i in pair)}" for pair in atoms]

    def compute(self, trajectory):
        if self.scheme == "ca":
            distances = mdtraj.compute_distances(trajectory, self.atoms, periodic=self.periodic)
        else:
            pairs = [[trajectory.topology.atom(i).residue.index for i in pair] for pair in self.atoms]
            distances, _ = mdtraj.compute_contacts(
                trajectory, pairs, scheme="closest-heavy", periodic=self.periodic
            )
        cutoff = self.cutoff or (0.8 if self.scheme == "ca" else 0.45)
        return (1 / (1 + (distances / cutoff) ** 6)).astype(np.float32)


@register_featurizer
@dataclass
class Coordinates(Featurizer):
    """Cartesian coordinates (nm) of the selected atoms, superposed on those of the first frame.

    The box is not used: molecules must be whole.
    """

    selection: str | list[int] = HEAVY
    name: ClassVar[str] = "coordinates"
    kind: ClassVar[str] = "coordinate"

    def find(self, topology):
        atoms = select_atoms(topology, self.selection, allow_none=True)
        if len(atoms) < 3:
            raise self.nothing(topology, f"three atoms of '{self.selection}', which alignment needs")
        if 3 * len(atoms) > MAX_FEATURES:
            raise FelError(
                f"coordinates of {len(atoms)} atoms.",
                f"At most {MAX_FEATURES} features are sensible.",
                "Select fewer atoms, such as selection='name CA'.",
            )
        return atoms[:, None]

    def label(self, topology, atoms):
        labels = atom_labels(topology)
        return [f"{axis} {labels[i]}" for (i,) in atoms for axis in "xyz"]

    def compute(self, trajectory):
        chosen, reference = (t.atom_slice(self.atoms[:, 0]) for t in (trajectory, self.reference))
        chosen.superpose(reference)
        return chosen.xyz.reshape(len(chosen), -1)


def make_featurizers(specs) -> list[Featurizer]:
    """Featurizers of one spec or a list of them.

    A spec is a name, ``(name, options)``, ``{"name": ..., "options": {...}}`` or a `Featurizer`.
    """
    if isinstance(specs, str | dict | Featurizer) or _is_pair(specs):
        specs = [specs]
    made = [_make(spec) for spec in specs]
    if not made:
        raise FelError("No featurizer was given.", f"There are {', '.join(sorted(_registry))}.")
    return made


def _is_pair(spec) -> bool:
    return (
        isinstance(spec, tuple | list)
        and len(spec) == 2
        and isinstance(spec[1], dict)
        and "name" not in spec[1]
    )


def _make(spec) -> Featurizer:
    if isinstance(spec, Featurizer):
        return spec
    if isinstance(spec, str):
        name, options = spec, {}
    elif _is_pair(spec):
        name, options = spec
    elif isinstance(spec, dict) and "name" in spec:
        name, options = spec["name"], spec.get("options") or {}
    else:
        raise FelError(
            f"The featurizer {spec!r} is not understood.",
            "Give a name, (name, options), {'name': ..., 'options': {...}} or a Featurizer.",
        )
    if name not in _registry:
        raise FelError(f"There is no featurizer '{name}'.", f"There are {', '.join(sorted(_registry))}.")
    known = {field.name for field in fields(_registry[name])}
    if unknown := set(options) - known:
        raise FelError(
            f"{name} has no option '{sorted(unknown)[0]}'.",
            f"Its options are {', '.join(sorted(known)) or 'none'}.",
        )
    return _registry[name](**options)
