"""The terms of a force field from an OpenMM `System`; OpenMM itself is not imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.systems.force_field_bonded import Angles, Bonds, TorsionMaps, Torsions
from fel_explorer.systems.force_field_pairs import ImplicitSolvent, Nonbonded

if TYPE_CHECKING:
    import openmm

WITHOUT_ENERGY = {"CMMotionRemover", "AndersenThermostat"}
NO_CUTOFF = 0  # NonbondedForce.NoCutoff and GBSAOBCForce.NoCutoff

Term = Callable[[Tensor], Tensor]


class Reader:
    """Terms of a force field: ``of_atoms`` and ``of_pairs``, lists of (OpenMM's class name, term).

    Terms of atoms take x (3, atom, conformation), terms of pairs take the distances (pair, conformation) of
    ``pairs`` (2, pair).  Raises FelError when the system holds what torch terms can't compute.
    """

    def __init__(self, system: openmm.System, device: torch.device, dtype: torch.dtype) -> None:
        check_supported(system)
        self.device, self.dtype = device, dtype
        self.of_atoms: list[tuple[str, Term]] = []
        self.of_pairs: list[tuple[str, Term]] = []
        first, second = np.triu_indices(system.getNumParticles(), 1)
        self.pairs = self._integers([first, second])
        # The nonbonded force puts the pairs that interact first, so it is read before others use the pairs.
        for force in sorted(system.getForces(), key=lambda force: kind(force) != "NonbondedForce"):
            if kind(force) in READERS:
                READERS[kind(force)](self, force)
        if not (self.of_atoms or self.of_pairs):
            raise FelError("A System without interactions.", "", "Add forces to it, as createSystem does.")

    def bonds(self, force: openmm.HarmonicBondForce) -> None:
        table = rows(force.getBondParameters, force.getNumBonds())
        if len(table):
            self.of_atoms.append((kind(force), Bonds(*self._split(table, 2))))

    def angles(self, force: openmm.HarmonicAngleForce) -> None:
        table = rows(force.getAngleParameters, force.getNumAngles())
        if len(table):
            self.of_atoms.append((kind(force), Angles(*self._split(table, 3))))

    def torsions(self, force: openmm.PeriodicTorsionForce) -> None:
        table = rows(force.getTorsionParameters, force.getNumTorsions())
        if len(table):
            self.of_atoms.append((kind(force), Torsions(*self._split(table, 4))))

    def torsion_maps(self, force: openmm.CMAPTorsionForce) -> None:
        """One term for each size of maps."""
        table = rows(force.getTorsionParameters, force.getNumTorsions()).astype(int)
        maps = [force.getMapParameters(index) for index in range(force.getNumMaps())]
        sizes = np.array([size for size, _ in maps])
        for size in np.unique(sizes[table[:, 0]] if len(table) else []):
            chosen = np.flatnonzero(sizes == size)
            # OpenMM's lists run fastest over the first torsion.
            grids = np.stack([np.reshape(plain(maps[index][1]), (size, size)).T for index in chosen])
            mine = table[sizes[table[:, 0]] == size]
            which = self._integers(np.searchsorted(chosen, mine[:, 0]))
            term = TorsionMaps(self._integers(mine[:, 1:].T), which, self._numbers(grids))
            self.of_atoms.append((kind(force), term))

    def nonbonded(self, force: openmm.NonbondedForce) -> None:
        """Parameters of each pair by the combination rules, or its exception's; pairs without any go last."""
        charge, sigma, epsilon = rows(force.getParticleParameters, force.getNumParticles()).T
        first, second = self.pairs.cpu().numpy()
        product = charge[first] * charge[second]
        sigmas = 0.5 * (sigma[first] + sigma[second])
        epsilons = np.sqrt(epsilon[first] * epsilon[second])
        order = {pair: index for index, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True))}
        for i, j, *parameters in rows(force.getExceptionParameters, force.getNumExceptions()):
            pair = order[int(min(i, j)), int(max(i, j))]
            product[pair], sigmas[pair], epsilons[pair] = parameters
        silent = (product == 0) & (epsilons == 0)
        ranked = np.argsort(silent, kind="stable")
        self.pairs = self._integers([first[ranked], second[ranked]])
        ranked = ranked[: np.count_nonzero(~silent)]
        if len(ranked):
            term = Nonbonded(*(self._numbers(values[ranked]) for values in (product, sigmas, epsilons)))
            self.of_pairs.append((kind(force), term))

    def implicit_solvent(self, force: openmm.GBSAOBCForce) -> None:
        table = rows(force.getParticleParameters, force.getNumParticles())
        term = ImplicitSolvent(
            self.pairs,
            *(self._numbers(column) for column in table.T),
            solute_dielectric=force.getSoluteDielectric(),
            solvent_dielectric=force.getSolventDielectric(),
            surface_tension=plain(force.getSurfaceAreaEnergy()),
        )
        self.of_pairs.append((kind(force), term))

    def _integers(self, values) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, np.int64), device=self.device)

    def _numbers(self, values) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), device=self.device, dtype=self.dtype)

    def _split(self, table: np.ndarray, n_atoms: int) -> tuple[Tensor, ...]:
        """Atoms (n_atoms, term) and each parameter (term) from a table (term, n_atoms + parameter)."""
        return self._integers(table[:, :n_atoms].T), *(
            self._numbers(values) for values in table[:, n_atoms:].T
        )


READERS = {
    "HarmonicBondForce": Reader.bonds,
    "HarmonicAngleForce": Reader.angles,
    "PeriodicTorsionForce": Reader.torsions,
    "CMAPTorsionForce": Reader.torsion_maps,
    "NonbondedForce": Reader.nonbonded,
    "GBSAOBCForce": Reader.implicit_solvent,
}


def kind(force: openmm.Force) -> str:
    """The name of a force's class in OpenMM."""
    return type(force).__name__


def plain(value: Any) -> Any:
    """Numbers without their unit: OpenMM gives nm, rad, e and kJ/mol."""
    return getattr(value, "_value", value)


def rows(parameters: Callable, n: int) -> np.ndarray:
    """A table (row, parameter) of what OpenMM's getter says of each index below n."""
    return np.array([[plain(value) for value in parameters(index)] for index in range(n)], float)


def check_supported(system: openmm.System) -> None:
    """Raise FelError, naming the cause, when a `System` holds what the torch terms don't compute."""
    forces = system.getForces()
    kinds = [kind(force) for force in forces]
    unknown = sorted(set(kinds) - READERS.keys() - WITHOUT_ENERGY)
    if unknown:
        raise FelError(
            f"A System with {', '.join(unknown)}.",
            f"Forces that can be computed in torch: {', '.join(READERS)}.",
            "Take an Amber force field; GBSA-OBC comes with amber96_obc.xml or amber99_obc.xml. OpenMMEnergy"
            " computes any System, one conformation after the other.",
        )
    if kinds.count("NonbondedForce") > 1:
        raise FelError("A System with two NonbondedForces.", "One can be computed.", "Merge them.")
    for force in forces:
        _check_open(force)
    if system.getNumConstraints():
        raise FelError(
            f"A System with {system.getNumConstraints()} constraints.",
            "Constrained bonds have no energy, so conformations off them would cost nothing.",
            "Call createSystem with constraints=None and rigidWater=False.",
        )
    if any(system.isVirtualSite(particle) for particle in range(system.getNumParticles())):
        raise FelError(
            "A System with virtual sites.",
            "Each particle must be an atom.",
            "Take a model without such sites.",
        )


def _check_open(force) -> None:
    """Raise FelError when a force is cut off, periodic, or changes with global parameters."""
    cut_off = hasattr(force, "getNonbondedMethod") and force.getNonbondedMethod() != NO_CUTOFF
    if cut_off or (kind(force) in READERS and force.usesPeriodicBoundaryConditions()):
        raise FelError(
            f"A {kind(force)} with a cutoff or periodic boundaries.",
            "All pairs of one molecule are computed.",
            "Call createSystem with nonbondedMethod=NoCutoff.",
        )
    offsets = ("getNumParticleParameterOffsets", "getNumExceptionParameterOffsets")
    if any(getattr(force, name)() for name in offsets if hasattr(force, name)):
        raise FelError(
            f"A {kind(force)} with parameter offsets.",
            "Charges and Lennard-Jones parameters must be fixed.",
            "Write the wanted values into the particles and exceptions.",
        )
