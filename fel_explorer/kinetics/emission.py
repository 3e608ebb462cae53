"""The emission matrix of soft states, from correlations over three times.

A frame of state b shows on average the memberships M_ab = <chi_a | b>.  If the noise of chi within a state is
lost within a lag, chi at different times depend on each other only through the state, so that for
reversible dynamics with transition matrix T(s), populations Pi and Z = M T

    C(s)   = <chi(t) chi(t+s)^T>                  = M Pi T(s) M^T
    C(2s)  = <chi(t) chi(t+2s)^T>                 = Z Pi Z^T
    G_j    = <chi(t) chi_j(t+s) chi(t+2s)^T>      = Z Pi diag(M_j1, M_j2, ...) Z^T.

Whitened by C(2s), all G_j have the same orthogonal eigenvectors and the eigenvalues M_jb: joint
diagonalisation finds M and Pi whatever the memberships are, calibrated, sharpened or blurred, as long as M is
invertible (Anandkumar, Hsu and Kakade, COLT 2012, doi:10.48550/arXiv.1203.0683, for hidden Markov models; Wu,
Prinz and Noe, J. Chem. Phys. 143, 144101 (2015), doi:10.1063/1.4932406, for projected molecular dynamics).
The same-time correlation C(0), which holds the noise within states, is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are used
from jaxtyping import Float, Num
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.resampling import Blocks

MAX_SWEEPS = 100
TOLERANCE = 1e-9  # sine of the largest rotation in a sweep
MIN_EIGENVALUE = 1e-6  # of C(2s), relative to the largest


@dataclass(frozen=True)
class Correlations:
    """Correlations of memberships, symmetrised in time; of all blocks or with a leading axis of blocks.

    Attributes
    ----------
    mean
        (state,) <chi>.
    same
        (state, state) <chi chi^T>.
    once
        (state, state) C(s).
    lagged
        (multiple, state, state) C(n s).
    twice
        (state, state) C(2s).
    triple
        (state, state, state) G_j, j first.
    """

    mean: Float[np.ndarray, "*block state"]
    same: Float[np.ndarray, "*block state state"]
    once: Float[np.ndarray, "*block state state"]
    lagged: Float[np.ndarray, "*block multiple state state"]
    twice: Float[np.ndarray, "*block state state"]
    triple: Float[np.ndarray, "*block state state state"]


def block_correlations(
    chi: Float[np.ndarray, "frame state"], blocks: Blocks, lag: int, multiples: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Sums over the frames of each block that `correlations` makes averages of.

    Parameters
    ----------
    chi
        (frame, state) memberships, trajectories one after the other.
    lag
        s in frames.

    Returns
    -------
    Arrays (block, ...): sums of chi, of chi chi^T, of chi(t) chi(t + n s)^T with n = 1 first, of
    chi(t) chi(t + 2s)^T, of chi(t) chi_j(t + s) chi(t + 2s)^T, and the numbers of frames, pairs and triples.
    """
    multiples = (1, *multiples)
    rows = [_block_sums(chi, span, lag, multiples) for span in spans(blocks)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def spans(blocks: Blocks) -> list[tuple[int, int, int]]:
    """First frame, end, and end of the trajectory of each block."""
    ends = np.repeat(np.cumsum(blocks.lengths), blocks.lengths)[blocks.start]
    return list(zip(blocks.start, blocks.stop, ends, strict=True))


def shift(values: np.ndarray | Tensor, span: tuple[int, int, int], *shifts: int) -> list:
    """Rows of ``values`` (frame, ...) a number of frames after those of a block, as far as all are there."""
    start, stop, end = span
    count = max(min(stop, end - max(shifts)) - start, 0)
    return [values[start + shift : start + shift + count] for shift in shifts]


def _block_sums(chi, span, lag, multiples):
    here = chi[span[0] : span[1]]
    pairs = [shift(chi, span, 0, n * lag) for n in multiples]
    first, middle, last = shift(chi, span, 0, lag, 2 * lag)
    triple = np.stack([(first * middle[:, [j]]).T @ last for j in range(chi.shape[1])])
    return (
        here.sum(0),
        here.T @ here,
        np.stack([a.T @ b for a, b in pairs]),
        first.T @ last,
        triple,
        len(here),
        np.array([len(a) for a, _ in pairs]),
        len(first),
    )


def correlations(sums: tuple[np.ndarray, ...], weights: Num[np.ndarray, "block"]) -> Correlations:
    """Averages from `block_correlations`, with ``weights`` (block,), such as the counts of a draw."""
    mean, same, lagged, twice, triple, frames, pairs, triples = (
        np.tensordot(weights, column, axes=1) for column in sums
    )
    if not (pairs > 0).all() or triples <= 0:
        raise FelError(
            "No trajectory is long enough for pairs of frames at the lag and its multiples.",
            "At least one trajectory is longer than two lags and than the largest multiple.",
            "Take a shorter lag or smaller multiples.",
        )

    def symmetric(x):
        return (x + np.swapaxes(x, -1, -2)) / 2

    lagged = symmetric(lagged) / pairs[:, None, None]
    return Correlations(
        mean / frames,
        same / frames,
        lagged[0],
        lagged[1:],
        symmetric(twice) / triples,
        symmetric(triple) / triples,
    )


def emission_matrix(
    moments: Correlations,
) -> tuple[Float[np.ndarray, "state state"], Float[np.ndarray, "state"]]:
    """M (shown state, true state), whose columns sum to 1, and the populations (state,) of the true states.

    Raises
    ------
    FelError
        If the memberships don't separate the states over two lags: C(2s) is not positive definite.
    """
    values, vectors = np.linalg.eigh(moments.twice)
    if values[0] <= MIN_EIGENVALUE * values[-1]:
        seen = int((values > MIN_EIGENVALUE * values[-1]).sum())
        raise FelError(
            f"Over two lags the memberships show {seen} of {len(values)} states.",
            "The correlation of the memberships over two lags must be positive definite.",
            "Take a shorter lag, fewer states or more data, or form='calibrated'.",
        )
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    rotation, diagonals = joint_diagonalise(whiten @ moments.triple @ whiten)
    matrix = diagonals / diagonals.sum(0)
    population = (rotation.T @ whiten @ moments.mean) ** 2
    _, order = scipy.optimize.linear_sum_assignment(-matrix)
    population = population[order]
    return matrix[:, order], population / population.sum()


def joint_diagonalise(
    matrices: Float[np.ndarray, "matrix n n"],
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "matrix n"]]:
    """Orthogonal V (n, n) that makes all V^T A_j V as diagonal as possible, and their diagonals (matrix, n).

    By Jacobi rotations (Cardoso and Souloumiac, SIAM J. Matrix Anal. Appl. 17, 161 (1996),
    doi:10.1137/S0895479893259546).  ``matrices`` (matrix, n, n) are symmetric.
    """
    matrices, n = matrices.copy(), matrices.shape[1]
    rotation = np.eye(n)
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for p in range(n - 1):
            for q in range(p + 1, n):
                h = np.stack([matrices[:, p, p] - matrices[:, q, q], 2 * matrices[:, p, q]])
                on, off = h[0] @ h[0] - h[1] @ h[1], 2 * h[0] @ h[1]
                angle = 0.5 * np.arctan2(off, on + np.hypot(on, off))
                c, s = np.cos(angle), np.sin(angle)
                turn = np.array([[c, -s], [s, c]])
                rotation[:, [p, q]] = rotation[:, [p, q]] @ turn
                matrices[:, :, [p, q]] = matrices[:, :, [p, q]] @ turn
                matrices[:, [p, q]] = turn.T @ matrices[:, [p, q]]
                largest = max(largest, abs(s))
        if largest < TOLERANCE:
            break
    return rotation, np.diagonal(matrices, axis1=1, axis2=2).copy()


def calibrated_emission(moments: Correlations) -> Float[np.ndarray, "state state"]:
    """M of calibrated memberships, <chi chi^T> diag(<chi>)^-1: what holds if chi are true probabilities."""
    return moments.same / moments.same.sum(0)


def slow_time(moments: Correlations, emission: Float[np.ndarray, "state state"] | None = None) -> float:
    """Slowest time scale in lags: of M^-1 C(s) M^-T for a given M, else of C(s)^-1 C(2s), free of M.

    Infinite where the eigenvalue is 1 or more, nan where it is not positive.
    """
    # pseudo-inverses, for states whose memberships are copies of each other
    if emission is None:
        matrix = np.linalg.pinv(moments.once, MIN_EIGENVALUE, hermitian=True) @ moments.twice
    else:
        inverse = np.linalg.pinv(emission, MIN_EIGENVALUE)
        joint = inverse @ moments.once @ inverse.T
        matrix = joint / joint.sum(1, keepdims=True)
    value = np.sort(np.linalg.eigvals(matrix).real)[::-1][1]
    if value <= 0:
        return np.nan
    return np.inf if value >= 1 else float(-1 / np.log(value))
