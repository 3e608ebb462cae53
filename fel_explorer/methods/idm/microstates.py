"""Microstates: a fine partition of the frames in slow coordinates, and joint matrices of pairs of them.

Everything streams over blocks of frames, so memory does not grow with the number of features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.data.blocks import feature_blocks
from fel_explorer.parallel import one_thread
from fel_explorer.training.data import Scaling

N_COORDINATES = 10
N_SAMPLE = 50_000  # frames among which the centres are sought
SEEDING_STRIDE = 4  # of the sample, for k-means++
N_ITERATIONS = 10
MIN_FRAMES = 20  # of a microstate, on average
CHUNK = 8192  # pairs at once in float64
MIN_VARIANCE = 1e-6  # of the largest; directions with less are linear combinations of others
LAG_DIVISOR = 4  # TICA at a fraction of the lag, at which processes as slow as the lag are still correlated


def never() -> bool:
    """False: nobody asks to stop."""
    return False


@dataclass(frozen=True)
class Microstates:
    """Partition of feature space into the Voronoi cells of centres in slow coordinates.

    Attributes
    ----------
    labels
        (frame,) int32 microstate of each frame of the data that it was made from.
    centres
        (microstate, coordinate) float32.
    scaling
        Standardisation of the features.
    matrix
        (kept feature, coordinate) float32, from standardised features to coordinates.
    """

    labels: np.ndarray
    centres: np.ndarray
    scaling: Scaling
    matrix: Tensor

    def __len__(self) -> int:
        return len(self.centres)

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Microstate (frame,) int32 of features (frame, feature)."""
        scaled = self.scaling(torch.as_tensor(np.asarray(features, np.float32)))
        return nearest(scaled @ self.matrix, torch.from_numpy(self.centres))


def find_microstates(
    dataset: xr.Dataset,
    lag: int,
    *,
    n_microstates: int = 400,
    n_coordinates: int = N_COORDINATES,
    seed: int = 0,
    scaling: Scaling | None = None,
    matrix: Tensor | None = None,
    report: Callable[[], bool] = never,
) -> Microstates:
    """KMeans cells in the TICA coordinates of the dataset, scaled to a kinetic map.

    Parameters
    ----------
    lag
        Lag of TICA in frames; a quarter of the shortest time that matters resolves the processes there.
    n_microstates
        Number of cells at most; cells without frames are left out.
    scaling
        Standardisation of the features, computed from the dataset by default.
    matrix
        The coordinates, by default those of `kinetic_map` at the lag.
    report
        Called before each part of the work.  Returning True gives a rougher answer sooner: coordinates from
        the frames read so far, and cells after one iteration.

    Source: Perez-Hernandez et al., J. Chem. Phys. 139, 015102 (2013), doi:10.1063/1.4811489; kinetic map: Noe
    and Clementi, J. Chem. Theory Comput. 11, 5002 (2015), doi:10.1021/acs.jctc.5b00553.
    """
    from sklearn.cluster import KMeans

    scaling = Scaling.of(dataset) if scaling is None else scaling
    if matrix is None:
        matrix = kinetic_map(dataset, scaling, lag, n_coordinates, report)
    mapped = partial(_mapped, dataset, scaling, matrix)
    stride = -(-dataset.sizes["frame"] // N_SAMPLE)
    sample = np.concatenate([z[(-first) % stride :: stride].copy() for first, z in mapped()])
    few = sample[:: SEEDING_STRIDE if len(sample) >= SEEDING_STRIDE * 10 * n_microstates else 1]
    n = min(n_microstates, max(2, dataset.sizes["frame"] // MIN_FRAMES), len(np.unique(few, axis=0)))
    start = spread_centres(few, n, np.random.default_rng(seed))
    n_iterations = 1 if report() else N_ITERATIONS
    with one_thread():
        centres = KMeans(n, init=start, n_init=1, max_iter=n_iterations).fit(sample).cluster_centers_
    centres = torch.from_numpy(centres.astype(np.float32))
    labels = np.concatenate([nearest(torch.from_numpy(z), centres) for _, z in mapped()])
    used = np.bincount(labels, minlength=len(centres)) > 0
    return Microstates((np.cumsum(used, dtype=np.int32) - 1)[labels], centres.numpy()[used], scaling, matrix)


def kinetic_map(
    dataset: xr.Dataset,
    scaling: Scaling,
    lag: int,
    n: int = N_COORDINATES,
    report: Callable[[], bool] = never,
) -> Tensor:
    """Matrix (kept feature, coordinate) onto the ``n`` slowest TICA coordinates times their eigenvalues.

    ``report`` is called for each block of frames; returning True leaves the others out.
    """
    symmetric, antisymmetric, mean = _pair_moments(dataset, scaling, lag, report)
    symmetric -= 4 * torch.outer(mean, mean)
    values, vectors = torch.linalg.eigh((symmetric + antisymmetric) / 4)
    used = values > MIN_VARIANCE * values.max()
    whiten = vectors[:, used] / values[used].sqrt()
    correlation, axes = torch.linalg.eigh(whiten.T @ ((symmetric - antisymmetric) / 4) @ whiten)
    correlation, axes = correlation.flip(0)[:n].clamp_min(1e-3), axes.flip(1)[:, :n]
    return (whiten @ axes * correlation).float()


def _pair_moments(dataset, scaling, lag, report):
    """Means over pairs of (x + y)(x + y)^T, of (x - y)(x - y)^T and of (x + y) / 2, weighted.

    Sums and differences, and not x y^T, because detailed balance then holds exactly and slow processes keep
    their digits.
    """
    n = scaling.n_kept
    plus, minus = torch.zeros(n, n, dtype=torch.float64), torch.zeros(n, n, dtype=torch.float64)
    mean, total = torch.zeros(n, dtype=torch.float64), 0.0
    lengths = schema.trajectory_lengths(dataset)
    ends = np.repeat(np.cumsum(lengths), lengths)
    weights = dataset["weight"].values if "weight" in dataset else None
    before, first_before = torch.zeros(0, n), 0
    for first, block in _blocks(dataset, scaling):
        if report() and total > 0:
            break
        x = torch.cat([before, block])
        start = first_before if len(before) else first
        index = np.arange(start, first + len(block) - lag)
        index = index[index + lag < ends[index]]
        for some in np.array_split(index, -(-len(index) // CHUNK) or 1):
            local = torch.from_numpy(some - start)
            earlier, later = x[local].double(), x[local + lag].double()
            weight = torch.ones(len(some), 1, dtype=torch.float64)
            if weights is not None:
                weight = torch.from_numpy(np.asarray(weights[some], float))[:, None]
            added, differences = earlier + later, later - earlier
            plus += (added * weight).T @ added
            minus += (differences * weight).T @ differences
            mean += (weight * added).sum(0) / 2
            total += float(weight.sum())
        before, first_before = x[max(len(x) - lag, 0) :], first + len(block) - min(lag, len(x))
    return plus / total, minus / total, mean / total


def _blocks(dataset, scaling):
    """Yield (first frame, standardised features (frame, kept feature)) of blocks of some megabytes.

    Smaller blocks than those of the training: what temporary arrays leave in the heap adds up.
    """
    rows = schema.rows_per_block(dataset.sizes["feature"])
    for first, block in feature_blocks(dataset):
        for start in range(0, len(block), rows):
            part = np.array(block[start : start + rows], np.float32)
            yield first + start, scaling(torch.from_numpy(part))


def _mapped(dataset, scaling, matrix):
    """Yield (first frame, coordinates (frame, coordinate) float32) of blocks of the dataset."""
    for first, block in _blocks(dataset, scaling):
        yield first, (block @ matrix).numpy()


def spread_centres(points: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """Rows (n, coordinate) of points (point, coordinate), chosen with probability by their squared distance.

    ``points`` have at least ``n`` different rows.

    Source: Arthur and Vassilvitskii, SODA 2007, 1027 [arthur2007kmeans]; scikit-learn's version tries several
    points each time and takes ten times as long.
    """
    squares = np.square(points).sum(1)
    chosen = [int(random.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < n:
        last = points[chosen[-1]]
        new = squares - 2 * points @ last + squares[chosen[-1]]
        distance = np.minimum(distance, np.maximum(new, 0.0))
        distance[chosen[-1]] = 0.0
        total = np.cumsum(distance, dtype=np.float64)
        chosen.append(int(np.searchsorted(total, random.random() * total[-1], side="right")))
    return points[np.minimum(chosen, len(points) - 1)]


def nearest(points: Tensor, centres: Tensor, block: int = 2048) -> np.ndarray:
    """Index (point,) int32 of the centre (centre, coordinate) nearest to each point (point, coordinate)."""
    offset, twice = centres.square().sum(1), 2 * centres.T
    return torch.cat([(offset - part @ twice).argmin(1) for part in points.split(block)]).int().numpy()


class PairCounts:
    """Pairs of frames (t, t + s), s uniform over 1 ... lag, within trajectories, as counts.

    The same uniform numbers serve all lags, so that what is computed from the counts is smooth in the lag.

    Parameters
    ----------
    lengths
        Frames of each trajectory.
    weights
        Optional (frame,) frame weights; a pair has that of its earlier frame.
    """

    def __init__(self, lengths: np.ndarray, weights: np.ndarray | None = None, seed: int = 0) -> None:
        self.lengths = np.asarray(lengths, np.int64)
        self.weights = None if weights is None else np.asarray(weights, float)
        n = int(self.lengths.sum())
        self._end = np.repeat(np.cumsum(self.lengths), self.lengths)
        self._uniform = np.random.default_rng([seed, 3]).random(n, np.float32)

    def pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Earlier and later frame (pair,) of each pair, one for each frame with another ``lag`` later."""
        first = np.flatnonzero(np.arange(len(self._end)) + lag < self._end)
        offset = np.minimum((self._uniform[first] * lag).astype(np.int64), lag - 1) + 1
        return first, first + offset

    def joint(self, labels: np.ndarray, n: int, lag: int) -> np.ndarray:
        """Joint matrix (state, state) of labels (frame,) int below ``n``: symmetric, summing to 1."""
        first, later = self.pairs(lag)
        counts = self._counts(labels[first].astype(np.int64) * n + labels[later], n * n, first)
        counts = counts.reshape(n, n) + counts.reshape(n, n).T
        return counts / counts.sum()

    def joint_of_blocks(self, labels: np.ndarray, n: int, lag: int, block: np.ndarray) -> np.ndarray:
        """Counts (block, state, state), symmetrised, of the pairs whose earlier frame is in a block.

        ``block`` (frame,) is the index of the block of each frame.
        """
        first, later = self.pairs(lag)
        n_blocks = int(block.max()) + 1
        cell = (block[first].astype(np.int64) * n + labels[first]) * n + labels[later]
        counts = self._counts(cell, n_blocks * n * n, first).reshape(n_blocks, n, n)
        return counts + counts.transpose(0, 2, 1)

    def _counts(self, cell, size, first):
        weights = None if self.weights is None else self.weights[first]
        return np.bincount(cell, weights, minlength=size).astype(float)
