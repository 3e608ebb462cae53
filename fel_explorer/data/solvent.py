"""Solvent: water and single ions."""

from __future__ import annotations

import re

import mdtraj
import numpy as np

IONS = set(
    "LI NA K RB CS MG CA SR BA ZN CD HG CU CU1 MN FE CO NI AG AL PB F CL BR I "  # elements
    "LIT SOD POT RUB CES CAL BAR CLA FLA BRO IOD CIP CIM CIO IB ION NIO CLO "  # CHARMM, AMBER, OPLS, Martini
    "SODIUM POTASSIUM CHLORIDE MAGNESIUM CALCIUM ZINC".split()
)


def is_solvent(residue: mdtraj.core.topology.Residue) -> bool:
    """Whether an mdtraj residue is water or a single ion, by its name without charge ("Na+", "MG2+")."""
    if residue.is_water:
        return True
    return residue.n_atoms == 1 and re.sub(r"[\d+-]+$", "", residue.name.strip().upper()) in IONS


def solvent_atoms(topology: mdtraj.Topology) -> np.ndarray:
    """Mask (atom,) of the atoms of water and single ions."""
    flags = [(is_solvent(residue), residue.n_atoms) for residue in topology.residues]
    return np.repeat(*map(np.array, zip(*flags, strict=True))) if flags else np.zeros(0, bool)
