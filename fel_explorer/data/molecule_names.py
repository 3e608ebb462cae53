"""What a topology is of, in words: residues, formula, solvent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

import mdtraj
from mdtraj.core.topology import Residue

from fel_explorer.data.solvent import is_solvent

MAX_RESIDUES = 8  # whose names are written out


def molecule_text(topology: mdtraj.Topology) -> str:
    """Residues and formula of what is not solvent, and how much solvent there is.

    "ACE-ALA-NME, C6H12N2O2"; "protein of 35 residues (LEU ... PHE), C182H286N50O50S, in 2,121 water".
    """
    residues = list(topology.residues)
    solute = [residue for residue in residues if not is_solvent(residue)]
    parts = [", ".join(filter(None, [*_chains(solute), formula(solute)]))] if solute else []
    solvent = Counter("water" if one.is_water else one.name for one in residues if is_solvent(one))
    around = " and ".join(f"{n:,} {name}" for name, n in solvent.most_common(3))
    return " in ".join(filter(None, [*parts, around]))


def formula(residues: Iterable[Residue]) -> str:
    """Sum formula of residues in Hill's order: C, H, then by the alphabet.

    '' for beads; "without hydrogens" where there are carbons and no hydrogens, as in files of heavy atoms.
    """
    atoms = [atom for residue in residues for atom in residue.atoms]
    if not atoms or any(atom.element is None or atom.element.symbol == "VS" for atom in atoms):
        return ""
    counts = Counter(atom.element.symbol for atom in atoms)
    if "C" in counts and "H" not in counts:
        return "without hydrogens"
    first = [symbol for symbol in ("C", "H") if "C" in counts and symbol in counts]
    order = first + sorted(symbol for symbol in counts if symbol not in first)
    return "".join(symbol + (str(counts[symbol]) if counts[symbol] > 1 else "") for symbol in order)


def _chains(residues) -> list[str]:
    """A text on each chain; equal ones once, with their number."""
    chains = [list(members) for _, members in groupby(residues, key=lambda one: one.chain.index)]
    texts = Counter(_chain(members) for members in chains)
    shown = [text if n == 1 else f"{n} x {text}" for text, n in texts.most_common(4)]
    return shown + ["..."] * (len(texts) > 4)


def _chain(residues) -> str:
    if len(residues) <= MAX_RESIDUES:
        return "-".join(residue.name for residue in residues)
    kind = "protein" if any(residue.is_protein for residue in residues) else "chain"
    kind = "nucleic acid" if any(residue.is_nucleic for residue in residues) else kind
    return f"{kind} of {len(residues)} residues ({residues[0].name} ... {residues[-1].name})"
