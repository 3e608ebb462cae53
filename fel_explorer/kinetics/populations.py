"""Populations of states, with errors from blocks of trajectories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import split
from fel_explorer.resampling import N_DRAWS, Blocks


def populations(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    *,
    weights: ArrayLike | None = None,
    n_states: int | None = None,
    n_bootstraps: int = N_DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Fraction of the frames, or of their weights, that each state holds, with its error.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.  Negative
        numbers are no state.
    weights
        (frame,) frame weights, trajectories one after the other; default all alike.
    n_states
        Number of states, where some may hold no frame; default the largest number and one.
    n_bootstraps, confidence, seed
        Of the bootstrap over blocks of `fel_explorer.resampling`.

    Returns
    -------
    Dataset over ``state`` with ``population``, its standard ``error``, and ``lower`` and ``upper``.

    Raises
    ------
    FelError
        If there is not one weight per frame.

    Examples
    --------
    >>> fel.kinetics.populations(idm.predict(data)).sizes["state"]
    3
    """
    parts, _ = split(states)
    labels = np.concatenate(parts).astype(np.int64)
    if weights is not None:
        weights = np.asarray(weights, float)
        if weights.shape != labels.shape:
            raise FelError(f"Weights of shape {weights.shape} for {len(labels)} frames.", "One per frame.")
    n = max(int(labels.max(initial=-1)) + 1, 1) if n_states is None else n_states
    blocks = Blocks.of_lengths([len(part) for part in parts])
    cells = np.where(labels < 0, n, labels)  # the last cell: no state
    per_block = blocks.sums(cells, n + 1, weights).astype(float)
    draws = blocks.draw(n_bootstraps, seed=seed)
    sampled = draws.sums(per_block)
    with np.errstate(invalid="ignore"):
        samples = sampled[:, :n] / sampled.sum(axis=1, keepdims=True)
    lower, upper = draws.interval(samples, confidence)
    whole = per_block.sum(axis=0)
    columns = {
        "population": whole[:n] / whole.sum(),
        "error": draws.standard_error(samples),
        "lower": lower,
        "upper": upper,
    }
    found = {name: ("state", values) for name, values in columns.items()}
    return xr.Dataset(found, coords={"state": np.arange(n)}, attrs={"n_blocks": len(blocks)})
