"""The coordinates that embedded physics models: a system's own, or a molecule without its rigid motion.

Where the source of the method (doi:10.48550/arXiv.2002.10148, appendix C) fixes six Cartesian coordinates, a
molecule is described here by bonds, angles and torsions: exact as well (the volume prod r^2 sin(angle) enters
ln q), and no Gaussian noise breaks a bond.  Stiff ones are rotated and scaled by the Hessian at one minimum,
so that they start with about unit variance; torsions that turn stay as they are, periodic, and methyl groups
and other rotors count once.  Nothing comes from simulations; how the coordinates are found is in
`coordinate_search.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods.embedded_physics.coordinate_search import (
    Energy,
    colouring_matrix,
    find_minimum,
    order_by_stiffness,
)
from fel_explorer.methods.embedded_physics.rotors import (
    Rotor,
    mean_turns,
    rename_atoms,
    rotors_of,
    torsions_of,
)
from fel_explorer.methods.latent_simulator.internal_coordinates import (
    ZMatrix,
    to_internal,
    to_space,
    wrap,
    z_matrix,
)
from fel_explorer.systems.potential import Potential


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

    @property
    def carried(self) -> Tensor:
        """Indices of the coordinates that the CVs start with: none."""
        return torch.empty(0, dtype=torch.long)

    @property
    def stiff(self) -> Tensor:
        """(dim,) bool, those that are nearly harmonic: none is known to be."""
        return torch.zeros_like(self.periodic)

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
    fold
        (torsion,) int, by how many names the wells of a turn differ: 3 for methyl groups, else 1.
    seam
        (torsion,) where in a turn the energy is highest; NaN where there is none.
    start
        (3 atom - 6,) internal coordinates of the minimum, stiff ones first.
    colour
        (stiff, stiff): stiff = start + y colour.
    """

    matrix: ZMatrix
    free: Tensor
    fold: Tensor
    seam: Tensor
    start: Tensor
    colour: Tensor

    @classmethod
    def of(
        cls, energy: Energy, structure: Tensor, bonds: Sequence[Sequence[int]] | np.ndarray
    ) -> MoleculeCoordinates:
        """Fitted to the minimum near ``structure`` (atom, 3) in nm.

        ``energy`` maps (sample, atom, 3) to (sample,) in kT.
        """
        found = find_minimum(energy, structure, z_matrix(len(structure), bonds))
        order = order_by_stiffness(found.free)
        n = int((~found.free).sum()) + 2 * len(found.free) + 3
        fields = (found.matrix, found.free, found.fold, found.seam, found.internal[order])
        units = torch.diag(found.units[order][:n])
        return cls(*fields, colouring_matrix(energy, cls(*fields, units)) @ units)

    @property
    def n_stiff(self) -> int:
        return len(self.colour)

    @property
    def centre(self) -> Tensor:
        turns = self.start[self.n_stiff :]
        seam = self.seam[self.free]
        opposite = torch.where(seam.isfinite(), wrap(seam + math.pi), turns)
        return torch.cat([self.start.new_zeros(self.n_stiff), opposite])

    @property
    def stiff(self) -> Tensor:
        """(3 atom - 6,) bool."""
        return torch.arange(len(self.start), device=self.start.device) < self.n_stiff

    @property
    def carried(self) -> Tensor:
        """Indices into y of the torsions that the CVs start with: those that turn, rotors apart."""
        return self.n_stiff + torch.nonzero(self.seam[self.free].isfinite())[:, 0]

    @property
    def scale(self) -> Tensor:
        return torch.ones_like(self.start)

    @cached_property
    def period(self) -> Tensor:
        turns = torch.full_like(self.start, 2 * math.pi)
        turns[: self.n_stiff] = 0.0
        turns[self.n_stiff :] /= self.fold[self.free]
        return turns

    def to_space(self, y: Tensor) -> Tensor:
        """Conformations (sample, atom, 3) in nm."""
        return to_space(*self._internal(y), self.matrix)

    def to_coordinates(self, x: Tensor) -> Tensor:
        n_atoms = len(self.matrix.order)
        if x.ndim != 3 or x.shape[1:] != (n_atoms, 3):
            raise FelError(f"Conformations of shape {tuple(x.shape)}.", f"They are (sample, {n_atoms}, 3).")
        lengths, angles, torsions = to_internal(x.double(), self.matrix)
        if self._rotors:
            for rotor in self._rotors:
                x = rename_atoms(x, self.matrix, rotor, rotor.outside(torsions))
            lengths, angles, torsions = to_internal(x.double(), self.matrix)
        internal = torch.cat([lengths, angles, mean_turns(torsions, self._rotors)], dim=1)[:, self._order]
        stiff = internal[:, : self.n_stiff] - self.start[: self.n_stiff]
        turned = torch.arange(self.n_stiff, device=x.device) >= 2 * n_atoms - 3
        stiff = torch.where(turned, wrap(stiff), stiff)
        return torch.cat([torch.linalg.solve(self.colour.T, stiff.T).T, internal[:, self.n_stiff :]], 1)

    def log_volume(self, y: Tensor) -> Tensor:
        """ln of Cartesian volume per volume of y (sample,), rigid motion left out: sum ln r^2 sin(angle).

        Source: D. R. Herschbach, H. S. Johnston and D. Rapp, J. Chem. Phys. 31, 1652 (1959),
        doi:10.1063/1.1730670.
        """
        lengths, angles, _ = self._internal(y)
        volume = 2 * lengths.abs().log().sum(1) + angles.sin().abs().log().sum(1)
        return volume + torch.linalg.slogdet(self.colour)[1]

    def _internal(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stiff = self.start[: self.n_stiff] + y[:, : self.n_stiff] @ self.colour
        both = torch.cat([stiff, y[:, self.n_stiff :]], dim=1)[:, self._place]
        n_atoms = len(self.matrix.order)
        lengths, angles, turns = both.split([n_atoms - 1, n_atoms - 2, n_atoms - 3], dim=1)
        return lengths, angles, torsions_of(turns, self._rotors)

    @cached_property
    def _rotors(self) -> list[Rotor]:
        turns = self.start[self._place][-len(self.free) :]
        return rotors_of(self.matrix, self.fold, turns)

    @cached_property
    def _order(self) -> Tensor:
        return order_by_stiffness(self.free)

    @cached_property
    def _place(self) -> Tensor:
        """Where each bond, angle and torsion stands in y."""
        return torch.argsort(self._order)

    def arrays(self) -> dict[str, Tensor]:
        own = {name: getattr(self, name) for name in ("free", "fold", "seam", "start", "colour")}
        return own | {n: torch.from_numpy(getattr(self.matrix, n)) for n in ("order", "anchors", "leader")}


def from_arrays(arrays: dict[str, Tensor]) -> PlainCoordinates | MoleculeCoordinates:
    """The coordinates whose ``arrays()`` these are."""
    if "low" in arrays:
        return PlainCoordinates(**arrays)
    matrix = ZMatrix(*(arrays[name].cpu().numpy() for name in ("order", "anchors", "leader")))
    free = arrays["free"]
    unknown = {"fold": torch.ones(len(free), dtype=torch.long), "seam": torch.full((len(free),), math.nan)}
    arrays = {name: array.to(free.device) for name, array in unknown.items()} | arrays
    return MoleculeCoordinates(
        matrix, *(arrays[name] for name in ("free", "fold", "seam", "start", "colour"))
    )


def moved(
    coordinates: PlainCoordinates | MoleculeCoordinates, device: str | torch.device
) -> PlainCoordinates | MoleculeCoordinates:
    """The same on a device."""
    return from_arrays({name: array.to(device) for name, array in coordinates.arrays().items()})
