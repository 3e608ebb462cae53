"""The columns of a dataset that `MultitaskCV` learns from: basins and energies."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.methods.multitask.objective import UNLABELLED


def column_of(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Column ``name`` (frame,) of the dataset, finite numbers; else a `FelError` that says what to do."""
    columns = sorted(str(n) for n, v in dataset.data_vars.items() if v.dims == ("frame",))
    if name not in columns:
        raise FelError(
            f"The dataset has no column '{name}'.",
            f"MultitaskCV learns from columns of labels and energies; there are {columns or 'none'}.",
            "Add it with fel.attach_columns or fel.data.label_by_boxes, name another column, or give its "
            "task the weight 0.",
        )
    values = np.asarray(dataset[name].values, float)
    if not np.isfinite(values).all():
        raise FelError(
            f"Column '{name}' is {values[~np.isfinite(values)][0]} at frame "
            f"{int(np.argmin(np.isfinite(values)))}.",
            "Labels and energies are finite; label frames of no basin -1.",
        )
    return values


def labels_of(dataset: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """State (frame,) of each frame, -1 without a label, and the label (state,) of each state."""
    values = column_of(dataset, name)
    if (values != np.round(values)).any():
        raise FelError(f"Column '{name}' holds {values[values != np.round(values)][0]}.", "Labels are whole.")
    basins = np.unique(values[values >= 0]).astype(int)
    if len(basins) < 2:
        raise FelError(
            f"Column '{name}' names {len(basins)} basins: {basins.tolist()}.",
            "A classifier needs at least two.",
            "Take data of other basins in, or classification_weight=0.",
        )
    return np.where(values >= 0, np.searchsorted(basins, values), UNLABELLED), basins
