"""Checks common to several methods."""

from __future__ import annotations

import warnings

import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method


def check_dims(method: Method, dataset: xr.Dataset) -> None:
    """Raise a `FelError` if a linear method's ``n_dims`` exceeds what the data can span."""
    most = min(dataset.sizes["feature"], dataset.sizes["frame"])
    if method.n_dims > most:
        raise FelError(
            f"n_dims={method.n_dims} for {dataset.sizes['frame']} frames of"
            f" {dataset.sizes['feature']} features.",
            f"At most {most} dimensions can be found.",
            f"Take n_dims={min(2, most)}.",
        )


def warn_unused_weights(method: Method, dataset: xr.Dataset) -> None:
    """Say so when a method can not use the frame weights of the data."""
    if "weight" in dataset:
        warnings.warn(
            f"{type(method).__name__} does not use the frame weights of this dataset: every frame counts 1.",
            stacklevel=4,
        )
