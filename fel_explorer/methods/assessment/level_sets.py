"""Level sets of a collective variable: the mean and the variance of the features where it has one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.data.blocks import finite_blocks
from fel_explorer.errors import FelError
from fel_explorer.methods import base


def level_sets(
    method: base.Method, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], *, n_bins: int = 50
) -> xr.Dataset:
    """Conditional mean and variance of the features on level sets of a fitted method's embedding.

    An autoencoder's best decoder is the conditional mean, and its best encoder has the smallest conditional
    variance: the first shows where the decoder is wrong, the second what the embedding does not know.

    Parameters
    ----------
    method
        Fitted, with one or two dimensions.
    X
        Dataset, array (frame, feature) or list of arrays; frame weights count.
    n_bins
        Cells along each dimension, of equal width from the smallest to the largest value.

    Returns
    -------
    Dataset over the cells that hold frames: ``cv`` (cell, dimension) their mean embedding, ``population``
    and ``n_frames`` (cell), ``mean`` and ``variance`` (cell, feature) in the features' units, and
    ``unexplained`` (cell) the fraction of the features' total variance that is left in it, the mean over
    features that change.  Where the method has a decoder ``decoded`` (cell, feature) is what it makes of
    ``cv``, and ``decoder_error`` (cell) its squared distance from the mean in the same unit as
    ``unexplained``.  ``bin`` (cell, dimension) is the place in the grid.
    attrs["unexplained_variance"] is the mean of ``unexplained`` over the frames.

    Raises
    ------
    FelError
        For more than two dimensions or less than one bin.

    Notes
    -----
    Source: W. Zhang, slides (2024) [zhang2024slides], "A simple characterization"; T. Lelievre et al., J.
    Phys. Chem. B 128 (2024), doi:10.48550/arXiv.2310.03492.
    """
    dataset = schema.as_dataset(X)
    z = method.transform(dataset).values.astype(float)
    if z.shape[1] > 2 or n_bins < 1:
        raise FelError(
            f"Level sets of {z.shape[1]} dimensions with {n_bins} bins.",
            "Level sets are taken of one or two dimensions, with at least one bin.",
            "Fit the method with n_dims=1 or 2.",
        )
    weight = dataset["weight"].values.astype(float) if "weight" in dataset else np.ones(len(z))
    weight = weight / weight.sum()
    bins = _bins(z, n_bins)
    cell = (bins @ n_bins ** np.arange(z.shape[1]))[weight > 0]
    _, first, cell_of = np.unique(cell, return_index=True, return_inverse=True)
    inside = np.full(len(z), -1)
    inside[weight > 0] = cell_of
    population = np.bincount(cell_of, weight[weight > 0])
    sums = np.stack([np.bincount(cell_of, (weight * c)[weight > 0]) for c in z.T], axis=1)
    centre = sums / population[:, None]
    mean, variance, total = _moments(dataset, inside, weight, population)
    changes = total > 1e-12 * np.maximum(np.square(mean).max(axis=0), 1e-12)
    unexplained = (variance[:, changes] / total[changes]).mean(axis=1)
    result = xr.Dataset(
        {
            "population": ("cell", population),
            "n_frames": ("cell", np.bincount(cell_of)),
            "mean": (("cell", "feature"), mean),
            "variance": (("cell", "feature"), variance),
            "unexplained": ("cell", unexplained),
        },
        coords={
            "cv": (("cell", "dimension"), centre),
            "bin": (("cell", "dimension"), bins[weight > 0][first]),
            "feature": dataset["feature"].values,
        },
        attrs={"unexplained_variance": float(population @ unexplained)},
    )
    if method.has_decoder:
        decoded = method.inverse_transform(centre)
        result["decoded"] = (("cell", "feature"), decoded)
        wrong = np.square(decoded - mean)[:, changes] / total[changes]
        result["decoder_error"] = ("cell", wrong.mean(axis=1))
    return result


def _bins(z, n_bins):
    """Place (frame, cv) of each frame in a grid of cells over the range of ``z`` (frame, cv)."""
    low, high = z.min(axis=0), z.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    return np.minimum((n_bins * (z - low) / width).astype(int), n_bins - 1)


def _moments(dataset, cell, weight, population):
    """Mean and variance (cell, feature) of the features in each cell, and their total variance (feature,)."""
    shape = len(population), dataset.sizes["feature"]
    first, second = np.zeros(shape), np.zeros(shape)
    origin = None
    for start, block in finite_blocks(dataset):
        block = np.asarray(block, float)
        origin = block.mean(axis=0) if origin is None else origin  # against cancellation
        part = slice(start, start + len(block))
        use = cell[part] >= 0
        x, c, w = (block - origin)[use], cell[part][use], weight[part][use, None]
        np.add.at(first, c, w * x)
        np.add.at(second, c, w * x**2)
    total = second.sum(axis=0) - first.sum(axis=0) ** 2
    mean = first / population[:, None]
    variance = np.maximum(second / population[:, None] - mean**2, 0.0)
    return mean + origin, variance, total
