"""Metastable states without a network: the partition of microstates of largest I_beta, with its evidence.

I_beta depends on the data only through the joint matrix of pairs, which for microstates is a table of counts.
So the partition that maximises it is found in milliseconds once the microstates are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fel_explorer.methods.idm.evidence import BlockCounts, Evidence, measure_evidence, prune
from fel_explorer.methods.idm.microstates import PairCounts
from fel_explorer.methods.idm.partition import aggregate, information, merge_parts, move_microstates, optimise
from fel_explorer.parallel import one_thread
from fel_explorer.resampling import Blocks

N_COARSE = (40, 80)  # parts from which merging starts
N_DRAWS = 200


@dataclass(frozen=True)
class Criteria:
    """What a state needs.

    Attributes
    ----------
    beta
        Final beta of I_beta: how much memory a state must have.
    min_evidence
        Standard errors by which the gain in I_beta of a state must exceed zero.
    min_visits
        Visits that a state must have.
    min_population
        Fraction of the pairs that a state must hold.
    n_max
        Number of states at most; None for any.
    """

    beta: float = 0.9
    min_evidence: float = 1.5
    min_visits: float = 10.0
    min_population: float = 0.001
    n_max: int | None = None


@dataclass(frozen=True)
class DiscreteStates:
    """Partition of the microstates into metastable states at one lag; the most populated state comes first.

    Attributes
    ----------
    labels
        (microstate,) int state of each microstate.
    memberships
        (microstate, state) probability that a frame within the lag of one in the microstate is in the state.
    objective
        I_beta in nats.
    population
        (state,) fraction of the pairs.
    gain, error, visits
        (state,) see `Evidence`.
    lifetime
        (state,) mean time per visit in frames, counted at the resolution of the lag; infinite without visits.
    """

    labels: np.ndarray
    memberships: np.ndarray
    objective: float
    population: np.ndarray
    gain: np.ndarray
    error: np.ndarray
    visits: np.ndarray
    lifetime: np.ndarray

    def __len__(self) -> int:
        return len(self.population)


def find_states(
    pairs: PairCounts, labels: np.ndarray, starts: list[np.ndarray], lag: int, criteria: Criteria
) -> DiscreteStates:
    """The states at a lag.

    Parameters
    ----------
    pairs
        Pairs of the frames that count.
    labels
        (frame,) microstate of each of these frames.
    starts
        Partitions (microstate,) from which the optimisation starts; the best result is kept.  See
        `coarse_partitions`.
    lag
        In frames.
    """
    n_microstates = len(starts[0])
    joint = pairs.joint(labels, n_microstates, lag)
    best = max(
        (_limited(joint, optimise(joint, start, criteria.beta), criteria) for start in starts),
        key=lambda parts: information(aggregate(joint, parts), criteria.beta),
    )
    kept = prune(
        _counts(pairs, best[labels], lag, int(best.max()) + 1),
        criteria.beta,
        min_evidence=criteria.min_evidence,
        min_visits=criteria.min_visits,
        min_population=criteria.min_population,
    )
    if kept.max() < best.max():
        best = move_microstates(joint, kept[best], criteria.beta)
    best = _by_population(best, joint.sum(1))
    evidence = evidence_of_frames(pairs, best[labels], lag, criteria.beta, int(best.max()) + 1)
    member = np.eye(best.max() + 1)[best]
    rows, mass = joint @ member, joint.sum(1, keepdims=True)
    rows = np.where(mass > 0, rows, member)  # microstates without pairs
    n_frames = np.bincount(best[labels], minlength=best.max() + 1)
    with np.errstate(divide="ignore"):
        lifetime = n_frames / evidence.visits
    return DiscreteStates(
        labels=best,
        memberships=rows / np.where(mass > 0, mass, 1.0),
        objective=information(aggregate(joint, best), criteria.beta),
        population=np.bincount(best, joint.sum(1)),
        gain=evidence.gain,
        error=evidence.error,
        visits=evidence.visits,
        lifetime=lifetime,
    )


def undivided(n_microstates: int = 1) -> DiscreteStates:
    """One state of all microstates."""
    one, never = np.ones(1), np.full(1, np.inf)
    labels, memberships = np.zeros(n_microstates, int), np.ones((n_microstates, 1))
    return DiscreteStates(labels, memberships, 0.0, one, never, np.full(1, np.nan), np.zeros(1), never)


def evidence_of_frames(pairs: PairCounts, states: np.ndarray, lag: int, beta: float, n: int) -> Evidence:
    """Evidence for ``n`` states, whose numbers are ``states`` (frame,), at a lag in frames."""
    return measure_evidence(_counts(pairs, states, lag, n), beta)


def _counts(pairs, states, lag, n) -> BlockCounts:
    blocks = Blocks.of_lengths(pairs.lengths, min_length=lag)
    exact = blocks.pair_sums(states, n, lag).sum(0)
    counted = pairs.joint_of_blocks(states, n, lag, blocks.of_frame())
    return BlockCounts(counted, exact, lag, blocks.draw(N_DRAWS))


def coarse_partitions(centres: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Partitions (microstate,) of the centres (microstate, coordinate) into few parts, by KMeans."""
    from sklearn.cluster import KMeans

    sizes = sorted({min(n, len(centres)) for n in N_COARSE})
    with one_thread():
        parts = [KMeans(n, n_init=1, random_state=seed).fit_predict(centres) for n in sizes]
    return [np.unique(labels, return_inverse=True)[1] for labels in parts]


def _limited(joint, parts, criteria):
    """The partition with at most ``n_max`` parts."""
    if criteria.n_max is None or parts.max() < criteria.n_max:
        return parts
    merged = merge_parts(aggregate(joint, parts), criteria.beta, criteria.n_max)
    return move_microstates(joint, merged[parts], criteria.beta)


def _by_population(parts, population):
    order = np.argsort(-np.bincount(parts, population), kind="stable")
    return np.argsort(order)[parts]
