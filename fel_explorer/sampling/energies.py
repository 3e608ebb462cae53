"""Potential energies of molecular structures from OpenMM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.sampling.force_fields import (
    FORCE_FIELD,
    build_system,
    load_openmm,
    load_system,
    reduce_box,
)

if TYPE_CHECKING:
    from pathlib import Path

    import openmm
    from numpy.typing import ArrayLike

    from fel_explorer.data.trajectories import TrajectorySet

BLOCK = 1000  # frames read at once


def potential_energies(
    trajs: TrajectorySet,
    frames: ArrayLike | None = None,
    *,
    force_field: Sequence[str] = FORCE_FIELD,
    system: openmm.System | str | Path | None = None,
    constrain: bool = True,
    periodic: bool | None = None,
    platform: str = "Reference",
) -> np.ndarray:
    """Potential energy (frame,) in kJ/mol of structures, by OpenMM: the labels of `MultitaskCV`.

    Parameters
    ----------
    trajs
        What `fel.load_trajectories` returns, with all atoms of the system.
    frames
        Dataset frame indices; default all.
    force_field
        OpenMM's files: protein, and implicit solvent or a water model if wanted.
    system
        Instead of ``force_field``: an `openmm.System`, or the path of one as XML, from whatever parameterised
        the molecule (AMBER, CHARMM or GROMACS files, OpenFF).
    constrain
        Whether bonds to hydrogen were constrained in the simulation: then they have no energy.
    periodic
        Whether frames are in a periodic box, electrostatics then by PME; default: where they have one.
        A given ``system`` decides itself.
    platform
        Of OpenMM; "Reference" is the fast one for a few dozen atoms, "CPU" or "CUDA" for more.

    Raises
    ------
    FelError
        Without OpenMM, when the force field has no template for a residue, or a box is missing.

    Examples
    --------
    >>> data["energy"] = ("frame", fel.sampling.potential_energies(trajs))
    """
    openmm = load_openmm()
    frames = np.arange(len(trajs)) if frames is None else np.asarray(frames)
    box = trajs.frames(frames[:1]).unitcell_vectors
    loaded = None if system is None else load_system(system, trajs.topology)
    if loaded is not None:
        periodic = loaded.usesPeriodicBoundaryConditions()
    periodic = box is not None if periodic is None else periodic
    if periodic and box is None:
        raise FelError(
            "The frames have no periodic box.",
            "A periodic system needs the box of each frame.",
            "Take periodic=False, or load trajectories with their box.",
        )
    if loaded is None:
        first = box[0] if periodic else None
        loaded = build_system(trajs.topology, force_field, constrain=constrain, box=first)
    context = openmm.Context(loaded, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(platform))
    energies = np.empty(len(frames))
    for start in range(0, len(frames), BLOCK):
        block = trajs.frames(frames[start : start + BLOCK])
        for index, xyz in enumerate(block.xyz):
            if periodic:
                context.setPeriodicBoxVectors(*reduce_box(block.unitcell_vectors[index]))
            context.setPositions(xyz.astype(float))
            energies[start + index] = context.getState(energy=True).getPotentialEnergy()._value
    return energies
