"""Setting of the generator: coordinates, their diffusion coefficients, and a scale for its rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.methods.koopman.ritz import ritz
from fel_explorer.methods.slow_modes import eigenfunction_objective as objective
from fel_explorer.training.constants import device_constant
from fel_explorer.training.data import Scaling
from fel_explorer.training.pairs import Batch

if TYPE_CHECKING:
    from fel_explorer.methods.slow_modes.eigenfunctions import Eigenfunctions


def check_coordinates(dataset: xr.Dataset) -> None:
    """Raise a `FelError` if the features are not coordinates."""
    molecular = {"topology", "featurizers"} & dataset.attrs.keys()
    position = dataset.get("position")
    computed = position is not None and (
        position.shape != dataset["features"].shape
        or not np.allclose(position.values, dataset["features"].values, rtol=1e-5, atol=1e-5)
    )
    if molecular or computed:
        raise FelError(
            f"operator='generator' on features made from coordinates ({dataset['feature'].values[0]}, ...).",
            "The generator needs gradients by the coordinates: its features are the coordinates themselves.",
            "Take operator='transfer' with a lag_time, which works with any features; or for molecules "
            "fit(data, positions=...), their coordinates, which the page and the command line read from the "
            "trajectory files.",
        )


def check_diffusion(method: Eigenfunctions, n: int, what: str = "coordinate") -> None:
    """Raise a `FelError` unless there is one positive diffusion coefficient, or ``n``, one for each."""
    values = np.asarray(method.diffusion, float)
    if len(values) not in (1, n) or not (np.isfinite(values) & (values > 0)).all():
        raise FelError(
            f"diffusion={method.diffusion} for {n} {what}s.",
            f"There is one positive diffusion coefficient for all, or one for each: {n}.",
        )


def slowest_linear_rate(method: Eigenfunctions, scaling: Scaling, batch: Batch) -> torch.Tensor:
    """Rate of the slowest linear function of the features on a batch: a fixed scale for all validations."""
    frames, later = batch.halves(batch.frames)
    if method.operator == "transfer":
        forms = objective.transfer_forms(frames, later, batch.weight, method.lag_time)
    else:
        gamma = scaled_diffusion(method, scaling).diag().expand(len(frames), -1, -1)
        forms = objective.generator_forms(frames, gamma, batch.weight)
    return ritz(*forms)[0][0].clamp_min(torch.finfo(torch.float64).tiny)


def scaled_diffusion(method: Eigenfunctions, scaling: Scaling) -> torch.Tensor:
    """Diffusion coefficients (coordinate,) of the standardised coordinates."""
    given = tuple(map(float, method.diffusion))
    diffusion = device_constant(given, torch.float32, scaling.scale.device)
    return (diffusion.expand(len(scaling.scale)) / scaling.scale.square())[scaling.kept]
