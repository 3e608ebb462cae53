"""Means, covariances and time-lagged covariances, accumulated over blocks of frames in one pass.

Values are shifted by the mean of the first block and summed in float64, so that a mean far from zero costs no
digits.  Pairs of frames never cross trajectories, and the borders of blocks leave no trace in the results.

Source: the estimators with weights and reversible pairs are those of H. Wu and F. Noe, J. Nonlinear Sci. 30,
23 (2020), doi:10.1007/s00332-019-09567-y, section 3.3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.data.blocks import check_finite, feature_blocks
from fel_explorer.data.schema import trajectory_lengths

KEPT_BYTES = 256 * 2**20  # of earlier frames that wait for those a lag later; of more, blocks are read again

Blocks = Iterable[tuple[int, np.ndarray]]


@dataclass(frozen=True)
class LaggedCovariances:
    """Covariances (feature, feature) of pairs of frames a lag apart, means removed, and those means.

    Attributes
    ----------
    c00, c0t, ctt
        Of the earlier frames, between both, of the later ones: divided by the sum of the weights.
    mean, mean_later
        (feature,) of the earlier and of the later frames.
    weight
        Sum of the weights of the pairs; a reversible pair counts twice.
    """

    c00: np.ndarray
    c0t: np.ndarray
    ctt: np.ndarray
    mean: np.ndarray
    mean_later: np.ndarray
    weight: float


class Accumulator(ABC):
    """Base of sums over frames; `add` is called with consecutive blocks of shifted values."""

    @abstractmethod
    def begin(self, shift: np.ndarray) -> None:
        """Start with values from which ``shift`` (feature,) is subtracted."""

    @abstractmethod
    def add(self, start: int, block: np.ndarray, z: np.ndarray, total: np.ndarray) -> None:
        """Add frames from ``start`` on.

        ``block`` as it was read and ``z`` shifted are (frame, feature), ``total`` (feature,) is the sum.
        """


class Moments(Accumulator):
    """Mean and variance (feature,) over all frames, each counting 1."""

    def begin(self, shift: np.ndarray) -> None:
        self.shift, self.n_frames = shift, 0
        self._sum, self._squares = np.zeros((2, len(shift)))

    def add(self, start: int, block: np.ndarray, z: np.ndarray, total: np.ndarray) -> None:
        self.n_frames += len(z)
        self._sum += total
        self._squares += np.einsum("fi,fi->i", z, z)

    @property
    def mean(self) -> np.ndarray:
        """(feature,)."""
        return self.shift + self._sum / self.n_frames

    @property
    def variance(self) -> np.ndarray:
        """(feature,), divided by the number of frames."""
        return np.maximum(self._squares / self.n_frames - (self._sum / self.n_frames) ** 2, 0.0)


class Covariance(Accumulator):
    """Mean (feature,) and covariance (feature, feature) by frame weight.

    Parameters
    ----------
    weights
        (frame,), not negative, NumPy or lazy; None counts each frame 1.
    """

    def __init__(self, weights: xr.Variable | None = None) -> None:
        self._weights = weights

    def begin(self, shift: np.ndarray) -> None:
        self.shift, self.weight = shift, 0.0
        self._sum, self._products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))

    def add(self, start: int, block: np.ndarray, z: np.ndarray, total: np.ndarray) -> None:
        w = _read_weights(self._weights, start, start + len(z))
        self.weight += w.sum()
        self._sum += _weighted_sum(w, z, total)
        self._products += _gram(z, w)

    @property
    def mean(self) -> np.ndarray:
        """(feature,)."""
        return self.shift + self._sum / self.weight

    @property
    def covariance(self) -> np.ndarray:
        """(feature, feature), divided by the sum of the weights."""
        mean = self._sum / self.weight
        return self._products / self.weight - np.outer(mean, mean)


class LaggedCovariance(Accumulator):
    """Covariances of all pairs of frames a lag apart.

    Parameters
    ----------
    lengths
        Frames of each trajectory, (trajectory,).
    lag
        In frames; some trajectory is longer.
    weights
        (frame,), NumPy or lazy; a pair has that of its earlier frame.  None counts each pair 1.
    reversible
        Each pair counts in both directions of time.
    reread
        Function of two frames that returns the features (frame, feature) between them, for lags over which
        so many frames pass that keeping them would take more than `KEPT_BYTES`.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        lag: int,
        *,
        weights: xr.Variable | None = None,
        reversible: bool = False,
        reread: Callable[[int, int], np.ndarray] | None = None,
    ) -> None:
        self._ends = np.cumsum(np.asarray(lengths, np.int64))
        self._firsts = self._ends - lengths
        self._lag, self._weights, self._reversible, self._reread = lag, weights, reversible, reread

    def begin(self, shift: np.ndarray) -> None:
        n = len(shift)
        self._shift, self._weight = shift, 0.0
        self._sum_earlier, self._sum_later = np.zeros((2, n))
        self._earlier, self._later, self._products = np.zeros((3, n, n))
        self._kept: deque[tuple[int, np.ndarray]] = deque()
        self._keeps = self._reread is None or 4 * self._lag * n <= KEPT_BYTES

    def add(self, start: int, block: np.ndarray, z: np.ndarray, total: np.ndarray) -> None:
        stop = start + len(z)
        frames = np.arange(start, stop)
        trajectory = np.searchsorted(self._ends, frames, side="right")
        own = _read_weights(self._weights, start, stop)
        as_earlier = np.where(frames + self._lag < self._ends[trajectory], own, 0.0)
        is_later = frames - self._lag >= self._firsts[trajectory]
        before = np.zeros(len(z))
        first = max(start, self._lag)
        if first < stop:
            before[first - start :] = _read_weights(self._weights, first - self._lag, stop - self._lag)
        as_later = np.where(is_later, before, 0.0)
        self._weight += as_later.sum()
        self._sum_earlier += _weighted_sum(as_earlier, z, total)
        self._sum_later += _weighted_sum(as_later, z, total)
        if self._reversible:
            self._earlier += _gram(z, as_earlier + as_later)
        else:
            self._earlier += _gram(z, as_earlier)
            self._later += _gram(z, as_later)
        if self._keeps:
            self._kept.append((start, block))
        if as_later.any():
            self._add_pairs(start, z, as_later)
        while self._kept and self._kept[0][0] + len(self._kept[0][1]) <= stop - self._lag:
            self._kept.popleft()

    def _add_pairs(self, start, z, weights):
        """Add the products of the later frames ``z``, from ``start`` on, and those a lag earlier."""
        used = np.flatnonzero(weights)
        low, high = start + used[0] - self._lag, start + used[-1] + 1 - self._lag
        for first, block in self._earlier_blocks(low, high):
            begin, end = max(low, first), min(high, first + len(block))
            if begin >= end:
                continue
            if first == start:  # shifted already
                x = z[begin - first : end - first]
            else:
                x = block[begin - first : end - first] - self._shift
            later = slice(begin + self._lag - start, end + self._lag - start)
            w = weights[later]
            if not (w == w[0]).all():
                self._products += (x * w[:, None]).T @ z[later]
            elif w[0]:
                self._products += w[0] * (x.T @ z[later])

    def _earlier_blocks(self, low, high):
        if self._keeps or self._reread is None:
            return list(self._kept)
        return [(low, self._reread(low, high))]

    def result(self) -> LaggedCovariances:
        """The covariances of all frames that were added."""
        weight, mean, mean_later = self._weight, self._sum_earlier, self._sum_later
        lagged = self._products
        if self._reversible:
            weight, mean = 2 * weight, mean + mean_later
            mean_later, lagged = mean, lagged + lagged.T
        mean, mean_later = mean / weight, mean_later / weight
        c00 = self._earlier / weight - np.outer(mean, mean)
        ctt = c00 if self._reversible else self._later / weight - np.outer(mean_later, mean_later)
        c0t = lagged / weight - np.outer(mean, mean_later)
        return LaggedCovariances(c00, c0t, ctt, mean + self._shift, mean_later + self._shift, weight)


def accumulate(
    blocks: Blocks, *accumulators: Accumulator, check: Callable[[int, np.ndarray], None] | None = None
) -> None:
    """Add blocks (first frame, values (frame, feature)) to all accumulators, in one pass.

    ``check`` is called with first frame and values of a block that holds values that are not finite.
    """
    shift = buffer = None
    ones = np.ones(0)
    for start, block in blocks:
        if shift is None:
            with np.errstate(invalid="ignore"):  # what is not finite is reported below
                shift = block.mean(axis=0, dtype=np.float64)
            shift = np.where(np.isfinite(shift), shift, 0.0)
            for accumulator in accumulators:
                accumulator.begin(shift)
        if buffer is None or len(buffer) < len(block):
            buffer, ones = np.empty(block.shape), np.ones(len(block))
        z = np.subtract(block, shift, out=buffer[: len(block)])
        with np.errstate(invalid="ignore"):
            total = ones[: len(z)] @ z  # several times as fast as a sum
        if check is not None and not np.isfinite(total).all():
            check(start, block)
        for accumulator in accumulators:
            accumulator.add(start, block, z, total)


def accumulate_features(dataset: xr.Dataset, *accumulators: Accumulator) -> None:
    """Add the features of a dataset to all accumulators, in one pass.

    Raises
    ------
    FelError
        If a feature is not finite: it names the frame and the feature.
    """
    accumulate(
        feature_blocks(dataset), *accumulators, check=lambda start, block: check_finite(dataset, start, block)
    )


def weights_of(dataset: xr.Dataset) -> xr.Variable | None:
    """Frame weights (frame,) of a dataset, as lazy as they are there; None where it has none."""
    return dataset["weight"].variable if "weight" in dataset else None


def lagged_covariance(dataset: xr.Dataset, lag: int, *, reversible: bool) -> LaggedCovariance:
    """The accumulator of the features of ``dataset`` at a lag in frames, by its frame weights."""
    features = dataset["features"].variable
    return LaggedCovariance(
        trajectory_lengths(dataset),
        lag,
        weights=weights_of(dataset),
        reversible=reversible,
        reread=lambda start, stop: features[start:stop].values,
    )


def _weighted_sum(weights: np.ndarray, z: np.ndarray, total: np.ndarray) -> np.ndarray:
    """sum_f w_f z_f, (feature,), from the ``total`` of z where nearly all weights are the same."""
    usual = weights[len(weights) // 2]
    others = np.flatnonzero(weights != usual)
    if len(others) > len(weights) // 4:
        return weights @ z
    return usual * total + (weights[others] - usual) @ z[others]


def _read_weights(weights: xr.Variable | None, start: int, stop: int) -> np.ndarray:
    if weights is None:
        return np.ones(stop - start)
    return np.asarray(weights[start:stop].values, float)


def _gram(z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_f w_f z_f z_f^T, (feature, feature); NumPy makes half the products of Z^T Z."""
    if (weights == weights[0]).all():
        return weights[0] * (z.T @ z) if weights[0] else np.zeros((z.shape[1], z.shape[1]))
    scaled = z * np.sqrt(weights)[:, None]
    return scaled.T @ scaled
