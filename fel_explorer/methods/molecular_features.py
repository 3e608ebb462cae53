"""Molecular features and their gradients by the coordinates, for the generator of the dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.training.data import Scaling

if TYPE_CHECKING:
    from fel_explorer.features.molecular import MolecularFeatures
    from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets

AGREEMENT = 2e-3  # largest difference (nm, or of a cosine) to the dataset's own features; PDB text rounds
CHECKED_FRAMES = 100
MAX_LINEAR = 16  # functions in the guess of the slowest rate


def coordinates(dataset: xr.Dataset, positions: ArrayLike) -> tuple[MolecularFeatures, xr.DataArray]:
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
    from fel_explorer.features.molecular import MolecularFeatures  # mdtraj takes a second to import

    function = MolecularFeatures(dataset.attrs, own_atoms_only=True)
    shape, n_frames = np.shape(positions), dataset.sizes["frame"]
    if len(shape) != 3 or shape[0] != n_frames or shape[1] <= function.atoms.max() or shape[2] != 3:
        raise FelError(
            f"positions of shape {shape}.",
            f"They are ({n_frames}, atom, 3), all atoms of the topology, in nm.",
        )
    chosen = np.asarray(positions)[:, function.atoms].astype(np.float32).reshape(n_frames, -1)
    frames = np.unique(np.linspace(0, n_frames - 1, CHECKED_FRAMES, dtype=int))
    found = at_coordinates(function, torch.from_numpy(chosen[frames]).double()).numpy()
    error = np.abs(found - dataset["features"][frames].values).max(axis=0)
    if not error.max() < AGREEMENT:
        worst = int(error.argmax())
        raise FelError(
            f"Feature '{dataset['feature'].values[worst]}' is {error[worst]:.2g} off that of the positions.",
            "The features must be those of the positions; to nearest images between molecules they are not.",
            "Give the positions of the same frames, and take features within molecules.",
        )
    names = [f"{axis} {i}" for i in function.atoms for axis in "xyz"]
    return function, xr.DataArray(chosen, dims=("frame", "feature"), coords={"feature": names})


def at_coordinates(function: MolecularFeatures, x: Tensor) -> Tensor:
    """Features (frame, feature) at coordinates (frame, 3 atom) of the atoms that the features depend on."""
    return function(x.reshape(len(x), -1, 3))


def diffusion_coefficients(function: MolecularFeatures, coefficients: Sequence[float]) -> Tensor:
    """Diffusion coefficients (coordinate,) from one for all atoms of the topology, or one for each."""
    values = torch.tensor(coefficients, dtype=torch.float64)
    return values if len(values) == 1 else values[torch.from_numpy(function.atoms)].repeat_interleave(3)


def pull_back(
    network: EigenfunctionNets, function: MolecularFeatures, scaling: Scaling, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Values (frame, function) of networks of features, and gradients (frame, function, coordinate).

    Both are differentiable with respect to the networks' weights.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scaled = scaling(at_coordinates(function, x))
        values, by_feature = network.values_and_gradients(scaled.detach())
        columns = [
            torch.autograd.grad(scaled, x, by_feature[:, i], create_graph=True)[0]
            for i in range(by_feature.shape[1])
        ]
    return values, torch.stack(columns, dim=1)


def linear_functions(function: MolecularFeatures, scaling: Scaling, x: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradients, as of `pull_back`, of the widest linear combinations of the features."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scaled = scaling(at_coordinates(function, x))
        centred = (scaled - scaled.mean(0)).detach()
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -MAX_LINEAR:]
        values = scaled @ axes
        columns = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in values.T]
    return values.detach(), torch.stack(columns, dim=1)
