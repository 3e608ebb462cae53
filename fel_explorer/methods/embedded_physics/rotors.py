"""Rotors in embedded physics: methyl groups and the like, whose n equal atoms look the same after 1/n turn.

Their n wells are one conformation under different names.  A model that distinguishes them spends its CVs on
these names and sits on the barriers between; here a rotor is described by the mean turn of its atoms, in a
window of 1/n turn, which leaves out nothing: all that lies outside is inside after its atoms are renamed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fel_explorer.methods.latent_simulator.internal_coordinates import ZMatrix, to_internal

SAME = 1e-6  # kT, relative to the energy too: what renaming may change


@dataclass(frozen=True)
class Rotor:
    """Equal atoms about one bond.

    Attributes
    ----------
    rows
        Of their torsions, in the order in which a turn by 1/n brings one to the place of the next; the
        leader, to whose torsion the others are relative, is first.
    home
        Turn in radians at the middle of the window.
    """

    rows: tuple[int, ...]
    home: float

    @property
    def leader(self) -> int:
        return self.rows[0]

    @property
    def period(self) -> float:
        return 2 * math.pi / len(self.rows)

    def excess(self, torsions: Tensor) -> Tensor:
        """Mean turn of the atoms (sample,) less the leader's torsion."""
        places = self.period * torch.arange(len(self.rows), device=torsions.device)
        apart = torch.stack([torsions[:, row] for row in self.rows[1:]], 1) - places[1:]
        return torch.remainder(apart + math.pi, 2 * math.pi).sub(math.pi).sum(1) / len(self.rows)

    def outside(self, torsions: Tensor) -> Tensor:
        """(sample,) int, by how many places the atoms must move to be within the window."""
        turn = torsions[:, self.leader] + self.excess(torsions)
        return torch.round((self.home - turn) / self.period).long()


def mean_turns(torsions: Tensor, rotors: list[Rotor]) -> Tensor:
    """Torsions (sample, torsion) with the mean turns of rotors in place of their leaders' torsions."""
    turns = torsions.clone()
    for rotor in rotors:
        turns[:, rotor.leader] += rotor.excess(torsions)
    return turns


def torsions_of(turns: Tensor, rotors: list[Rotor]) -> Tensor:
    """The inverse of `mean_turns`, with mean turns brought into their windows."""
    torsions = turns.clone()
    for rotor in rotors:
        turn = turns[:, rotor.leader]
        turn = turn - rotor.period * torch.round((turn - rotor.home) / rotor.period)
        torsions[:, rotor.leader] = turn - rotor.excess(turns)
    return torsions


def rotors_of(matrix: ZMatrix, fold: Tensor, torsions: Tensor) -> list[Rotor]:
    """Rotors of a molecule.

    ``fold`` (torsion,) is the number of equal atoms at rows that lead a rotor, 1 elsewhere; ``torsions``
    (torsion,) those of the minimum, or there the mean turns.
    """
    found = []
    for leader in torch.nonzero(fold > 1)[:, 0].tolist():
        rotor = _rotor(matrix, leader, torsions)
        assert rotor is not None  # its fold is more than 1
        found.append(Rotor(rotor.rows, float(torsions[leader])))
    return found


def folds(energy: Callable[[Tensor], Tensor], xyz: Tensor, matrix: ZMatrix, free: Tensor) -> Tensor:
    """(torsion,) int: numbers of equal atoms, as `rotors_of` takes them.

    Atoms are equal when renaming them changes no energy.  ``energy`` maps ``xyz`` (sample, atom, 3),
    conformations near the minimum, which is the first, to (sample,) in kT.
    """
    fold, before = torch.ones(len(free), dtype=torch.long), energy(xyz)
    torsions = to_internal(xyz[:1], matrix)[2][0]
    for leader in torch.nonzero(free)[:, 0].tolist():
        rotor = _rotor(matrix, leader, torsions)
        if rotor is None:
            continue
        change = energy(rename_atoms(xyz, matrix, rotor, torch.ones(len(xyz), dtype=torch.long))) - before
        if bool((change.abs() < SAME * (1 + before.abs())).all()):
            fold[leader] = len(rotor.rows)
    return fold


def _rotor(matrix: ZMatrix, leader: int, torsions: Tensor) -> Rotor | None:
    """The atoms that hang on the bond of ``leader``; None where they are alone or not evenly spaced."""
    followers = [row for row, of in enumerate(matrix.leader.tolist()) if of == leader]
    n = len(followers) + 1
    places = [round(float(torsions[row]) * n / (2 * math.pi)) % n for row in followers]
    if n == 1 or sorted(places) != list(range(1, n)):
        return None
    rows = [leader, *(row for _, row in sorted(zip(places, followers, strict=True)))]
    return Rotor(tuple(rows), float(torsions[leader]))


def rename_atoms(xyz: Tensor, matrix: ZMatrix, rotor: Rotor, steps: Tensor) -> Tensor:
    """Conformations (sample, atom, 3) in which atoms of a rotor stand where those ``steps`` on stood."""
    atoms = torch.as_tensor(matrix.order[[row + 3 for row in rotor.rows]], device=xyz.device)
    n = len(atoms)
    source = atoms[(torch.arange(n, device=xyz.device) + steps[:, None].to(xyz.device)) % n]
    xyz = xyz.clone()
    xyz[:, atoms] = torch.gather(xyz, 1, source[..., None].expand(-1, -1, 3))
    return xyz
