"""Free energies from umbrella windows by MBAR, with errors by the jackknife.

Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008).  The errors: each window's trajectories are dealt into
groups, MBAR is solved with one group left out at a time, and the spread of the results is scaled as the
jackknife does.  Unlike the asymptotic formula this needs no independent frames, only independent groups.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.sampling.windows import Windows

GROUPS, MOST_GROUPS = 5, 12  # left out one at a time, at least and at most
NEWTON_STEPS = 30
# pymbar's own; the others call scipy with options that it warns about
SOLVER = ({"method": "adaptive", "tol": 1e-10, "options": {"maxiter": 1000, "verbose": False}},)


def mbar_weights(cv, window, windows: Windows, *, start=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # it tells about JAX at each import
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


def weights_without(data: xr.Dataset, free) -> np.ndarray:
    """Weights (group, frame), each row summing to 1, with one group of trajectories left out at a time.

    ``free`` (window,) in kT are the free energies of all windows, to start from.
    """
    windows, cv, window = windows_of(data), data["cv"].values, data["window"].values
    group = _groups(data)
    without = np.zeros((group.max() + 1, len(cv)))
    for left_out in range(len(without)):
        keep = group != left_out
        weight = newton_weights(cv[keep], window[keep], windows, free)
        if weight is None:
            weight, _, _ = mbar_weights(cv[keep], window[keep], windows, start=free)
        without[left_out, keep] = weight
    return without


def newton_weights(cv, window, windows: Windows, free) -> np.ndarray | None:
    """Weights of `mbar_weights` (frame,) by Newton's method, from free energies that are nearly right.

    The same equations: the gradient of a convex function of the free energies, that of window k being
    sum_n p_kn - N_k with p_kn = N_k exp(f_k - u_kn) / sum_j N_j exp(f_j - u_jn).  None where it does not
    converge.
    """
    count = np.bincount(window, minlength=len(windows))
    some = count > 0
    count, f = count[some], np.array(free, float)[some]
    # less each frame's lowest energy, so that no exponential is too large
    energies = windows.reduced(cv)[some]
    factors = count[:, None] * np.exp(energies.min(axis=0) - energies)
    for _ in range(NEWTON_STEPS):
        p = np.exp(f - f.max())[:, None] * factors
        sums = p.sum(axis=0)
        p /= sums
        gradient, hessian = p.sum(axis=1) - count, np.diag(p.sum(axis=1)) - p @ p.T
        if np.abs(gradient).max() < 1e-8 * count.sum():
            weight = np.exp(energies.min(axis=0) - energies.min()) / sums
            return weight / weight.sum()
        try:
            step = np.linalg.solve(hessian[1:, 1:], gradient[1:])  # only differences are known
        except np.linalg.LinAlgError:
            return None
        if not np.abs(step).max() < 10.0:
            return None
        f[1:] -= step
    return None


def jackknife(data: xr.Dataset, statistic: Callable[[np.ndarray], np.ndarray]):
    """Value and standard error of ``statistic(weights (frame,))``, any shape, of the result of `umbrella`.

    The statistic must not depend on the sum of the weights.  Where it is not finite in a group's absence (an
    empty bin) its error is NaN.
    """
    windows_of(data)
    without = np.array([statistic(weight) for weight in data["weight_without"].values])
    with np.errstate(invalid="ignore"):
        variance = (len(without) - 1) * np.var(without, axis=0)
    return np.asarray(statistic(data["weight"].values)), np.sqrt(variance)


def _groups(data):
    """Group (frame,): by trajectory where a window has enough of them, else by stretches of time."""
    trajectory, window = data["trajectory"].values, data["window"].values
    first = np.flatnonzero(data["frame_in_trajectory"].values == 0)
    counts = np.bincount(window[first])
    if counts.min() >= GROUPS:
        rank = np.concatenate([np.arange(n) for n in counts])  # trajectories are ordered by window
        return rank[trajectory] % min(counts.min(), MOST_GROUPS)
    length = np.bincount(trajectory)[trajectory]
    return data["frame_in_trajectory"].values * GROUPS // length


def profile(data: xr.Dataset, *, n_bins: int = 60, along=None) -> xr.Dataset:
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
    error relative to that bin, NaN where no frame is; coordinate ``centre``.
    """
    windows_of(data)
    x = data["cv"].values if along is None else np.asarray(along, float)
    edges = np.linspace(x.min(), x.max(), n_bins + 1)
    bin_of = np.clip(np.digitize(x, edges) - 1, 0, n_bins - 1)
    kT = float(data.attrs["kT"])
    lowest = np.bincount(bin_of, data["weight"].values, n_bins).argmax()

    def free_energy(weight):
        with np.errstate(divide="ignore", invalid="ignore"):
            f = -kT * np.log(np.bincount(bin_of, weight, n_bins))
            return f - f[lowest]

    value, error = jackknife(data, free_energy)
    unit = {"units": data.attrs.get("energy_unit", "")}
    value[~np.isfinite(value)] = np.nan
    return xr.Dataset(
        {"free_energy": ("bin", value, unit), "error": ("bin", error, unit)},
        coords={"centre": ("bin", (edges[1:] + edges[:-1]) / 2)},
        attrs={"kT": kT},
    )


def unbiased_profile(cv: xr.DataArray, like: xr.Dataset, *, weight=None, n_groups: int = GROUPS):
    """Free energy along the same CV from a simulation without windows, to compare with.

    Parameters
    ----------
    cv
        (frame,) one dimension of what a method's ``transform`` made of the data.
    like
        A `profile`, whose bins, kT and zero are taken.
    weight
        (frame,) weights of the frames; default 1 each.

    Returns
    -------
    Dataset as of `profile`; errors by the jackknife over groups of trajectories, or stretches of few ones.
    Bins where no frame is are NaN.
    """
    centre, kT = like["centre"].values, float(like.attrs["kT"])
    bins = np.floor((cv.values - centre[0]) / (centre[1] - centre[0]) + 0.5).astype(int)
    inside = (bins >= 0) & (bins < len(centre))
    weight = np.ones(len(cv)) if weight is None else np.asarray(weight, float)
    trajectory = cv["trajectory"].values
    group = trajectory % n_groups
    if trajectory[-1] + 1 < n_groups:
        group = np.arange(len(trajectory)) * n_groups // len(trajectory)
    parts = [
        np.bincount(bins[mine], weight[mine], len(centre))
        for mine in (inside & (group == g) for g in range(n_groups))
    ]
    lowest = int(np.nanargmin(like["free_energy"].values))

    def free_energy(counts):
        with np.errstate(divide="ignore", invalid="ignore"):
            f = -kT * np.log(counts)
            return f - f[lowest]

    value = free_energy(np.sum(parts, axis=0))
    without = np.array([free_energy(np.sum(parts, axis=0) - part) for part in parts])
    with np.errstate(invalid="ignore"):
        error = np.sqrt((n_groups - 1) * np.var(without, axis=0))
    value[~np.isfinite(value)] = np.nan
    unit = like["free_energy"].attrs
    return xr.Dataset(
        {
            "free_energy": ("bin", value, unit),
            "error": ("bin", np.where(np.isfinite(error), error, np.nan), unit),
        },
        coords={"centre": ("bin", centre)},
        attrs={"kT": kT},
    )


def profile_barrier(f: xr.Dataset, between: tuple[float, float]) -> tuple[float, float]:
    """Height and standard error of the barrier in a profile: its top between two CV values above its floor.

    The floor is the lowest point on the side of ``between[0]`` of the top.
    """
    x, value = f["centre"].values, f["free_energy"].values
    inside = (x >= min(between)) & (x <= max(between)) & np.isfinite(value)
    if inside.sum() < 3:
        raise FelError(f"between={between} holds {int(inside.sum())} bins.", "Three are needed at least.")
    top = np.flatnonzero(inside)[value[inside].argmax()]
    side = (x < x[top]) if between[0] < between[1] else (x > x[top])
    floor = np.flatnonzero(side)[np.nanargmin(value[side])]
    return float(value[top] - value[floor]), float(np.hypot(f["error"][top], f["error"][floor]))


def basin_difference(data: xr.Dataset, a, b) -> tuple[float, float]:
    """F_B - F_A = -kT ln(P_B / P_A) and its standard error; ``a`` and ``b`` are masks (frame,)."""
    a, b, kT = np.asarray(a, bool), np.asarray(b, bool), float(data.attrs["kT"])
    if not a.any() or not b.any():
        raise FelError(f"{int(a.sum())} frames in A and {int(b.sum())} in B.", "Each needs at least one.")
    value, error = jackknife(data, lambda w: -kT * np.log(w[b].sum() / w[a].sum()))
    return float(value), float(error)
