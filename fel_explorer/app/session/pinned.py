"""Pinned structures, put aside for comparison: values of a session."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import mdtraj
import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.structures import geometry
from fel_explorer.structures.alignment import fit_atoms
from fel_explorer.structures.pdb import atom_records, bond_records

MAX_PINS = 40  # pins: each is a picture to be taken and sent


@dataclass(frozen=True, eq=False)
class Pin:
    """One structure.

    Attributes
    ----------
    key
        Its number, which no other pin of the session ever has.
    name
        What it is: "frame 1,234, 2.5 ns of trajectory 3".
    frame
        The frame that it is, or the nearest one where it was made by a model.
    observed
        Whether it is a frame of the data.
    xyz
        (atom, 3) in nm.
    atoms
        (atom,) index of each of its atoms in the topology of the trajectories, ascending.
    """

    key: int
    name: str
    frame: int
    observed: bool
    xyz: np.ndarray
    atoms: np.ndarray


@dataclass(frozen=True, eq=False)
class Pinned:
    """All pins in order, and what is done with them.

    Attributes
    ----------
    pins
        In the order of pinning.
    shown
        Key of the pin that is shown big; 0 for none.
    overlaid
        Keys of those laid over whatever is shown.
    reference
        Key of the one that the others are aligned to and compared with; 0 for the first.
    """

    pins: tuple[Pin, ...] = ()
    shown: int = 0
    overlaid: frozenset[int] = frozenset()
    reference: int = 0

    def __len__(self):
        return len(self.pins)

    def __getitem__(self, key: int) -> Pin:
        return next(pin for pin in self.pins if pin.key == key)

    @property
    def keys(self) -> list[int]:
        return [pin.key for pin in self.pins]

    @property
    def new_key(self) -> int:
        return max(self.keys, default=0) + 1

    @property
    def reference_pin(self) -> Pin | None:
        """Pin that the others are compared with; None without pins."""
        if not self.pins:
            return None
        return self[self.reference] if self.reference in self.keys else self.pins[0]

    def add(self, name: str, frame: int, observed: bool, xyz: np.ndarray, atoms: np.ndarray) -> Pinned:
        """With one more pin; a frame that is pinned already is not pinned again.

        Raises
        ------
        FelError
            If there are as many pins as the page can hold.
        """
        if observed and any(pin.observed and pin.frame == frame for pin in self.pins):
            return self
        if len(self) >= MAX_PINS:
            raise FelError(
                f"{len(self)} structures are pinned.", f"At most {MAX_PINS} can be.", "Remove some of them."
            )
        order = np.argsort(atoms)
        xyz, atoms = np.array(xyz, np.float32)[order], np.array(atoms, int)[order]
        pin = Pin(self.new_key, name, int(frame), observed, xyz, atoms)
        return replace(self, pins=(*self.pins, pin))

    def remove(self, key: int) -> Pinned:
        """Without one."""
        return replace(
            self,
            pins=tuple(pin for pin in self.pins if pin.key != key),
            shown=0 if self.shown == key else self.shown,
            overlaid=self.overlaid - {key},
            reference=0 if self.reference == key else self.reference,
        )

    def shown_as(self, other: Pinned) -> Pinned:
        """With the one shown big that ``other`` shows, if it is here; ``other`` if all else is the same."""
        if (self.pins, self.overlaid, self.reference) == (other.pins, other.overlaid, other.reference):
            return other
        return replace(self, shown=other.shown if other.shown in self.keys else 0)

    def overlay(self, key: int) -> Pinned:
        """With one laid over what is shown, or no longer."""
        return replace(self, overlaid=self.overlaid ^ {key})


def to_json(pinned: Pinned) -> dict:
    """Pins without their coordinates, as JSON types."""
    return {
        "pins": [[pin.key, pin.name, pin.frame, pin.observed] for pin in pinned.pins],
        "overlaid": sorted(pinned.overlaid),
        "reference": pinned.reference,
    }


def arrays(pinned: Pinned) -> dict[str, np.ndarray]:
    """{name: array} of the coordinates and atoms, to be saved with `to_json`."""
    found = {f"pin {pin.key} xyz": pin.xyz for pin in pinned.pins}
    return found | {f"pin {pin.key} atoms": pin.atoms for pin in pinned.pins}


def from_json(about: dict, saved: Mapping[str, np.ndarray]) -> Pinned:
    """The pins of `to_json` and `arrays`; none of them is shown big."""
    pins = tuple(
        Pin(key, name, frame, observed, saved[f"pin {key} xyz"], saved[f"pin {key} atoms"])
        for key, name, frame, observed in about["pins"]
    )
    return Pinned(pins, overlaid=frozenset(about["overlaid"]), reference=about["reference"])


def align(pinned: Pinned, topology: mdtraj.Topology) -> dict[int, np.ndarray]:
    """{key: coordinates (atom, 3)} of all pins, aligned to the reference by the atoms of `fit_atoms_text`."""
    reference = pinned.reference_pin
    laid = {}
    for pin in pinned.pins:
        mine, its = _common(pin, reference, topology)
        rotation, shift = geometry.fit(pin.xyz[mine].astype(float), reference.xyz[its].astype(float))
        laid[pin.key] = pin.xyz if pin is reference else (pin.xyz @ rotation + shift).astype(np.float32)
    return laid


def rmsds(pinned: Pinned, topology: mdtraj.Topology) -> dict[int, float]:
    """{key: RMSD in nm from the reference}, over the backbone of proteins, else over heavy atoms."""
    reference, found = pinned.reference_pin, {}
    for pin in pinned.pins:
        mine, its = _common(pin, reference, topology)
        found[pin.key] = geometry.rmsd(pin.xyz[mine].astype(float), reference.xyz[its].astype(float))
    return found


def fit_atoms_text(topology: mdtraj.Topology) -> str:
    """Name of the atoms that are fitted and compared: "backbone atoms", "heavy atoms" or "atoms"."""
    atoms = [topology.atom(index) for index in fit_atoms(topology)]
    if all(atom.is_backbone for atom in atoms):
        return "backbone atoms"
    heavy = all(atom.element is None or atom.element.symbol != "H" for atom in atoms)
    return "heavy atoms" if heavy else "atoms"


def _common(pin, reference, topology):
    """Places in ``pin`` and in ``reference`` of the atoms to fit by, of those that both have."""
    shared = np.intersect1d(pin.atoms, reference.atoms)
    chosen = np.intersect1d(shared, fit_atoms(topology))
    chosen = chosen if len(chosen) >= 3 else shared
    return (
        np.flatnonzero(np.isin(pin.atoms, chosen)),
        np.flatnonzero(np.isin(reference.atoms, chosen)),
    )


def as_pdb(pinned: Pinned, topology: mdtraj.Topology) -> io.BytesIO:
    """The pins as a PDB file of one model each, aligned to the reference, of the atoms that all have.

    Raises
    ------
    FelError
        If nothing is pinned.
    """
    if not pinned.pins:
        raise FelError("No structure is pinned.", remedy="Pin some: the pin above the structures.")
    shared = set.intersection(*(set(pin.atoms.tolist()) for pin in pinned.pins))
    part = topology.subset(sorted(shared))
    laid, distances = align(pinned, topology), rmsds(pinned, topology)
    lines = [
        f"{len(pinned)} pinned structures, by fel_explorer",
        f"Aligned by {fit_atoms_text(topology)} to model {pinned.pins.index(pinned.reference_pin) + 1}",
    ]
    models = []
    for number, pin in enumerate(pinned.pins, 1):
        lines.append(f"Model {number}: {pin.name}, RMSD {10 * distances[pin.key]:.2f} A")
        kept = np.isin(pin.atoms, list(shared))
        models.append([f"MODEL     {number:4d}", *atom_records(part, laid[pin.key][kept]), "ENDMDL"])
    remarks = [
        f"REMARK   6 {line[start : start + 68]}" for line in lines for start in range(0, len(line), 68)
    ]
    text = "\n".join([*remarks, *chain.from_iterable(models), *bond_records(part), "END", ""])
    return io.BytesIO(text.encode())
