"""Potential energies of molecular structures from OpenMM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fel_explorer.sampling.molecules import FORCE_FIELD, build_system, load_openmm

BLOCK = 1000  # frames read at once


def potential_energies(
    trajs,
    frames=None,
    *,
    force_field: Sequence[str] = FORCE_FIELD,
    constrain: bool = True,
    platform: str = "Reference",
) -> np.ndarray:
    """Potential energy (frame,) in kJ/mol of structures, by OpenMM: the labels of `MultitaskCV`.

    Parameters
    ----------
    trajs
        What `fel.load_trajectories` returns, with all atoms of a molecule that the force field knows.
    frames
        Dataset frame indices; default all.
    force_field
        OpenMM's files: protein, and implicit solvent if wanted.
    constrain
        Whether bonds to hydrogen were constrained in the simulation: then they have no energy.
    platform
        Of OpenMM; "Reference" is the fast one for a few dozen atoms.

    Raises
    ------
    FelError
        Without OpenMM, or when the force field has no template for a residue.

    Examples
    --------
    >>> data["energy"] = ("frame", fel.sampling.potential_energies(trajs))
    """
    openmm = load_openmm()
    system = build_system(trajs.topology, force_field, constrain=constrain)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(platform))
    frames = np.arange(len(trajs)) if frames is None else np.asarray(frames)
    energies = np.empty(len(frames))
    for start in range(0, len(frames), BLOCK):
        block = trajs.frames(frames[start : start + BLOCK]).xyz
        for index, xyz in enumerate(block, start):
            context.setPositions(xyz.astype(float))
            energies[index] = context.getState(energy=True).getPotentialEnergy()._value
    return energies
