"""Systems that the page offers, each with settings that work.

Molecules need OpenMM, which is imported when the first energy is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mdtraj

from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.errors import FelError
from fel_explorer.structures import read_pdb
from fel_explorer.systems import DoubleWell, ForceField, MullerBrown

FILES = ("amber96.xml", "amber96_obc.xml")  # AMBER ff96 and GBSA-OBC
LARGEST = 80  # atoms: beyond, learning takes hours and the model holds little
CONFORMERS = ("α", "β1", "β2", "φ > 0")
PDB = "Your own peptide"  # the choice whose file is asked for


@dataclass(frozen=True)
class Setting:
    """Hyperparameters to begin with, and the minutes that they take on one core of a laptop."""

    minutes: float
    hyperparameters: dict


@dataclass(frozen=True)
class Choice:
    """A system to choose: ``make(temperature)`` prepares it; `PDB`'s takes (content, name, temperature)."""

    title: str
    about: str
    make: Callable[..., Subject]
    temperature: float
    settings: dict[str, Setting]
    is_molecule: bool = False


def alanine(temperature: float) -> Subject:
    """The sample molecule in AMBER ff96 and implicit solvent, from the first frame of the sample data."""
    from fel_explorer.data import sample_data

    return molecule("Alanine dipeptide", sample_data("alanine-dipeptide").frames([0]), temperature)


def from_pdb(content: bytes, name: str, temperature: float) -> Subject:
    """A small peptide from the ``content`` of a PDB file with hydrogens.

    Raises
    ------
    FelError
        If the file is not a peptide with φ and ψ, or has more than `LARGEST` atoms.
    """
    try:
        frame = read_pdb(content.decode(errors="replace"))[0]
    except Exception as error:  # mdtraj's reader raises anything
        raise FelError(f"'{name}' can't be read: {error}", "A PDB file is needed.") from error
    return molecule(Path(name).stem, frame, temperature, choice=PDB)


def molecule(title: str, frame: mdtraj.Trajectory, temperature: float, choice: str = "") -> Subject:
    """The first frame's molecule in AMBER ff96 with implicit solvent, all bonds flexible."""
    torsions = [f(frame)[0] for f in (mdtraj.compute_phi, mdtraj.compute_psi)]
    if not all(map(len, torsions)):
        raise FelError(
            f"{title} has no φ and ψ.",
            "The page shows peptides in a Ramachandran plot.",
            "Take a peptide with a whole residue, such as a capped amino acid.",
        )
    if frame.n_atoms > LARGEST:
        raise FelError(
            f"{title} has {frame.n_atoms} atoms.", f"Molecules of up to {LARGEST} atoms can be learned here."
        )
    return Subject(
        title,
        partial(_force_field, title, frame.topology),
        temperature,
        CONFORMERS,
        frame.topology,
        frame.xyz[0].astype(float),
        choice or title,
    )


def _force_field(title, topology) -> ForceField:
    app = openmm_app()
    try:
        files = app.ForceField(*FILES)
        return ForceField(files.createSystem(topology.to_openmm(), nonbondedMethod=app.NoCutoff))
    except ValueError as error:
        raise FelError(
            f"The force field does not know {title}: {error}",
            "AMBER ff96 knows peptides with all hydrogens.",
            "Add hydrogens and caps, and leave water out.",
        ) from error


def openmm_app():
    """`openmm.app`, or a `FelError` that says how to get it."""
    try:
        from openmm import app
    except ImportError as error:
        raise FelError(
            "OpenMM is not installed.",
            "It holds the force fields of molecules; model systems need none.",
            'Install it: pip install "fel-explorer[md]".',
        ) from error
    return app


def _given(system):
    return system


def _potential(title: str, cls) -> Callable[[float], Subject]:
    def make(temperature: float) -> Subject:
        system = cls(kT=temperature)
        return Subject(
            title, partial(_given, system), temperature, tuple("ABC"[: len(system.minima)]), choice=title
        )

    return make


PEPTIDE = {"n_dims": 2, "learning_rate": 0.01, "beta_start": 0.1}  # as in benchmarks/embedded_alanine.py
CHOICES = {
    choice.title: choice
    for choice in (
        Choice(
            "Double well",
            "Two wells; the right one weighs .8 % and is easily missed. One CV.",
            _potential("Double well", DoubleWell),
            1.0,
            {
                "Quick": Setting(0.6, {"n_dims": 1, "n_steps": 1000}),
                "Careful": Setting(1.7, {"n_dims": 1, "n_steps": 2200, "n_restarts": 2}),
            },
        ),
        Choice(
            "Müller-Brown",
            "Three wells along a bent valley, which one CV can follow.",
            _potential("Müller-Brown", MullerBrown),
            1.0,
            {
                "Quick": Setting(0.6, {"n_dims": 1, "n_steps": 800}),
                "Careful": Setting(1.7, {"n_dims": 1, "n_steps": 2200, "n_restarts": 2}),
            },
        ),
        Choice(
            "Alanine dipeptide",
            "22 atoms in AMBER ff96 with implicit solvent, all from one structure. Two CVs.",
            alanine,
            330.0,
            {
                "Quick": Setting(1.5, {**PEPTIDE, "n_steps": 250, "batch_size": 64}),
                "Careful": Setting(8.0, {**PEPTIDE, "n_steps": 2200, "batch_size": 128}),
            },
            True,
        ),
        Choice(
            PDB,
            f"Up to {LARGEST} atoms, from a PDB file, in AMBER ff96 with implicit solvent. Two CVs.",
            from_pdb,
            300.0,
            {
                "Quick": Setting(4.0, {**PEPTIDE, "n_steps": 250, "batch_size": 64}),
                "Careful": Setting(20.0, {**PEPTIDE, "n_steps": 700, "batch_size": 128}),
            },
            True,
        ),
    )
}
