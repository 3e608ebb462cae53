"""Passages from one state to another: the frames between the last visit of the one and the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import split


def passages(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    source: int,
    target: int,
    *,
    time_step: float | None = None,
) -> pd.DataFrame:
    """The passages from ``source`` to ``target``, as transition path theory cuts them.

    A passage begins with the last frame in ``source`` and ends with the first one in ``target``; other states
    may lie between, these two may not.  Passages don't cross from one trajectory to the next.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.
    source, target
        Two different states.
    time_step
        Time between frames; read from the result's coordinates by default.

    Returns
    -------
    DataFrame, a row a passage: ``trajectory`` (from 0), ``first`` and ``last`` frame (counted over all
    trajectories), ``duration`` in the unit of time.

    Raises
    ------
    FelError
        If the two states are one.
    """
    if source == target:
        raise FelError(f"Passages from state {source} to itself.", "Two different states are needed.")
    parts, step = split(states, time_step)
    rows, offset = [], 0
    for number, part in enumerate(parts):
        ends = np.flatnonzero((part == source) | (part == target))
        crossing = np.flatnonzero((part[ends[:-1]] == source) & (part[ends[1:]] == target))
        for first, last in zip(ends[crossing], ends[crossing + 1], strict=True):
            rows.append((number, offset + first, offset + last, (last - first) * step))
        offset += len(part)
    table = pd.DataFrame(rows, columns=["trajectory", "first", "last", "duration"])
    return table.astype({"trajectory": int, "first": int, "last": int, "duration": float})
