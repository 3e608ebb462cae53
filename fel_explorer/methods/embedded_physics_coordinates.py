"""The coordinates that embedded physics models: a system's own, or a molecule without its rigid motion.

Where paper 004 fixes six Cartesian coordinates, a molecule is described here by bonds, angles and torsions:
exact as well (the volume prod r^2 sin(angle) enters ln q), and no Gaussian noise breaks a bond.  Stiff ones
are rotated and scaled by the Hessian at one minimum, so that they start with about unit variance; torsions
that turn stay as they are, periodic.  Nothing comes from simulations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods.internal_coordinates import ZMatrix, to_internal, to_space, wrap, z_matrix
from fel_explorer.systems.potential import Potential

UNITS = (0.003, 0.05, 0.1)  # nm, radians, radians: typical spreads of bonds, angles and stiff torsions
DIFFERENCE = 1e-3  # of these, for the Hessian
SOFTEST = 0.1  # curvature, in kT, below which a stiff direction is taken to be as soft as this
TURNS = (0.5 * math.pi, -0.5 * math.pi)
RIGID = 15.0  # kT that a quarter turn either way costs at least where a torsion does not turn
ITERATIONS = 2000  # of L-BFGS

Energy = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class PlainCoordinates:
    """A system's coordinates as they are: y = x (sample, dim), in a box ``low`` to ``high`` (dim,)."""

    low: Tensor
    high: Tensor
    periodic: Tensor

    @classmethod
    def of(cls, system: Potential) -> PlainCoordinates:
        low, high = torch.tensor(system.domain, dtype=torch.float64).T
        outside = (high + 0.25 * (high - low))[None]
        return cls(low, high, (system.wrap(outside) != outside)[0])

    @property
    def centre(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def scale(self) -> Tensor:
        """A quarter of the box."""
        return (self.high - self.low) / 4

    @property
    def period(self) -> Tensor:
        return torch.where(self.periodic, self.high - self.low, 0.0)

    def to_space(self, y: Tensor) -> Tensor:
        return y

    def to_coordinates(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != len(self.low):
            raise FelError(f"Points of shape {tuple(x.shape)}.", f"They are (sample, {len(self.low)}).")
        return x

    def log_volume(self, y: Tensor) -> Tensor:
        """ln |dx / dy| (sample,): 0."""
        return torch.zeros_like(y[:, 0])

    def arrays(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("low", "high", "periodic")}


@dataclass(frozen=True, eq=False)
class MoleculeCoordinates:
    """Whitened bonds, angles and stiff torsions, then free torsions: y (sample, 3 atom - 6).

    Attributes
    ----------
    matrix
        Which atoms place which.
    free
        (torsion,) bool, the torsions that turn.
    start
        (3 atom - 6,) internal coordinates of the minimum, stiff ones first.
    colour
        (stiff, stiff): stiff = start + y colour.
    """

    matrix: ZMatrix
    free: Tensor
    start: Tensor
    colour: Tensor

    @classmethod
    def of(cls, energy: Energy, structure: Tensor, bonds) -> MoleculeCoordinates:
        """Fitted to the minimum near ``structure`` (atom, 3) in nm.

        ``energy`` maps (sample, atom, 3) to (sample,) in kT.
        """
        matrix = z_matrix(len(structure), bonds)
        internal = torch.cat(to_internal(structure[None].double(), matrix), dim=1)[0]
        internal = _minimum(energy, internal, matrix)
        free = _free_torsions(energy, internal, matrix)
        order = _stiff_first(free)
        self = cls(matrix, free, internal[order], torch.eye(int((~free).sum()) + 2 * len(free) + 3))
        return cls(matrix, free, internal[order], _colour(energy, self))

    @property
    def n_stiff(self) -> int:
        return len(self.colour)

    @property
    def centre(self) -> Tensor:
        return torch.cat([self.start.new_zeros(self.n_stiff), self.start[self.n_stiff :]])

    @property
    def scale(self) -> Tensor:
        return torch.ones_like(self.start)

    @property
    def period(self) -> Tensor:
        turns = torch.full_like(self.start, 2 * math.pi)
        turns[: self.n_stiff] = 0.0
        return turns

    def to_space(self, y: Tensor) -> Tensor:
        """Conformations (sample, atom, 3) in nm."""
        return to_space(*self._internal(y), self.matrix)

    def to_coordinates(self, x: Tensor) -> Tensor:
        n_atoms = len(self.matrix.order)
        if x.ndim != 3 or x.shape[1:] != (n_atoms, 3):
            raise FelError(f"Conformations of shape {tuple(x.shape)}.", f"They are (sample, {n_atoms}, 3).")
        internal = torch.cat(to_internal(x.double(), self.matrix), dim=1)[:, self._order]
        stiff = internal[:, : self.n_stiff] - self.start[: self.n_stiff]
        turned = torch.arange(self.n_stiff, device=x.device) >= 2 * n_atoms - 3
        stiff = torch.where(turned, wrap(stiff), stiff)
        return torch.cat([torch.linalg.solve(self.colour.T, stiff.T).T, internal[:, self.n_stiff :]], 1)

    def log_volume(self, y: Tensor) -> Tensor:
        """ln of Cartesian volume per volume of y (sample,), rigid motion left out: sum ln r^2 sin(angle).

        Source: Herschbach, Johnston and Rapp, J. Chem. Phys. 31, 1652 (1959).
        """
        lengths, angles, _ = self._internal(y)
        volume = 2 * lengths.abs().log().sum(1) + angles.sin().abs().log().sum(1)
        return volume + torch.linalg.slogdet(self.colour)[1]

    def _internal(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stiff = self.start[: self.n_stiff] + y[:, : self.n_stiff] @ self.colour
        both = torch.cat([stiff, y[:, self.n_stiff :]], dim=1)[:, torch.argsort(self._order)]
        n_atoms = len(self.matrix.order)
        return both.split([n_atoms - 1, n_atoms - 2, n_atoms - 3], dim=1)

    @property
    def _order(self) -> Tensor:
        return _stiff_first(self.free)

    def arrays(self) -> dict[str, Tensor]:
        own = {name: getattr(self, name) for name in ("free", "start", "colour")}
        return own | {n: torch.from_numpy(getattr(self.matrix, n)) for n in ("order", "anchors", "leader")}


def from_arrays(arrays: dict[str, Tensor]) -> PlainCoordinates | MoleculeCoordinates:
    """The coordinates whose ``arrays()`` these are."""
    if "low" in arrays:
        return PlainCoordinates(**arrays)
    matrix = ZMatrix(*(np.asarray(arrays[name]) for name in ("order", "anchors", "leader")))
    return MoleculeCoordinates(matrix, *(arrays[name] for name in ("free", "start", "colour")))


def moved(coordinates, device):
    """The same on a device."""
    return from_arrays({name: array.to(device) for name, array in coordinates.arrays().items()})


# ---- how a molecule's coordinates are found


def _stiff_first(free: Tensor) -> Tensor:
    """(3 atom - 6,) indices of stiff ones, then of free ones, into bonds, angles and torsions."""
    stiff = torch.cat([torch.ones(2 * len(free) + 3, dtype=torch.bool, device=free.device), ~free])
    return torch.argsort((~stiff).long(), stable=True)


def _conformations(internal: Tensor, matrix: ZMatrix) -> Tensor:
    n_atoms = len(matrix.order)
    return to_space(*internal.split([n_atoms - 1, n_atoms - 2, n_atoms - 3], dim=1), matrix)


def _units(matrix: ZMatrix) -> Tensor:
    n_atoms = len(matrix.order)
    return torch.repeat_interleave(
        torch.tensor(UNITS, dtype=torch.float64), torch.tensor([n_atoms - 1, n_atoms - 2, n_atoms - 3])
    )


def _minimum(energy: Energy, internal: Tensor, matrix: ZMatrix) -> Tensor:
    """Internal coordinates (3 atom - 6,) of the minimum nearby."""
    units = _units(matrix)
    step = torch.zeros_like(internal, requires_grad=True)
    optimizer = torch.optim.LBFGS([step], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = energy(_conformations((internal + units * step)[None], matrix)).sum().cpu()
        total.backward()
        return total

    optimizer.step(closure)
    found = (internal + units * step).detach()
    if not found.isfinite().all():
        raise FelError(
            "The structure cannot be minimised.",
            "It is a conformation (atom, 3) in nm, in the order of the System's atoms.",
            "Check the units (nm) and the atoms.",
        )
    return found


def _free_torsions(energy: Energy, internal: Tensor, matrix: ZMatrix) -> Tensor:
    """(torsion,) bool: those that lead a bond and that a quarter turn, in one sense, costs little."""
    leads = torch.as_tensor(matrix.leader.copy()) < 0
    n_atoms, torsions = len(matrix.order), torch.nonzero(leads)[:, 0] + 2 * len(matrix.order) - 3
    with torch.no_grad():
        trials = internal.repeat(len(TURNS) * len(torsions) + 1, 1)
        for index, torsion in enumerate(torsions.tolist()):
            for which, turn in enumerate(TURNS):
                trials[len(TURNS) * index + which, torsion] += turn
        energies = energy(_conformations(trials, matrix)).cpu()
    cost = energies[:-1].reshape(-1, len(TURNS)).amin(1) - energies[-1]
    free = torch.zeros(n_atoms - 3, dtype=torch.bool)
    free[leads] = cost < RIGID
    return free


def _colour(energy: Energy, plain: MoleculeCoordinates) -> Tensor:
    """(stiff, stiff) square root of the inverse Hessian of U / kT - ln volume at the minimum.

    By central differences of gradients, at fixed free torsions.
    """
    n = plain.n_stiff
    units = _units(plain.matrix)[plain._order][:n]
    plain = MoleculeCoordinates(plain.matrix, plain.free, plain.start, torch.diag(units))
    steps = DIFFERENCE * torch.eye(n, len(plain.start), dtype=torch.float64)
    y = (plain.centre + torch.cat([steps, -steps])).requires_grad_()
    value = energy(plain.to_space(y)).cpu() - plain.log_volume(y)
    (gradient,) = torch.autograd.grad(value.sum(), y)
    hessian = (gradient[:n] - gradient[n:])[:, :n] / (2 * DIFFERENCE)
    curvature, axes = torch.linalg.eigh((hessian + hessian.T) / 2)
    spread = curvature.clamp(min=SOFTEST).rsqrt()
    return (axes * spread).T * units
