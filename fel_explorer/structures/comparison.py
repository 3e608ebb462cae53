"""Differences between two sets of frames: quantities ranked by the distance of their distributions.

The effect size is the total variation distance of the two distributions, 1 - their overlap: 0 where they are
the same, 1 where a single frame shows which set it is from.  Unlike a difference of means it sees splits and
widths, and it means the same for lengths and for angles, whose ends meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from fel_explorer.data.frame_values import frame_values, quantities, torsions
from fel_explorer.data.schema import frame_weights
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress
from fel_explorer.resampling import Blocks

BINS = 72  # of 5 degrees for angles
TAILS = (0.05, 99.95)  # percentiles between which the bins lie
SETS = ("first", "second")


class ComparisonCancelled(Exception):
    """The callback asked to stop."""


def compare(
    dataset: xr.Dataset,
    first: np.ndarray,
    second: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
    callback: Callable[[Progress], bool] | None = None,
) -> xr.Dataset:
    """Rank quantities by their difference between the frames ``first`` and ``second``.

    Parameters
    ----------
    dataset
        A dataset; its frame weights count where it has them.
    first, second
        (frame,) bool masks; they may overlap.
    names
        Quantities to compare, default all: torsions in degrees, columns, and other features.
    n_bootstrap, seed
        Of the 95 % intervals, which resample blocks of trajectories (`fel_explorer.resampling`); those of
        both sets are drawn together.
    callback
        Called with a `Progress` for each quantity; True stops.

    Returns
    -------
    xarray.Dataset
        Over ``quantity``, largest effect first: ``effect`` with ``lower`` and ``upper`` (nan for sets that
        few blocks of the data hold), ``circular`` (bool),
        ``difference`` of the means (second - first, for angles along the shorter arc), and over ``set``
        ``mean`` and ``spread`` (standard deviation), circular ones for angles.

    Raises
    ------
    FelError
        If a set has no frames or a quantity is not in the dataset.
    """
    frames = [_frames(dataset, mask, which) for mask, which in zip((first, second), SETS, strict=True)]
    names = quantities(dataset) if names is None else list(names)
    if not names:
        raise FelError("No quantities to compare.", remedy="Give names=, or a dataset with features.")
    weights, angles, rows = frame_weights(dataset), set(torsions(dataset)), []
    blocks = Blocks.of_frames(dataset["trajectory"].values)
    draws, block_of = blocks.draw(n_bootstrap, seed=seed), blocks.of_frame()
    for i, name in enumerate(names):
        if callback is not None and callback(Progress(i, len(names), message="comparing")):
            raise ComparisonCancelled
        values = frame_values(dataset, name)
        sets = [(values[f], weights[f], block_of[f]) for f in frames]
        rows.append(_row(sets, draws, name in angles))
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    paired = ("mean", "spread")
    dims = {key: ("quantity", "set") if key in paired else ("quantity",) for key in columns}
    table = xr.Dataset(
        {key: (dims[key], values) for key, values in columns.items()},
        coords={"quantity": names, "set": list(SETS)},
    )
    return table.isel(quantity=np.argsort(-columns["effect"], kind="stable"))


def distributions(
    dataset: xr.Dataset, name: str, masks: Sequence[np.ndarray], bins: int = 60
) -> xr.DataArray:
    """Densities of ``name`` in sets of frames, (set, value), which integrate to one.

    ``value`` holds the bins' centres; angles span -180 to 180.
    """
    values = frame_values(dataset, name)
    weights = frame_weights(dataset)
    parts = [values[mask] for mask in masks]
    edges = edges_of(np.concatenate(parts), name in torsions(dataset), bins)
    counts = [
        np.histogram(np.clip(v, edges[0], edges[-1]), edges, weights=weights[mask], density=True)[0]
        for v, mask in zip(parts, masks, strict=True)
    ]
    centres = (edges[1:] + edges[:-1]) / 2
    return xr.DataArray(np.stack(counts), dims=("set", "value"), coords={"value": centres}, name=name)


def _frames(dataset, mask, which):
    mask = np.asarray(mask, bool)
    if mask.shape != (dataset.sizes["frame"],):
        raise FelError(f"A mask of shape {mask.shape} for {dataset.sizes['frame']} frames.", "One per frame.")
    if not mask.any():
        raise FelError(f"The {which} set has no frames.", "Two sets of frames are compared.", "Select some.")
    return np.flatnonzero(mask)


def _row(sets, draws, circular):
    edges = edges_of(np.concatenate([values for values, _, _ in sets]), circular, BINS)
    n_blocks = len(draws.blocks)
    counts = [block_counts(values, weights, block, edges, n_blocks) for values, weights, block in sets]
    effect = float(distance(*(c.sum(0)[None] for c in counts))[0])
    low, high = draws.interval(distance(*map(draws.sums, counts)))
    # reflected about the estimate: resampled histograms lie further apart than their originals
    lower, upper = np.clip([2 * effect - high, 2 * effect - low], 0.0, 1.0)
    moments = [_moments(values, weights, circular) for values, weights, _ in sets]
    difference = moments[1][0] - moments[0][0]
    if circular:
        difference = (difference + 180.0) % 360.0 - 180.0
    return {
        "effect": effect,
        "lower": np.minimum(lower, effect),
        "upper": np.maximum(upper, effect),
        "circular": circular,
        "difference": difference,
        "mean": [mean for mean, _ in moments],
        "spread": [spread for _, spread in moments],
    }


def edges_of(values: np.ndarray, circular: bool, bins: int) -> np.ndarray:
    """Edges (bin + 1,) of the bins of ``values`` (frame,), of angles all around."""
    if circular:
        return np.linspace(-180.0, 180.0, bins + 1)
    low, high = np.percentile(values, TAILS)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def block_counts(
    values: np.ndarray, weights: np.ndarray, block: np.ndarray, edges: np.ndarray, n_blocks: int
) -> np.ndarray:
    """(block, bin) weights; what lies beyond the edges counts in the last bins."""
    bins = len(edges) - 1
    scaled = (values - edges[0]) * (bins / (edges[-1] - edges[0]))
    index = np.clip(scaled.astype(np.int64), 0, bins - 1)
    return np.bincount(block * bins + index, weights, minlength=n_blocks * bins).reshape(n_blocks, bins)


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Total variation distance (n,) of histograms (n, bin), nan where one of them is empty."""
    with np.errstate(invalid="ignore"):
        first, second = (h / h.sum(1, keepdims=True) for h in (first, second))
    return 0.5 * np.abs(first - second).sum(1)


def _moments(values, weights, circular):
    if not circular:
        mean = np.average(values, weights=weights)
        return float(mean), float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    resultant = np.average(np.exp(1j * np.deg2rad(values.astype(float))), weights=weights)
    length = min(abs(resultant), 1.0)
    spread = np.sqrt(-2 * np.log(max(length, 1e-12)))  # of a wrapped normal distribution
    return float(np.rad2deg(np.angle(resultant))), float(np.rad2deg(spread))
