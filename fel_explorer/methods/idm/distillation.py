"""Discrete states that a network starts from: what it learns first, and how far they depend on choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.methods.idm.discrete import Criteria, DiscreteStates, coarse_partitions, find_states
from fel_explorer.methods.idm.microstates import LAG_DIVISOR, PairCounts, find_microstates, kinetic_map
from fel_explorer.training.data import Frames, Scaling

BETA_STEP = 0.05  # between the final beta and its alternatives


@dataclass(frozen=True)
class DiscreteStart:
    """States of the frames that a network starts from.

    Attributes
    ----------
    states
        (frame,) int state of each frame.
    found
        The states of the microstates.
    seed
        Of the pairs that were counted.
    """

    states: np.ndarray
    found: DiscreteStates
    seed: int

    def __len__(self) -> int:
        return len(self.found)


class StartFinder:
    """Discrete states of a dataset at one lag, for several settings.

    Parameters
    ----------
    lag
        In frames.
    scaling
        Standardisation of the features.
    """

    def __init__(self, dataset: xr.Dataset, lag: int, scaling: Scaling) -> None:
        self.dataset, self.lag, self.scaling = dataset, lag, scaling
        self.tica_lag = max(1, lag // LAG_DIVISOR)
        self.matrix = kinetic_map(dataset, scaling, self.tica_lag)
        self._known: dict = {}

    def find(self, criteria: Criteria, n_microstates: int, seed: int) -> DiscreteStart:
        """The states for microstates of a number and a seed."""
        key = n_microstates, seed
        if key not in self._known:
            microstates = find_microstates(
                self.dataset,
                self.tica_lag,
                n_microstates=n_microstates,
                seed=seed,
                scaling=self.scaling,
                matrix=self.matrix,
            )
            self._known = {key: (microstates.labels, coarse_partitions(microstates.centres, seed))}
        labels, starts = self._known[key]
        weights = self.dataset["weight"].values if "weight" in self.dataset else None
        pairs = PairCounts(schema.trajectory_lengths(self.dataset), weights, seed)
        found = find_states(pairs, labels, starts, self.lag, criteria)
        return DiscreteStart(found.labels[labels], found, seed)


def alternatives(beta: float, n_microstates: int, seed: int) -> dict[str, tuple[float, int, int]]:
    """Other choices of {name: (final beta, number of microstates, seed)} to compare states with."""
    others = [other for other in (beta - BETA_STEP, beta + BETA_STEP) if 0.5 < other <= 1]
    return {
        **{f"beta_end {other:.2f}": (other, n_microstates, seed) for other in others},
        f"{n_microstates // 2} microstates": (beta, max(2, n_microstates // 2), seed),
        "another seed": (beta, n_microstates, seed + 1),
    }


def stability_table(
    names: list[str], nmi: np.ndarray | None = None, n_states: np.ndarray | None = None
) -> xr.DataArray:
    """Agreement (alternative,) of the states with those of other choices; nan where it is not known."""
    unknown = np.full(len(names), np.nan)
    coords = {
        "alternative": names,
        "n_states": ("alternative", np.zeros(len(names), np.int64) if n_states is None else n_states),
    }
    return xr.DataArray(unknown if nmi is None else nmi, dims="alternative", coords=coords)


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
        self.frames = frames
        self.index = torch.from_numpy(index[order]).to(frames.device)
        self.states = torch.from_numpy(states[order].astype(np.int64)).to(frames.device)
        weight = np.ones(len(index)) if weights is None else np.asarray(weights, float)[index]
        ends = np.concatenate([[0.0], np.cumsum(weight[order])])
        first = np.searchsorted(states[order], np.arange(states.max() + 1))
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
        dataset["features"].values[index],
        dataset["feature"].values,
        [end - first for first, end in segments],
        time_step=schema.time_step(dataset),
        time_unit=dataset.attrs["time_unit"],
    )
    if "weight" in dataset:
        part["weight"] = ("frame", dataset["weight"].values[index])
    return part
