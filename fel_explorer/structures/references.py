"""The molecule without its solvent, and the structure that it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from fel_explorer.data.molecules import arrange
from fel_explorer.data.readers import Frames
from fel_explorer.data.solvent import solvent_atoms
from fel_explorer.data.topologies import load_structure
from fel_explorer.errors import FelError
from fel_explorer.structures.observable_base import Molecule

if TYPE_CHECKING:
    from collections.abc import Callable


def solute(topology: mdtraj.Topology) -> np.ndarray | None:
    """Atoms but water and ions; None for all.

    Raises
    ------
    FelError
        If nothing is left.
    """
    keep = np.flatnonzero(~solvent_atoms(topology))
    if not len(keep):
        raise FelError("The trajectories hold nothing but water and ions.", "Observables are of a molecule.")
    return None if len(keep) == topology.n_atoms else keep


def take(frames: mdtraj.Trajectory, atoms: np.ndarray | None, topology: mdtraj.Topology) -> Frames:
    """``frames`` of the chosen atoms, molecules made whole and put next to each other."""
    chosen = Frames(
        frames.xyz if atoms is None else frames.xyz[:, atoms],
        topology,
        time=frames.time,
        unitcell_lengths=frames.unitcell_lengths,
        unitcell_angles=frames.unitcell_angles,
    )
    return arrange(chosen)


def make_molecule(
    topology: mdtraj.Topology,
    first: Callable[[int], mdtraj.Trajectory],
    reference: int | str | Path | mdtraj.Trajectory,
) -> tuple[Molecule, np.ndarray | None]:
    """The `Molecule` to prepare observables for, and its atoms in ``topology`` (None for all).

    Parameters
    ----------
    topology
        Of the trajectories.
    first
        ``first(index)`` gives a frame of them as a trajectory.
    reference
        A frame's index, an ``mdtraj.Trajectory`` (its first frame) or the path of a structure.

    Raises
    ------
    FelError
        If the reference can't be read or has no atom in common with the trajectories.
    """
    atoms = solute(topology)
    kept = topology if atoms is None else topology.subset(atoms)
    if isinstance(reference, int | np.integer):
        frame, name = take(first(int(reference)), atoms, kept), f"frame {int(reference)}"
        return Molecule(kept, frame, name), atoms
    if isinstance(reference, mdtraj.Trajectory):
        structure, name = reference[0], "the given structure"
    elif isinstance(reference, str | Path):
        structure, name = _load(Path(reference).expanduser()), Path(reference).name
    else:
        raise FelError(
            f"A reference of type {type(reference).__name__}.",
            "It is a frame's index, an mdtraj.Trajectory or the path of a structure file.",
        )
    if structure.n_atoms == topology.n_atoms and _same_atoms(structure.topology, topology):
        return Molecule(kept, take(structure, atoms, kept), name), atoms
    return Molecule(kept, _matched(arrange(structure), kept, name), name), atoms


def _load(path: Path) -> mdtraj.Trajectory:
    return load_structure(path)


def _same_atoms(one: mdtraj.Topology, other: mdtraj.Topology) -> bool:
    return all(a.name == b.name and a.residue.name == b.residue.name
               for a, b in zip(one.atoms, other.atoms, strict=True))  # fmt: skip


def _matched(structure, topology, name) -> mdtraj.Trajectory:
    """``structure`` with the atoms of ``topology``, NaN where it lacks one.

    Atoms are the same that have the same name in a residue of the same number of the same chain; a
    crystal structure has no hydrogens, and force fields name histidines in ways of their own.
    """
    theirs = dict(zip(_identities(structure.topology), range(structure.n_atoms), strict=True))
    found = np.array([theirs.get(identity, -1) for identity in _identities(topology)])
    if np.count_nonzero(found >= 0) < 3:
        raise FelError(
            f"The reference {name} has {np.count_nonzero(found >= 0)} atoms in common with the trajectories.",
            "Atoms are matched by chain, residue number and atom name.",
            "Number the residues of both alike, or take a frame as the reference.",
        )
    xyz = np.where((found >= 0)[:, None], structure.xyz[0, found], np.nan)
    return mdtraj.Trajectory(xyz[None], topology)


def _identities(topology) -> list[tuple]:
    """Chain, residue number and name of each atom; parts of a chain with a gap between them are one chain."""
    numbers, number, last = {}, -1, None
    for chain in topology.chains:
        first = chain.residue(0)
        goes_on = last is not None and chain.chain_id == last.chain.chain_id and first.resSeq > last.resSeq
        number += not goes_on
        numbers[chain.index], last = number, chain.residue(chain.n_residues - 1)
    return [(numbers[a.residue.chain.index], a.residue.resSeq, a.name) for a in topology.atoms]
