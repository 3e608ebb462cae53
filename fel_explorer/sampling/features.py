"""Features of molecules as differentiable functions of the atoms' positions."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method

CA_CUTOFF = 0.8  # nm, the default of the featurizer
DIFFERENTIABLE = "distances, torsions, and contacts between C-alphas"


def map_of(method: Method):
    """The function of a fitted method from features (frame, feature) to CV (frame, cv), differentiable.

    Raises
    ------
    FelError
        If the method is not fitted, or its embedding is not one function.
    """
    method._check_fitted()
    if type(method)._transform is Method._transform:
        raise FelError(
            f"The map of a {type(method).__name__} is not one smooth function: its states have their own.",
            "Simulations are driven along one CV.",
            "Take a method that has one, such as IDM with the lag time of the level.",
        )
    return method._transform


def records_of(dataset) -> list[dict]:
    """What ``dataset`` was featurized with, a record a featurizer.

    Raises
    ------
    FelError
        If it is not of molecules, or a featurizer has no derivative here.
    """
    records = json.loads(dataset.attrs.get("featurizers", "[]"))
    if not records:
        raise FelError(
            "The dataset does not tell which atoms its features are of.",
            "Datasets of molecules come from fel.featurize(trajectories, featurizers).",
        )
    for record in records:
        scheme = record["options"].get("scheme", "ca")
        if record["kind"] not in ("distance", "torsion", "contact") or scheme != "ca":
            raise FelError(
                f"The features {record['name']} ({record['options']}).",
                f"A simulation along a CV needs features with derivatives: {DIFFERENTIABLE}.",
                "Featurize with those and train again.",
            )
    return records


class MolecularFeatures(nn.Module):
    """Positions (..., atom, 3) in nm -> features (..., feature), as `fel.featurize` computes them.

    Distances and torsions are those of whole molecules: no nearest images are sought.
    """

    def __init__(self, dataset):
        super().__init__()
        self.records = records_of(dataset)
        self.atoms = [torch.as_tensor(np.array(record["atoms"])) for record in self.records]

    def forward(self, positions: Tensor) -> Tensor:
        parts = []
        for record, atoms in zip(self.records, self.atoms, strict=True):
            chosen = positions[..., atoms, :]  # (..., entry, k, 3)
            if record["kind"] == "torsion":
                parts.append(torsion_features(chosen))
                continue
            distance = (chosen[..., 1, :] - chosen[..., 0, :]).norm(dim=-1)
            if record["kind"] == "contact":
                distance = 1 / (1 + (distance / (record["options"]["cutoff"] or CA_CUTOFF)) ** 6)
            parts.append(distance)
        return torch.cat(parts, dim=-1)


def torsion_features(points: Tensor) -> Tensor:
    """cos and sin (..., 2 * entry) of the torsions of four points (..., entry, 4, 3), IUPAC's sign."""
    b1, b2, b3 = (points[..., i + 1, :] - points[..., i, :] for i in range(3))
    c1, c2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    x = (c1 * c2).sum(-1)
    y = (b1 * c2).sum(-1) * b2.norm(dim=-1)
    radius = (c1.square().sum(-1) * c2.square().sum(-1)).sqrt()
    return torch.stack([x / radius, y / radius], dim=-1).flatten(-2)
