"""Features that differ most between two conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from fel_explorer.comparison.significance import LEVEL, benjamini_hochberg, blocks_of_condition
from fel_explorer.data.frame_values import frame_values, quantities, torsions
from fel_explorer.data.schema import frame_weights
from fel_explorer.progress import Progress
from fel_explorer.resampling import N_BLOCKS
from fel_explorer.structures.comparison import BINS, block_counts, compare, distance, edges_of

N_PERMUTATIONS = 999


def features(
    dataset: xr.Dataset,
    first: np.ndarray,
    second: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    level: float = LEVEL,
    n_permutations: int = N_PERMUTATIONS,
    n_blocks: int = N_BLOCKS,
    seed: int = 0,
    callback: Callable[[Progress], bool] | None = None,
) -> xr.Dataset:
    """Quantities ranked by how far two conditions lie apart in them, and whether chance would do as much.

    The effect size is that of `structures.compare`, 1 - the overlap of the two distributions.  Its p-value is
    that of a permutation test in which whole trajectories, or blocks of them, change their condition, so that
    frames which follow each other do not count as independent.

    Parameters
    ----------
    dataset
        A dataset; its frame weights count where it has them.
    first, second
        (frame,) bool masks of the two conditions; no trajectory is in both.
    names
        Quantities, default all of the dataset.
    level
        False-discovery rate of what is called significant.
    n_permutations
        The smallest p-value is 1 / (n + 1).
    n_blocks
        Of each condition, where it has fewer trajectories.

    Returns
    -------
    xarray.Dataset
        That of `structures.compare`, with ``p_value`` and ``significant``.

    Raises
    ------
    FelError
        If a condition has fewer frames than blocks.
    """
    names = quantities(dataset) if names is None else list(names)
    found = compare(dataset, first, second, names=names, seed=seed, callback=callback)
    trajectory, weights, angles = dataset["trajectory"].values, frame_weights(dataset), set(torsions(dataset))
    sides = [
        (np.flatnonzero(mask), blocks_of_condition(trajectory, mask, n_blocks).of_frame())
        for mask in (np.asarray(first, bool), np.asarray(second, bool))
    ]
    sizes = [int(block[-1]) + 1 for _, block in sides]
    generator = np.random.default_rng(seed)
    label = np.zeros((n_permutations + 1, sum(sizes)))  # the first is the data as they are
    label[0, : sizes[0]] = 1.0
    label[1:] = generator.permuted(np.broadcast_to(label[0], (n_permutations, sum(sizes))), axis=1)
    p = {}
    for name in names:
        values = frame_values(dataset, name)
        both = np.concatenate([values[frames] for frames, _ in sides])
        edges = edges_of(both, name in angles, BINS)
        counts = np.concatenate(
            [
                block_counts(values[frames], weights[frames], block, edges, size)
                for (frames, block), size in zip(sides, sizes, strict=True)
            ]
        )
        effects = distance(label @ counts, (1 - label) @ counts)
        p[name] = np.mean(effects >= effects[0] - 1e-12)
    column = np.array([p[str(name)] for name in found["quantity"].values])
    return found.assign(
        p_value=("quantity", column), significant=("quantity", benjamini_hochberg(column, level))
    ).assign_attrs(level=level, n_permutations=n_permutations)
