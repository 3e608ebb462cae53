"""Structures as well-scaled numbers for a generative model: whitened internal coordinates.

Bonds, angles and the torsions that hardly turn are stiff: small deviations from their means, strongly
correlated where rings close.  They are rotated to principal components of unit variance, so that an error of
a per cent in each is an error of a per cent in every bond, those included that close a ring and that no
internal coordinate holds.  Torsions that turn enter as cos and sin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fel_explorer.methods.internal_coordinates import (
    ZMatrix,
    superposed,
    to_internal,
    to_space,
    wrap,
    z_matrix,
)

STIFF = 0.97  # length of the mean of (cos, sin) above which a torsion counts as stiff: 14 degrees of spread
CUTOFF = 1e-12  # of the variance of stiff coordinates (nm or radians, squared) below which they are constant


@dataclass(frozen=True, eq=False)
class InternalFeatures:
    """The map between coordinates (frame, atom, 3) in nm and features (frame, feature).

    Attributes
    ----------
    matrix
        Which atoms place which.
    soft
        (torsion,) bool, the torsions that turn.
    mean
        (stiff,) of bonds, angles and stiff torsions.
    whiten, colour
        (stiff, component) to unit variance and (component, stiff) back.
    reference
        (atom, 3) on which decoded structures are laid.
    """

    matrix: ZMatrix
    soft: Tensor
    mean: Tensor
    whiten: Tensor
    colour: Tensor
    reference: Tensor

    @classmethod
    def of(cls, xyz: Tensor, bonds) -> InternalFeatures:
        """Fitted to structures ``xyz`` (frame, atom, 3) with the bonds (bond, 2)."""
        matrix = z_matrix(xyz.shape[1], bonds)
        lengths, angles, torsions = to_internal(xyz.double(), matrix)
        mean_cos, mean_sin = torsions.cos().mean(0), torsions.sin().mean(0)
        soft = torch.hypot(mean_cos, mean_sin) < STIFF
        centre = torch.atan2(mean_sin, mean_cos)[~soft]
        stiff = torch.cat([lengths, angles, centre + wrap(torsions[:, ~soft] - centre)], dim=1)
        mean = stiff.mean(0)
        covariance = torch.cov((stiff - mean).T, correction=0)
        variance, axes = torch.linalg.eigh(covariance)
        keep = variance > max(CUTOFF, 1e-9 * float(variance[-1]))
        axes, spread = axes[:, keep], variance[keep].sqrt()
        return cls(matrix, soft, mean, axes / spread, (axes * spread).T, xyz[0].double())

    @property
    def n_features(self) -> int:
        return self.whiten.shape[1] + 2 * int(self.soft.sum())

    def encode(self, xyz: Tensor) -> Tensor:
        """Features (frame, feature) float32."""
        lengths, angles, torsions = to_internal(xyz.double(), self.matrix)
        n_turned = int((~self.soft).sum())
        centre = self.mean[len(self.mean) - n_turned :]
        stiff = torch.cat([lengths, angles, centre + wrap(torsions[:, ~self.soft] - centre)], dim=1)
        free = torsions[:, self.soft]
        return torch.cat([(stiff - self.mean) @ self.whiten, free.cos(), free.sin()], dim=1).float()

    def decode(self, features: Tensor) -> Tensor:
        """Coordinates (frame, atom, 3) float32, laid on the reference."""
        n_components, n_atoms = self.whiten.shape[1], len(self.matrix.order)
        components, cos, sin = features.double().split(
            [n_components, *[(features.shape[1] - n_components) // 2] * 2], dim=1
        )
        stiff = self.mean + components @ self.colour
        lengths, angles, turned = stiff.split([n_atoms - 1, n_atoms - 2, int((~self.soft).sum())], dim=1)
        torsions = stiff.new_empty(len(stiff), n_atoms - 3)
        torsions[:, ~self.soft], torsions[:, self.soft] = turned, torch.atan2(sin, cos)
        return superposed(to_space(lengths, angles, torsions, self.matrix), self.reference).float()

    def to(self, device) -> InternalFeatures:
        tensors = {n: getattr(self, n).to(device) for n in ("soft", "mean", "whiten", "colour", "reference")}
        return InternalFeatures(self.matrix, **tensors)

    def arrays(self) -> dict[str, Tensor]:
        """Everything, for a file; `from_arrays` takes it back."""
        own = {n: getattr(self, n) for n in ("soft", "mean", "whiten", "colour", "reference")}
        return own | {n: torch.from_numpy(getattr(self.matrix, n)) for n in ("order", "anchors", "leader")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> InternalFeatures:
        matrix = ZMatrix(*(np.asarray(arrays[n]) for n in ("order", "anchors", "leader")))
        return cls(matrix, *(arrays[n] for n in ("soft", "mean", "whiten", "colour", "reference")))


@dataclass(frozen=True, eq=False)
class CartesianFeatures:
    """Coordinates laid on a reference and scaled to [-1, 1], as paper 002 decodes to."""

    low: Tensor
    high: Tensor
    reference: Tensor

    @classmethod
    def of(cls, xyz: Tensor, bonds) -> CartesianFeatures:
        """Fitted to structures ``xyz`` (frame, atom, 3); ``bonds`` do not matter."""
        reference = xyz[0].double()
        flat = superposed(xyz.double(), reference).flatten(1)
        low, high = flat.min(0).values, flat.max(0).values
        return cls(low, torch.maximum(high, low + 1e-6), reference)

    @property
    def n_features(self) -> int:
        return len(self.low)

    def encode(self, xyz: Tensor) -> Tensor:
        """Features (frame, feature) float32."""
        flat = superposed(xyz.double(), self.reference).flatten(1)
        return (2 * (flat - self.low) / (self.high - self.low) - 1).float()

    def decode(self, features: Tensor) -> Tensor:
        """Coordinates (frame, atom, 3) float32."""
        flat = self.low + (features.double() + 1) / 2 * (self.high - self.low)
        return superposed(flat.unflatten(1, (-1, 3)), self.reference).float()

    def to(self, device) -> CartesianFeatures:
        return CartesianFeatures(self.low.to(device), self.high.to(device), self.reference.to(device))

    def arrays(self) -> dict[str, Tensor]:
        """Everything, for a file; `from_arrays` takes it back."""
        return {n: getattr(self, n) for n in ("low", "high", "reference")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> CartesianFeatures:
        return cls(*(arrays[n] for n in ("low", "high", "reference")))
