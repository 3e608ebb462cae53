"""Frames drawn at random, for estimators whose cost grows faster than the number of frames."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from fel_explorer.methods import base


def random_frames(dataset: xr.Dataset, n: int, seed: int) -> np.ndarray:
    """At most ``n`` different frames (frame,), in order; those without weight are left out."""
    frames = np.arange(dataset.sizes["frame"])
    if "weight" in dataset:
        frames = frames[dataset["weight"].values > 0]
    if len(frames) <= n:
        return frames
    return np.sort(np.random.default_rng(seed).choice(frames, n, replace=False))


def take(dataset: xr.Dataset, frames: np.ndarray) -> torch.Tensor:
    """Features (frame, feature) of ``frames``, in order; read in blocks, as the dataset may lie on disk."""
    blocks = []
    for start in range(0, dataset.sizes["frame"], base.BLOCK):
        inside = frames[(frames >= start) & (frames < start + base.BLOCK)] - start
        if len(inside):
            block = dataset["features"][start : start + base.BLOCK].values
            blocks.append(np.array(block[inside], np.float32))
    return torch.from_numpy(np.concatenate(blocks))


def frame_weights(dataset: xr.Dataset, frames: np.ndarray) -> np.ndarray:
    """Weights (frame,) of ``frames``, 1 each where the dataset has none."""
    if "weight" not in dataset:
        return np.ones(len(frames))
    return np.asarray(dataset["weight"].values[frames], float)
