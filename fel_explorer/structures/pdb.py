"""PDB text of a structure, with every bond of the topology."""

from __future__ import annotations

from collections.abc import Sequence

import mdtraj
import numpy as np

from fel_explorer.data.topology_text import read_structure
from fel_explorer.errors import FelError

MAX_SERIAL = 99_999  # the format has five columns for atom numbers


def pdb_text(topology: mdtraj.Topology, xyz: np.ndarray) -> str:
    """One model as PDB text: ATOM or HETATM, TER, CONECT for every bond.

    Parameters
    ----------
    topology
        The atoms.
    xyz
        (atom, 3) in nm.

    Raises
    ------
    FelError
        If the coordinates do not belong to the topology.
    """
    return "\n".join([*atom_records(topology, xyz), *bond_records(topology), "END", ""])


def models_text(trajectory: mdtraj.Trajectory, remarks: Sequence[str]) -> str:
    """All frames as PDB text of one model each, below ``remarks``, with CONECT for every bond."""
    lines = [f"REMARK   6 {line[i : i + 68]}" for line in remarks for i in range(0, len(line), 68)]
    for number, xyz in enumerate(trajectory.xyz, 1):
        lines += [f"MODEL     {number:4d}", *atom_records(trajectory.topology, xyz), "ENDMDL"]
    return "\n".join([*lines, *bond_records(trajectory.topology), "END", ""])


def atom_records(topology: mdtraj.Topology, xyz: np.ndarray) -> list[str]:
    """ATOM, HETATM and TER lines; ``xyz`` (atom, 3) in nm."""
    xyz = np.asarray(xyz, float)
    if xyz.shape != (topology.n_atoms, 3):
        raise FelError(
            f"Coordinates of shape {xyz.shape} for a topology of {topology.n_atoms} atoms.",
            "One row (x, y, z) per atom is needed.",
        )
    lines, last_chain = [], None
    for atom, (x, y, z) in zip(topology.atoms, xyz * 10, strict=True):
        residue = atom.residue
        if last_chain not in (None, residue.chain.index):
            lines.append("TER")
        last_chain = residue.chain.index
        symbol = atom.element.symbol if atom.element is not None else ""
        name = atom.name if len(atom.name) > 3 or len(symbol) > 1 else f" {atom.name}"
        record = "ATOM  " if residue.is_protein or residue.is_nucleic else "HETATM"
        lines.append(
            f"{record}{(atom.index + 1) % 100_000:5d} {name[:4]:<4s} {residue.name[:3]:>3s} "
            f"{chr(ord('A') + residue.chain.index % 26)}{residue.resSeq % 10_000:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {symbol.upper():>2s}"
        )
    return [*lines, "TER"]


def cell_record(lengths: np.ndarray, angles: np.ndarray) -> str:
    """CRYST1 line of a unit cell of ``lengths`` (3,) in nm and ``angles`` (3,) in degrees."""
    sides = "".join(f"{10 * length:9.3f}" for length in lengths)
    return f"CRYST1{sides}{''.join(f'{angle:7.2f}' for angle in angles)} P 1           1\n"


def bond_records(topology: mdtraj.Topology) -> list[str]:
    """CONECT lines, four partners each; none for atoms whose number does not fit the format."""
    partners: dict[int, list[int]] = {}
    for first, second in topology.bonds:
        pair = sorted((first.index + 1, second.index + 1))
        if pair[1] <= MAX_SERIAL:
            partners.setdefault(pair[0], []).append(pair[1])
    return [
        f"CONECT{serial:5d}" + "".join(f"{other:5d}" for other in others[start : start + 4])
        for serial, others in sorted(partners.items())
        for start in range(0, len(others), 4)
    ]


def read_pdb(text: str) -> mdtraj.Trajectory:
    """The frames of a PDB text, such as ``dataset.attrs["topology"]``.  Treat the result as read-only.

    Raises
    ------
    FelError
        If the text holds no atoms.
    """
    return read_structure(text)
