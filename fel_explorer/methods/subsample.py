"""Frames drawn at random, for estimators whose cost grows faster than the number of frames."""

from __future__ import annotations

import warnings

import numpy as np
import torch
import xarray as xr

from fel_explorer.data.blocks import is_stored
from fel_explorer.data.moments import Accumulator, accumulate_features
from fel_explorer.methods.base import Method


def random_frames(dataset: xr.Dataset, n: int, seed: int) -> np.ndarray:
    """At most ``n`` different frames (frame,), in order; those without weight are left out."""
    known = np.flatnonzero(dataset["weight"].values > 0) if "weight" in dataset else None
    n_known = dataset.sizes["frame"] if known is None else len(known)
    if n_known <= n:
        return np.arange(n_known) if known is None else known
    chosen = np.random.default_rng(seed).choice(n_known, n, replace=False)
    return np.sort(chosen if known is None else known[chosen])


def warn_sampled(method: Method, dataset: xr.Dataset, n: int) -> None:
    """Say that a fit to stored data used ``n`` of their frames, where it did not use all."""
    if is_stored(dataset) and n < dataset.sizes["frame"]:
        everything = dataset.sizes["frame"]
        warnings.warn(
            f"{type(method).__name__} was fitted to {n:,} of {everything:,} frames, drawn at random: it can't"
            " take them block by block.",
            stacklevel=4,
        )


class Sample(Accumulator):
    """Features of ``frames`` (frame,), in order, out of a pass over all frames."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames

    def begin(self, shift: np.ndarray) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, start: int, block: np.ndarray, z: np.ndarray, total: np.ndarray) -> None:
        first, end = np.searchsorted(self._frames, [start, start + len(block)])
        self._parts.append(np.array(block[self._frames[first:end] - start], np.float32))

    @property
    def features(self) -> torch.Tensor:
        """(frame, feature)."""
        return torch.from_numpy(np.concatenate(self._parts))


def take(dataset: xr.Dataset, frames: np.ndarray) -> torch.Tensor:
    """Features (frame, feature) of ``frames``, in order; read in blocks, as the dataset may lie on disk."""
    sample = Sample(frames)
    accumulate_features(dataset, sample)
    return sample.features


def frame_weights(dataset: xr.Dataset, frames: np.ndarray) -> np.ndarray:
    """Weights (frame,) of ``frames``, 1 each where the dataset has none."""
    if "weight" not in dataset:
        return np.ones(len(frames))
    return np.asarray(dataset["weight"].values[frames], float)
