"""Merging and splitting of states by hand: hard states and memberships together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError


def merge_states(
    states: xr.DataArray | np.ndarray, memberships: xr.DataArray | np.ndarray, merged: Sequence[int]
) -> tuple[xr.DataArray | np.ndarray, xr.DataArray | np.ndarray]:
    """Merge states into one with the number of the first; its membership is the sum of theirs.

    Parameters
    ----------
    states
        ``predict(data)``'s result, or an int array (frame,).
    memberships
        ``predict_proba(data)``'s result, or an array (frame, state).
    merged
        Two or more states.

    Returns
    -------
    States and memberships, of the types that were given.  The numbers of the other states stay empty.

    Raises
    ------
    FelError
        If less than two states are given, or one that is not there.

    Examples
    --------
    >>> states, memberships = merge_states(states, memberships, [0, 2])
    """
    values, chances = np.asarray(states), np.array(memberships)
    unique = list(dict.fromkeys(int(state) for state in merged))
    if len(unique) < 2 or not set(unique) <= set(range(chances.shape[1])):
        raise FelError(
            f"{unique} are to be one state.",
            f"Two or more of the {chances.shape[1]} states are needed, which count from 0.",
        )
    first, *others = unique
    chances[:, first] += chances[:, others].sum(axis=1)
    chances[:, others] = 0.0
    return _like(states, np.where(np.isin(values, others), first, values)), _like(memberships, chances)


def split_state(
    states: xr.DataArray | np.ndarray, memberships: xr.DataArray | np.ndarray, state: int, frames: ArrayLike
) -> tuple[xr.DataArray | np.ndarray, xr.DataArray | np.ndarray]:
    """Split some frames of a state off as a new, last state, which takes their memberships of the old one.

    Parameters
    ----------
    states, memberships
        As for `merge_states`.
    state
        The state that is divided.
    frames
        (frame,) bool; frames of other states are left alone.

    Returns
    -------
    States and memberships, of the types that were given; the memberships have one more column.

    Raises
    ------
    FelError
        If ``frames`` hold nothing or all of the state.

    Examples
    --------
    >>> states, memberships = split_state(states, memberships, 1, selected)
    """
    values, chances = np.asarray(states), np.asarray(memberships)
    own = values == state
    moved = own & np.asarray(frames, bool)
    if not moved.any() or moved.sum() == own.sum():
        raise FelError(
            f"{int(moved.sum())} of the {int(own.sum())} frames of state {state} are to be another state.",
            "A split needs some of its frames, but not all.",
        )
    new = np.where(moved, chances[:, state], 0.0).astype(chances.dtype)
    divided = np.column_stack([chances, new])
    divided[moved, state] = 0.0
    return _like(states, np.where(moved, chances.shape[1], values)), _like(memberships, divided)


def _like(given, values: np.ndarray):
    """``values`` as what was given: with its frames' coordinates, where it is a DataArray."""
    if not isinstance(given, xr.DataArray):
        return values
    coords = {name: coord for name, coord in given.coords.items() if coord.dims == ("frame",)}
    return xr.DataArray(values, dims=given.dims, coords=coords, name=given.name, attrs=given.attrs)
