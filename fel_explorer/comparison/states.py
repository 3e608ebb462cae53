"""Populations and transition rates of the same states under several conditions."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.comparison.significance import (
    LEVEL,
    as_masks,
    benjamini_hochberg,
    blocks_of_condition,
    effective_blocks,
    p_values,
)
from fel_explorer.errors import FelError
from fel_explorer.resampling import N_BLOCKS, N_DRAWS


def states(
    state: np.ndarray,
    condition: np.ndarray,
    trajectory: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    lag: int = 1,
    time_step: float = 1.0,
    n_states: int | None = None,
    reference: str | int | None = None,
    level: float = LEVEL,
    n_blocks: int = N_BLOCKS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Populations and transition rates of states by condition, with errors, and which of them differ.

    The rate from i to j is the fraction of the frames in i that are in j a lag later, per lag: recrossings
    within the lag do not count.  Weights count for the populations only.

    Parameters
    ----------
    state
        (frame,) state of each frame, negative for none.
    condition, trajectory
        (frame,) of each frame, as for `free_energies`.
    weights
        Optional (frame,) weights.
    lag
        Of the rates, in frames.
    time_step
        Between two frames.
    n_states
        Default the largest number and one.
    reference, level, n_blocks, n_draws, seed
        As for `free_energies`.

    Returns
    -------
    xarray.Dataset
        Over ``condition``, the reference first, and ``state``: ``population``, ``population_error``; over
        ``from`` and ``to``: ``rate``, ``rate_error`` (1 / time); over ``compared``, the others, for both:
        ``population_difference`` and ``rate_difference`` with ``_error``, ``_p_value`` and ``_significant``.

    Raises
    ------
    FelError
        If there are fewer than two conditions, one has too few frames, or no trajectory is as long as a lag.
    """
    state = np.asarray(state).astype(np.int64)
    masks = as_masks(condition, reference)
    n = max(int(state.max(initial=-1)) + 1, 1) if n_states is None else n_states
    if lag < 1 or not time_step > 0:
        raise FelError(f"lag={lag} frames of {time_step}.", "A lag is one frame at least.")
    estimates = [
        _estimate(
            state[mask],
            blocks_of_condition(trajectory, mask, n_blocks),
            None if weights is None else np.asarray(weights, float)[mask],
            (n, lag, time_step, n_draws, seed),
        )
        for mask in masks.values()
    ]
    names, others = [str(name) for name in masks], [str(name) for name in list(masks)[1:]]
    dims = {"population": ("state",), "rate": ("from", "to")}
    columns: dict[str, tuple] = {}
    for i, quantity in enumerate(("population", "rate")):
        found = [estimate[i] for estimate in estimates]
        shape = dims[quantity]
        columns[quantity] = (("condition", *shape), np.stack([value for value, _, _ in found]))
        columns[f"{quantity}_error"] = (("condition", *shape), np.stack([error for _, error, _ in found]))
        first, rest = found[0], found[1:]
        difference = [other[0] - first[0] for other in rest]
        error = [np.sqrt(other[1] ** 2 + first[1] ** 2) for other in rest]
        p = [
            p_values(one, (first[1], other[1]), (first[2], other[2]))
            for one, other in zip(difference, rest, strict=True)
        ]
        parts = {"": difference, "_error": error, "_p_value": p}
        parts["_significant"] = [benjamini_hochberg(one, level) for one in p]
        for ending, values in parts.items():
            columns[f"{quantity}_difference{ending}"] = (("compared", *shape), np.stack(values))
    numbers = np.arange(n)
    coords = {"condition": names, "compared": others, "state": numbers, "from": numbers, "to": numbers}
    about = {"reference": names[0], "level": level, "lag_time": lag * time_step}
    return xr.Dataset(columns, coords=coords, attrs=about)


def _estimate(state, blocks, weights, settings):
    """Populations (state,) and rates (from, to), each with its error and effective number of blocks."""
    n, lag, time_step, n_draws, seed = settings
    cells = np.where(state < 0, n, state)
    draws = blocks.draw(n_draws, seed=seed)
    held = blocks.sums(cells, n + 1, weights).astype(float)
    fraction = _fractions(np.concatenate([held.sum(axis=0)[None], draws.sums(held)]))[:, :n]
    counts = blocks.pair_sums(cells, n + 1, lag).astype(float)
    chance = _fractions(np.concatenate([counts.sum(axis=0)[None], draws.sums(counts)]))[:, :n, :n]
    chance[:, np.arange(n), np.arange(n)] = np.nan
    rates = chance / (lag * time_step)
    visits = effective_blocks(counts.sum(axis=2))[:n, None]
    return (
        # of a state that one condition never visits the blocks are those without it
        (fraction[0], draws.standard_error(fraction[1:]), np.full(n, effective_blocks(held.sum(axis=1)))),
        (rates[0], draws.standard_error(rates[1:]), visits),
    )


def _fractions(counts: np.ndarray) -> np.ndarray:
    """``counts`` (..., cell) over their sum; NaN where that is 0."""
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)
