"""Losses whose minimum are the slowest eigenfunctions of the generator or of the transfer operator.

Symbols, for functions f_1 ... f_K of the state x: C (function, function) is their covariance, E their energy,

- of the generator of overdamped dynamics with diffusion coefficients a (coordinate,)
  E_ij = < grad f_i . a grad f_j >;
- of the transfer operator at lag tau E_ij = < (f_i(x_tau) - f_i(x)) (f_j(x_tau) - f_j(x)) > / (2 tau), which
  goes to the generator's as tau goes to 0.

Averages are over the equilibrium distribution, by frame weight where sampling is biased.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.jacobi import generalized_eigenvalues
from fel_explorer.methods.koopman.ritz import ritz

RIDGE = 1e-9  # of the mean variance: collinear functions can be trained apart


def carre_du_champ(
    gradients: Float[Tensor, "frame function coordinate"], diffusion: Float[Tensor, "#coordinate"]
) -> Float[Tensor, "frame function function"]:
    """grad f_i . a grad f_j (frame, function, function) from gradients (frame, function, coordinate)."""
    return (gradients * diffusion) @ gradients.transpose(1, 2)


def generator_forms(
    values: Float[Tensor, "frame function"],
    gamma: Float[Tensor, "frame function function"],
    weight: Float[Tensor, "frame"],
) -> tuple[Float[Tensor, "function function"], Float[Tensor, "function function"]]:
    """E and C of functions from values (frame, function), `carre_du_champ` and weights (frame,), float64."""
    values, weight = values.double(), weight.double() / weight.double().sum()
    energy = torch.einsum("f,fij->ij", weight, gamma.double())
    values = values - weight @ values
    return energy, (values * weight[:, None]).T @ values


def transfer_forms(
    values: Float[Tensor, "pair function"],
    later: Float[Tensor, "pair function"],
    weight: Float[Tensor, "pair"],
    lag_time: float,
) -> tuple[Float[Tensor, "function function"], Float[Tensor, "function function"]]:
    """E and C of functions from their values (pair, function) at both frames of the pairs, float64."""
    covariances = vamp.covariances(values, later, weight, reversible=True)
    return (covariances.c00 - covariances.c0t) / lag_time, covariances.c00


def resolvent_loss(
    energy: Float[Tensor, "function function"],
    covariance: Float[Tensor, "function function"],
    c: Float[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """-c tr[(E + c C)^-1 C] = -sum_i c / (lambda_i + c).

    It depends only on the space that the functions span, and its weights are those of the resolvent
    c (c - L)^-1: modes much faster than c add nothing.  No weights, penalty or order are needed.  By default
    c is the middle eigenvalue of the functions now, which keeps gradients large but makes values comparable
    only within a step; to compare, give a ``c``.
    """
    covariance = _with_ridge(covariance)
    if c is None:
        with torch.no_grad():
            values = ritz_values(energy, covariance)
            c = values[len(values) // 2].clamp_min(torch.finfo(torch.float64).tiny)
    return -c * torch.linalg.solve_ex(energy + c * covariance, covariance).result.trace()


def ritz_values(
    energy: Float[Tensor, "function function"], covariance: Float[Tensor, "function function"]
) -> Float[Tensor, "mode"]:
    """Eigenvalues (mode,) of E v = lambda C v, smallest first; on a GPU without waiting for it.

    On the CPU directions without variance are left out; on a GPU, where their number would have to be read
    back, they have `RIDGE` and so a large eigenvalue.
    """
    if energy.device.type == "cpu":
        return ritz(energy, covariance)[0]
    return generalized_eigenvalues(energy, _with_ridge(covariance))


def _with_ridge(covariance: Tensor) -> Tensor:
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return covariance + RIDGE * covariance.diagonal().mean().detach() * identity


def penalty_loss(
    energy: Float[Tensor, "function function"],
    covariance: Float[Tensor, "function function"],
    omega: Float[Tensor, "function"],
    alpha: float,
) -> Float[Tensor, ""]:
    """sum_i omega_i E_ii / C_ii + alpha sum_{i <= j} (C_ij - delta_ij)^2, functions in order of E_ii / C_ii.

    The published loss of the generator; the order is that of the paper's algorithm.

    Source: W. Zhang, T. Li and C. Schuette, J. Comput. Phys. 465, 111377 (2022),
    doi:10.1016/j.jcp.2022.111377; W. Zhang, slides (2024) [zhang2024slides], the loss below Eq. 6.
    """
    quotients = energy.diagonal() / covariance.diagonal()
    return omega @ quotients.sort().values + alpha * _orthonormality(covariance)


def transfer_penalty_loss(
    energy: Tensor, covariance: Tensor, omega: Tensor, alpha: float, lag_time: float
) -> Tensor:
    """1/2 sum_i omega_i < |f_i(x_tau) - f_i(x)|^2 > + alpha sum_{i <= j} (C_ij - delta_ij)^2.

    The published loss of the transfer operator: not divided by variances, and each weight stays with its
    function.  ``energy`` is E of `transfer_forms`, which has 1 / (2 tau) in place of 1/2.

    Source: W. Zhang, slides (2024) [zhang2024slides], the loss below Eq. 7.
    """
    return lag_time * omega @ energy.diagonal() + alpha * _orthonormality(covariance)


def _orthonormality(covariance):
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    return (covariance - identity).triu().square().sum()


def check_omega(omega: list[float], n: int) -> None:
    """Raise a `FelError` unless the weights of `penalty_loss` are none or one for each of ``n`` functions."""
    falling = all(a >= b > 0 for a, b in pairwise(omega))
    if omega and (len(omega) != n or not falling or omega[0] <= 0):
        raise FelError(
            f"omega={omega} with n_dims={n}.",
            "There is one positive weight for each dimension, and none is larger than the one before.",
            "Leave it empty for weights from 1 to 0.6.",
        )


def figure_of_merit(
    training: tuple[Float[Tensor, "function function"], Float[Tensor, "function function"]],
    held_out: tuple[Float[Tensor, "function function"], Float[Tensor, "function function"]],
    c: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Score of the modes of (E, C) of training data by (E, C) of other data; higher is better.

    With s = c / (lambda + c) the modes of the training data make the model sum_i s_i u_i <u_i, .> of the
    resolvent R = c (c - L)^-1, in the inner product A = E / c + C.  The figure is |R|^2 - |R - model|^2
    (Hilbert-Schmidt norm) on the other data, sum_i s_i^2 on its own: what the VAMP-E score is for the
    transfer operator.
    """
    values, vectors = ritz(*training)
    s = c / (values + c)
    u = vectors * s.clamp_min(0).sqrt()
    energy, covariance = held_out
    gain = 2.0 * s @ (u.T @ covariance @ u).diagonal()
    overlap = u.T @ (energy / c + covariance) @ u
    return gain - (s[:, None] * s * overlap.square()).sum()
