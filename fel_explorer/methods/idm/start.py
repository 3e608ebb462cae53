"""Discrete states of frames that a network starts from: the vote of several searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.idm.discrete import Criteria, coarse_partitions, find_states
from fel_explorer.methods.idm.microstates import LAG_DIVISOR, PairCounts, find_microstates, kinetic_map
from fel_explorer.methods.idm.partition import information
from fel_explorer.training.data import Scaling


@dataclass(frozen=True)
class DiscreteStart:
    """States of the frames that a network starts from; the most populated comes first.

    Attributes
    ----------
    states
        (frame,) int state of each frame.
    objective
        I_beta in nats.
    searches
        The states (frame,) that each search found.
    pairs
        Pairs of frames from which ``objective`` was counted.
    """

    states: np.ndarray
    objective: float
    searches: tuple[np.ndarray, ...]
    pairs: PairCounts

    def __len__(self) -> int:
        return int(self.states.max()) + 1


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

    def search(self, criteria: Criteria, n_microstates: int, seed: int) -> np.ndarray:
        """States (frame,) from microstates of a number and a seed; the most populated comes first."""
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
        return find_states(self._pairs(seed), labels, starts, self.lag, criteria).labels[labels]

    def find(
        self,
        criteria: Criteria,
        n_microstates: int,
        seed: int,
        n_searches: int = 1,
        report: Callable[[int], bool] = lambda search: False,
    ) -> DiscreteStart:
        """The states that most of several searches give, each with other microstates and other pairs.

        The border between two states follows the microstates, and a state that is barely supported by the
        data is found in some searches only; the vote of several depends less on their seeds.

        Parameters
        ----------
        n_searches
            Number of searches at most.
        report
            Called with the number of each search before it begins.  Returning True ends the search with
            those that are done; the first one is always done.
        """
        found: list[np.ndarray] = []
        for number in range(n_searches):
            if report(number) and found:
                break
            found.append(self.search(criteria, n_microstates, n_searches * seed + number))
        states, pairs = vote(found), self._pairs(seed)
        joint = pairs.joint(states, int(states.max()) + 1, self.lag)
        return DiscreteStart(states, information(joint, criteria.beta), tuple(found), pairs)

    def _pairs(self, seed) -> PairCounts:
        weights = self.dataset["weight"].values if "weight" in self.dataset else None
        return PairCounts(schema.trajectory_lengths(self.dataset), weights, seed)


def vote(partitions: Sequence[np.ndarray]) -> np.ndarray:
    """State (frame,) that most of several partitions, each (frame,), give each frame.

    The number of states is that of most partitions (of equally many, the smaller one). States are matched
    with those of the partition of that number with which all others overlap most; each goes to the one that
    holds most of its frames. Of equal votes that with the smaller number in it wins.
    """
    counts = Counter(int(one.max()) + 1 for one in partitions)
    n = max(counts, key=lambda number: (counts[number], -number))
    candidates = [one for one in partitions if one.max() + 1 == n]
    shared = [sum(_overlap(other, one).max(1).sum() for other in partitions) for one in candidates]
    reference = candidates[int(np.argmax(shared))]
    votes, frames = np.zeros((len(reference), n), np.int16), np.arange(len(reference))
    for one in partitions:
        votes[frames, _overlap(one, reference).argmax(1)[one]] += 1
    elected = votes.argmax(1)
    order = np.argsort(-np.bincount(elected, minlength=n), kind="stable")
    return np.unique(np.argsort(order)[elected], return_inverse=True)[1]


def _overlap(first, second):
    """Frames (state of first, state of second) that two partitions (frame,) share."""
    n = int(first.max()) + 1, int(second.max()) + 1
    return np.bincount(first.astype(np.int64) * n[1] + second, minlength=n[0] * n[1]).reshape(n)
