"""Topologies as PDB text that gives back the same atoms, whatever the columns of the format hold.

PDB files have four columns for atom names, three for residue names, four for residue numbers, and readers
rename what they know. Remarks in the text keep the topology as it is; other programs skip them.
"""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj.core import topology as mdtraj_topology

from fel_explorer.data.atomic_folders import writing
from fel_explorer.errors import FelError

REMARK = "REMARK 999 FEL_TOPOLOGY "
WIDTH = 80 - len(REMARK)


def pdb_text(frame: mdtraj.Trajectory) -> str:
    """The first frame of a trajectory as PDB text without a date; `read_topology` gives its atoms back."""
    frame = frame[0]  # a copy
    for atom in frame.topology.atoms:  # mdtraj writes atoms by serial number, but bonds by place
        atom.serial = None
    where = f"The folder for temporary files, '{tempfile.gettempdir()}', can't be written"
    with writing(where), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.pdb")
        frame.save_pdb(str(path))
        lines = path.read_text().splitlines(keepends=True)
    record = json.dumps(_record(frame.topology), separators=(",", ":"))
    remarks = [f"{REMARK}{record[start : start + WIDTH]}\n" for start in range(0, len(record), WIDTH)]
    return "".join([*remarks, *(line for line in lines if not line.startswith("REMARK   1 CREATED"))])


def read_topology(text: str) -> mdtraj.Topology:
    """The topology of a PDB text; exact where `pdb_text` made it."""
    return read_structure(text).topology.copy()


@lru_cache(maxsize=16)
def read_structure(text: str) -> mdtraj.Trajectory:
    """The frames of a PDB text, with the topology of its remarks where it has them. Treat it as read-only.

    Raises
    ------
    FelError
        If the text holds no atoms.
    """
    lines = text.splitlines()
    atoms = [line for line in lines if line.startswith(("ATOM  ", "HETATM"))]
    if not atoms:
        raise FelError("The topology is not PDB text: no atoms.", remedy="Featurize the trajectories again.")
    record = "".join(line[len(REMARK) :] for line in lines if line.startswith(REMARK))
    if not record:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "topology.pdb")
            path.write_text(text)
            return mdtraj.load_pdb(str(path))
    topology = _from_record(json.loads(record))
    xyz = np.array([[float(line[start : start + 8]) for start in (30, 38, 46)] for line in atoms]) / 10
    structure = mdtraj.Trajectory(xyz.reshape(-1, topology.n_atoms, 3), topology)
    for line in lines:
        if line.startswith("CRYST1"):
            cell = np.array([float(part) for part in line[6:54].split()])
            structure.unitcell_lengths = np.tile(cell[:3] / 10, (len(structure), 1))
            structure.unitcell_angles = np.tile(cell[3:], (len(structure), 1))
    return structure


def _record(topology: mdtraj.Topology) -> dict:
    return {
        "chains": [[chain.chain_id, chain.n_residues] for chain in topology.chains],
        "residues": [[r.name, r.resSeq, r.n_atoms, r.segment_id] for r in topology.residues],
        "atoms": [atom.name for atom in topology.atoms],
        "elements": [None if a.element is None else a.element.symbol for a in topology.atoms],
        "bonds": [
            [a.index, b.index] if bond.type is None and bond.order is None else
            [a.index, b.index, None if bond.type is None else str(bond.type), bond.order]
            for bond in topology.bonds
            for a, b in [bond]
        ],
    }  # fmt: skip


def _from_record(record: dict) -> mdtraj.Topology:
    topology, residues = mdtraj.Topology(), iter(record["residues"])
    atoms = iter(zip(record["atoms"], record["elements"], strict=True))
    for chain_id, n_residues in record["chains"]:
        chain = topology.add_chain(chain_id)
        for _ in range(n_residues):
            name, number, n_atoms, segment = next(residues)
            residue = topology.add_residue(name, chain, number, segment)
            for _ in range(n_atoms):
                atom, symbol = next(atoms)
                element = None if symbol is None else mdtraj.element.get_by_symbol(symbol)
                topology.add_atom(atom, element, residue)
    every = list(topology.atoms)
    for first, second, *kind in record["bonds"]:
        name, order = kind or (None, None)
        bond_type = getattr(mdtraj_topology, name) if name else None
        topology.add_bond(every[first], every[second], type=bond_type, order=order)
    return topology
