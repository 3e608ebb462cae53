"""Effective dynamics along a collective variable: drift, diffusion, and the rates of the effective generator.

The best Markovian dynamics of z = xi(x) has the drift b(z) = E[L xi | z] and the diffusion
a(z) = E[|grad xi|^2 | z] / beta (F. Legoll and T. Lelievre, Nonlinearity 23, 2131 (2010),
doi:10.1088/0951-7715/23/9/006).  Both are conditional moments of the displacement D = z(t + s) - z(t), the
Kramers-Moyal coefficients (R. Friedrich et al., Phys. Rep. 506, 87 (2011),
doi:10.1016/j.physrep.2011.05.003):  b(z) = E[D | z] / s  and  a(z) = Var[D | z] / 2s  for small s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import lag_frames, split
from fel_explorer.resampling import N_DRAWS, Blocks

ENDS = (1e-4, 1 - 1e-4)  # quantiles of z beyond which frames belong to the outermost bins
MIN_FRAMES = 20  # of a bin; one with fewer is merged with the next
MOMENTS = ("frames", "starts", "first", "second")  # sums in each bin


def effective_dynamics(
    values: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    lag_time: float,
    *,
    n_bins: int = 50,
    n_timescales: int = 3,
    n_bootstraps: int = N_DRAWS,
    weights: np.ndarray | None = None,
    time_step: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Drift and diffusion along one variable, and the rates of the diffusion process that they define.

    The generator is that of the reversible diffusion with the data's density p and the diffusion a,
    L f = (a p f')' / p, discretised by finite volumes with reflecting ends.  Its drift is
    a' + a (ln p)'; where the measured drift differs from that, the variable has memory at this lag or the
    data are not at equilibrium.

    Parameters
    ----------
    values
        The variable (frame,): a DataArray with ``trajectory`` and ``time``, an array, or a list of arrays,
        one per trajectory.
    lag_time
        Lag s of the displacements.  Long compared with the memory of the variable, short compared with the
        motion in its free energy: to first order a(z) is wrong by the factor 1 + s b'(z), too small in a
        well and too large on a barrier.  Compare several.
    n_bins
        Bins of equal width; those with fewer than 20 frames are merged with their neighbours.
    n_timescales
        Rates of the generator that are returned, slowest first.
    n_bootstraps
        Draws of trajectories or blocks for the errors; 0 for none.
    weights
        (frame,) of all trajectories one after the other; they count for p, and a displacement has the weight
        of its first frame.

    Returns
    -------
    Dataset over ``bin``: ``position``, ``width``, ``population``; ``drift`` in units of z / time,
    ``diffusion`` in z^2 / time, ``free_energy`` -ln p in kT, ``reversible_drift``, all with ``NAME_error``
    (standard errors).  Over ``process``: ``rate`` (1 / time) with ``rate_error``, ``rate_lower``,
    ``rate_upper``, and ``timescale``, its inverse.  attrs: ``lag_time``, ``n_frames``.

    Raises
    ------
    FelError
        If the values are not one variable, are constant, or the lag does not fit the trajectories.

    Notes
    -----
    Effective dynamics and eigenvalues: W. Zhang, C. Hartmann and C. Schuette, Faraday Discuss. 195, 365
    (2016), doi:10.1039/c6fd00147e; W. Zhang, slides (2024) [zhang2024slides], Eqs. 1-3.

    Examples
    --------
    >>> z = np.cumsum(np.random.default_rng(0).normal(size=2000)) % 9
    >>> fel.kinetics.effective_dynamics(z, 1.0, n_bins=9).sizes["bin"]
    9
    """
    parts, step = split(values, time_step)
    if any(part.ndim != 1 for part in parts):
        raise FelError(
            f"Values of shape {parts[0].shape}.", "Effective dynamics are along one variable, (frame,)."
        )
    parts = [np.asarray(part, float) for part in parts]
    lag = lag_frames(lag_time, step, max(map(len, parts)))
    z = np.concatenate(parts)
    weight = np.ones(len(z)) if weights is None else np.asarray(weights, float)
    blocks = Blocks.of_lengths([len(part) for part in parts], min_length=lag)
    edges, cell = _cells(z, n_bins)
    sums = _moment_sums(blocks, z, cell, len(edges) - 1, lag, weight)
    found = _estimate(sums.sum(axis=0), edges, lag * step, n_timescales)
    draws = blocks.draw(max(n_bootstraps, 2), seed=seed)
    drawn = [_estimate(one, edges, lag * step, n_timescales) for one in draws.sums(sums)]
    errors = {name: draws.standard_error([one[name] for one in drawn]) for name in found}
    low, high = draws.interval([one["rate"] for one in drawn], confidence)
    if not n_bootstraps:
        errors = {name: np.full_like(error, np.nan) for name, error in errors.items()}
        low, high = np.full_like(low, np.nan), np.full_like(high, np.nan)
    dims = {name: "process" if name == "rate" else "bin" for name in found}
    columns = {name: (dims[name], value) for name, value in found.items()}
    columns |= {f"{name}_error": (dims[name], error) for name, error in errors.items()}
    columns |= {"rate_lower": ("process", low), "rate_upper": ("process", high)}
    with np.errstate(divide="ignore"):
        columns["timescale"] = "process", 1.0 / found["rate"]
    columns |= {"width": ("bin", np.diff(edges))}
    return xr.Dataset(
        columns,
        coords={
            "position": ("bin", (edges[1:] + edges[:-1]) / 2),
            "process": np.arange(1, len(found["rate"]) + 1),
        },
        attrs={"lag_time": float(lag_time), "n_frames": len(z)},
    )


def generator_rates(
    population: np.ndarray, diffusion: np.ndarray, edges: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rates and drift of the reversible diffusion with a density and a diffusion profile.

    Parameters
    ----------
    population, diffusion
        (bin,) probability of each bin, and a(z) in it.
    edges
        (bin + 1,).
    n
        Number of rates.

    Returns
    -------
    rates
        (n,) eigenvalues of -L without the constant function, smallest first; NaN where there are fewer.
    drift
        (bin,) mean velocity, of the same generator.
    """
    width, centres = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    density = np.maximum(population / width, 1e-300)
    between = np.sqrt(density[1:] * density[:-1]) * (diffusion[1:] + diffusion[:-1]) / 2
    flux = between / np.diff(centres)  # probability exchanged by neighbours, per time
    up, down = np.append(flux, 0.0), np.insert(flux, 0, 0.0)
    root = np.sqrt(np.maximum(population, 1e-300))
    matrix = np.diag((up + down) / root**2)
    i = np.arange(len(flux))
    matrix[i, i + 1] = matrix[i + 1, i] = -flux / (root[1:] * root[:-1])
    rates = np.full(n, np.nan)
    drift = (up * np.append(np.diff(centres), 0.0) - down * np.insert(np.diff(centres), 0, 0.0)) / root**2
    if np.isfinite(matrix).all():
        values = np.linalg.eigvalsh(matrix)[1 : n + 1]
        rates[: len(values)] = np.maximum(values, 0.0)
    return rates, drift


def _cells(z, n_bins):
    """Edges (bin + 1,) of the bins and the bin (frame,) of each frame."""
    low, high = np.quantile(z, ENDS)
    if not high > low or n_bins < 2:
        raise FelError(
            f"A variable from {z.min():g} to {z.max():g} in {n_bins} bins.",
            "The variable changes, and there are at least two bins.",
        )
    edges = np.linspace(low, high, n_bins + 1)
    counts = np.bincount(np.clip(np.searchsorted(edges, z, "right") - 1, 0, n_bins - 1), minlength=n_bins)
    kept, pending = [edges[0]], 0
    for edge, count in zip(edges[1:], counts, strict=True):
        pending += count
        if pending >= MIN_FRAMES:
            kept.append(edge)
            pending = 0
    kept[-1] = edges[-1]
    if len(kept) < 3:
        raise FelError(
            f"{len(z)} frames.", f"Two bins need at least {2 * MIN_FRAMES} frames.", "Load more frames."
        )
    edges = np.array(kept)
    return edges, np.clip(np.searchsorted(edges, z, "right") - 1, 0, len(edges) - 2)


def _moment_sums(blocks, z, cell, n, lag, weight):
    """(block, moment, bin) sums of each block: weights of frames and of pairs, and of D and D^2."""
    first, block = blocks.pairs(lag)
    moved, place = z[first + lag] - z[first], block * n + cell[first]
    powers = [weight[first] * moved**power for power in range(3)]
    sums = [np.bincount(place, one, minlength=len(blocks) * n).reshape(-1, n) for one in powers]
    return np.stack([blocks.sums(cell, n, weight), *sums], axis=1)


def _estimate(sums, edges, lag_time, n_timescales) -> dict[str, np.ndarray]:
    """Profiles and rates from sums (moment, bin); NaN in bins without displacements."""
    frames, starts, first, second = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first / starts
        drift = mean / lag_time
        diffusion = np.maximum(second / starts - mean**2, 0.0) / (2 * lag_time)
        population = frames / frames.sum()
        free_energy = -np.log(population / np.diff(edges))
    known = np.isfinite(diffusion)
    filled = np.interp(np.arange(len(known)), np.flatnonzero(known), diffusion[known])
    rates, reversible = generator_rates(population, filled, edges, n_timescales)
    return {
        "drift": drift,
        "diffusion": diffusion,
        "reversible_drift": reversible,
        "free_energy": free_energy - np.nanmin(free_energy),
        "population": population,
        "rate": rates,
    }
