"""Rates that functions of a collective variable resolve, next to the full ones, and the bound between them.

At a lag s, with pairs (x, y) of frames s apart that count in both directions, the Dirichlet form is
E(f) = <|f(y) - f(x)|^2> / 2s.  Its minima over functions of unit variance are the rates nu = (1 - mu) / s,
mu being eigenvalues of the transfer operator at s; for s -> 0 they are the eigenvalues of -L.  For
eigenfunctions phi of the full space and phi~ of the functions of xi, of unit variance and the same sign,

    nu <= nu~ <= nu + E(phi - phi~)

(W. Zhang, slides (2024) [zhang2024slides], Eq. 3; W. Zhang, C. Hartmann and C. Schuette, Faraday Discuss.
195, 365 (2016), doi:10.1039/c6fd00147e).  It holds at each lag, because it needs only that E is a form of
which phi is an eigenfunction:  E(phi - phi~) = nu + nu~ - 2 nu <phi phi~> >= nu~ - nu.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr
from jaxtyping import Float

from fel_explorer.errors import FelError
from fel_explorer.resampling import N_DRAWS, Blocks

CUTOFF = 1e-8  # fraction of the largest variance below which a direction is noise
LEAST_SPREAD = 1e-6  # of a function, as a fraction of the largest: a draw may lack its frames
QUANTITIES = ("rate", "projected_rate", "bound", "overlap", "unexplained")


def projected_rates(
    cv_functions: Float[np.ndarray, "frame function"],
    other_functions: Float[np.ndarray, "frame other"],
    lengths: Sequence[int] | np.ndarray,
    lag: int,
    *,
    time_step: float = 1.0,
    n_rates: int = 3,
    n_bootstraps: int = N_DRAWS,
    weights: Float[np.ndarray, "frame"] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Rates of the full space and of functions of a collective variable, with the bound of their difference.

    Parameters
    ----------
    cv_functions
        (frame, function) functions of the variable, such as indicators of its cells.
    other_functions
        (frame, other) functions of the whole configuration.  The full space is spanned by both, so that its
        rates are at most the projected ones.
    lengths
        (trajectory,) numbers of frames.
    lag
        In frames.
    weights
        (frame,); a pair has the weight of its first frame.

    Returns
    -------
    Dataset over ``process``, slowest first: ``rate`` nu and ``projected_rate`` nu~ in 1 / time, ``bound``
    nu + E(phi - phi~), ``overlap`` <phi phi~>^2, ``unexplained`` the fraction of the variance of phi that no
    function of the variable explains; each with ``NAME_error``, ``NAME_lower``, ``NAME_upper``; ``timescale``
    and ``projected_timescale`` -s / ln mu.  NaN where there are fewer processes.  attrs ``lag_time``.

    Raises
    ------
    FelError
        If a function of either kind does not change, or no trajectory is longer than the lag.
    """
    lengths = np.asarray(lengths, np.int64)
    if lag < 1 or lag >= lengths.max():
        raise FelError(
            f"A lag of {lag} frames for trajectories of at most {lengths.max()}.",
            "The lag is at least one frame and shorter than the longest trajectory.",
        )
    blocks = Blocks.of_lengths(lengths, min_length=lag)
    values = [np.asarray(one, float) for one in (cv_functions, other_functions)]
    n_cv = values[0].shape[1]
    moments = pair_moments(blocks, np.concatenate(values, axis=1), lag, weights)
    found = _solve(moments.sum(axis=0), n_cv, lag * time_step, n_rates)
    draws = blocks.draw(max(n_bootstraps, 2), seed=seed)
    drawn = [_solve(one, n_cv, lag * time_step, n_rates) for one in draws.sums(moments)]
    columns = {}
    for name in QUANTITIES:
        samples = [one[name] for one in drawn]
        low, high = draws.interval(samples, confidence)
        error = draws.standard_error(samples)
        limits = {"": found[name], "_error": error, "_lower": low, "_upper": high}
        for suffix, value in limits.items():
            known = n_bootstraps or not suffix
            columns[f"{name}{suffix}"] = "process", value if known else np.full(n_rates, np.nan)
    for name, times in (("rate", "timescale"), ("projected_rate", "projected_timescale")):
        columns[times] = "process", timescales_of(found[name], lag * time_step)
    coords = {"process": np.arange(1, n_rates + 1)}
    return xr.Dataset(columns, coords=coords, attrs={"lag_time": lag * time_step})


def timescales_of(rates: np.ndarray, lag_time: float) -> np.ndarray:
    """Implied time scales -s / ln mu of rates (1 - mu) / s at the lag s; 0 where mu is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decay = -np.log(np.clip(1.0 - np.asarray(rates) * lag_time, 1e-300, None))
        return np.where(np.isnan(rates), np.nan, lag_time / decay)


def pair_moments(
    blocks: Blocks, functions: np.ndarray, lag: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Sums (block, function + 1, 2 (function + 1)) over pairs.

    With the constant function as the first of x and y: of x x^T + y y^T, and of (x - y)(x - y)^T.  Functions
    are standardised.
    """
    first, block = blocks.pairs(lag)
    n = functions.shape[1] + 1
    spread = functions.std(axis=0)
    functions = (functions - functions.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    functions = np.concatenate([np.ones((len(functions), 1)), functions], axis=1)
    found = np.zeros((len(blocks), n, 2 * n))
    starts = np.searchsorted(block, np.arange(len(blocks) + 1))
    for i, (begin, end) in enumerate(pairwise(starts)):
        x, y = functions[first[begin:end]], functions[first[begin:end] + lag]
        w = np.ones((len(x), 1)) if weights is None else weights[first[begin:end], None]
        found[i, :, :n] = (x * w).T @ x + (y * w).T @ y
        found[i, :, n:] = ((x - y) * w).T @ (x - y)
    return found


def _solve(moments, n_cv, lag_time, n_rates) -> dict[str, np.ndarray]:
    """The quantities (process,) from the sums of `pair_moments`."""
    n = len(moments)
    if not moments[0, 0] > 0:
        return {name: np.full(n_rates, np.nan) for name in QUANTITIES}
    energy, covariance = forms(moments, lag_time)
    full_rates, full = slow_functions(energy, covariance, n_rates)
    cv = slice(0, n_cv)
    cv_rates, inner = slow_functions(energy[cv, cv], covariance[cv, cv], n_rates)
    projected = np.zeros((n - 1, n_rates))
    projected[cv] = inner
    products = np.einsum("fi,fg,gi->i", full, covariance, projected)
    bound = 2 * full_rates + cv_rates - 2 * full_rates * np.abs(products)
    explained = np.where(np.isnan(full_rates), np.nan, _explained(covariance, full, n_cv))
    return {
        "rate": full_rates,
        "projected_rate": cv_rates,
        "bound": bound,
        "overlap": products**2,
        "unexplained": np.clip(1.0 - explained, 0.0, 1.0),
    }


def forms(moments: np.ndarray, lag_time: float) -> tuple[np.ndarray, np.ndarray]:
    """Dirichlet form and covariance (function, function) from the sum of `pair_moments` over blocks."""
    n, total = len(moments), moments[0, 0]  # twice the weight of the pairs
    mean = moments[0, 1:n] / total
    return moments[1:, n + 1 :] / (total * lag_time), moments[1:, 1:n] / total - np.outer(mean, mean)


def slow_functions(energy: np.ndarray, covariance: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest rates (n,) and functions (function, n) of unit variance; NaN and 0 where there are fewer."""
    whiten = whitening(covariance)
    values, vectors = np.linalg.eigh(whiten.T @ energy @ whiten)
    rates, functions = np.full(n, np.nan), np.zeros((len(energy), n))
    found = min(n, len(values))
    rates[:found], functions[:, :found] = values[:found], (whiten @ vectors)[:, :found]
    return rates, functions


def whitening(covariance: np.ndarray) -> np.ndarray:
    """W (function, direction) with W^T C W = 1, of functions scaled to unit variance."""
    scale = np.sqrt(np.diag(covariance).clip(min=0))
    inverse = np.where(scale > LEAST_SPREAD * max(scale.max(), 1e-300), 1 / np.maximum(scale, 1e-300), 0.0)
    values, vectors = np.linalg.eigh(covariance * np.outer(inverse, inverse))
    keep = values > CUTOFF * max(values[-1], 1e-300)
    return inverse[:, None] * vectors[:, keep] / np.sqrt(values[keep])


def _explained(covariance, functions, n_cv):
    """Fraction (process,) of the variance of functions of unit variance that the first ``n_cv`` explain."""
    whiten = whitening(covariance[:n_cv, :n_cv])
    return np.square(whiten.T @ covariance[:n_cv] @ functions).sum(axis=0)
