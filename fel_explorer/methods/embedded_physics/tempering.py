"""Tempering: the temperature of the next target, and estimates from importance weights.

beta is relative to the target's: 1 is the requested temperature, u = U / kT the reduced energy there.  The
target at beta is exp(-beta u + ln volume), with ln volume the Jacobian of internal coordinates, 0 otherwise.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST_STEP = 1e-3  # of beta, and the shrinking factor on trial steps, in Algorithm 1
SHRINK = 0.6
TRIALS = 40  # after which the step is 1e-9 of the largest
NOISE = 1e-2  # nats: a batch of samples does not resolve a smaller KL divergence from 0


def effective_sample_size(log_weights: Float[Tensor, "sample"]) -> Float[Tensor, ""]:
    """(sum w)^2 / sum w^2, 0-dimensional, of weights (sample,) given by their logarithms."""
    return torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0))


def truncated_weights(log_weights: Float[Tensor, "sample"]) -> Float[Tensor, "sample"]:
    """Weights (sample,) of sum 1, none above the root of their number times the mean before.

    A sample in the far tail of q then no longer counts for all the others.
    Source: E. L. Ionides, J. Comput. Graph. Stat. 17, 295 (2008), doi:10.1198/106186008X320456.
    """
    weights = torch.softmax(log_weights, 0)
    weights = weights.clamp(max=len(weights) ** -0.5)
    return weights / weights.sum()


def log_mean_weight(log_weights: Float[Tensor, "sample"]) -> float:
    """ln of the mean weight: with weights pi / q of samples of q it estimates ln Z (Eqs. 48-50)."""
    return float(torch.logsumexp(log_weights, 0)) - math.log(len(log_weights))


def log_partition_ratio(
    energy: Float[Tensor, "sample"], log_weights: Float[Tensor, "sample"], step: float
) -> float:
    """ln Z(beta + step) - ln Z(beta) from samples with weights pi_beta / q, Eqs. 44-45.

    ``energy`` (sample,) in kT of the target.
    """
    return float(torch.logsumexp(-step * energy + torch.log_softmax(log_weights, 0), 0))


def relative_increase(energy: Tensor, log_weights: Tensor, log_z: float, step: float) -> float:
    """c_k: by how much the KL divergence grows, relative to itself, when beta grows by ``step``; Eq. 36.

    ``log_z`` is ln Z(beta), ``log_weights`` ln pi_beta / q of samples of q.  The divergence is taken to be at
    least `NOISE`, for a divergence of 0 would forbid every step.
    """
    divergence = max(log_z - float(log_weights.mean()), NOISE)
    growth = log_partition_ratio(energy, log_weights, step) + step * float(energy.mean())
    return growth / divergence


def next_beta(
    beta: float,
    energy: Tensor,
    log_weights: Tensor,
    log_z: float,
    *,
    largest_increase: float = 1.0,
    largest_step: float = LARGEST_STEP,
) -> float:
    """The next relative inverse temperature, at most 1.

    Source: M. Schoeberl et al. (2020), doi:10.48550/arXiv.2002.10148, Algorithm 1 and Eq. 36.
    """
    step = largest_step
    for _ in range(TRIALS):
        step = min(step, 1.0 - beta)
        if relative_increase(energy, log_weights, log_z, step) <= largest_increase:
            break
        step *= SHRINK
    return min(1.0, beta + step)


def staged_beta(progress: float, start: float, low: float, hold: float = 1 / 3) -> float:
    """Geometric from ``start`` to ``low``, then ``low`` for the last ``hold`` of the stage."""
    return start * (low / start) ** min(1.0, progress / (1 - hold))


def clipped_gradients(gradients: Tensor, kappa: float) -> Tensor:
    """Gradients (sample, dim) shortened to ``kappa`` times their mean norm; Eqs. 52-53.

    Overlapping atoms make some infinite: those count 0.
    """
    norms = gradients.norm(dim=1)
    finite = norms.isfinite()
    gradients = torch.where(finite[:, None], gradients, 0.0)
    norms = torch.where(finite, norms, 0.0)
    longest = kappa * norms.sum() / finite.sum().clamp(min=1)
    return gradients * (longest / norms.clamp(min=1e-30)).clamp(max=1.0)[:, None]


def coverage(log_target: Tensor, log_q: Tensor, weights: Tensor, factor: float) -> float:
    """Fraction of the weight (sample,) at which q is at least 1 / ``factor`` of the normalised target."""
    return float((weights * (log_target - log_q <= math.log(factor))).sum() / weights.sum())
