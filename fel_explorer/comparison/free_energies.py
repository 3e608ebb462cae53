"""Free energies of several conditions on one map, and their differences."""

from __future__ import annotations

from collections.abc import Sequence

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
from fel_explorer.free_energy import density
from fel_explorer.free_energy.grid import Grid
from fel_explorer.resampling import N_BLOCKS, N_DRAWS, standard_error


def free_energies(
    values: np.ndarray,
    condition: np.ndarray,
    trajectory: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    reference: str | int | None = None,
    bins: int | Sequence[int] = 60,
    smoothing: float = density.SMOOTHING,
    periodic: bool | Sequence[bool] = False,
    kT: float = 1.0,
    level: float = LEVEL,
    n_blocks: int = N_BLOCKS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Free energies of each condition over the same one or two variables, and their differences with errors.

    Each is -kT ln of the normalized density of its condition, with one zero for all: the lowest cell of any.
    A difference is thus -kT ln of the ratio of two populations, and 0 where they are equal.

    Parameters
    ----------
    values
        (frame, 1 or 2) values of the variables.
    condition
        (frame,) name or number of the condition of each frame.
    trajectory
        (frame,) trajectory of each frame; no trajectory is of two conditions.
    weights
        Optional (frame,) weights of biased sampling, not negative.
    reference
        Condition that the others are compared with; default the first.
    bins, smoothing, periodic
        As for `free_energy.free_energy_surface`.
    kT
        In the unit of the free energy.
    level
        False-discovery rate of what is called significant, see `significance.benjamini_hochberg`.
    n_blocks, n_draws, seed
        Of the bootstrap over the trajectories of a condition, or blocks of them.

    Returns
    -------
    xarray.Dataset
        Over ``condition``, the reference first: ``free_energy`` and ``error`` (condition, y, x) or
        (condition, x); over ``compared``, the others: ``difference``, ``difference_error``, ``p_value`` (NaN
        where too few independent blocks of either condition visit a cell) and ``significant``.

    Raises
    ------
    FelError
        If there are fewer than two conditions, one has too few frames, or shapes don't fit.

    Examples
    --------
    >>> z, number = model.transform(data).values, data["trajectory"].values
    >>> found = fel.comparison.free_energies(z, np.where(number < 4, "apo", "holo"), number)
    >>> found["difference"].dims
    ('compared', 'y', 'x')
    """
    values = np.asarray(values)
    values, weights = density.check(values, weights, values.shape[1] if values.ndim == 2 else 2)
    masks = as_masks(condition, reference)
    grid = Grid.of(values, bins, periodic)
    f, samples, effective, n_units = [], [], [], []
    for mask in masks.values():
        blocks = blocks_of_condition(trajectory, mask, n_blocks)
        own = None if weights is None else weights[mask]
        cells = grid.cells(values[mask])
        per_block = grid.unflatten(blocks.sums(cells, grid.size, own).astype(float))
        frames = per_block.sum(axis=0) if weights is None else grid.counts(values[mask])
        known = density.near_frames(frames, smoothing, grid)
        per_block = density.smooth(per_block, smoothing, grid)
        drawn = blocks.draw(n_draws, seed=seed).sums(per_block)
        f.append(np.where(known, _energy(per_block.sum(axis=0)[None], kT)[0], np.nan))
        samples.append(np.where(known, _energy(drawn, kT), np.nan))
        effective.append(effective_blocks(per_block))
        n_units.append(len(blocks))
    errors = [standard_error(drawn, n) for drawn, n in zip(samples, n_units, strict=True)]
    lowest = np.nanmin(f)
    found = {
        "free_energy": _stack(grid, masks, [one - lowest for one in f]),
        "error": _stack(grid, masks, errors),
    }
    others = list(masks)[1:]
    differences, squares, tested, marks = [], [], [], []
    for i in range(1, len(masks)):
        differences.append(f[i] - f[0])
        squares.append(np.sqrt(errors[i] ** 2 + errors[0] ** 2))
        tested.append(p_values(differences[-1], (errors[0], errors[i]), (effective[0], effective[i])))
        marks.append(benjamini_hochberg(tested[-1], level))
    for name, parts in (
        ("difference", differences),
        ("difference_error", squares),
        ("p_value", tested),
        ("significant", marks),
    ):
        found[name] = _stack(grid, others, parts, "compared")
    about = {"reference": str(next(iter(masks))), "level": level, "n_blocks": n_units, "kT": kT}
    return xr.Dataset(found, attrs=about)


def _energy(density_: np.ndarray, kT: float) -> np.ndarray:
    """-kT ln of densities (draw, ...), each normalized over its cells."""
    axes = tuple(range(1, density_.ndim))
    return density.from_density(density_ / density_.sum(axis=axes, keepdims=True), kT)


def _stack(grid: Grid, names, parts, dim: str = "condition") -> xr.DataArray:
    one = grid.array(parts[0])
    coords = {dim: [str(name) for name in names], **{name: one[name] for name in one.dims}}
    return xr.DataArray(np.stack(parts), dims=(dim, *one.dims), coords=coords)
