"""Parts of `DivisiveIDM`: the division of a state, and the data inside a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.base import Method


@dataclass
class Division:
    """How one state divides.

    Attributes
    ----------
    parent
        Index of the state, in the level above, that divides; 0 at the first level.
    model
        The method with states that was trained inside it.
    kept
        (child,) its populated states; their memberships are renormalised.
    centre, scale
        (cv,) and a number: the unfolded map is ``scale * (model's embedding - centre)``.
    stability
        Mean adjusted Rand index of the repetitions' states with those kept; nan with one repetition.
    """

    parent: int
    model: Method
    kept: torch.Tensor
    centre: torch.Tensor
    scale: torch.Tensor
    stability: float = float("nan")

    @classmethod
    def undivided(cls, model: Method, n_states: int, n_dims: int) -> Division:
        """That of the whole data by ``model``, as it is while it trains."""
        return cls(0, model, torch.arange(n_states), torch.zeros(n_dims), torch.ones(()))

    def memberships(self, features: torch.Tensor) -> torch.Tensor:
        """chi(child | parent), (frame, child); rows sum to 1."""
        chi = self.model._predict_proba(features)[:, self.kept.to(features.device)].cpu()
        # where all kept states are improbable the division is undefined: all count equally
        total = chi.sum(1, keepdim=True)
        return torch.where(total > 1e-12, chi / total.clamp_min(1e-12), 1 / chi.shape[1])

    def evidence(self, child: int) -> list[float]:
        """Gain, error of the gain and visits of a child among the states of the division."""
        state = int(self.kept[child])
        values = [getattr(self.model, name) for name in ("gains_", "gain_errors_", "visits_")]
        return [float(value[state]) if state < len(value) else float("nan") for value in values]

    def unfold(self, features: torch.Tensor) -> torch.Tensor:
        """Place within the state, (frame, cv)."""
        return self.scale * (self.model._transform(features).cpu() - self.centre)


def visited_segments(dataset: xr.Dataset, inside: np.ndarray, lag: int) -> xr.Dataset | None:
    """The part of ``dataset`` spent in a state, each segment of at least ``lag`` frames a trajectory.

    Parameters
    ----------
    inside
        (frame,) bool.
    lag
        In frames.  Excursions shorter than that are bridged: at this resolution the state was not left.

    Returns
    -------
    None if no segment is long enough for a pair of frames a lag apart.
    """
    if inside.all():
        return dataset
    frames, lengths = [], []
    ends = np.cumsum(schema.trajectory_lengths(dataset))
    for first, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
        visited = np.flatnonzero(inside[first:end])
        if not len(visited):
            continue
        for run in np.split(visited, np.flatnonzero(np.diff(visited) > lag) + 1):
            if run[-1] - run[0] >= lag:
                frames.append(np.arange(first + run[0], first + run[-1] + 1))
                lengths.append(len(frames[-1]))
    if not frames:
        return None
    chosen = np.concatenate(frames)
    part = schema.assemble(
        dataset["features"][chosen].values,
        dataset["feature"].values,
        lengths,
        time_step=schema.time_step(dataset),
        time_unit=dataset.attrs["time_unit"],
    )
    if "weight" in dataset:
        part["weight"] = ("frame", dataset["weight"].values[chosen])
    return part


def stability(states: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index of states (frame,) with those of repetitions; nan where there are none."""
    from sklearn.metrics import adjusted_rand_score

    return float(np.mean([adjusted_rand_score(states, one) for one in others])) if others else float("nan")
