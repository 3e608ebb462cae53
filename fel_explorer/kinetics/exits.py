"""Exits from states: probabilities and rates counted from the visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.kinetics.lifetimes import dwells, lifetimes


def exits(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray], *, time_step: float | None = None
) -> xr.Dataset:
    """Exits from each state to each other one.

    The rate to a state is the fraction of the exits that go there over the mean lifetime of `lifetimes`, so
    that the rates out of a state sum to one over its lifetime.  These are counts of what was seen,
    recrossings included; `CoarseMasterEquation` says which of them are significant.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.
    time_step
        Time between frames; read from the result's coordinates by default.

    Returns
    -------
    Dataset (from, to) with ``n_exits``, ``share`` (nan without any exit) and ``rate`` (1 / unit of time;
    infinite where a state is left at every frame).
    """
    visits = dwells(states, time_step=time_step)
    table = lifetimes(states, time_step=time_step)
    names = table["state"].values
    # a complete visit is followed by another one, in the same trajectory
    at = np.flatnonzero(visits.complete)
    source, target = visits.state[at], visits.state[at + 1]
    known = (source >= 0) & (target >= 0)
    place = np.searchsorted(names, source[known]), np.searchsorted(names, target[known])
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, place, 1)
    with np.errstate(invalid="ignore"):
        fraction = counts / counts.sum(1, keepdims=True)
    lifetime = np.broadcast_to(table["mean_lifetime"].values[:, None], fraction.shape)
    rate = np.full(fraction.shape, np.inf)  # of states that are left at every frame
    rate = np.divide(np.nan_to_num(fraction), lifetime, out=rate, where=lifetime > 0)
    rate[counts == 0] = 0.0
    dims = ("from", "to")
    return xr.Dataset(
        {"n_exits": (dims, counts), "share": (dims, fraction), "rate": (dims, rate)},
        coords={"from": names, "to": names},
    )
