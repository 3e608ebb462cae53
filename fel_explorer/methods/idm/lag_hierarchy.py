"""Levels of states over lag times: which lags, how states descend, and which lag to look at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.idm.discrete import DiscreteStates

N_LAGS = 30
LONGEST = 10  # the longest lag by default is the longest trajectory over this
ENOUGH = 3  # states to look at first, where there are as many
PER_STATE = ("population", "gain", "error", "visits", "lifetime")  # of `DiscreteStates`; lifetimes in frames


def lags_in_frames(dataset: xr.Dataset, lag_times: Sequence[float] | np.ndarray | None = None) -> list[int]:
    """Lags in frames, from long to short.

    Parameters
    ----------
    lag_times
        In the data's time unit; by default 30 on a logarithmic axis, from the time between frames to a tenth
        of the longest trajectory.

    Raises
    ------
    FelError
        If there is no lag, or one does not fit the data.
    """
    if lag_times is not None:
        lags = sorted({schema.lag_in_frames(dataset, float(lag)) for lag in lag_times}, reverse=True)
        if not lags:
            raise FelError("No lag times.", "There is at least one.")
        return lags
    longest = int(schema.trajectory_lengths(dataset).max())
    if longest < 2:
        schema.lag_in_frames(dataset, schema.time_step(dataset))  # raises: two frames are needed
    last = max(1, longest // LONGEST)
    return sorted({round(lag) for lag in np.geomspace(1, last, N_LAGS)}, reverse=True)


def parent_states(above: DiscreteStates, below: DiscreteStates, frames: np.ndarray) -> np.ndarray:
    """State (state below,) of the longer lag that holds most frames of each state of the shorter lag.

    ``frames`` (microstate,) is the number of frames in each microstate.
    """
    overlap = np.zeros((len(above), len(below)))
    np.add.at(overlap, (above.labels, below.labels), frames)
    return overlap.argmax(0)


def trace_branches(levels: Sequence[DiscreteStates], frames: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the branch (state,) of each state of each level: a state with one child continues as that child.

    Parameters
    ----------
    levels
        From the longest lag to the shortest.
    frames
        (microstate,) number of frames.
    """
    n = 0
    for above, below in zip((None, *levels[:-1]), levels, strict=True):
        if above is None:
            branch = np.arange(len(below))
        else:
            parents = parent_states(above, below, frames)
            only = np.bincount(parents, minlength=len(above)) == 1
            new = ~only[parents]
            branch = np.where(new, 0, branch[parents])
            branch[new] = n + np.arange(new.sum())
        n = max(n, int(branch.max()) + 1)
        yield branch


def widest_range(n_states: np.ndarray, lag_times: Sequence[float] | np.ndarray) -> tuple[int, int]:
    """First and last index of the widest range of lags (on a logarithmic axis) with one number of states.

    Ranges with three states or more come first, because the slowest division alone, which often has the
    widest range, hides all others; then those with two.
    """
    log = np.log(lag_times)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(n_states)) + 1, [len(n_states)]])
    ranges = [(int(first), int(last) - 1) for first, last in pairwise(edges)]
    return max(ranges, key=lambda run: (min(n_states[run[0]], ENOUGH), log[run[0]] - log[run[1]]))


def representative_levels(
    n_states: np.ndarray, lag_times: Sequence[float] | np.ndarray, n_max: int = 4
) -> list[int]:
    """Indices of lags that show the hierarchy in few levels, from long to short.

    One in the middle of each of the widest ranges of lags with one number of states, two or more, and the
    one of `suggested_level`; empty where there is one state at all lags.

    Parameters
    ----------
    n_states
        (lag,) number of states.
    lag_times
        (lag,) from long to short.
    n_max
        Number of levels at most.
    """
    log = np.log(lag_times)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(n_states)) + 1, [len(n_states)]])
    ranges = [(int(first), int(last) - 1) for first, last in pairwise(edges) if n_states[first] > 1]
    suggested = suggested_level(n_states, lag_times)
    # the suggested one first, then the widest; of equally wide ones the longer lag
    ranges.sort(key=lambda run: (not run[0] <= suggested <= run[1], log[run[1]] - log[run[0]]))
    middles = [(log[first] + log[last]) / 2 for first, last in ranges[:n_max]]
    return sorted(int(np.abs(log - middle).argmin()) for middle in middles)


def suggested_level(n_states: np.ndarray, lag_times: Sequence[float] | np.ndarray) -> int:
    """Index of the lag to look at first: in the middle, on a logarithmic axis, of `widest_range`.

    The page opens a scan here, and `LagScan.suggested_lag_time` is the lag time of this index.

    Parameters
    ----------
    n_states
        (lag,) number of states.
    lag_times
        (lag,) from long to short.
    """
    first, last = widest_range(n_states, lag_times)
    log = np.log(lag_times)
    return int(np.abs(log - (log[first] + log[last]) / 2).argmin())
