"""Observables of the frames of each state: mean, spread and uncertainty of observables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.resampling import Blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

STATISTICS = ("mean", "std", "sem")
DEGREES = ("deg", "degree", "degrees")


def state_observables(
    states: ArrayLike, observables: xr.Dataset, *, weights: ArrayLike | None = None
) -> xr.Dataset:
    """Mean, standard deviation and standard error of each observable in each state, as in a table of states.

    Parameters
    ----------
    states
        (frame,) the state of each frame, negative for none; or (frame, state) soft memberships.
    observables
        From `observables`, or any dataset with columns (frame,); those in degrees are averaged on the circle.
        Its ``trajectory`` coordinate says which frames belong together.
    weights
        (frame,) frame weights of biased sampling; default the dataset's ``weight``, else all alike.

    Returns
    -------
    xarray.Dataset
        One variable (state, statistic) per observable in its units, statistic being "mean", "std" and "sem",
        and ``population`` (state), the fraction of the weights. The standard error is that of a ratio of sums
        over the blocks of `fel_explorer.resampling` (Cochran, Sampling Techniques, 3rd ed., Eq. 2.45):
        it holds if blocks are long compared with the lifetimes, and is NaN for a state that one block alone
        visits.

    Raises
    ------
    FelError
        If there is nothing to average or the frames differ in number.

    Examples
    --------
    >>> table = fel.structures.state_observables(idm.predict(data), fel.structures.observables(trajs))
    >>> table["rmsd"].sel(statistic="mean").sizes["state"]
    3
    """
    columns = _columns(observables)
    membership, labels = _membership(states)
    n_frames = observables.sizes["frame"]
    weights = _weights(weights, observables, n_frames)
    if len(membership) != n_frames:
        raise FelError(
            f"States of {len(membership)} frames and observables of {n_frames} frames.",
            "Both are of the same frames.",
            "Take the observables of all frames, or index the states with the same frames.",
        )
    block = _blocks(observables)
    rows: dict[str, list] = {name: [] for name in columns}
    population = []
    for state in labels:
        weight = weights * (membership == state if membership.ndim == 1 else membership[:, state])
        population.append(weight.sum() / weights.sum())
        used = np.flatnonzero(weight > 0)
        for name in columns:
            values = np.asarray(observables[name].values[used], float)
            angular = observables[name].attrs.get("units") in DEGREES
            rows[name].append(_statistics(values, weight[used], block[used], angular))
    result: dict[str, tuple] = {
        name: (("state", "statistic"), np.array(rows[name]), observables[name].attrs) for name in columns
    }
    result["population"] = ("state", population, {"units": "1"})
    return xr.Dataset(result, coords={"state": labels, "statistic": list(STATISTICS)})


def _statistics(values, weights, block, angular) -> tuple[float, float, float]:
    """Mean, standard deviation and standard error of ``values`` (frame,)."""
    total = weights.sum()
    if angular:
        radians = np.radians(values)
        mean = np.degrees(np.arctan2(weights @ np.sin(radians), weights @ np.cos(radians)))
        residual = (values - mean + 180) % 360 - 180
    else:
        mean = weights @ values / total
        residual = values - mean
    std = np.sqrt(weights @ residual**2 / total)
    visited, place = np.unique(block, return_inverse=True)
    n = len(visited)
    if n < 2:
        return float(mean), float(std), float("nan")
    sums = np.bincount(place, weights * residual, minlength=n)
    return float(mean), float(std), float(np.sqrt(n / (n - 1) * np.sum(sums**2)) / total)


def _columns(observables: xr.Dataset) -> list[str]:
    names = [
        str(name)
        for name, column in observables.data_vars.items()
        if column.dims == ("frame",) and column.dtype.kind in "fiu" and name != "weight"
    ]
    if not names:
        raise FelError(
            f"A dataset with the variables {', '.join(map(str, observables.data_vars)) or '(none)'}.",
            "At least one has one number per frame.",
            "Compute some with fel.structures.observables(trajs).",
        )
    return names


def _membership(states) -> tuple[np.ndarray, np.ndarray]:
    """States or memberships as an array, and the states' numbers."""
    states = np.asarray(states)
    if states.ndim == 2:
        return states, np.flatnonzero(states.sum(axis=0) > 0)
    if states.ndim != 1 or states.dtype.kind not in "iu":
        raise FelError(
            f"States of type {states.dtype} and shape {states.shape}.",
            "One whole number per frame, or memberships (frame, state).",
            "Take method.predict(data) or method.predict_proba(data).",
        )
    labels = np.unique(states[states >= 0])
    if not len(labels):
        raise FelError("No frame belongs to a state.", "At least one state holds frames.")
    return states, labels


def _weights(weights, observables, n_frames) -> np.ndarray:
    if weights is None:
        weights = observables["weight"].values if "weight" in observables else np.ones(n_frames)
    weights = np.asarray(weights, float)
    if weights.shape != (n_frames,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise FelError(
            f"Weights of shape {weights.shape} for {n_frames} frames.",
            "Each frame has one weight: finite and not negative.",
        )
    return weights


def _blocks(observables) -> np.ndarray:
    """(frame,) number of the block that each frame belongs to."""
    n_frames = observables.sizes["frame"]
    trajectory = np.zeros(n_frames, int)
    if "trajectory" in observables.coords:
        trajectory = observables["trajectory"].values
    return Blocks.of_frames(trajectory).of_frame()
