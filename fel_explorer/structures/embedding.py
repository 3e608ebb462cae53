"""The space in which frames are compared: the embedding of a fitted method, or an array."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr


@runtime_checkable
class Embedding(Protocol):
    """The part of a fitted method that structures need; `methods.Method` has it."""

    def transform(self, X: xr.Dataset | np.ndarray, /) -> xr.DataArray:
        """Embedding (frame, cv) of a dataset or of features (frame, feature)."""


def embed(space: Embedding | np.ndarray, data: xr.Dataset) -> np.ndarray:
    """Positions (frame, cv) of the frames of ``data``, float64: by a fitted method, or ``space`` itself."""
    if isinstance(space, Embedding):
        space = space.transform(data)
    return np.asarray(space, float)
