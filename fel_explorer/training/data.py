"""The features of a run: on the device when they fit, else a memory-mapped file read in shuffled blocks."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fel_explorer.data.blocks import feature_blocks
from fel_explorer.data.moments import Moments, accumulate_features
from fel_explorer.errors import FelError

BLOCK = 65_536  # frames at once through a network


@dataclass(frozen=True)
class Scaling:
    """Standardisation of the features: (x - mean) / scale; ``keep`` marks those that are not constant."""

    mean: Float[Tensor, "feature"]
    scale: Float[Tensor, "feature"]
    keep: Bool[Tensor, "feature"]

    @classmethod
    def of(cls, dataset: xr.Dataset) -> Scaling:
        """Mean and standard deviation of each feature over all frames, streamed.

        Constant features are ignored with a warning; if all are constant there is nothing to learn.
        """
        moments = Moments()
        accumulate_features(dataset, moments)
        return cls.from_moments(moments, dataset)

    @classmethod
    def from_moments(cls, moments: Moments, dataset: xr.Dataset) -> Scaling:
        """The same from the ``moments`` of the features of ``dataset``."""
        mean, scale = moments.mean, np.sqrt(moments.variance)
        keep = scale > 1e-6 * np.maximum(np.abs(mean), 1e-6)  # below float32's resolution of the mean
        names = dataset["feature"].values[~keep]
        if not keep.any():
            raise FelError(
                f"All {len(keep)} features are constant over {moments.n_frames} frames.",
                "At least one feature must change.",
                "Choose other features or load more frames.",
            )
        if len(names):
            shown = ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")
            warnings.warn(
                f"{len(names)} of {len(keep)} features are constant and ignored: {shown}.", stacklevel=2
            )
        scale = np.where(keep, scale, 1.0)
        return cls(torch.from_numpy(mean).float(), torch.from_numpy(scale).float(), torch.from_numpy(keep))

    @cached_property
    def kept(self) -> Int[Tensor, "kept"]:
        """Indices of the features that are not constant: `keep` without a wait for the device at each use."""
        return torch.nonzero(self.keep)[:, 0]

    @cached_property
    def _kept_on_host(self) -> list[int]:
        return self.kept.tolist()

    @property
    def n_kept(self) -> int:
        """Number of features that are not constant."""
        return len(self._kept_on_host)

    def n_kept_of(self, n: int) -> int:
        """Number of those among the first ``n`` features."""
        return sum(index < n for index in self._kept_on_host)

    def __call__(self, features: Float[Tensor, "frame feature"]) -> Float[Tensor, "frame kept"]:
        """Standardised features (frame, kept feature)."""
        return ((features - self.mean) / self.scale)[:, self.kept]

    def inverse(self, values: Float[Tensor, "frame kept"]) -> Float[Tensor, "frame feature"]:
        """Features (frame, feature) from standardised ones; the constant ones at their constant."""
        features = self.mean.expand(len(values), -1).clone()
        features[:, self.kept] += values * self.scale[self.kept]
        return features

    def to(self, device: str | torch.device) -> Scaling:
        return Scaling(self.mean.to(device), self.scale.to(device), self.keep.to(device))


def memory_budget(device: torch.device) -> int:
    """Bytes of features that may live on the device: half of what is free now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def scaled_blocks(dataset: xr.Dataset, scaling: Scaling) -> Iterator[tuple[int, Tensor]]:
    """Yield (first frame, standardised block (frame, feature)) over the dataset."""
    for start, block in feature_blocks(dataset):
        yield start, scaling(torch.from_numpy(np.array(block, np.float32)))


class Frames:
    """Standardised features of a dataset, (frame, feature) float32, wherever they fit.

    Attributes
    ----------
    values
        Tensor on the device when ``resident``, else a tensor over a memory-mapped temporary file.
    resident
        Whether all features live on the device.
    """

    def __init__(
        self, dataset: xr.Dataset, scaling: Scaling, device: torch.device, budget: int | None = None
    ) -> None:
        shape = dataset.sizes["frame"], scaling.n_kept
        budget = memory_budget(device) if budget is None else budget
        self.device, self.resident = device, 4 * shape[0] * shape[1] <= budget
        self._folder = None
        if self.resident:
            self.values = torch.empty(shape, device=device)
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="fel-explorer-")
            path = Path(self._folder.name) / "features.f32"
            self.values = torch.from_numpy(np.memmap(path, np.float32, "w+", shape=shape))
        for start, block in scaled_blocks(dataset, scaling):
            self.values[start : start + len(block)] = block.to(self.values.device)

    def __len__(self) -> int:
        return len(self.values)

    def take(
        self, frames: Int[np.ndarray, "chosen"] | Int[Tensor, "chosen"]
    ) -> Float[Tensor, "chosen feature"]:
        """Features of the given frames, on the device."""
        index = torch.as_tensor(frames, device=self.values.device)
        return self.values[index].to(self.device)

    def gather(self, frames: Int[np.ndarray, "chosen"]) -> Float[Tensor, "chosen feature"]:
        """Features of the given frames on the host, in memory from which a GPU copies by itself."""
        block = self.values[torch.as_tensor(frames, device=self.values.device)]
        return block.pin_memory() if self.device.type == "cuda" and block.device.type == "cpu" else block

    def close(self) -> None:
        """Delete the temporary file, if there is one."""
        self.values = torch.empty(0)
        if self._folder is not None:
            self._folder.cleanup()


def fingerprint(dataset: xr.Dataset) -> list[float]:
    """Fingerprint of a dataset, to recognise it: shape, time step, and some of its frames."""
    frame = np.unique(np.linspace(0, dataset.sizes["frame"] - 1, 100, dtype=int))
    some = np.asarray(dataset["features"][frame].values, np.float64)
    sums = [float(some.sum()), float((some * np.arange(1, len(frame) + 1)[:, None]).sum())]
    return (
        [float(n) for n in some.shape]
        + [float(dataset.sizes["frame"]), float(dataset.attrs["time_step"])]
        + sums
    )
