"""The target density of embedded physics: exp(-beta U / kT) of a system, in the coordinates of its model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods.embedded_physics.coordinates import MoleculeCoordinates, PlainCoordinates, moved
from fel_explorer.methods.embedded_physics.tempering import clipped_gradients
from fel_explorer.systems.potential import Potential, list_systems

GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K
WALL = 1000.0  # u of Eq. 47: slope of the bounds potential, in kT per length, at any temperature
LARGEST = 1e6  # kT: what is shown of the energies of overlapping atoms


class Target:
    """A system's reduced energy at y (sample, dim), the coordinates of the model.

    Outside the box of a `Potential` the energy is that at the wall, and the bounds potential (Eq. 47, made
    continuous) rises at every temperature: else the target at beta = 0 has no integral.
    """

    def __init__(
        self,
        system: Potential | MolecularEnergy,
        kT: float,
        coordinates: PlainCoordinates | MoleculeCoordinates,
        device: str | torch.device,
    ) -> None:
        self.system, self.kT, self.coordinates = system, kT, moved(coordinates, device)

    def at(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """U / kT and, apart as it is not tempered, walls - ln volume, both (sample,)."""
        rest = -self.coordinates.log_volume(y)
        if isinstance(self.coordinates, PlainCoordinates):
            box = self.coordinates
            inside = torch.where(box.periodic, y, torch.minimum(torch.maximum(y, box.low), box.high))
            rest = rest + WALL * (y - inside).abs().sum(1)
            y = inside
        energy = self.system.energy(self.coordinates.to_space(y)).to(y.device) / self.kT
        return energy, rest

    @torch.no_grad()
    def log_density(self, y: Tensor, beta: float = 1.0) -> tuple[Tensor, Tensor]:
        """ln pi_beta (sample,), not normalised, and U / kT; where atoms overlap -inf and inf."""
        energy, rest = self.at(y.double())
        energy = torch.nan_to_num(energy, nan=torch.inf)
        return -(beta * energy + rest), energy

    def differentiable(self, y: Tensor, beta: float, kappa: float) -> tuple[Tensor, Tensor]:
        """-ln pi_beta (sample,) with per-sample normalised gradients (Appendix F), and U / kT."""
        point = y.detach().double().requires_grad_()
        with torch.enable_grad():
            energy, rest = self.at(point)
            value = beta * energy + rest
            (gradients,) = torch.autograd.grad(value.sum(), point)
        gradients = clipped_gradients(gradients, kappa).to(y.dtype)
        energy, value = (
            torch.nan_to_num(v.detach(), nan=LARGEST).clamp(max=LARGEST) for v in (energy, value)
        )
        linear = (gradients * y).sum(1)
        return linear + (value.to(y.dtype) - linear.detach()), energy


@runtime_checkable
class MolecularEnergy(Protocol):
    """A molecule: `systems.ForceField`, `systems.OpenMMEnergy`, or another with these."""

    n_atoms: int

    def energy(self, x: Tensor) -> Tensor:
        """Potential energy (conformation,) in kJ/mol of positions (conformation, atom, 3) in nm."""


def thermal_energy(system: Potential | MolecularEnergy, temperature: float) -> float:
    """kT in the system's energy unit; ``temperature`` in K counts for molecules only."""
    return system.kT if isinstance(system, Potential) else GAS_CONSTANT * temperature


def coordinates_of(
    system: Potential | MolecularEnergy,
    kT: float,
    structure: ArrayLike | None,
    bonds: Sequence[Sequence[int]] | np.ndarray,
) -> PlainCoordinates | MoleculeCoordinates:
    """The coordinates in which a system is modelled.

    Raises FelError for what is not a system, or a molecule without structure and bonds.
    """
    if isinstance(system, Potential):
        return PlainCoordinates.of(system)
    if not isinstance(system, MolecularEnergy):
        raise FelError(
            f"system={system!r}.",
            "It is a model system or a ForceField.",
            "Make one: fel.systems.DoubleWell(), or fel.systems.ForceField(openmm_system).",
        )
    if structure is None or not len(bonds):
        raise FelError(
            "A molecule without structure or bonds.",
            "Its bonds and angles are taken from a structure.",
            "Call fit(structure=xyz, bonds=pairs): (atom, 3) in nm, and (bond, 2) atom indices.",
        )
    structure = torch.as_tensor(np.asarray(structure, np.float64))
    if structure.shape != (system.n_atoms, 3):
        raise FelError(
            f"structure of shape {tuple(structure.shape)}.", f"It is ({system.n_atoms}, 3), in nm."
        )
    return MoleculeCoordinates.of(lambda x: system.energy(x) / kT, structure, bonds)


def system_to_json(system: Potential | MolecularEnergy) -> str:
    """JSON of a model system, from which `system_from_json` makes it again; "" for others."""
    if not isinstance(system, Potential):
        return ""
    return json.dumps({"system": type(system).__name__, "parameters": system.parameters()})


def identity(
    system: Potential | MolecularEnergy,
    structure: ArrayLike | None,
    bonds: Sequence[Sequence[int]] | np.ndarray,
) -> dict:
    """Identity of the target in plain values, to recognise it; an energy stands for the force field."""
    if isinstance(system, Potential):
        return {"system": system_to_json(system)}
    structure = torch.as_tensor(np.asarray(structure, np.float64))
    energy = system.energy(structure[None])
    return {"structure": structure.tolist(), "bonds": np.asarray(bonds).tolist(), "energy": float(energy[0])}


def system_from_json(text: str) -> Potential | None:
    """The system that `system_to_json` wrote down; None for ""."""
    if not text:
        return None
    found = json.loads(text)
    systems = list_systems()
    if found["system"] not in systems:
        raise FelError(f"The file's system is '{found['system']}'.", f"Known: {sorted(systems)}.")
    return systems[found["system"]](**found["parameters"])
