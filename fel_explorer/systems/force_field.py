"""A molecular force field in torch, read from an OpenMM `System`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.systems.force_field_bonded import between, dot
from fel_explorer.systems.force_field_reading import Reader

if TYPE_CHECKING:
    import openmm

CACHED = 2**17  # numbers of one intermediate result that stay in a CPU's cache
LARGEST = 2**26  # numbers of one intermediate result on a GPU


class ForceField:
    """Energies and forces of thousands of conformations of a molecule at once, differentiable.

    It knows harmonic bonds and angles, periodic torsions, CMAP, Coulomb and Lennard-Jones interactions with
    exceptions, and implicit solvent by GBSA-OBC, all without cutoff, as OpenMM computes them.
    Units: nm, kJ/mol.

    Parameters
    ----------
    system
        The `openmm.System` to read.  Later changes of it are not seen.
    device
        Where to compute: "auto" (CUDA when there is one), "cpu", "cuda", ...
    dtype
        `torch.float64` agrees with OpenMM to 1e-5 kJ/mol; `torch.float32` is faster, but the energies of
        conformations with overlapping atoms can leave its range.

    Attributes
    ----------
    n_atoms
        Number of atoms.

    Raises
    ------
    FelError
        When the system has other forces, cutoffs, periodic boundaries, constraints, virtual sites or
        parameter offsets; the message names them.

    Examples
    --------
    >>> import openmm.app
    >>> files = openmm.app.ForceField("amber96.xml", "amber96_obc.xml")
    >>> field = ForceField(files.createSystem(topology.to_openmm()), device="cpu")
    >>> energies, forces = field.energy_and_forces(conformations)
    """

    def __init__(
        self,
        system: openmm.System,
        *,
        device: str | torch.device = "auto",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.device, self.dtype = resolve_device(device), dtype
        self.n_atoms = system.getNumParticles()
        terms = Reader(system, self.device, dtype)
        self._of_atoms, self._of_pairs, self._pairs = terms.of_atoms, terms.of_pairs, terms.pairs

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "conformation"]:
        """Potential energies (conformation) in kJ/mol of conformations (conformation, atom, 3) in nm.

        Differentiable.  Raises FelError when the shape is not that of this molecule.
        """
        return torch.cat([_total(self._terms(block)) for block in self._blocks(x)])

    def energy_by_force(self, x: Tensor | ArrayLike) -> dict[str, Float[Tensor, "conformation"]]:
        """Energy of each force of the `System`, by its class in OpenMM: {name: (conformation) in kJ/mol}."""
        blocks = [self._terms(block) for block in self._blocks(x)]
        return {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}

    def forces(self, x: Tensor | ArrayLike) -> Float[Tensor, "conformation atom 3"]:
        """Forces (conformation, atom, 3) in kJ/mol/nm: minus the gradients of the energies."""
        return self.energy_and_forces(x)[1]

    def energy_and_forces(
        self, x: Tensor | ArrayLike
    ) -> tuple[Float[Tensor, "conformation"], Float[Tensor, "conformation atom 3"]]:
        """Energies (conformation) in kJ/mol and forces (conformation, atom, 3) in kJ/mol/nm.

        Both without a graph, so that memory is needed only for a block at a time: to differentiate further,
        call `energy`.
        """
        energies, forces = [], []
        for block in self._blocks(x):
            block = block.detach().requires_grad_()
            with torch.enable_grad():
                energy = _total(self._terms(block))
                (gradient,) = torch.autograd.grad(energy.sum(), block)
            energies.append(energy.detach())
            forces.append(-gradient.permute(2, 1, 0))
        return torch.cat(energies), torch.cat(forces)

    def _blocks(self, x) -> list[Tensor]:
        """Conformations (3, atom, conformation), a few at a time: on a CPU, what fits into its cache."""
        x = torch.as_tensor(x).to(self.device, self.dtype)
        if x.ndim != 3 or x.shape[1:] != (self.n_atoms, 3):
            raise FelError(
                f"Conformations of shape {tuple(x.shape)}.",
                f"This force field takes (conformation, {self.n_atoms}, 3), in nm.",
                "Take all atoms of the System, in its order.",
            )
        numbers = CACHED if self.device.type == "cpu" else LARGEST
        size = max(1, numbers // max(1, 2 * self._pairs.shape[1]))
        return [block.permute(2, 1, 0).contiguous() for block in x.split(size)]

    def _terms(self, x: Float[Tensor, "3 atom conformation"]) -> dict[str, Float[Tensor, "conformation"]]:
        """Energies (conformation) of each force at x (3, atom, conformation)."""
        energies: dict[str, Tensor] = {}
        terms = [(name, term(x)) for name, term in self._of_atoms]
        if self._of_pairs:
            vectors = between(x, *self._pairs)
            r = dot(vectors, vectors).sqrt()
            terms += [(name, term(r)) for name, term in self._of_pairs]
        for name, energy in terms:
            energies[name] = energies[name] + energy if name in energies else energy
        return energies


def _total(energies: dict[str, Tensor]) -> Tensor:
    first, *others = energies.values()
    return sum(others, start=first)
