"""Eigenvalues of small symmetric matrices without waiting for the device.

`torch.linalg.eigh` reads its error code on the host, so that each call on a GPU waits for all work before it.
"""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor

SWEEPS = 8  # convergence is quadratic: float64 is reached after about 6


def generalized_eigenvalues(
    energy: Float[Tensor, "function function"], covariance: Float[Tensor, "function function"]
) -> Float[Tensor, "function"]:
    """Eigenvalues (function,) of E v = lambda C v, smallest first; C has to be positive definite."""
    lower = torch.linalg.cholesky_ex(covariance).L
    half = torch.linalg.solve_triangular(lower, energy, upper=False)
    return eigenvalues(torch.linalg.solve_triangular(lower, half.T, upper=False))


def eigenvalues(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n"]:
    """Eigenvalues (n,) of a symmetric matrix, smallest first, by parallel cyclic Jacobi rotations.

    Source: R. P. Brent and F. T. Luk, SIAM J. Sci. Stat. Comput. 6, 69 (1985), doi:10.1137/0906007.
    """
    n = len(matrix)
    a = torch.nn.functional.pad((matrix + matrix.T) / 2, (0, n % 2, 0, n % 2))
    identity = torch.eye(len(a), dtype=a.dtype, device=a.device)
    tiny = torch.finfo(a.dtype).tiny
    for _ in range(SWEEPS if n > 1 else 0):
        for p, q in _rounds(len(a), a.device):
            apart, off = a[q, q] - a[p, p], 2 * a[p, q]
            sign = torch.where(apart < 0, -1.0, 1.0)
            tangent = sign * off / (apart.abs() + apart.hypot(off)).clamp_min(tiny)
            cosine = (1 + tangent.square()).rsqrt()
            sine = tangent * cosine
            rotation = identity.clone()
            rotation[p, p] = rotation[q, q] = cosine
            rotation[p, q], rotation[q, p] = sine, -sine
            a = rotation.T @ a @ rotation
    return a.diagonal()[:n].sort().values


@functools.lru_cache(maxsize=32)
def _rounds(n: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Pairs (p, q) of a round-robin tournament of ``n`` (even): each meets each once in n - 1 rounds."""
    rounds, order = [], list(range(n))
    for _ in range(n - 1):
        first, second = order[: n // 2], order[: n // 2 - 1 : -1]
        rounds.append((torch.tensor(first, device=device), torch.tensor(second, device=device)))
        order = [order[0], order[-1], *order[1:-1]]
    return rounds
