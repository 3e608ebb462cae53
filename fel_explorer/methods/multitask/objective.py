"""The losses of multitask collective variables and the weights in them, as free functions.

Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143, Eqs. 1-3 and
11-13.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

UNLABELLED = -1  # label of frames that belong to no basin
LARGEST_WEIGHT = 10.0  # of one frame, in units of the mean


def basin_weights(label: Num[np.ndarray, "frame"]) -> Float[np.ndarray, "frame"]:
    """w_i of Eq. 2: each basin has the same sum.  (frame,), mean 1 over labelled frames, others 0."""
    weight = np.zeros(len(label))
    labelled = label >= 0
    if labelled.any():
        _, index, count = np.unique(label[labelled], return_inverse=True, return_counts=True)
        weight[labelled] = labelled.sum() / (len(count) * count[index])
    return weight


def interval_weights(energy: Num[np.ndarray, "frame"], n_intervals: int) -> Float[np.ndarray, "frame"]:
    """u_i of Eq. 3: every interval of energy has the same sum.  (frame,), mean 1.

    Intervals are of equal width between the extremes.  No frame counts more than 10 times the mean, so that
    a lone frame in an outermost interval does not rule.
    """
    low, high = energy.min(), energy.max()
    if not high > low:
        return np.ones(len(energy))
    interval = np.minimum((n_intervals * (energy - low) / (high - low)).astype(int), n_intervals - 1)
    count = np.bincount(interval, minlength=n_intervals)
    weight = len(energy) / ((count > 0).sum() * count[interval])
    weight = np.minimum(weight, LARGEST_WEIGHT)
    return weight / weight.mean()


def classification(
    logits: Float[Tensor, "frame basin"], label: Int[Tensor, "frame"], weight: Float[Tensor, "frame"]
) -> Float[Tensor, ""]:
    """Eq. 2 for any number of basins, in units of the ln(basins) of a guess.

    ``logits`` (frame, basin), ``label`` (frame,) int, ``weight`` (frame,); frames of weight 0 don't count.
    """
    entropy = torch.nn.functional.cross_entropy(logits, label.clamp(min=0), reduction="none")
    return (weight @ entropy) / (weight.sum().clamp(min=1e-12) * np.log(max(logits.shape[1], 2)))


def energy_error(
    predicted: Float[Tensor, "frame"], energy: Float[Tensor, "frame"], weight: Float[Tensor, "frame"]
) -> Float[Tensor, ""]:
    """Eq. 3: the mean weighted square; all (frame,)."""
    return (weight @ (predicted - energy).square()) / weight.sum()


def pair_loss(
    z: Float[Tensor, "frame cv"],
    energy: Float[Tensor, "frame"],
    label: Int[Tensor, "frame"],
    cutoff: float,
    width: float,
) -> Float[Tensor, ""]:
    """Eqs. 11 and 12: distances in the embedding are to be differences of energy, within each basin.

    sum u_ij [d_ij^2 - (V_i - V_j)^2]^2 / sum u_ij over pairs of equal label, with
    u_ij = 1 - sigmoid((|V_i - V_j| - cutoff) / width).  ``z`` (frame, cv), ``energy`` (frame,), ``label``
    (frame,) where frames below 0 have no partner; all pairs are compared.
    """
    i, j = torch.triu_indices(len(z), len(z), 1, device=z.device)
    together = (label[i] == label[j]) & (label[i] >= 0)
    i, j = i[together], j[together]
    difference = (energy[i] - energy[j]).abs()
    weight = torch.sigmoid((cutoff - difference) / width)
    mismatch = (z[i] - z[j]).square().sum(1) - difference.square()
    return (weight @ mismatch.square()) / weight.sum().clamp(min=1e-12)
