"""Committor labels as a second target of an embedding (extended autoencoder).

Source: M. Frassek, A. Arjun and P. G. Bolhuis, J. Chem. Phys. 155, 064103 (2021), doi:10.1063/5.0058639.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.training.data import Frames, Scaling

UNKNOWN = -1.0  # label of a frame without one


def committor_labels(dataset: xr.Dataset, column: str) -> xr.DataArray:
    """The column of committors as features (frame, 1), `UNKNOWN` where it is NaN.

    Raises
    ------
    FelError
        If there is no such column, a value lies outside 0 to 1, or all labels are equal.
    """
    columns = [str(n) for n in dataset.data_vars if dataset[n].dims == ("frame",) and n != "weight"]
    if column not in columns:
        raise FelError(
            f"There is no column '{column}' of committors.",
            f"Columns of the dataset are {columns}.",
            "Add one with fel.attach_columns(data, table), or leave committor empty.",
        )
    values = np.asarray(dataset[column].values, float)
    known = values[~np.isnan(values)]
    if not len(known) or known.min() < 0 or known.max() > 1 or known.min() == known.max():
        range_text = f"{known.min():g} to {known.max():g}" if len(known) else "nothing but NaN"
        raise FelError(
            f"Column '{column}' holds {range_text}.",
            "Committors are probabilities from 0 to 1, or outcomes 0 and 1 of shots, not all equal.",
        )
    values = np.where(np.isnan(values), UNKNOWN, values).astype(np.float32)
    return xr.DataArray(values[:, None], dims=("frame", "feature"), coords={"feature": ["committor label"]})


def with_labels(dataset: xr.Dataset, labels: xr.DataArray) -> xr.Dataset:
    """The dataset with the labels (frame, 1) behind its features."""
    features = xr.concat([dataset["features"], labels], "feature")
    return dataset.drop_dims("feature").assign(features=features)


def labelled_frames(
    dataset: xr.Dataset, scaling: Scaling, labels: xr.DataArray, device: torch.device
) -> Frames:
    """Standardised features with the labels, as they are, behind them."""
    plain = Scaling(torch.zeros(1), torch.ones(1), torch.ones(1, dtype=torch.bool))
    joint = (torch.cat([getattr(scaling, n), getattr(plain, n)]) for n in ("mean", "scale", "keep"))
    return Frames(with_labels(dataset, labels), Scaling(*joint), device)


def log_loss(logit: torch.Tensor, label: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of -[r ln p + (1 - r) ln(1 - p)] over labelled frames, p = 1 / (1 + exp(-logit)).

    For outcomes of shots the negative log likelihood that Frassek et al. minimise.  Each is (frame,).
    """
    weight = weight * (label >= 0)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, label.clamp_min(0), reduction="none")
    return (weight @ loss) / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
