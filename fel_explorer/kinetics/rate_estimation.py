"""Estimation of a reversible rate matrix from memberships: by likelihood, or from their correlations.

A rate matrix is K = diag(pi)^(1/2) S diag(pi)^(-1/2) per lag, acting on probability columns, with parameters
``(log_flux, log_population)``, see `rate_matrix`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor

from fel_explorer.kinetics.emission import calibrated_emission, correlations, emission_matrix, shift, spans
from fel_explorer.resampling import Blocks

EPSILON = 1e-12
MIN_FLUX = 1e-8  # per lag, where an estimate starts
Parameters = tuple[torch.Tensor, torch.Tensor]


def rate_matrix(
    log_flux: Float[Tensor, "pair"], log_population: Float[Tensor, "state"]
) -> tuple[Float[Tensor, "state state"], Float[Tensor, "state"]]:
    """Symmetrised rate matrix S (state, state) and pi (state,) from free parameters.

    ``log_flux`` (state * (state - 1) / 2,) are logs of the equilibrium fluxes F_ij = K_ij pi_j per lag, which
    are symmetric under detailed balance; S_ij = F_ij / sqrt(pi_i pi_j).
    """
    n = len(log_population)
    pi = torch.softmax(log_population, 0)
    i, j = torch.triu_indices(n, n, 1)
    flux = torch.zeros(n, n, dtype=pi.dtype)
    flux = flux.index_put((i, j), log_flux.exp())
    flux = flux + flux.T
    root = pi.sqrt()
    return flux / torch.outer(root, root) - torch.diag(flux.sum(0) / pi), pi


def propagator(
    S: Float[Tensor, "state state"], pi: Float[Tensor, "state"], n: float
) -> Float[Tensor, "state state"]:
    """exp(nK) (state, state): probability columns n lags later."""
    # an eigendecomposition would be shared by all n, but its gradient breaks where eigenvalues coincide
    root = pi.sqrt()
    return root[:, None] * torch.matrix_exp(n * S) / root[None, :]


class LikelihoodFit:
    """Maximum of the mean of chi(t + n tau)^T ln[E exp(nK) chi(t)], summed over the multiples n.

    Parameters
    ----------
    chi
        (frame, state) memberships, trajectories one after the other.
    blocks
        Whose weights are given to a call.
    sums
        From `block_correlations`.
    lag, multiples
        tau in frames, and the n.
    calibrated
        E of calibrated memberships, else E = 1: Eq. 7 of doi:10.1021/acs.jpclett.9b02012 as printed.
    """

    def __init__(
        self,
        chi: Float[np.ndarray, "frame state"],
        blocks: Blocks,
        sums: tuple[np.ndarray, ...],
        lag: int,
        multiples: Sequence[int],
        *,
        calibrated: bool,
    ) -> None:
        self._sums, self._multiples, self._calibrated = sums, multiples, calibrated
        memberships = torch.from_numpy(np.ascontiguousarray(chi))
        # frames tau apart: those between are correlated and cost time
        self._pairs = [
            [[side[::lag] for side in shift(memberships, span, 0, n * lag)] for n in multiples]
            for span in spans(blocks)
        ]

    def emission(self, weights: Num[np.ndarray, "block"]) -> Float[np.ndarray, "state state"]:
        """E (shown state, true state) for weights (block,)."""
        moments = correlations(self._sums, weights)
        return calibrated_emission(moments) if self._calibrated else np.eye(len(moments.mean))

    def __call__(
        self, weights: np.ndarray, start: Parameters | None = None, max_iter: int = 200
    ) -> Parameters:
        """Parameters of the best rate matrix for weights (block,)."""
        moments = correlations(self._sums, weights)
        start = start or _start(moments.once)
        emission = torch.from_numpy(self.emission(weights))
        pooled = _pool(self._pairs, weights)

        def objective(log_flux, log_population):
            return -log_likelihood(pooled, log_flux, log_population, self._multiples, emission)

        log_flux, log_population = _minimise(objective, start, max_iter)
        return log_flux, log_population


def log_likelihood(
    pooled: Sequence[tuple[Float[Tensor, "_ state"], Float[Tensor, "_ state"], Float[Tensor, "_"]]],
    log_flux: Float[Tensor, "pair"],
    log_population: Float[Tensor, "state"],
    multiples: Sequence[float] | Tensor,
    emission: Float[Tensor, "state state"],
) -> Float[Tensor, ""]:
    """Mean of chi(t + n tau)^T ln[E exp(nK) chi(t)], summed over the multiples.

    Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, Eq. 7.
    """
    S, pi = rate_matrix(log_flux, log_population)
    total = torch.zeros((), dtype=torch.float64)
    for n, (source, target, weight) in zip(multiples, pooled, strict=True):
        predicted = source @ (emission @ propagator(S, pi, n)).T
        total = total + (weight * (target * (predicted + EPSILON).log()).sum(1)).sum()
    return total


class CorrelationFit:
    """Least squares from correlations: E^-1 C(n tau) E^-T / sqrt(pi pi^T) against exp(nS).

    E and pi come from `emission_matrix`.  The scaling by pi makes all entries those of a symmetric matrix
    with eigenvalues in [0, 1], so that rare states count as populated ones.  Parameters as `LikelihoodFit`.
    """

    def __init__(self, sums: tuple[np.ndarray, ...], multiples: Sequence[int]) -> None:
        self._sums, self._multiples = sums, torch.tensor(multiples, dtype=torch.float64)

    def emission(self, weights: Num[np.ndarray, "block"]) -> Float[np.ndarray, "state state"]:
        """E (shown state, true state) for weights (block,)."""
        return emission_matrix(correlations(self._sums, weights))[0]

    def __call__(
        self, weights: np.ndarray, start: Parameters | None = None, max_iter: int = 200
    ) -> Parameters:
        """Parameters of the best rate matrix for weights (block,)."""
        moments = correlations(self._sums, weights)
        emission, pi = emission_matrix(moments)
        inverse, log_population = np.linalg.inv(emission), torch.from_numpy(np.log(pi))
        joint = inverse @ moments.lagged @ inverse.T
        observed = torch.from_numpy(joint / np.sqrt(np.outer(pi, pi)))
        start = start or _start(inverse @ moments.once @ inverse.T)

        def objective(log_flux):
            S, _ = rate_matrix(log_flux, log_population)
            return ((torch.matrix_exp(self._multiples[:, None, None] * S) - observed) ** 2).sum()

        (log_flux,) = _minimise(objective, start[:1], max_iter)
        return log_flux, log_population


def _pool(pairs, weights):
    """Concatenated pairs with frame weights, one (source, target, weight) per multiple."""
    pooled = []
    for index in range(len(pairs[0])):
        used = [(pair[index], w) for pair, w in zip(pairs, weights, strict=True) if w]
        sources = torch.cat([source for (source, _), _ in used])
        targets = torch.cat([target for (_, target), _ in used])
        weight = torch.cat([torch.full((len(source),), float(w)) for (source, _), w in used])
        pooled.append((sources, targets, weight.double() / weight.sum()))
    return pooled


def _start(joint: np.ndarray) -> Parameters:
    """Parameters that have the fluxes of a joint probability (state, state) at one lag."""
    flux = torch.from_numpy(joint / joint.sum())
    i, j = torch.triu_indices(len(flux), len(flux), 1)
    return flux[i, j].clamp_min(MIN_FLUX).log(), flux.sum(0).clamp_min(MIN_FLUX).log()


def _minimise(objective, start, max_iter) -> list[torch.Tensor]:
    parameters = [p.clone().double().requires_grad_(True) for p in start]
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=max_iter,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = objective(*parameters)
        loss.backward()
        return loss

    optimizer.step(closure)
    return [p.detach() for p in parameters]
