"""Parts of `DivisiveIDM`: the division of a state, the data inside a state, the progress of all divisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.base import Method
from fel_explorer.progress import Callback, Progress


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


class Report:
    """One progress over all divisions; how many there will be is known only level by level."""

    def __init__(self, callback: Callback | None, steps_per_division: int, n_levels: int) -> None:
        self.callback, self.steps, self.n_levels = callback, steps_per_division, n_levels
        self.level, self.n_parents, self.tried = 0, 1, 0
        self.before, self.total, self.stopped = 0, 0, False
        self.pace = float("nan")  # seconds a step

    def next_level(self, level: int, n_parents: int) -> None:
        self.level, self.n_parents, self.tried = level, n_parents, 0
        self.total = self.before + self.steps * n_parents * (self.n_levels - level)

    def division_ended(self) -> None:
        self.tried += 1
        self.before += self.steps

    def search(self, number: int, n_searches: int) -> bool:
        """Report that a search for discrete states begins; returns whether to stop."""
        if self.callback is not None:
            said = f"{self._where()}: search {number + 1} of {n_searches}"
            eta = self.pace * (self.total - self.before)
            report = Progress(self.before, self.total, eta=eta, message=said)
            self.stopped = bool(self.callback(report)) or self.stopped
        return self.stopped

    def _where(self) -> str:
        where = f"Level {self.level + 1} of {self.n_levels}"
        return f"{where}, state {self.tried + 1} of {self.n_parents}" if self.level else where

    def restart(self, number: int, per_restart: int) -> Callable[[Progress], bool]:
        """A callback for one restart of the division under way."""

        def callback(progress: Progress) -> bool:
            if self.callback is not None:
                step = self.before + number * per_restart + progress.step
                if progress.step < progress.n_steps:  # at its end a restart has nothing left, but others have
                    self.pace = progress.eta / (progress.n_steps - progress.step)
                eta = self.pace * (self.total - step)
                report = Progress(step, self.total, progress.losses, eta, self._where())
                self.stopped = bool(self.callback(report)) or self.stopped
            return self.stopped

        return callback
