"""Energies of any OpenMM `System`, for forces that `ForceField` does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    import openmm


class OpenMMEnergy:
    """Energies and forces by an OpenMM `Context`, one conformation after the other, differentiable once.

    It takes every force that OpenMM has, and stands wherever a `ForceField` does, which for many
    conformations at once and on a GPU is faster.  Units: nm, kJ/mol.

    Parameters
    ----------
    system
        The `openmm.System`.  Later changes of it are not seen.
    platform
        OpenMM's platform.  "Reference" is in double precision and the fastest for tens of atoms.

    Raises
    ------
    FelError
        For a platform that this OpenMM does not have.

    Examples
    --------
    >>> import openmm.app
    >>> files = openmm.app.ForceField("amber96.xml", "amber96_obc.xml")
    >>> field = OpenMMEnergy(files.createSystem(topology.to_openmm()))
    >>> energies, forces = field.energy_and_forces(conformations)
    """

    def __init__(self, system: openmm.System, *, platform: str = "Reference") -> None:
        import openmm

        names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
        if platform not in names:
            raise FelError(f"platform={platform!r}.", f"This OpenMM has {', '.join(names)}.")
        self.n_atoms = system.getNumParticles()
        self._context = openmm.Context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform)
        )

    def energy(self, x: Tensor | ArrayLike) -> Tensor:
        """Potential energies (conformation) in kJ/mol of conformations (conformation, atom, 3) in nm."""
        return _Energy.apply(torch.as_tensor(x), self)

    def forces(self, x: Tensor | ArrayLike) -> Tensor:
        """Forces (conformation, atom, 3) in kJ/mol/nm."""
        return self.energy_and_forces(x)[1]

    def energy_and_forces(self, x: Tensor | ArrayLike) -> tuple[Tensor, Tensor]:
        """Energies (conformation) and forces (conformation, atom, 3), float64, without a graph.

        NaN where atoms lie on each other, so that OpenMM has no energy.
        """
        x = torch.as_tensor(x).detach().cpu().double().numpy()
        if x.ndim != 3 or x.shape[1:] != (self.n_atoms, 3):
            raise FelError(
                f"Conformations of shape {x.shape}.",
                f"This System takes (conformation, {self.n_atoms}, 3), in nm.",
                "Take all atoms of the System, in its order.",
            )
        energies, forces = np.full(len(x), np.nan), np.full(x.shape, np.nan)
        for index in np.flatnonzero(np.isfinite(x).all(axis=(1, 2))):
            self._context.setPositions(x[index])
            state = self._context.getState(energy=True, forces=True)
            energies[index] = state.getPotentialEnergy()._value
            forces[index] = state.getForces(asNumpy=True)._value
        return torch.from_numpy(energies), torch.from_numpy(forces)


class _Energy(torch.autograd.Function):
    """Energies by OpenMM; the forces are computed along with them and kept for the backward pass."""

    @staticmethod
    def forward(ctx, x, field):
        energies, forces = field.energy_and_forces(x)
        ctx.save_for_backward(forces.to(x.device, x.dtype))
        return energies.to(x.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (forces,) = ctx.saved_tensors
        return -gradient[:, None, None].to(forces.dtype) * forces, None
