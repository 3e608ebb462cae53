"""Structures as well-scaled numbers for a generative model: whitened internal coordinates.

Bonds, angles and the torsions that hardly turn are stiff: small deviations from their means, strongly
correlated where rings close.  They are rotated to principal components of unit variance, so that an error of
a per cent in each is an error of a per cent in every bond, those included that close a ring and that no
internal coordinate holds.  Where rings buckle, their bonds and angles give way with the square of the
torsions, else the bond that closes the ring would stretch: this is taken out first, as it is not a
correlation. Torsions that turn stay angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from fel_explorer.methods.latent_simulator.internal_coordinates import (
    ZMatrix,
    superpose,
    to_internal,
    to_space,
    wrap,
    z_matrix,
)

STIFF = 0.97  # length of the mean of (cos, sin) above which a torsion counts as stiff: 14 degrees of spread
LARGEST_RING = 8  # atoms; larger ones close by torsions that turn
CUTOFF = 1e-12  # of the variance of stiff coordinates (nm or radians, squared) below which they are constant


TENSORS = ("soft", "mean", "pairs", "bend", "whiten", "colour", "reference")


@dataclass(frozen=True, eq=False)
class InternalFeatures:
    """The map between coordinates (frame, atom, 3) in nm and features (frame, feature).

    Features are components of unit variance, then the torsions that turn, in radians.

    Attributes
    ----------
    matrix
        Which atoms place which.
    soft
        (torsion,) bool, the torsions that turn.
    mean
        (stiff,) of bonds, angles and stiff torsions.
    pairs, bend
        (square, 2) stiff torsions of the same rings, and (square, stiff) how bonds and angles follow the
        products of their deviations from the mean.
    whiten, colour
        (stiff, component) to unit variance and (component, stiff) back.
    reference
        (atom, 3) on which decoded structures are laid.
    """

    matrix: ZMatrix
    soft: Tensor
    mean: Tensor
    pairs: Tensor
    bend: Tensor
    whiten: Tensor
    colour: Tensor
    reference: Tensor

    @classmethod
    def of(cls, xyz: Tensor, bonds: Sequence[Sequence[int]] | np.ndarray) -> Self:
        """Fitted to structures ``xyz`` (frame, atom, 3) with the bonds (bond, 2)."""
        matrix = z_matrix(xyz.shape[1], bonds)
        lengths, angles, torsions = to_internal(xyz.double(), matrix)
        mean_cos, mean_sin = torsions.cos().mean(0), torsions.sin().mean(0)
        soft = torch.hypot(mean_cos, mean_sin) < STIFF
        centre = torch.atan2(mean_sin, mean_cos)[~soft]
        deviation = torch.cat([lengths, angles, wrap(torsions[:, ~soft] - centre)], dim=1)
        mean = deviation.mean(0)
        deviation = deviation - mean
        mean[mean.shape[0] - len(centre) :] += centre
        pairs = ring_pairs(matrix, bonds, soft)
        bend = ring_bending(deviation, pairs, len(centre))
        deviation = deviation - products(deviation, pairs) @ bend
        mean, deviation = mean + deviation.mean(0), deviation - deviation.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov(deviation.T, correction=0))
        keep = variance > max(CUTOFF, 1e-9 * float(variance[-1]))
        axes, spread = axes[:, keep], variance[keep].sqrt()
        return cls(matrix, soft, mean, pairs, bend, axes / spread, (axes * spread).T, xyz[0].double())

    @property
    def n_turns(self) -> int:
        """Number of torsions that turn."""
        return int(self.soft.sum())

    @property
    def n_features(self) -> int:
        return self.whiten.shape[1] + self.n_turns

    def encode(self, xyz: Tensor) -> Tensor:
        """Features (frame, feature) float32."""
        lengths, angles, torsions = to_internal(xyz.double(), self.matrix)
        n_held = lengths.shape[1] + angles.shape[1]
        held = torch.cat([lengths, angles], dim=1) - self.mean[:n_held]
        deviation = torch.cat([held, wrap(torsions[:, ~self.soft] - self.mean[n_held:])], dim=1)
        deviation = deviation - products(deviation, self.pairs) @ self.bend
        return torch.cat([deviation @ self.whiten, wrap(torsions[:, self.soft])], dim=1).float()

    def decode(self, features: Tensor) -> Tensor:
        """Coordinates (frame, atom, 3) float32, laid on the reference."""
        n_atoms = len(self.matrix.order)
        components, free = features.double().split([self.whiten.shape[1], self.n_turns], dim=1)
        deviation = components @ self.colour
        stiff = self.mean + deviation + products(deviation, self.pairs) @ self.bend
        lengths, angles, turned = stiff.split([n_atoms - 1, n_atoms - 2, int((~self.soft).sum())], dim=1)
        torsions = stiff.new_empty(len(stiff), n_atoms - 3)
        torsions[:, ~self.soft], torsions[:, self.soft] = turned, free
        return superpose(to_space(lengths, angles, torsions, self.matrix), self.reference).float()

    def to(self, device: str | torch.device) -> Self:
        return type(self)(self.matrix, **{n: getattr(self, n).to(device) for n in TENSORS})

    def arrays(self) -> dict[str, Tensor]:
        """Everything, for a file; `from_arrays` takes it back."""
        own = {n: getattr(self, n) for n in TENSORS}
        return own | {n: torch.from_numpy(getattr(self.matrix, n)) for n in ("order", "anchors", "leader")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> Self:
        matrix = ZMatrix(*(arrays[n].cpu().numpy() for n in ("order", "anchors", "leader")))
        return cls(matrix, *(arrays[n] for n in TENSORS))


def ring_pairs(matrix: ZMatrix, bonds: Sequence[Sequence[int]] | np.ndarray, soft: Tensor) -> Tensor:
    """Pairs (square, 2), an entry may stand with itself, of the stiff torsions of each system of rings.

    Counted among the stiff coordinates: bonds, angles, then torsions that are not ``soft`` (torsion,).
    """
    graph = nx.Graph()
    graph.add_edges_from(np.asarray(bonds, int).reshape(-1, 2).tolist())
    rings = [ring for ring in nx.minimum_cycle_basis(graph) if len(ring) <= LARGEST_RING]
    shared = nx.Graph()
    for ring in rings:
        nx.add_cycle(shared, ring)
    atoms = np.c_[matrix.order[3:], matrix.anchors[3:]][~soft.numpy()]
    pairs, n_held = [], 2 * len(matrix.order) - 3
    for system in nx.connected_components(shared):
        members = np.flatnonzero(np.isin(atoms, list(system)).sum(axis=1) >= 2) + n_held
        pairs += [(i, j) for i in members for j in members if i <= j]
    return torch.from_numpy(np.array(sorted(set(pairs)), int).reshape(-1, 2))


def products(deviation: Tensor, pairs: Tensor) -> Tensor:
    """Products (frame, square) of columns of ``deviation`` (frame, stiff)."""
    return deviation[:, pairs[:, 0]] * deviation[:, pairs[:, 1]]


def ring_bending(deviation: Tensor, pairs: Tensor, n_torsions: int) -> Tensor:
    """How bonds and angles follow the products of ``pairs``, by least squares: (square, stiff)."""
    squares = products(deviation, pairs)
    squares = squares - squares.mean(0)
    bend = torch.linalg.lstsq(squares, deviation).solution
    bend[:, bend.shape[1] - n_torsions :] = 0  # torsions are what is followed
    return bend


@dataclass(frozen=True, eq=False)
class CartesianFeatures:
    """Coordinates superposed on a reference and scaled to [-1, 1], as `ConditionalWGAN` draws."""

    low: Tensor
    high: Tensor
    reference: Tensor

    @classmethod
    def of(cls, xyz: Tensor, bonds: Sequence[Sequence[int]] | np.ndarray) -> Self:
        """Fitted to structures ``xyz`` (frame, atom, 3); ``bonds`` do not matter."""
        reference = xyz[0].double()
        flat = superpose(xyz.double(), reference).flatten(1)
        low, high = flat.min(0).values, flat.max(0).values
        return cls(low, torch.maximum(high, low + 1e-6), reference)

    @property
    def n_features(self) -> int:
        return len(self.low)

    def encode(self, xyz: Tensor) -> Tensor:
        """Features (frame, feature) float32."""
        flat = superpose(xyz.double(), self.reference).flatten(1)
        return (2 * (flat - self.low) / (self.high - self.low) - 1).float()

    def decode(self, features: Tensor) -> Tensor:
        """Coordinates (frame, atom, 3) float32."""
        flat = self.low + (features.double() + 1) / 2 * (self.high - self.low)
        return superpose(flat.unflatten(1, (-1, 3)), self.reference).float()

    def to(self, device: str | torch.device) -> Self:
        return type(self)(self.low.to(device), self.high.to(device), self.reference.to(device))

    def arrays(self) -> dict[str, Tensor]:
        """Everything, for a file; `from_arrays` takes it back."""
        return {n: getattr(self, n) for n in ("low", "high", "reference")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> Self:
        return cls(*(arrays[n] for n in ("low", "high", "reference")))
