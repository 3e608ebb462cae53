"""Koopman model of functions of the frames, such as memberships or the axes of an embedding.

Source: Wu and Noe, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y, Eq. 30.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.koopman import vamp
from fel_explorer.training.pairs import pair_starts, segments_of

MAX_PAIRS = 500_000  # more change the model by less than the sampling error of the data


def koopman_model(
    values: np.ndarray, dataset: xr.Dataset, lag_time: float, *, labels: np.ndarray | None = None
) -> vamp.Koopman:
    """Reversible Koopman model of functions, from pairs of frames a lag apart within trajectories.

    Parameters
    ----------
    values
        (frame, function), or (label, function) with ``labels``.  Functions that are constant add nothing.
    dataset
        The frames: their trajectories, time step and weights.
    lag_time
        In the dataset's time unit.
    labels
        (frame,) int, such as microstates, of which the functions are known: the same model, faster, because
        pairs of labels are counted.

    Returns
    -------
    Koopman
        Its ``left`` has a row for each function, zeros for constant ones.

    Raises
    ------
    FelError
        If the lag is not a multiple of the time step or longer than every trajectory.
    """
    lag = schema.lag_in_frames(dataset, lag_time)
    starts = pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag)
    starts = starts[:: -(-len(starts) // MAX_PAIRS)]
    weight = schema.frame_weights(dataset)[starts]
    earlier, later = starts, starts + lag
    if labels is not None:
        earlier, later, weight = count_pairs(labels[earlier], labels[later], weight, len(values))
    varying = np.ptp(values[earlier], axis=0) > 0  # the rounding of a constant one would look like a process
    if not varying.any():
        none, mean = torch.zeros(len(varying), 0, dtype=torch.float64), torch.from_numpy(values[0]).double()
        return vamp.Koopman(none[0], none, none, mean)
    used = torch.from_numpy(np.ascontiguousarray(values[:, varying]))
    pairs = vamp.covariances(used[earlier], used[later], torch.from_numpy(weight), reversible=True)
    found = vamp.koopman(pairs)
    left, right = torch.zeros(2, len(varying), len(found.singular_values), dtype=torch.float64)
    left[varying], right[varying] = found.left, found.right
    mean = torch.from_numpy(values[0]).double()
    mean[varying] = found.mean
    return vamp.Koopman(found.singular_values, left, right, mean)


def count_pairs(
    earlier: np.ndarray, later: np.ndarray, weight: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of labels that occur, as their two labels (pair,) and the sum of their weights (pair,)."""
    counts = np.bincount(earlier.astype(np.int64) * n_labels + later, weight)
    pairs = np.flatnonzero(counts)
    return pairs // n_labels, pairs % n_labels, counts[pairs]


def mode_functions(values: np.ndarray, model: vamp.Koopman, weights: np.ndarray) -> np.ndarray:
    """Eigenfunctions (frame, mode) float32 of the model that `koopman_model` made of ``values``.

    Of ``values`` (label, function) they are those of the labels, with the weight of all their frames.
    """
    functions = (torch.from_numpy(np.ascontiguousarray(values)) - model.mean.float()) @ model.left.float()
    return standardise(functions.numpy(), weights)


def standardise(functions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Functions (frame, mode) float32 of weighted mean 0, variance 1 and skewness 0 or more."""
    weights = weights[:, None]
    functions = functions - np.average(functions, axis=0, weights=weights[:, 0])
    variance, third = ((weights * functions**power).mean(axis=0) / weights.mean() for power in (2, 3))
    return (functions * np.where(third < 0, -1, 1) / np.sqrt(np.maximum(variance, 1e-30))).astype("f4")
