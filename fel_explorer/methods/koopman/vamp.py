"""The variational approach to Markov processes (VAMP): covariances, scores, and the Koopman model.

Symbols: x and y (pair, function) are basis functions, such as memberships, of the two frames of a pair;
C00 = <x x^T>, C0t = <x y^T> and Ctt = <y y^T>, means removed.  The constant function is always in the space
and counts 1 in every score.

Source: H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y, Eqs. 30 and 33.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor

from fel_explorer.data.moments import LaggedCovariances
from fel_explorer.training import ranks

CUTOFF = 1e-10  # fraction of the largest variance below which a direction is noise


@dataclass(frozen=True)
class Covariances:
    """Mean-free covariances (function, function), float64, and the means (function,) of both frames."""

    c00: Float[Tensor, "function function"]
    c0t: Float[Tensor, "function function"]
    ctt: Float[Tensor, "function function"]
    mean: Float[Tensor, "function"]
    mean_later: Float[Tensor, "function"]

    @classmethod
    def from_arrays(cls, found: LaggedCovariances) -> Covariances:
        """The same of covariances accumulated over blocks of frames."""
        arrays = found.c00, found.c0t, found.ctt, found.mean, found.mean_later
        return cls(*map(torch.from_numpy, arrays))


@dataclass(frozen=True)
class Koopman:
    """The best linear prediction of functions of the later frame from functions of the earlier one.

    Attributes
    ----------
    singular_values
        (process,) largest first, without the constant one; with detailed balance |eigenvalues|.
    left, right
        (function, process): x @ left and y @ right have unit variance and correlate by the singular values.
    mean
        (function,) of the earlier frames.
    """

    singular_values: Float[Tensor, "process"]
    left: Float[Tensor, "function process"]
    right: Float[Tensor, "function process"]
    mean: Float[Tensor, "function"]


def covariances(
    x: Float[Tensor, "pair function"],
    y: Float[Tensor, "pair function"],
    weight: Num[Tensor, "pair"] | None = None,
    *,
    reversible: bool = False,
) -> Covariances:
    """C00, C0t and Ctt of pairs.

    ``weight`` (pair,) counts each pair so many times.  ``reversible`` counts it in both directions of time.
    """
    x, y = x.double(), y.double()
    weight = torch.ones_like(x[:, 0]) if weight is None else weight.double()
    if reversible:
        x, y, weight = torch.cat([x, y]), torch.cat([y, x]), torch.cat([weight, weight])
    if ranks.n_ranks() > 1:
        return _covariances_over_ranks(x, y, weight)
    weight = weight / weight.sum()
    mean, mean_later = weight @ x, weight @ y
    x, y = x - mean, y - mean_later
    weighted, later = x * weight[:, None], y * weight[:, None]
    return Covariances(weighted.T @ x, weighted.T @ y, later.T @ y, mean, mean_later)


def _covariances_over_ranks(x: Tensor, y: Tensor, weight: Tensor) -> Covariances:
    """The same of the pairs of all ranks: sums, reduced once, from which everything else follows."""
    with torch.no_grad():  # any shift will do; one near the mean keeps the digits
        shift = ranks.summed(torch.cat([weight @ x, weight.sum()[None]]))
        shift = shift[:-1] / shift[-1]
    x, y, n = x - shift, y - shift, x.shape[1]
    weighted, later = x * weight[:, None], y * weight[:, None]
    sums = [weight.sum()[None], weight @ x, weight @ y]
    sums += [product.flatten() for product in (weighted.T @ x, weighted.T @ y, later.T @ y)]
    total, mean, mean_later, *products = ranks.summed(torch.cat(sums)).split([1, n, n, n * n, n * n, n * n])
    mean, mean_later = mean / total, mean_later / total
    c00, c0t, ctt = (product.view(n, n) / total for product in products)
    c00, c0t = c00 - torch.outer(mean, mean), c0t - torch.outer(mean, mean_later)
    ctt = ctt - torch.outer(mean_later, mean_later)
    return Covariances(c00, c0t, ctt, mean + shift, mean_later + shift)


def vamp2(covariances: Covariances, ridge: float | Tensor = 0.0) -> Float[Tensor, ""]:
    """VAMP-2 score, 1 + |C00^-1/2 C0t Ctt^-1/2|^2 (Frobenius norm), 0-dimensional.

    Linear solves instead of eigenvectors: the gradient stays finite where eigenvalues meet.  ``ridge`` is
    added to the variances, so that dependent functions can be trained.  The solves don't check that matrices
    are regular: that would wait for a GPU in each step.
    """
    identity = ridge * torch.eye(len(covariances.c00), dtype=torch.float64, device=covariances.c00.device)
    forward = torch.linalg.solve_ex(covariances.c00 + identity, covariances.c0t).result
    backward = torch.linalg.solve_ex(covariances.ctt + identity, covariances.c0t.T).result
    return 1.0 + (forward * backward.T).sum()


def koopman(covariances: Covariances, cutoff: float = CUTOFF) -> Koopman:
    """The Koopman model of ``covariances``, without directions below ``cutoff`` of the largest variance."""
    whiten, whiten_later = whitening(covariances.c00, cutoff), whitening(covariances.ctt, cutoff)
    u, values, vt = torch.linalg.svd(whiten.T @ covariances.c0t @ whiten_later, full_matrices=False)
    return Koopman(values, whiten @ u, whiten_later @ vt.T, covariances.mean)


def whitening(
    covariance: Float[Tensor, "function function"], cutoff: float = CUTOFF
) -> Float[Tensor, "function direction"]:
    """W (function, direction) with W^T C W = 1."""
    values, vectors = torch.linalg.eigh(covariance)
    keep = values > cutoff * values[-1].clamp_min(torch.finfo(torch.float64).tiny)
    return vectors[:, keep] / values[keep].sqrt()


def vamp_e(model: Koopman, test: Covariances) -> Float[Tensor, ""]:
    """VAMP-E score of a model on other data than it was made from, 0-dimensional: higher is better.

    1 + tr(2 S U^T C0t V - S U^T C00 U S V^T Ctt V).  On its own data it is the VAMP-2 score; a model that
    fits noise scores less.
    """
    s, u, v = model.singular_values, model.left, model.right
    gain = 2.0 * s @ (u.T @ test.c0t @ v).diagonal()
    price = ((u.T @ test.c00 @ u) * s * (v.T @ test.ctt @ v).T * s[:, None]).sum()
    return 1.0 + gain - price
