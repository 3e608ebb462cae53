"""Data from which a network learns discrete states."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.training.data import Frames


class StatePool:
    """Frames to draw evenly over states, and within a state in proportion to their weight.

    Parameters
    ----------
    index
        (member,) frames that may be drawn.
    states
        (member,) their states.
    weights
        Optional (frame,) frame weights.
    """

    def __init__(
        self, frames: Frames, index: np.ndarray, states: np.ndarray, weights: np.ndarray | None
    ) -> None:
        order = np.argsort(states, kind="stable")
        self.frames, self.n_states = frames, int(states.max()) + 1
        self.index = torch.from_numpy(index[order]).to(frames.device)
        self.states = torch.from_numpy(states[order].astype(np.int64)).to(frames.device)
        weight = np.ones(len(index)) if weights is None else np.asarray(weights, float)[index]
        ends = np.concatenate([[0.0], np.cumsum(weight[order])])
        first = np.searchsorted(states[order], np.arange(self.n_states))
        last = np.append(first[1:], len(index))
        self._ends = torch.from_numpy(ends[1:]).to(frames.device)
        self._from = torch.from_numpy(ends[first]).to(frames.device)
        self._mass = torch.from_numpy(ends[last] - ends[first]).to(frames.device)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Features (n, feature) and states (n,) of frames drawn with replacement."""
        device = self.index.device
        state = torch.randint(len(self._mass), (n,), device=device, generator=generator)
        place = torch.rand(n, device=device, dtype=torch.float64, generator=generator) * self._mass[state]
        member = torch.searchsorted(self._ends, self._from[state] + place, right=True)
        member = member.clamp_max(len(self.index) - 1)
        return self.frames.take(self.index[member]), self.states[member]


def segments_as_dataset(dataset: xr.Dataset, segments: np.ndarray) -> xr.Dataset:
    """The frames of ``segments`` (segment, 2: first frame and end), each of them a trajectory."""
    index = np.concatenate([np.arange(first, end) for first, end in segments])
    part = schema.assemble(
        dataset["features"][index].values,
        dataset["feature"].values,
        [end - first for first, end in segments],
        time_step=schema.time_step(dataset),
        time_unit=dataset.attrs["time_unit"],
    )
    if "weight" in dataset:
        part["weight"] = ("frame", dataset["weight"].values[index])
    return part
