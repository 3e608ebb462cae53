"""Representative frames of a selection or a state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer.data.schema import check_same_frames
from fel_explorer.errors import FelError
from fel_explorer.structures.alignment import superpose
from fel_explorer.structures.embedding import Embedding, embed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fel_explorer.data.trajectories import TrajectorySet

CHOICES = ("medoids", "centroid", "random")
SAMPLE = 1_000  # frames among which medoids are sought: the distance matrix stays at 8 MB


@dataclass(frozen=True, eq=False)
class Representatives:
    """Frames that stand for a selection.

    Attributes
    ----------
    frames
        (n,) dataset indices, the most representative first.
    shares
        (n,) fraction of the selection, by frame weight, that each stands for (nearest representative).
    trajectory
        Their structures, superposed on the first; None where there are no trajectories.
    """

    frames: np.ndarray
    shares: np.ndarray
    trajectory: mdtraj.Trajectory | None


def representatives(
    method: Embedding | np.ndarray | None,
    data: xr.Dataset,
    trajs: TrajectorySet | None = None,
    n: int = 3,
    *,
    frames: ArrayLike | None = None,
    choose: str = "medoids",
    seed: int = 0,
) -> Representatives:
    """Choose ``n`` frames that represent ``frames`` and fetch their structures.

    Frame weights count where ``data`` has them: frames stand for what they weigh, and those of no weight are
    not chosen unless all are of none.

    Parameters
    ----------
    method
        Space in which frames are compared: a fitted method (its embedding), an array (frame, cv) that holds
        the embedding, or None for the features of ``data``, each scaled to unit variance.
    data
        The dataset.
    trajs
        TrajectorySet behind it; None gives frame numbers without structures.
    n
        How many; fewer frames than that are all returned.
    frames
        Dataset indices to represent; default all.
    choose
        "medoids": k-medoids, each minimising the distance to the frames it stands for; ``n=1`` gives the
        medoid. "centroid": the frames nearest to the mean. "random": with probabilities by weight.
    seed
        Of the random sample that medoids are sought in and of "random".

    Raises
    ------
    FelError
        If no frame is given, ``choose`` is unknown, or ``trajs`` holds other frames than ``data``.
    """
    if choose not in CHOICES:
        raise FelError(f"choose={choose!r}.", f"Choices are {', '.join(CHOICES)}.")
    if n < 1:
        raise FelError(f"n={n}.", "At least one representative is needed.")
    check_same_frames(data, trajs)
    frames = np.arange(data.sizes["frame"]) if frames is None else np.asarray(frames, int)
    if len(frames) == 0:
        raise FelError(
            "An empty selection.", "Representatives need at least one frame.", "Select some frames."
        )
    generator = np.random.default_rng(seed)
    frames, weights = _weighed(data, frames)
    embedded = method is not None and not isinstance(method, Embedding)
    if len(frames) > SAMPLE and not (choose == "centroid" and embedded):
        frames, weights = _sample(frames, weights, generator)
    points = _points(method, data, frames)
    chosen = _choose(choose, points, weights, min(n, len(frames)), generator)
    shares = _fractions(points, weights, chosen)
    if choose == "medoids":
        order = np.argsort(-shares, kind="stable")
        chosen, shares = chosen[order], shares[order]
    picked = frames[chosen]
    return Representatives(picked, shares, None if trajs is None else _structures(trajs, picked))


def state_representatives(
    method: Embedding | np.ndarray,
    data: xr.Dataset,
    states: ArrayLike,
    trajs: TrajectorySet | None = None,
    n: int = 3,
) -> dict:
    """The ``n`` frames of each state that lie nearest to its centroid: {state: `Representatives`}.

    Parameters
    ----------
    method
        Where distances are taken: a fitted method (its embedding) or an array (frame, cv).
    data
        The dataset.
    states
        (frame,) the state of each frame; frames of negative states belong to none.
    trajs
        TrajectorySet behind it; None gives frame numbers without structures.

    Raises
    ------
    FelError
        If no frame belongs to a state, or the states are those of other frames.
    """
    states = np.asarray(states)
    if states.shape != (data.sizes["frame"],) or not (states >= 0).any():
        raise FelError(
            f"States of shape {states.shape} for {data.sizes['frame']} frames.",
            "One state per frame is needed, at least one of them not negative.",
        )
    embedding = embed(method, data)
    return {
        int(state): representatives(
            embedding, data, trajs, n, frames=np.flatnonzero(states == state), choose="centroid"
        )
        for state in np.unique(states[states >= 0])
    }


def _structures(trajs, frames) -> mdtraj.Trajectory:
    structures = trajs.frames(frames)
    return superpose(structures, superpose(structures[0], trajs.frames([0])))


def _weighed(data, frames) -> tuple[np.ndarray, np.ndarray]:
    """The frames that have a weight, and their weights."""
    if "weight" not in data:
        return frames, np.ones(len(frames))
    weights = data["weight"].values[frames]
    used = weights > 0
    return (frames[used], weights[used]) if used.any() else (frames, np.ones(len(frames)))


def _sample(frames, weights, generator) -> tuple[np.ndarray, np.ndarray]:
    """`SAMPLE` frames and their weights; those drawn more than once by weight count as often."""
    if (weights == weights[0]).all():
        return np.sort(generator.choice(frames, SAMPLE, replace=False)), np.ones(SAMPLE)
    drawn = generator.choice(frames, SAMPLE, p=weights / weights.sum())
    frames, counts = np.unique(drawn, return_counts=True)
    return frames, counts.astype(float)


def _points(method, data, sample) -> np.ndarray:
    """Coordinates (sample, dimension) in which frames are compared."""
    if method is None:
        points = np.asarray(data["features"][sample].values, float)
        spread = points.std(axis=0)
        return points / np.where(spread > 0, spread, 1.0)
    if isinstance(method, Embedding):
        return np.asarray(method.transform(data["features"][sample].values), float)
    return np.asarray(method, float)[sample]


def _choose(choose, points, weights, n, generator) -> np.ndarray:
    if choose == "random":
        return generator.choice(len(points), n, replace=False, p=weights / weights.sum())
    if choose == "centroid":
        centre = np.average(points, axis=0, weights=weights)
        return np.argsort(np.linalg.norm(points - centre, axis=1), kind="stable")[:n]
    return k_medoids(_distances(points, points), n, weights)


def k_medoids(distance: np.ndarray, n: int, weights: np.ndarray | None = None) -> np.ndarray:
    """``n`` rows of ``distance`` (frame, frame) to which frames of ``weights`` (frame,) are closest in sum.

    Greedy building and best swaps until none helps: PAM (L. Kaufman and P. J. Rousseeuw, Finding Groups in
    Data (1990), doi:10.1002/9780470316801), with the swap gains computed together as in FastPAM (E. Schubert
    and P. J. Rousseeuw, Inf. Syst. 101, 101804 (2021), doi:10.1016/j.is.2021.101804).
    """
    weights = np.ones(len(distance)) if weights is None else np.asarray(weights, float)
    chosen = [int((distance @ weights).argmin())]
    while len(chosen) < n:
        gain = np.maximum(distance[chosen].min(axis=0) - distance, 0.0) @ weights
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
    medoids = np.array(chosen)
    cost = distance[medoids].min(axis=0) @ weights
    while True:
        best = (cost, -1, -1)
        for slot in range(n):
            others = np.delete(medoids, slot)
            bound = distance[others].min(axis=0) if n > 1 else np.full(len(distance), np.inf)
            costs = np.minimum(distance, bound) @ weights
            best = min(best, (costs.min(), slot, int(costs.argmin())))
        if best[0] >= cost - 1e-9 * max(cost, 1.0):
            return medoids
        cost, slot, candidate = best
        medoids[slot] = candidate


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0.0))


def _fractions(points, weights, chosen) -> np.ndarray:
    nearest = _distances(points, points[chosen]).argmin(axis=1)
    return np.bincount(nearest, weights, minlength=len(chosen)) / weights.sum()
