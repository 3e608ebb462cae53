"""Relaxation of slow modes along trajectories: time scales and their block errors.

A series is a list of arrays (frame, cv), one per trajectory; blocks are equal segments of all its frames in
order, cut where trajectories end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import scipy  # its parts are imported when they are used
import scipy.linalg
from jaxtyping import Float, Num

from fel_explorer.errors import FelError

N_BLOCKS = 5  # as Sidky et al. (2020)


def blocks(parts: list[np.ndarray], n_blocks: int = N_BLOCKS) -> list[list[np.ndarray]]:
    """The series as ``n_blocks`` series of equal length."""
    ends = np.cumsum([len(p) for p in parts])
    cuts = np.round(np.linspace(0, ends[-1], n_blocks + 1)).astype(int)
    result = []
    for first, last in pairwise(cuts):
        pieces = [
            part[max(first - (end - len(part)), 0) : last - (end - len(part))]
            for part, end in zip(parts, ends, strict=True)
            if end > first and end - len(part) < last
        ]
        result.append(pieces)
    return result


def relaxation_times(
    parts: list[Num[np.ndarray, "_ cv"]], lag: int, lag_time: float
) -> Float[np.ndarray, "cv"]:
    """Time scales t_i = -lag_time / ln lambda_i, (cv,) slowest first, of the best linear model at the lag.

    C1 v = lambda C0 v, symmetrised in time and with the mean removed; 0 where lambda is not positive.  Modes
    of similar time scales may mix without harm.  ``lag`` is in frames.
    """
    c0, c1 = _covariances(parts, lag)
    values = scipy.linalg.eigh(c1, c0, eigvals_only=True)[::-1]
    times = np.zeros(len(values))
    slow = values > 0
    times[slow] = -lag_time / np.log(np.minimum(values[slow], 1 - 1e-12))
    return times


def _covariances(parts, lag):
    pairs = [(p[:-lag], p[lag:]) for p in parts if len(p) > lag]
    if not pairs:
        raise FelError(
            f"A lag of {lag} frames in trajectories of at most {max(map(len, parts))}.",
            "At least one trajectory is longer than the lag.",
            "Simulate longer trajectories.",
        )
    x, y = (np.concatenate(side).astype(float) for side in zip(*pairs, strict=True))
    mean = (x.mean(0) + y.mean(0)) / 2
    x, y = x - mean, y - mean
    c0, c1 = (x.T @ x + y.T @ y) / (2 * len(x)), (x.T @ y + y.T @ x) / (2 * len(x))
    return c0 + 1e-12 * np.trace(c0) * np.eye(len(c0)), c1


def autocorrelation_times(
    parts: list[np.ndarray], lags: Sequence[int] | np.ndarray, lag_time: float
) -> Float[np.ndarray, "cv"]:
    """Time t_i (cv,) of the exponential exp(-t / t_i) that fits each latent's autocorrelation best.

    ``lags`` in frames; ``lag_time`` is the time of one frame. Source: H. Sidky, W. Chen and A. L. Ferguson,
    Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section 3.2.
    """
    lags = np.asarray(lags)
    x = np.concatenate(parts).astype(float)
    mean, variance = x.mean(0), x.var(0)
    curves = []
    for lag in lags:
        pairs = [(p[:-lag] - mean, p[lag:] - mean) for p in parts if len(p) > lag]
        products = sum((a * b).sum(0) for a, b in pairs) / sum(len(a) for a, _ in pairs)
        curves.append(products / variance)
    times = lags * lag_time

    def misfit(rate, curve):
        return ((np.exp(-times * np.exp(rate)) - curve) ** 2).sum()

    bounds = np.log(1e-3 / times[-1]), np.log(1e2 / times[0])
    best = [
        scipy.optimize.minimize_scalar(misfit, bounds=bounds, args=(c,), method="bounded").x
        for c in np.transpose(curves)
    ]
    return np.exp(-np.array(best))


def block_error(
    parts: list[np.ndarray], estimate: Callable[..., np.ndarray | float], n_blocks: int = N_BLOCKS
) -> np.ndarray:
    """Standard error of ``estimate(parts)`` by block averaging (doi:10.1063/1.457480).

    NaN where fewer than two blocks are long enough.
    """
    found = []
    for block in blocks(parts, n_blocks):
        try:
            found.append(np.asarray(estimate(block), float))
        except FelError:
            continue  # a block without a pair of frames a lag apart gives no estimate
    if len(found) < 2:
        return np.full(np.shape(estimate(parts)), np.nan)
    return np.std(found, axis=0, ddof=1) / np.sqrt(len(found))


def transition_density(
    parts: list[Num[np.ndarray, "_"]], edges: Num[np.ndarray, "edge"], lag: int
) -> Float[np.ndarray, "bin bin"]:
    """P(bin a lag later | bin), (bin, bin), of a series (frame,); rows of bins never seen are NaN."""
    n = len(edges) - 1
    counts = np.zeros((n, n))
    for part in parts:
        bins = np.clip(np.digitize(part, edges) - 1, 0, n - 1)
        if len(bins) > lag:
            counts += np.bincount(bins[:-lag] * n + bins[lag:], minlength=n * n).reshape(n, n)
    with np.errstate(invalid="ignore"):
        return counts / np.where(counts.sum(axis=1) > 0, counts.sum(axis=1), np.nan)[:, None]


def returns(
    parts: list[Num[np.ndarray, "_"]], borders: Num[np.ndarray, "border"], lag: int
) -> Float[np.ndarray, "basin"]:
    """P(in the basin a lag later | in it now), (basin,), of a series (frame,); NaN where none was seen."""
    n = len(borders) + 1
    here, both = np.zeros(n), np.zeros(n)
    for part in parts:
        basin = np.digitize(part, borders)
        now, later = basin[:-lag], basin[lag:]
        here += np.bincount(now, minlength=n)
        both += np.bincount(now[now == later], minlength=n)
    with np.errstate(invalid="ignore"):
        return both / np.where(here > 0, here, np.nan)


def crossings(parts: list[Num[np.ndarray, "_"]], low: float, high: float) -> int:
    """Number of times that a series (frame,) goes from below ``low`` to above ``high`` or back."""
    count = 0
    for part in parts:
        side = np.where(part < low, -1, np.where(part > high, 1, 0))
        visited = side[side != 0]
        count += int((np.diff(visited) != 0).sum())
    return count
