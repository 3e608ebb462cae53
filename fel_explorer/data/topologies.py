"""Topologies: loading them, selecting atoms, comparing them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from fel_explorer.data.complete_frames import complete_part
from fel_explorer.data.file_names import extension, readable_name
from fel_explorer.data.readers import SELF_CONTAINED, Reader, close_files_of, quiet, reason
from fel_explorer.data.solvent import solvent_atoms
from fel_explorer.data.topology_repair import repair
from fel_explorer.errors import FelError

TOPOLOGY_FORMATS = (
    "PDB",
    "CIF",
    "GRO",
    "PSF",
    "PRMTOP (.prmtop, .parm7)",
    "MOL2",
    "HDF5 (.h5)",
    "GSD",
    "ARC",
)


def load_topologies(files: list[Path], topology: Any) -> list[mdtraj.Topology]:
    if topology is None:
        return [_own_topology(file) for file in files]
    if isinstance(topology, list | tuple):
        if len(topology) != len(files):
            raise FelError(
                f"{len(topology)} topologies for {len(files)} trajectories.",
                "One topology for all, or one per trajectory.",
            )
        loaded = {str(t): _load_topology(t) for t in topology}
        return [loaded[str(t)] for t in topology]
    return [_load_topology(topology)] * len(files)


def _own_topology(file: Path) -> mdtraj.Topology:
    if extension(file) not in SELF_CONTAINED:
        formats = ", ".join(sorted(e for e in SELF_CONTAINED if ".gz" not in e))
        raise FelError(
            f"'{file}' names no atoms and no topology was given.",
            f"Formats that name their atoms: {formats}.",
            "Give the topology too: a PDB, GRO, PSF or PRMTOP file of the same atoms.",
        )
    return _load_topology(file)


def _load_topology(topology) -> mdtraj.Topology:
    if isinstance(topology, mdtraj.Topology):
        return topology
    if isinstance(topology, mdtraj.Trajectory):
        return topology.topology
    path = Path(topology).expanduser()
    if not path.exists():
        raise missing_file(path)
    try:
        with quiet(), complete_part(path) as part:
            return mdtraj.load_topology(readable_name(part))
    except FelError:
        raise
    except Exception as error:  # mdtraj's readers raise a different class for each format
        close_files_of(error)
        raise FelError(
            f"The topology '{path}' cannot be read ({reason(error, path)}).",
            f"Topologies are files of {', '.join(TOPOLOGY_FORMATS)}.",
            "Check that the file is whole and that its extension says what it is.",
        ) from error


def load_structure(path: Path) -> mdtraj.Trajectory:
    """The first frame of a file that names its atoms; chains and bonds agree with its coordinates.

    Raises
    ------
    FelError
        If there is no such file or it can't be read.
    """
    if not path.exists():
        raise missing_file(path)
    topology = _own_topology(path)
    with Reader(path, topology) as reader:
        info = reader.probe()
    with Reader(path, topology, info=info) as reader:
        frame = reader.read(np.array([0]))
    box = frame.unitcell_vectors
    frame.topology = repair(topology, frame.xyz[0], None if box is None else box[0])
    return frame


def missing_file(path: Path) -> FelError:
    parent = path.absolute().parent
    similar = sorted(p.name for p in parent.glob(f"*{path.suffix}"))[:5] if parent.is_dir() else []
    there = f"The folder has {', '.join(similar)}." if similar else f"The folder is {parent}."
    return FelError(f"The file '{path}' does not exist.", there, "Check the path.")


def select_or_all(topology: mdtraj.Topology, atoms: str | Sequence[int] | None) -> np.ndarray | None:
    if atoms is None:
        return None
    indices = select_atoms(topology, atoms)
    return None if np.array_equal(indices, np.arange(topology.n_atoms)) else indices


def select_atoms(
    topology: mdtraj.Topology, selection: str | Sequence[int], *, allow_none: bool = False
) -> np.ndarray:
    """Atom indices of an mdtraj selection or a list of indices, sorted; `FelError` if there are none.

    ``solvent`` stands for water and single ions (`fel_explorer.data.solvent`).
    """
    if isinstance(selection, str):
        try:
            indices = topology.select(_with_solvent(topology, selection))
        except Exception as error:  # the selection parser raises what pyparsing and ast raise
            raise FelError(
                f"The atom selection '{selection}' is not understood.",
                "Selections are written as in mdtraj: 'protein', 'name CA', 'resid 0 to 4 and element != H'.",
            ) from error
    else:
        indices = np.unique(np.asarray(selection, dtype=np.int64))
    if len(indices) == 0 and allow_none:
        return np.zeros(0, np.int64)
    if len(indices) == 0:
        raise FelError(
            f"The selection '{selection}' matches no atom.",
            f"The topology has {describe_topology(topology)}.",
            "Choose atoms that it has.",
        )
    if indices.min() < 0 or indices.max() >= topology.n_atoms:
        raise FelError(
            f"Atom indices from {indices.min()} to {indices.max()}.",
            f"The topology has atoms 0 to {topology.n_atoms - 1}.",
        )
    return np.asarray(indices, dtype=np.int64)


def _with_solvent(topology: mdtraj.Topology, selection: str) -> str:
    """A selection that mdtraj understands, with atoms in place of the word ``solvent``."""
    pattern = r"""\bsolvent\b(?=(?:[^'"]|'[^']*'|"[^"]*")*$)"""
    if not re.search(pattern, selection):
        return selection
    index = np.flatnonzero(solvent_atoms(topology))
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1) if len(index) else []
    ranges = " or ".join(f"index {run[0]} to {run[-1]}" for run in runs)
    return re.sub(pattern, f"({ranges})" if ranges else "none", selection)


def describe_topology(topology: mdtraj.Topology) -> str:
    """What a topology holds, for error messages: "22 atoms in residues ACE1, ALA2, NME3"."""
    residues = [str(residue) for residue in topology.residues]
    shown = ", ".join(residues[:6]) + (f", ... ({len(residues)} in all)" if len(residues) > 6 else "")
    return f"{topology.n_atoms} atoms in residues {shown}"


def check_same_atoms(
    files: Sequence[Path], topologies: Sequence[mdtraj.Topology], selected: Sequence[np.ndarray | None]
) -> None:
    def elements(top, atoms):
        everything = [a.element.symbol if a.element else "" for a in top.atoms]
        return everything if atoms is None else [everything[i] for i in atoms]

    first = elements(topologies[0], selected[0])
    for file, top, atoms in zip(files, topologies, selected, strict=True):
        if top is topologies[0]:
            continue
        other = elements(top, atoms)
        if len(other) != len(first) or other != first:
            what = "the same number but other elements" if len(other) == len(first) else f"{len(other)} atoms"
            raise FelError(
                f"'{file}' has {what} where '{files[0]}' has {len(first)} atoms.",
                "All trajectories must hold the same atoms in the same order.",
                "Choose a common part with atoms=, such as atoms='protein'.",
            )
