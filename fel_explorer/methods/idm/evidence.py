"""Evidence for states: the gain in I_beta from a separate state, its standard error, and its visits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fel_explorer.methods.idm.partition import merge_gains, xlogx
from fel_explorer.resampling import Bootstrap


@dataclass(frozen=True)
class Evidence:
    """What speaks for each state of a partition.

    Attributes
    ----------
    gain
        (state,) nats of I_beta that are lost when the state is merged with ``neighbour``; infinite where
        there is one state.
    error
        (state,) standard error of the gain by the block bootstrap; nan where there is one block, or where
        more than a tenth of the draws hold no pairs.
    visits
        (state,) number of entries at the resolution of the lag: pairs of frames a lag apart of which the
        second alone is in the state, in both directions of time, divided by twice the lag.  A visit
        shorter than the lag counts as the corresponding fraction.
    memory
        (state,) how much more often than by chance the other frame of a pair is in the same state,
        (P_ii / p_i - p_i) / (1 - p_i): 1 for a state that is never left, 0 without memory; nan where
        there is one state.
    neighbour
        (state,) the state with which it merges at the least loss; -1 where there is one state.
    """

    gain: np.ndarray
    error: np.ndarray
    visits: np.ndarray
    memory: np.ndarray
    neighbour: np.ndarray

    def score(self) -> np.ndarray:
        """Gain in standard errors (state,); minus infinity, no evidence, where the error is not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(self.error > 0, self.gain / self.error, np.where(self.gain > 0, np.inf, -np.inf))
        return np.where(np.isnan(self.error), -np.inf, score)


@dataclass(frozen=True)
class BlockCounts:
    """Pairs of frames counted by block of resampling.

    Attributes
    ----------
    pairs
        (block, state, state) symmetrised counts of pairs of at most the lag.
    exact
        (state, state) number of pairs of frames exactly a lag apart, first to second.
    lag
        In frames.
    draws
        Bootstrap samples of the blocks.
    """

    pairs: np.ndarray
    exact: np.ndarray
    lag: int
    draws: Bootstrap

    def merged(self, labels: np.ndarray) -> BlockCounts:
        """Counts of the states that states become, ``labels`` (state,)."""
        member = np.eye(int(labels.max()) + 1)[labels]
        return replace(self, pairs=member.T @ self.pairs @ member, exact=member.T @ self.exact @ member)


def measure_evidence(counts: BlockCounts, beta: float) -> Evidence:
    """Evidence for the states whose pairs were counted."""
    pairs, exact = counts.pairs, counts.exact
    n, total = pairs.shape[1], pairs.sum(0)
    visits = (exact.sum(0) + exact.sum(1) - 2 * exact.diagonal()) / (2 * counts.lag)
    if n == 1:
        return Evidence(np.array([np.inf]), np.array([np.nan]), visits, np.array([np.nan]), np.array([-1]))
    losses = -merge_gains(total / total.sum(), beta)
    neighbour = losses.argmin(1)
    samples = counts.draws.sums(pairs.reshape(len(pairs), -1)).reshape(-1, n, n)
    drawn = samples.sum((1, 2), keepdims=True)
    samples = np.divide(samples, drawn, out=np.full_like(samples, np.nan), where=drawn > 0)
    gains = np.stack([-_merge_gain(samples, i, j, beta) for i, j in enumerate(neighbour)], axis=1)
    p = total.sum(1) / total.sum()
    stays = np.divide(total.diagonal(), total.sum(1), out=np.zeros(n), where=p > 0)
    memory = np.divide(stays - p, 1 - p, out=np.ones(n), where=p < 1)  # the only state is never left
    gain = losses[np.arange(n), neighbour]
    return Evidence(gain, counts.draws.standard_error(gains), visits, memory, neighbour)


def _merge_gain(joint: np.ndarray, i: int, j: int, beta: float) -> np.ndarray:
    """Change (draw,) of I_beta by merging ``i`` and ``j`` in each joint matrix (draw, state, state)."""
    rest = np.setdiff1d(np.arange(joint.shape[1]), [i, j])
    a, b, p = joint[:, i], joint[:, j], joint.sum(2)
    others = 2 * (xlogx(a + b) - xlogx(a) - xlogx(b))[:, rest].sum(1)
    own = xlogx(a[:, i] + b[:, j] + 2 * a[:, j]) - xlogx(a[:, i]) - xlogx(b[:, j]) - 2 * xlogx(a[:, j])
    entropy = xlogx(p[:, i] + p[:, j]) - xlogx(p[:, i]) - xlogx(p[:, j])
    return others + own - 2 * beta * entropy


def prune(
    counts: BlockCounts, beta: float, *, min_evidence: float, min_visits: float, min_population: float = 0.0
) -> np.ndarray:
    """New label (state,) of each state once those without evidence are merged with their neighbours.

    The state with the least gain in standard errors goes first; then all are measured again.

    A state must also have a memory of its own, of at least 2 (1 - beta).  That is what the objective asks of
    a rare state for itself; without the rule frames on a barrier can become a state that is left at once and
    pays by the purity of its neighbours.

    Parameters
    ----------
    min_evidence
        Standard errors by which a gain must exceed zero.
    min_visits
        Visits that a state must have.
    """
    labels = np.arange(counts.pairs.shape[1])
    while counts.pairs.shape[1] > 1:
        evidence = measure_evidence(counts, beta)
        population = counts.pairs.sum((0, 1)) / counts.pairs.sum()
        score, enough = evidence.score(), (evidence.visits >= min_visits) & (population >= min_population)
        enough &= evidence.memory >= 2 * (1 - beta)
        weak = (score < min_evidence) | ~enough
        if not weak.any():
            break
        gone = int(np.where(weak, score, np.inf).argmin())
        if not enough.all():  # of those without visits, frames or memory the smallest first
            gone = int(np.where(~enough, population, np.inf).argmin())
        target = np.arange(len(weak))
        target[gone] = evidence.neighbour[gone]
        target = np.unique(target, return_inverse=True)[1]
        counts, labels = counts.merged(target), target[labels]
    return labels
