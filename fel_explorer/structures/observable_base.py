"""Observables, their registry, and the molecule for which one is prepared."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mdtraj
import numpy as np

from fel_explorer.data.molecules import Molecules
from fel_explorer.data.topologies import describe_topology
from fel_explorer.errors import FelError
from fel_explorer.features import geometry
from fel_explorer.plugins import check_unique

BACKBONE = {"N", "CA", "C", "O"}
Compute = Callable[[mdtraj.Trajectory], np.ndarray]

registry: dict[str, Observable] = {}


@dataclass(frozen=True)
class Observable:
    """One number per frame that describes a structure, such as the radius of gyration.

    Attributes
    ----------
    name
        What users call it: "radius_of_gyration".
    label
        For axes and lists: "radius of gyration".
    units
        "nm", or "1" where it has none.
    to_reference
        Whether it compares with a reference structure.
    function
        ``function(molecule, **options) -> compute``, with ``compute(frames) -> (frame,)``; raises a
        `FelError` where the molecule has no such thing.
    """

    name: str
    label: str
    units: str
    to_reference: bool
    function: Callable[..., Compute] = field(repr=False)

    @property
    def doc(self) -> str:
        """One sentence: what is measured."""
        return (inspect.getdoc(self.function) or "").split("\n\n")[0].replace("\n", " ")

    @property
    def options(self) -> dict:
        """{option: default}."""
        _, *rest = inspect.signature(self.function).parameters.values()
        return {parameter.name: parameter.default for parameter in rest}

    def prepare(self, molecule: Molecule, **options: Any) -> Compute:
        """The function that measures frames of ``molecule``.

        Raises
        ------
        FelError
            If an option is unknown or the molecule has no such observable.
        """
        if unknown := set(options) - set(self.options):
            raise FelError(
                f"{self.name} has no option '{sorted(unknown)[0]}'.",
                f"Its options are {', '.join(self.options) or 'none'}.",
            )
        return self.function(molecule, **options)


def register_observable(
    *, label: str, units: str = "1", to_reference: bool = False
) -> Callable[[Callable[..., Compute]], Callable[..., Compute]]:
    """Decorator: put a function into the registry as an `Observable` of its name.

    >>> @register_observable(label="greatest distance from the first atom", units="nm")
    ... def reach(molecule):
    ...     '''Distance between the first atom and the one farthest from it.'''
    ...     return lambda frames: np.linalg.norm(frames.xyz - frames.xyz[:, :1], axis=2).max(axis=1)

    Raises
    ------
    FelError
        If a function of another module has the name.
    """

    def put(function):
        name = function.__name__
        known = registry.get(name)
        check_unique(function, None if known is None else known.function, name)
        registry[name] = Observable(name, label, units, to_reference, function)
        return function

    return put


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule for observables: a topology without solvent, and a structure to compare with.

    Attributes
    ----------
    topology
        Of the solute. The frames that ``compute`` gets have these atoms and are whole.
    reference
        One frame of these atoms, whole; NaN for atoms that the reference does not have.
    reference_name
        "frame 0", or a file's name.
    """

    topology: mdtraj.Topology
    reference: mdtraj.Trajectory
    reference_name: str

    @cached_property
    def heavy(self) -> np.ndarray:
        """Indices of the heavy atoms."""
        return np.array(
            [
                a.index
                for a in self.topology.atoms
                if a.element is None or a.element.symbol not in ("H", "VS")
            ],
            int,
        )

    @cached_property
    def alphas(self) -> np.ndarray:
        """Indices of the C-alpha atoms, one per amino acid."""
        return np.array(
            [a.index for a in self.topology.atoms if a.name == "CA" and _symbol(a) in ("C", "")], int
        )

    @cached_property
    def residue_of(self) -> np.ndarray:
        """(atom,) index of each atom's residue."""
        return np.array([a.residue.index for a in self.topology.atoms])

    @cached_property
    def chain_of(self) -> np.ndarray:
        """(atom,) index of each atom's chain."""
        return np.array([a.residue.chain.index for a in self.topology.atoms])

    @cached_property
    def molecules(self) -> Molecules:
        """Its parts that bonds hold together: distances between them are to nearest images."""
        return Molecules(self.topology, self.reference)

    @property
    def n_backbones(self) -> int:
        """Residues with a whole peptide backbone."""
        return sum(BACKBONE <= {a.name for a in residue.atoms} for residue in self.topology.residues)

    def far_in_sequence(self, i: np.ndarray, j: np.ndarray, separation: int) -> np.ndarray:
        """Whether atoms ``i`` and ``j`` are ``separation`` or more residues apart, or in different chains."""
        apart = np.abs(self.residue_of[i] - self.residue_of[j]) >= separation
        return apart | (self.chain_of[i] != self.chain_of[j])

    def reference_positions(self, name: str, atoms: np.ndarray) -> np.ndarray:
        """Coordinates (atom, 3) of ``atoms`` in the reference, in nm.

        Raises
        ------
        FelError
            If the reference lacks one of them.
        """
        xyz = self.reference.xyz[0, atoms]
        missing = np.asarray(atoms)[~np.isfinite(xyz).all(axis=1)]
        if len(missing):
            raise FelError(
                f"{name}: {self.reference_name} lacks {len(missing)} of {len(atoms)} atoms that it is "
                f"compared in, such as {self.topology.atom(missing[0])}.",
                "The reference names residues and atoms as the trajectories do.",
                "Take a frame as the reference, or complete the structure.",
            )
        return xyz

    def distances(self, frames: mdtraj.Trajectory, pairs: np.ndarray) -> np.ndarray:
        """Distances (frame, pair) in nm of atom pairs (pair, 2), between molecules to nearest images."""
        return geometry.distances(frames, pairs, self.molecules)

    def lacks(self, name: str, what: str) -> FelError:
        """The error of an observable that the molecule does not have."""
        return FelError(
            f"{name}: the molecule has no {what}.",
            f"It has {describe_topology(self.topology)}.",
            "Choose another observable; applicable(trajs) lists those that this molecule has.",
        )


def _symbol(atom) -> str:
    return atom.element.symbol if atom.element is not None else ""
