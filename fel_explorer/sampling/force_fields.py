"""OpenMM Systems: made from a topology and force field files, or given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    import mdtraj
    import openmm
    from numpy.typing import ArrayLike

FORCE_FIELD = ("amber99sbildn.xml", "amber99_obc.xml")
CUTOFF = 1.0  # nm, in periodic boxes, beyond which PME takes over


def load_openmm() -> ModuleType:
    """The openmm package, or a `FelError` that says how to install it."""
    try:
        import openmm
        import openmm.app
    except ImportError as error:
        raise FelError(
            "OpenMM is not installed.",
            "Simulations of molecules and their energies need it.",
            "pip install 'fel-explorer[md]'",
        ) from error
    return openmm


def build_system(
    topology: mdtraj.Topology,
    force_field: Sequence[str],
    *,
    constrain: bool = True,
    hydrogen_mass: float | None = None,
    box: np.ndarray | None = None,
) -> openmm.System:
    """OpenMM's System of an mdtraj topology: by PME in a periodic box, else without cutoffs.

    ``constrain`` fixes bonds to hydrogen, which then have no energy; ``hydrogen_mass`` is in amu; ``box``
    (3, 3) in nm makes it periodic.

    Raises
    ------
    FelError
        If the force field has no template for a residue, or the box is too small for it.
    """
    openmm = load_openmm()
    options = {} if hydrogen_mass is None else {"hydrogenMass": hydrogen_mass}
    options["nonbondedMethod"] = openmm.app.NoCutoff
    molecule = topology.to_openmm()
    if box is not None:
        molecule.setPeriodicBoxVectors(reduce_box(box) * openmm.unit.nanometer)
        cutoff = min(CUTOFF, 0.499 * float(np.diagonal(box).min()))  # at most half the box
        options |= {"nonbondedMethod": openmm.app.PME, "nonbondedCutoff": cutoff}
    try:
        return openmm.app.ForceField(*force_field).createSystem(
            molecule, constraints=openmm.app.HBonds if constrain else None, **options
        )
    except ValueError as error:
        raise FelError(
            f"The force field {', '.join(force_field)} can't be applied: {error}",
            "All atoms of the molecule, hydrogens included, must be loaded and known to the force field.",
            "Name other files in force_field=, or give the System of another program in system=.",
        ) from error


def load_system(system: openmm.System | str | Path, topology: mdtraj.Topology) -> openmm.System:
    """A System, or the path of one as OpenMM's XML, if it is of as many atoms as ``topology``."""
    openmm = load_openmm()
    if not isinstance(system, openmm.System):
        path = Path(system)
        if not path.is_file():
            raise FelError(f"system={str(system)!r}.", "It is an openmm.System, or a file of one as XML.")
        try:
            system = openmm.XmlSerializer.deserialize(path.read_text())
        except (openmm.OpenMMException, ValueError) as error:
            raise FelError(
                f"'{path}' can't be read: {error}",
                "It holds a System as XML.",
                "Write it with openmm.XmlSerializer.serialize(system).",
            ) from error
    if system.getNumParticles() != topology.n_atoms:
        raise FelError(
            f"The System has {system.getNumParticles()} particles and the trajectories"
            f" {topology.n_atoms} atoms.",
            "Both are of the same atoms, in the same order.",
            "Load the trajectories with all atoms.",
        )
    return system


def reduce_box(vectors: ArrayLike) -> np.ndarray:
    """Box vectors (3, 3) in the form that OpenMM takes: of all that span the same lattice, the short ones."""
    a, b, c = np.array(vectors, float)
    c = c - b * round(c[1] / b[1])
    c = c - a * round(c[0] / a[0])
    return np.stack([a, b - a * round(b[0] / a[0]), c])
