"""Eigenvalue problems of trained functions: the Ritz rotation, its sampling error, and the sign of modes.

Symbols: E (function, function) is the energy (Dirichlet form) of the functions, C their covariance, means
removed.  Among combinations of the functions the slowest modes solve E v = lambda C v.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from fel_explorer.methods.koopman.vamp import CUTOFF, whitening

N_BLOCKS = 10  # of the data, for errors


def ritz(
    energy: Float[Tensor, "function function"],
    covariance: Float[Tensor, "function function"],
    cutoff: float = CUTOFF,
) -> tuple[Float[Tensor, "mode"], Float[Tensor, "function mode"]]:
    """Solve E v = lambda C v.

    Returns
    -------
    eigenvalues
        (mode,) smallest first; fewer than functions where those depend on each other.
    vectors
        (function, mode) with V^T C V = 1.
    """
    whiten = whitening(covariance, cutoff)
    values, vectors = torch.linalg.eigh(whiten.T @ energy @ whiten)
    return values, whiten @ vectors


def ritz_error(
    forms: Callable[[Tensor], tuple[Tensor, Tensor]], weight: Float[Tensor, "sample"], n_modes: int
) -> Float[Tensor, "{n_modes}"]:
    """Standard error (mode,) of the Ritz eigenvalues, by the jackknife over `N_BLOCKS` blocks of the data.

    Parameters
    ----------
    forms
        E and C from weights (sample,), samples in order of time.
    weight
        (sample,) of the whole data.
    """
    estimates = []
    for block in torch.arange(len(weight), device=weight.device).tensor_split(N_BLOCKS):
        kept = weight.clone()
        kept[block] = 0.0
        if not len(block) or not kept.any():
            continue
        values = ritz(*forms(kept))[0][:n_modes]
        if len(values) == n_modes:
            estimates.append(values)
    if len(estimates) < 2:
        return torch.full((n_modes,), float("nan"), dtype=torch.float64)
    values = torch.stack(estimates)
    return ((len(values) - 1) * values.var(0, correction=0)).sqrt()


def orient(
    axes: Float[Tensor, "function mode"],
    outputs: Float[Tensor, "frame function"],
    mean: Float[Tensor, "function"],
    weight: Float[Tensor, "frame"],
) -> Float[Tensor, "function mode"]:
    """``axes`` (function, mode) with signs that make each mode's rare side positive (third moment >= 0)."""
    third = (weight[:, None] * ((outputs.double() - mean) @ axes) ** 3).sum(0)
    return axes * torch.where(third < 0, -1.0, 1.0)
