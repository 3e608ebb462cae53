"""Features of molecules as differentiable functions of the coordinates, for the generator of dynamics.

They are those of the dataset: distances, cosines and sines of torsions, and coordinates superposed on the
reference, by the same definitions as in `data.standard_featurizers`.
"""

from __future__ import annotations

import json

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fel_explorer.errors import FelError

KINDS = ("distance", "torsion", "coordinate")
AGREEMENT = 2e-3  # largest difference (nm, or of a cosine) to the dataset's own features; PDB text rounds
CHECKED_FRAMES = 100
MAX_LINEAR = 16  # functions in the guess of the slowest rate


def distances(x: Tensor, pairs: Tensor) -> Tensor:
    """Distances (frame, pair) of atoms ``pairs`` (pair, 2) at coordinates (frame, atom, 3); no box."""
    return (x[:, pairs[:, 1]] - x[:, pairs[:, 0]]).norm(dim=2)


def torsion_waves(x: Tensor, quads: Tensor) -> Tensor:
    """Cosine and sine (frame, 2 torsion), in turns, of torsions ``quads`` (torsion, 4), IUPAC sign.

    Without the angle itself, whose derivative jumps.
    """
    first, axis, last = (x[:, quads[:, i + 1]] - x[:, quads[:, i]] for i in range(3))
    normal, other = torch.linalg.cross(first, axis), torch.linalg.cross(axis, last)
    cos = (normal * other).sum(2)
    sin = axis.norm(dim=2) * (first * other).sum(2)
    return (torch.stack([cos, sin], dim=2) / torch.hypot(cos, sin)[..., None]).flatten(1)


def superposed(x: Tensor, reference: Tensor) -> Tensor:
    """Coordinates (frame, 3 atom) of x (frame, atom, 3) after the best rigid fit to (atom, 3).

    Source: Kabsch, Acta Cryst. A32, 922 (1976).
    """
    centre = reference.mean(0)
    moved, target = x - x.mean(1, keepdim=True), reference - centre
    u, _, vt = torch.linalg.svd(moved.transpose(1, 2) @ target)
    hand = torch.ones_like(u[:, 0])
    hand[:, 2] = torch.sign(torch.linalg.det(u) * torch.linalg.det(vt)).detach()
    return (moved @ (u * hand[:, None]) @ vt + centre).flatten(1)


class MolecularFeatures:
    """The features of a dataset as a function of coordinates.

    Parameters
    ----------
    attrs
        ``dataset.attrs``: "featurizers" (JSON) and "topology" (PDB text), which holds the reference too.

    Attributes
    ----------
    atoms
        (atom,) indices, in the topology, of the atoms that the features depend on.
    """

    def __init__(self, attrs: dict):
        specs = json.loads(attrs["featurizers"])
        unknown = sorted({spec["kind"] for spec in specs} - set(KINDS))
        if unknown:
            raise FelError(
                f"operator='generator' on features of kind '{unknown[0]}'.",
                "Distances, torsions and coordinates have derivatives here.",
                "Take those features, or operator='transfer', which works with any.",
            )
        entries = [np.asarray(spec["atoms"], int) for spec in specs]
        self.atoms = np.unique(np.concatenate([entry.ravel() for entry in entries]))
        self._blocks = []
        for spec, entry in zip(specs, entries, strict=True):
            local = torch.from_numpy(np.searchsorted(self.atoms, entry))
            reference = None
            if spec["kind"] == "coordinate":
                reference = torch.from_numpy(_coordinates(attrs["topology"])[entry.ravel()])
            self._blocks.append((spec["kind"], local, reference))

    def __call__(self, x: Tensor) -> Tensor:
        """Features (frame, feature) from coordinates (frame, 3 atom) of `atoms`, in nm."""
        x = x.reshape(len(x), -1, 3)
        return torch.cat([self._block(x, *block) for block in self._blocks], dim=1)

    def diffusion(self, coefficients) -> Tensor:
        """Diffusion coefficients (coordinate,) from one for all atoms of the topology, or one for each."""
        values = torch.tensor(coefficients, dtype=torch.float64)
        return values if len(values) == 1 else values[torch.from_numpy(self.atoms)].repeat_interleave(3)

    @staticmethod
    def _block(x, kind, atoms, reference):
        atoms = atoms.to(x.device)
        if kind == "distance":
            return distances(x, atoms)
        if kind == "torsion":
            return torsion_waves(x, atoms)
        return superposed(x[:, atoms[:, 0]], reference.to(x))


def coordinates(dataset: xr.Dataset, positions) -> tuple[MolecularFeatures, xr.DataArray]:
    """The dataset's features as a function, and the coordinates (frame, 3 atom) that it takes.

    Parameters
    ----------
    positions
        (frame, atom, 3) in nm, all atoms of the topology, whole molecules.

    Raises
    ------
    FelError
        If the positions don't fit the dataset's frames, or its features are not those of the positions.
    """
    function = MolecularFeatures(dataset.attrs)
    shape, n_frames = np.shape(positions), dataset.sizes["frame"]
    if len(shape) != 3 or shape[0] != n_frames or shape[1] <= function.atoms.max() or shape[2] != 3:
        raise FelError(
            f"positions of shape {shape}.",
            f"They are ({n_frames}, atom, 3), all atoms of the topology, in nm.",
        )
    chosen = np.asarray(positions)[:, function.atoms].astype(np.float32).reshape(n_frames, -1)
    frames = np.unique(np.linspace(0, n_frames - 1, CHECKED_FRAMES, dtype=int))
    found = function(torch.from_numpy(chosen[frames]).double()).numpy()
    error = np.abs(found - dataset["features"][frames].values).max(axis=0)
    if not error.max() < AGREEMENT:
        worst = int(error.argmax())
        raise FelError(
            f"Feature '{dataset['feature'].values[worst]}' is {error[worst]:.2g} off that of the positions.",
            "The features must be those of the positions, without nearest images across a periodic box.",
            "Give the positions of the same frames, and featurize with periodic=False.",
        )
    names = [f"{axis} {i}" for i in function.atoms for axis in "xyz"]
    return function, xr.DataArray(chosen, dims=("frame", "feature"), coords={"feature": names})


def pulled_back(network, function, scaling, x: Tensor) -> tuple[Tensor, Tensor]:
    """Values (frame, function) of networks of features, and gradients (frame, function, coordinate).

    Both are differentiable with respect to the networks' weights.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scaled = scaling(function(x))
        values, by_feature = network.values_and_gradients(scaled.detach())
        columns = [
            torch.autograd.grad(scaled, x, by_feature[:, i], create_graph=True)[0]
            for i in range(by_feature.shape[1])
        ]
    return values, torch.stack(columns, dim=1)


def linear_functions(function, scaling, x: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradients, as of `pulled_back`, of the widest linear combinations of the features."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scaled = scaling(function(x))
        centred = (scaled - scaled.mean(0)).detach()
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -MAX_LINEAR:]
        values = scaled @ axes
        columns = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in values.T]
    return values.detach(), torch.stack(columns, dim=1)


def _coordinates(topology: str) -> np.ndarray:
    """Coordinates (atom, 3) in nm of the first model of a PDB text."""
    rows = []
    for line in topology.splitlines():
        if line.startswith("ENDMDL"):
            break
        if line.startswith(("ATOM  ", "HETATM")):
            rows.append([float(line[i : i + 8]) for i in (30, 38, 46)])
    return np.array(rows) / 10
