"""Free energies from umbrella windows by MBAR, with errors by the bootstrap.

Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008), doi:10.1063/1.2978177.  Walkers are drawn with
replacement, the same ones in all windows, because on model systems they exchange windows; MBAR is solved for
each draw.  Unlike the asymptotic formula this needs no independent frames, only independent walkers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer import free_energy
from fel_explorer.errors import FelError
from fel_explorer.free_energy.basins import check_basins, log_ratio
from fel_explorer.free_energy.estimator import FreeEnergy, from_samples
from fel_explorer.free_energy.grid import Grid
from fel_explorer.resampling import N_BLOCKS, Blocks, Bootstrap, standard_error
from fel_explorer.sampling.windows import Windows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WINDOW_BLOCKS = 10  # of each window: five walkers or more stay whole
NEWTON_STEPS = 30
# pymbar's own; the others call scipy with options that it warns about
SOLVER = ({"method": "adaptive", "tol": 1e-10, "options": {"maxiter": 1000, "verbose": False}},)


def mbar_weights(
    cv: ArrayLike, window: ArrayLike, windows: Windows, *, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of biased frames in the unbiased ensemble.

    Parameters
    ----------
    cv, window
        (frame,) collective variable, and index of the window in which a frame was sampled.
    start
        (window,) free energies to start from, in kT.

    Returns
    -------
    Weights (frame,), which sum to 1; free energies (window,) in kT; overlap matrix (window, window).
    """
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # it logs a note on JAX at each import
    from pymbar import MBAR

    cv, window = np.asarray(cv, float), np.asarray(window, int)
    count = np.bincount(window, minlength=len(windows))
    order = np.argsort(window, kind="stable")  # pymbar wants frames ordered by their window
    energies = windows.reduced(cv[order])
    mbar = MBAR(energies, count, initial_f_k=start, solver_protocol=SOLVER)
    free = np.asarray(mbar.f_k)
    with np.errstate(divide="ignore"):
        log = np.logaddexp.reduce(np.log(count)[:, None] + free[:, None] - energies, axis=0)
    weight = np.empty(len(cv))
    weight[order] = np.exp(log.min() - log)
    return weight / weight.sum(), free, np.asarray(mbar.compute_overlap()["matrix"])


def windows_of(data: xr.Dataset) -> Windows:
    """The windows of a dataset that `umbrella` made."""
    for name in ("cv", "window", "centre", "stiffness"):
        if name not in data:
            raise FelError(f"The dataset has no '{name}'.", "It is the result of fel.sampling.umbrella(...).")
    return Windows(data["centre"].values, data["stiffness"].values, float(data.attrs["kT"]))


def resample(data: xr.Dataset) -> tuple[Bootstrap, np.ndarray]:
    """Bootstrap of the walkers of a dataset that `umbrella` made, and the block (frame,) of each frame.

    A block is a walker in all windows or, where a window has fewer than five, a part of its time.
    """
    trajectory, window = data["trajectory"].values, data["window"].values
    first = np.flatnonzero(data["frame_in_trajectory"].values == 0)
    length = np.bincount(trajectory)
    n_walkers = np.bincount(window[first])
    n_walkers = n_walkers[n_walkers > 0]
    walker = np.concatenate([np.arange(n) for n in n_walkers]) % n_walkers.min()  # they are ordered by window
    blocks = Blocks.of_lengths([int(length.min())] * n_walkers.min(), n_blocks=WINDOW_BLOCKS)
    parts = len(blocks) // n_walkers.min()
    part = data["frame_in_trajectory"].values * parts // length[trajectory]
    return blocks.draw(), walker[trajectory] * parts + part


def resampled_free_energies(data: xr.Dataset, free: np.ndarray) -> np.ndarray:
    """Free energies (draw, window) in kT of the windows in each bootstrap draw of `resample`.

    ``free`` (window,) in kT are those of all frames, to start from.
    """
    windows, cv, window = windows_of(data), data["cv"].values, data["window"].values
    draws, block = resample(data)
    factors = _factors(windows, cv)
    found = np.empty((len(draws), len(windows)))
    for i, counts in enumerate(draws.counts):
        times = counts[block]
        solved = _newton(factors, np.bincount(window, times, len(windows)), times, free)
        if solved is None:
            kept = np.repeat(np.arange(len(cv)), times)
            _, solved, _ = mbar_weights(cv[kept], window[kept], windows, start=free)
        found[i] = solved
    return found


def resampled_weights(data: xr.Dataset) -> Iterator[np.ndarray]:
    """Weights (frame,) of each bootstrap draw, which sum to 1; a frame that a draw lacks has weight 0."""
    windows, window = windows_of(data), data["window"].values
    draws, block = resample(data)
    if "window_free_energy_sample" in data:
        free = data["window_free_energy_sample"].values / windows.kT
    else:
        free = resampled_free_energies(data, data["window_free_energy"].values / windows.kT)
    factors = _factors(windows, data["cv"].values)
    lowest = windows.reduced(data["cv"].values).min(axis=0)
    scale = np.exp(lowest - lowest.max())
    for counts, f in zip(draws.counts, free, strict=True):
        times = counts[block]
        n = np.bincount(window, times, len(windows))
        weight = times * scale / ((n * np.exp(f - f.max())) @ factors)
        yield weight / weight.sum()


def newton_weights(cv: ArrayLike, window: ArrayLike, windows: Windows, free: np.ndarray) -> np.ndarray | None:
    """Weights of `mbar_weights` (frame,) by Newton's method, from free energies that are nearly right.

    None where it does not converge.
    """
    cv, window = np.asarray(cv, float), np.asarray(window, int)
    count, factors = np.bincount(window, minlength=len(windows)), _factors(windows, cv)
    f = _newton(factors, count, np.ones(len(cv)), free)
    if f is None:
        return None
    lowest = windows.reduced(cv).min(axis=0)
    weight = np.exp(lowest - lowest.max()) / ((count * np.exp(f - f.max())) @ factors)
    return weight / weight.sum()


def _factors(windows: Windows, cv) -> np.ndarray:
    """exp(-u) (window, frame), less each frame's lowest energy, so that no exponential is too large."""
    energies = windows.reduced(cv)
    return np.exp(energies.min(axis=0) - energies)


def _newton(factors, count, times, free) -> np.ndarray | None:
    """Free energies (window,) in kT of frames that count ``times`` (frame,) each; None if not converged.

    The gradient of a convex function of the free energies, that of window k being sum_n p_kn - N_k with
    p_kn = N_k exp(f_k - u_kn) / sum_j N_j exp(f_j - u_jn), vanishes.
    """
    some = count > 0
    f, n, factors = np.array(free, float), count[some], factors[some]
    g = f[some]
    for _ in range(NEWTON_STEPS):
        p = (n * np.exp(g - g.max()))[:, None] * factors
        total = p.sum(axis=0)
        if not total.min() > 0:
            return None
        p /= total
        expected = p @ times
        gradient = expected - n
        if np.abs(gradient).max() < 1e-8 * n.sum():
            f[some] = g
            return f
        hessian = np.diag(expected) - (p * times) @ p.T
        try:
            step = np.linalg.solve(hessian[1:, 1:], gradient[1:])  # only differences are known
        except np.linalg.LinAlgError:
            return None
        if not np.abs(step).max() < 10.0:
            return None
        g[1:] -= step
    return None


def reweighted_statistic(
    data: xr.Dataset, statistic: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Value and standard error of a statistic in the unbiased ensemble.

    Parameters
    ----------
    data
        Result of `umbrella`.
    statistic
        Function of weights (frame,) that does not depend on their sum, of any shape.

    Returns
    -------
    Value and error of the shape of the statistic; NaN errors where it is not finite in one of ten draws (an
    empty bin).
    """
    windows_of(data)
    samples = np.array([statistic(weight) for weight in resampled_weights(data)])
    error = standard_error(samples, len(resample(data)[0].blocks))
    return np.asarray(statistic(data["weight"].values)), error


def profile(data: xr.Dataset, *, n_bins: int = 60, along: np.ndarray | None = None) -> xr.Dataset:
    """Free energy along the CV.

    Parameters
    ----------
    data
        Result of `umbrella`.
    along
        Another coordinate (frame,) to show the free energy along; default: the CV.

    Returns
    -------
    Dataset over ``bin``: ``free_energy`` and ``error`` in the energy unit of kT, its lowest value 0 and the
    error relative to that bin, NaN where no frame is; coordinate ``centre``; ``sample`` (draw, bin).
    """
    windows_of(data)
    x = data["cv"].values if along is None else np.asarray(along, float)
    grid, kT = Grid.of_edges(np.linspace(x.min(), x.max(), n_bins + 1)), float(data.attrs["kT"])
    cell = grid.cells(x[:, None])
    whole = np.bincount(cell, data["weight"].values, n_bins)
    samples = np.array([np.bincount(cell, weight, n_bins) for weight in resampled_weights(data)])
    found = from_samples(
        whole, samples, grid, n_blocks=len(resample(data)[0].blocks), kT=kT,
        units=data.attrs.get("energy_unit", ""),
    )  # fmt: skip
    return found.to_dataset().assign_attrs(kT=kT)


def unbiased_profile(
    cv: xr.DataArray, like: xr.Dataset, *, weight: np.ndarray | None = None, n_blocks: int = N_BLOCKS
) -> xr.Dataset:
    """Free energy along the same CV from a simulation without windows, to compare with.

    Parameters
    ----------
    cv
        (frame,) one dimension of what a method's ``transform`` made of the data.
    like
        A `profile`, whose bins, kT and zero are taken.
    weight
        (frame,) weights of the frames; default 1 each.
    n_blocks
        Of the bootstrap; see `resampling.Blocks.of_lengths`.

    Returns
    -------
    Dataset as of `profile`.  Bins where no frame is are NaN.
    """
    centre, kT = like["centre"].values, float(like.attrs["kT"])
    half = (centre[1] - centre[0]) / 2
    grid = Grid.of_edges(np.linspace(centre[0] - half, centre[-1] + half, len(centre) + 1))
    found = free_energy.estimate(
        cv.values[:, None], weight, cv["trajectory"].values, grid=grid, smoothing=0, kT=kT, n_blocks=n_blocks,
        lowest=int(np.nanargmin(like["free_energy"].values)),
    )  # fmt: skip
    result = found.to_dataset().assign_attrs(kT=kT)
    for name in ("free_energy", "error", "sample"):
        result[name].attrs = dict(like["free_energy"].attrs)
    return result


def profile_barrier(f: xr.Dataset, between: tuple[float, float]) -> tuple[float, float]:
    """Height and standard error of the barrier of a `profile`; see `free_energy.barrier`."""
    return free_energy.barrier(FreeEnergy.from_dataset(f), between)


def basin_difference(data: xr.Dataset, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """F_B - F_A = -kT ln(P_B / P_A) and its standard error; ``a`` and ``b`` are masks (frame,)."""
    basins = np.stack(check_basins(a, b), axis=1)
    samples = np.array([weight @ basins for weight in resampled_weights(data)])
    n_blocks = len(resample(data)[0].blocks)
    return log_ratio(data["weight"].values @ basins, samples, n_blocks, float(data.attrs["kT"]))
