"""Estimates behind the measures of a certificate, from series of functions and from sums over pairs."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.kinetics.projected_rates import forms, timescales_of, whitening
from fel_explorer.parallel import one_thread
from fel_explorer.resampling import Bootstrap

MAX_FRAMES = 200_000  # beyond, every n-th frame is used where n divides the lag
SAMPLE = 20_000  # frames among which cells are sought


def thin(dataset: xr.Dataset, lag: int) -> tuple[xr.Dataset, int]:
    """Every n-th frame of each trajectory, n a divisor of the lag that brings the frames to `MAX_FRAMES`."""
    wanted = dataset.sizes["frame"] / MAX_FRAMES
    divisors = [n for n in range(1, lag + 1) if lag % n == 0]
    n = next((d for d in divisors if d >= wanted), divisors[-1])
    if n == 1 or wanted <= 1:
        return dataset, 1
    frames = dataset["frame_in_trajectory"].values
    kept = dataset.isel(frame=np.flatnonzero(frames % n == 0))
    kept = kept.assign_coords(frame_in_trajectory=kept["frame_in_trajectory"] // n)
    return kept.assign_attrs(time_step=schema.time_step(dataset) * n), n


def cells_of(z: np.ndarray, n: int, seed: int) -> np.ndarray:
    """KMeans cell (frame,) of each frame in coordinates (frame, axis), at most ``n``, none of them empty."""
    from sklearn.cluster import KMeans

    random = np.random.default_rng(seed)
    sample = z[np.sort(random.choice(len(z), min(SAMPLE, len(z)), replace=False))]
    n = min(n, max(2, len(z) // 50), len(np.unique(sample, axis=0)))
    with one_thread():
        labels = KMeans(n, n_init=1, max_iter=50, random_state=seed).fit(sample).predict(z)
    return np.unique(labels, return_inverse=True)[1]


def indicators(labels: np.ndarray) -> np.ndarray:
    """Indicator functions (frame, label) of all labels but the first."""
    return (labels[:, None] == np.arange(1, int(labels.max()) + 1)).astype(np.float32)


def slow_times(moments: np.ndarray, lag_time: float, n: int) -> np.ndarray:
    """Slowest implied time scales (n,) from sums of `pair_moments`; NaN where there are fewer."""
    found = np.full(n, np.nan)
    if moments[0, 0] > 0:
        energy, covariance = forms(moments, lag_time)
        whiten = whitening(covariance)
        rates = np.linalg.eigvalsh(whiten.T @ energy @ whiten)[:n]
        found[: len(rates)] = timescales_of(rates, lag_time)
    return found


def vamp2_score(moments: np.ndarray) -> float:
    """VAMP-2 score, 1 + the sum of squared eigenvalues, from a sum of `pair_moments`; NaN without pairs."""
    operators = koopman_operators([moments])
    return float("nan") if operators is None else 1.0 + float(np.square(_eigenvalues(operators[0])).sum())


def koopman_operators(sums: list[np.ndarray]) -> list[np.ndarray] | None:
    """Koopman matrices of several lags on the same functions, of unit variance at the first lag.

    ``sums`` are those of `pair_moments` at each lag; None where one lag has no pairs.
    """
    if not all(one[0, 0] > 0 for one in sums):
        return None
    energies, covariances = zip(*(forms(one, 1.0) for one in sums), strict=True)
    whiten = whitening(covariances[0])
    ridge = 1e-10 * np.eye(whiten.shape[1])
    # C(n lag) = C(0) - E, with C(0) of the same pairs
    operators = [whiten.T @ (c - e) @ whiten for c, e in zip(covariances, energies, strict=True)]
    ranks = [whiten.T @ c @ whiten + ridge for c in covariances]
    return [np.linalg.solve(rank, operator) for rank, operator in zip(ranks, operators, strict=True)]


def chapman_kolmogorov(sums: list[np.ndarray], multiples: list[int], n_processes: int) -> np.ndarray:
    """Chapman-Kolmogorov test of functions, from sums of `pair_moments` at multiples of a lag, 1 the first.

    Returns
    -------
    ndarray (3, multiple, process)
        Spectral norm of K(lag)^n - K(n lag), the same for each process; the correlation of each of the
        slowest eigenfunctions of K(lag) with itself n lags later as K(lag) predicts it, and as estimated at
        n lags.  NaN where there are fewer eigenfunctions.
    """
    found = np.full((3, len(multiples), n_processes), np.nan)
    operators = koopman_operators(sums)
    if operators is None:
        return found
    values, vectors = np.linalg.eigh((operators[0] + operators[0].T) / 2)
    values, vectors = values[::-1][:n_processes], vectors[:, ::-1][:, :n_processes]
    for i, (n, operator) in enumerate(zip(multiples, operators, strict=True)):
        found[0, i] = np.linalg.norm(np.linalg.matrix_power(operators[0], n) - operator, 2)
        found[1, i, : len(values)] = values**n
        found[2, i, : len(values)] = np.einsum("fp,fg,gp->p", vectors, operator, vectors)
    return found


def _eigenvalues(operator):
    return np.linalg.eigvalsh((operator + operator.T) / 2)


def left_on_cells(
    values: np.ndarray, cells: np.ndarray, weight: np.ndarray, draws: Bootstrap
) -> tuple[float, np.ndarray]:
    """Fraction of the variance of values (frame, 1) within cells, and on each draw."""
    n = int(cells.max()) + 1
    powers = [draws.blocks.sums(cells, n, weight * values[:, 0] ** power) for power in range(3)]

    def fraction(sums):
        w, first, second = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            within = second.sum() - np.nansum(np.where(w > 0, first**2 / w, 0.0))
            return within / (second.sum() - first.sum() ** 2 / w.sum())

    samples = [fraction(one) for one in zip(*(draws.sums(p) for p in powers), strict=True)]
    return float(fraction([p.sum(axis=0) for p in powers])), np.array(samples)


def passages_of(side: np.ndarray) -> int:
    """Number of passages from one side to the other in a series (frame,) of -1, 0 (between) and 1."""
    visited = side[side != 0]
    return int((visited[1:] != visited[:-1]).sum())


def slow_vector(transition: np.ndarray, populations: np.ndarray) -> np.ndarray | None:
    """Slowest eigenvector (state,) of a reversible transition matrix among connected states; None for one."""
    if len(populations) < 2:
        return None
    root = np.sqrt(populations)
    symmetric = root[:, None] * transition / root
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    slow = vectors[:, -2] / root
    return slow if np.ptp(slow) > 0 and values[-2] > 0 else None


def outer_halves(slow: np.ndarray, populations: np.ndarray) -> np.ndarray:
    """-1 and 1 (state,) for the outer half, by population, of each side of a slow vector; 0 between."""
    centred = slow - populations @ slow / populations.sum()
    sides = np.zeros(len(slow), int)
    for sign in (-1, 1):
        mine = np.flatnonzero(sign * centred > 0)
        order = mine[np.argsort(-sign * centred[mine], kind="stable")]
        filled = np.cumsum(populations[order]) - populations[order]
        sides[order[filled < populations[mine].sum() / 2]] = sign
    return sides
