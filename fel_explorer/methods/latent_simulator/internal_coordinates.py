"""Internal coordinates: bonds, angles and torsions of a bonded graph, and back to Cartesian coordinates.

Each atom is placed by three others: its bond to the first, its angle with the second, its torsion about the
bond of these two with the third (NeRF, J. Parsons et al.,
J. Comput. Chem. 26, 1063 (2005), doi:10.1002/jcc.20237).  Where several
atoms hang on the same bond the first keeps its torsion and the others are given relative to it: these
differences are stiff, like bonds and angles, and only one number a bond is free to turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fel_explorer.errors import FelError

TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Indices:
    """Rows of a `ZMatrix` as tensors on one device, so that no step copies them there.

    ``order``, ``first``, ``second`` and ``third`` are of all atoms; ``relative`` (torsion,) bool and
    ``leader`` (torsion,) of torsions; each of ``generations`` has the rows, the atoms, and their three
    partners.
    """

    order: Tensor
    first: Tensor
    second: Tensor
    third: Tensor
    relative: Tensor
    leader: Tensor
    generations: list[tuple[Tensor, ...]]

    @classmethod
    def of(cls, matrix: ZMatrix, device: torch.device) -> Indices:
        def there(values):
            return torch.as_tensor(np.array(values), device=device)

        order, anchors, leader = matrix.order, matrix.anchors, matrix.leader
        groups = [
            tuple(map(there, (rows, order[rows], *anchors[rows].T[::-1]))) for rows in matrix.generations
        ]
        first, second, third = anchors.T
        return cls(
            there(order),
            there(first),
            there(second),
            there(third),
            there(leader >= 0),
            there(leader.clip(0)),
            groups,
        )


@dataclass(frozen=True, eq=False)
class ZMatrix:
    """The order in which atoms are placed, and by which others.

    Attributes
    ----------
    order
        (atom,) the first three stand alone, each further one after its three.
    anchors
        (atom, 3) of each atom in ``order``: bond, angle and torsion partner; of the first three rows only
        the first 0, 1 and 2 entries count.
    leader
        (atom - 3,) row among the torsions to which a torsion is relative, or -1.
    """

    order: np.ndarray
    anchors: np.ndarray
    leader: np.ndarray

    @cached_property
    def _indices(self) -> dict[torch.device, Indices]:
        return {}

    def indices(self, device: torch.device) -> Indices:
        """The rows as tensors on a device, made once."""
        if device not in self._indices:
            self._indices[device] = Indices.of(self, device)
        return self._indices[device]

    @cached_property
    def generations(self) -> list[np.ndarray]:
        """Rows of ``order`` from the fourth on, in groups that can be placed at once."""
        depth = np.zeros(len(self.order), int)
        where = {int(atom): row for row, atom in enumerate(self.order)}
        for row in range(3, len(self.order)):
            depth[row] = 1 + max(depth[where[int(a)]] for a in self.anchors[row])
        return [np.flatnonzero(depth == d) for d in range(1, depth.max() + 1)]


def z_matrix(n_atoms: int, bonds: Sequence[Sequence[int]] | np.ndarray) -> ZMatrix:
    """A `ZMatrix` by breadth-first search of the graph of ``bonds`` (bond, 2).

    Where the graph has several components, or no bonds at all as C-alpha atoms, neighbours in the order of
    the atoms are joined by bonds that stand for what lies between them.

    Raises
    ------
    FelError
        For fewer than four atoms, which have no torsion, or bonds to atoms that are not there.
    """
    if n_atoms < 4:
        raise FelError(f"{n_atoms} atoms.", "Internal coordinates need at least four.", "Take more atoms.")
    neighbours = _joined(n_atoms, bonds)
    root, second = _start(neighbours)
    parent = {root: None, second: root}
    order, queue = [root, second], deque([second, root])
    while queue:
        atom = queue.popleft()
        for other in sorted(neighbours[atom], key=lambda n: (-len(neighbours[n]), n)):
            if other not in parent:
                parent[other] = atom
                order.append(other)
                queue.append(other)
    anchors = np.zeros((n_atoms, 3), int)
    leader = np.full(n_atoms - 3, -1)
    leads: dict[tuple[int, int, int], int] = {}
    for row, atom in enumerate(order[1:], 1):
        anchors[row] = _anchors(atom, order[:row], parent, neighbours)
        if row >= 3:
            bond = (anchors[row, 0], anchors[row, 1], anchors[row, 2])
            leader[row - 3] = leads.setdefault(bond, row - 3)
            if leader[row - 3] == row - 3:
                leader[row - 3] = -1
    return ZMatrix(np.array(order), anchors, leader)


def _joined(n_atoms, bonds) -> list[set[int]]:
    neighbours: list[set[int]] = [set() for _ in range(n_atoms)]
    bonds = np.asarray(bonds, int).reshape(-1, 2)
    if bonds.size and (bonds.min() < 0 or bonds.max() >= n_atoms):
        raise FelError(f"Bonds of atoms {bonds.min()} to {bonds.max()}.", f"There are {n_atoms} atoms.")
    for a, b in bonds.tolist():
        neighbours[a].add(b)
        neighbours[b].add(a)
    component = np.full(n_atoms, -1)
    for atom in range(n_atoms):
        if component[atom] >= 0:
            continue
        if atom:
            neighbours[atom].add(atom - 1)
            neighbours[atom - 1].add(atom)
        queue = [atom]
        while queue:
            here = queue.pop()
            component[here] = atom
            queue += [n for n in neighbours[here] if component[n] < 0]
    return neighbours


def _start(neighbours) -> tuple[int, int]:
    """Two bonded atoms, the first with one more neighbour, so that the third atom is bonded to them."""
    inner = [a for a, n in enumerate(neighbours) if len(n) > 1]
    root = min(inner, key=lambda a: (-len(neighbours[a]), a))
    return root, min(neighbours[root], key=lambda a: (-len(neighbours[a]), a))


def _anchors(atom, placed, parent, neighbours) -> list[int]:
    """Bond, angle and torsion partner of ``atom`` among those ``placed``; fewer where there are fewer."""
    first = parent[atom]
    chain = [first]
    ahead = parent[first]
    around = [a for a in placed if a != first]
    # the bond to turn about goes on along the tree, or to what was first placed next to the partner
    near = [a for a in around if a in neighbours[first]]
    second = ahead if ahead is not None else (near[0] if near else None)
    if second is None:
        return [first, 0, 0]
    chain.append(second)
    further = [a for a in around if a != second and a in neighbours[second]]
    siblings = [a for a in near if a != second]
    third = (further or siblings or [a for a in around if a != second] or [None])[0]
    return [*chain, 0 if third is None else third]


def to_internal(
    xyz: Float[Tensor, "frame atom 3"], matrix: ZMatrix
) -> tuple[Float[Tensor, "frame atom-1"], Float[Tensor, "frame atom-2"], Float[Tensor, "frame atom-3"]]:
    """Bonds (frame, atom - 1) in nm, angles (frame, atom - 2) and torsions (frame, atom - 3) in radians.

    ``xyz`` is (frame, atom, 3).  Torsions with a leader are relative to its torsion, within (-pi, pi].
    """
    at = matrix.indices(xyz.device)
    d, c = xyz[:, at.order[1:]], xyz[:, at.first[1:]]
    bonds = (d - c).norm(dim=-1)
    b = xyz[:, at.second[2:]]
    u, v = d[:, 1:] - c[:, 1:], b - c[:, 1:]
    angles = torch.atan2(torch.linalg.cross(u, v).norm(dim=-1), (u * v).sum(-1))
    torsions = dihedral(xyz[:, at.third[3:]], b[:, 1:], c[:, 2:], d[:, 2:])
    torsions = torch.where(at.relative, wrap(torsions - torsions[:, at.leader]), torsions)
    return bonds, angles, torsions


def to_space(
    bonds: Float[Tensor, "frame bond"],
    angles: Float[Tensor, "frame angle"],
    torsions: Float[Tensor, "frame torsion"],
    matrix: ZMatrix,
) -> Float[Tensor, "frame bond+1 3"]:
    """Coordinates (frame, atom, 3) that have the given internal coordinates; the inverse of `to_internal`."""
    at = matrix.indices(bonds.device)
    torsions = torch.where(at.relative, torsions + torsions[:, at.leader], torsions)
    xyz = bonds.new_zeros(len(bonds), len(matrix.order), 3)
    second, third, partner = int(matrix.order[1]), int(matrix.order[2]), int(matrix.anchors[2, 0])
    xyz[:, second, 0] = bonds[:, 0]
    towards = -1.0 if partner == second else 1.0  # the third atom hangs on either of the two
    corner = xyz[:, partner]
    arm = torch.stack([towards * angles[:, 0].cos(), angles[:, 0].sin(), torch.zeros_like(angles[:, 0])], -1)
    xyz[:, third] = corner + bonds[:, 1, None] * arm
    for rows, atoms, *partners in at.generations:
        a, b, c = (xyz[:, partner] for partner in partners)
        r, theta, phi = bonds[:, rows - 1], angles[:, rows - 2], torsions[:, rows - 3]
        xyz[:, atoms] = place(a, b, c, r, theta, phi)
    return xyz


def place(a: Tensor, b: Tensor, c: Tensor, bond: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
    """Atoms d (..., 3) with |cd|, angle bcd and torsion abcd given, (...)."""
    axis = _unit(c - b)
    normal = _unit(torch.linalg.cross(b - a, axis))
    across = torch.linalg.cross(normal, axis)
    local = torch.stack([-angle.cos(), angle.sin() * torsion.cos(), angle.sin() * torsion.sin()], -1)
    frame = torch.stack([axis, across, normal], dim=-2)
    return c + bond[..., None] * (local[..., None] * frame).sum(-2)


def dihedral(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Torsion angle (...) in radians of four points (..., 3), IUPAC sign."""
    first, axis, last = b - a, c - b, d - c
    normal, other = torch.linalg.cross(first, axis), torch.linalg.cross(axis, last)
    return torch.atan2(axis.norm(dim=-1) * (first * other).sum(-1), (normal * other).sum(-1))


def wrap(angle: Tensor) -> Tensor:
    """Angles brought into (-pi, pi]."""
    return torch.atan2(angle.sin(), angle.cos())


def _unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True).clamp_min(TINY)


def superpose(xyz: Tensor, reference: Tensor) -> Tensor:
    """``xyz`` (frame, atom, 3), each frame moved rigidly closest to ``reference`` (atom, 3).

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976), doi:10.1107/S0567739476001873.
    """
    centre = xyz.mean(dim=1, keepdim=True)
    target = reference - reference.mean(dim=0)
    mobile = xyz - centre
    u, _, vt = torch.linalg.svd(mobile.transpose(1, 2) @ target)
    hand = torch.ones(len(xyz), 3, dtype=xyz.dtype, device=xyz.device)
    hand[:, 2] = torch.linalg.det(u) * torch.linalg.det(vt)
    return mobile @ (u * hand[:, None]) @ vt + reference.mean(dim=0)
