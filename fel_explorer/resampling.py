"""Block bootstrap of correlated time series: standard errors and confidence intervals of any statistic.

The units that are drawn with replacement are whole trajectories where there are enough of them, else
contiguous blocks within trajectories (Kuensch, Ann. Stat. 17, 1217 (1989), doi:10.1214/aos/1176347265), so
that correlated frames stay together.  Errors are too small where blocks are shorter than the slowest process.

Two kinds of statistics are served.  A function of additive counts (histograms, counts of pairs at a lag)
needs the counts of each block once (`Blocks.sums`, `Blocks.pair_sums`) and takes those of each draw from
`Bootstrap.sums`.  Any other statistic takes frame multiplicities (`Bootstrap.frame_counts`) or lists of
segments (`Bootstrap.segments`), in which a block drawn twice occurs twice and no two blocks are joined.

Examples
--------
>>> import numpy as np
>>> x = np.repeat([0, 1, 0, 1], 250)  # states of one trajectory
>>> blocks = Blocks.of_lengths([1000], n_blocks=20)
>>> draws = blocks.draw(200, seed=0)
>>> populations = [n / n.sum() for n in draws.sums(blocks.sums(x, 2))]
>>> draws.standard_error(populations).shape
(2,)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are used

from fel_explorer.errors import FelError

N_BLOCKS = 20
N_DRAWS = 100
MIN_FINITE = 0.9  # fraction of the draws in which a statistic must be defined


@dataclass(frozen=True)
class Blocks:
    """Contiguous segments of trajectories that together hold all frames.

    Attributes
    ----------
    start, stop
        (block,) first frame of each and the frame after its last, counted over all trajectories.
    lengths
        (trajectory,) numbers of frames.
    """

    start: np.ndarray
    stop: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of_lengths(
        cls, lengths: Sequence[int] | np.ndarray, *, n_blocks: int = N_BLOCKS, min_length: int = 1
    ) -> Blocks:
        """Divide trajectories of ``lengths`` (trajectory,) frames into units of resampling.

        Trajectories stay whole where Kish's effective number of them, (sum L)^2 / sum L^2, is at least
        ``n_blocks / 2``.  Else each is divided into equal blocks of at most 1 / ``n_blocks`` of all frames,
        but of at least ``min_length`` frames (such as a lag time), for which there may be fewer blocks.

        Raises
        ------
        FelError
            If a trajectory is empty, or n_blocks is less than 2.
        """
        frames = np.asarray(lengths, np.int64)
        if not len(frames) or (frames < 1).any():
            raise FelError(f"Trajectories of {frames.tolist()} frames.", "Each has at least one frame.")
        if n_blocks < 2 or min_length < 1:
            raise FelError(
                f"n_blocks={n_blocks}, min_length={min_length}.",
                "There are at least 2 blocks, of at least one frame each.",
                f"Take n_blocks={N_BLOCKS}.",
            )
        parts = np.ones(len(frames), np.int64)
        if frames.sum() ** 2 / np.sum(frames.astype(float) ** 2) < max(n_blocks / 2, 2):
            wanted = -(-frames * n_blocks // frames.sum())
            parts = np.clip(wanted, 1, np.maximum(frames // min_length, 1))
        edges = [
            first + np.arange(n + 1) * length // n
            for first, length, n in zip(np.cumsum(frames) - frames, frames, parts, strict=True)
        ]
        start, stop = (np.concatenate([e[side] for e in edges]) for side in (slice(-1), slice(1, None)))
        return cls(start, stop, frames)

    @classmethod
    def of_frames(cls, trajectory: np.ndarray, *, n_blocks: int = N_BLOCKS, min_length: int = 1) -> Blocks:
        """As `of_lengths`, from the trajectory index (frame,) of each frame."""
        trajectory = np.asarray(trajectory)
        if trajectory.ndim != 1 or not len(trajectory):
            raise FelError(f"Trajectory indices of shape {trajectory.shape}.", "One per frame, at least one.")
        starts = np.flatnonzero(np.r_[True, trajectory[1:] != trajectory[:-1]])
        lengths = np.diff(np.r_[starts, len(trajectory)])
        return cls.of_lengths(lengths, n_blocks=n_blocks, min_length=min_length)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def n_frames(self) -> int:
        """Number of frames of all blocks."""
        return int(self.stop[-1])

    def of_frame(self) -> np.ndarray:
        """Index (frame,) of the block that holds each frame."""
        return np.repeat(np.arange(len(self)), self.stop - self.start)

    def sums(self, cell: np.ndarray, n_cells: int, weights: np.ndarray | None = None) -> np.ndarray:
        """Number of frames, or sum of ``weights`` (frame,), of each block in each cell.

        Parameters
        ----------
        cell
            (frame,) index of a bin or state, 0 to n_cells - 1; frames with a negative one are left out.

        Returns
        -------
        (block, n_cells) counts; their sum over blocks is the histogram of all frames.
        """
        cell = self._check(cell)
        used = cell >= 0
        weights = None if weights is None else self._check(weights)[used]
        return self._count(self.of_frame()[used], cell[used], n_cells, weights)

    def pairs(self, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of frames ``lag`` apart in one trajectory: first frame (pair,) and block (pair,) of each.

        The second frame is ``first + lag``.  A pair belongs to the block of its first frame, so that the
        pairs of all blocks are those of all trajectories; no pair is made of two blocks drawn in a row.
        """
        ends = np.repeat(np.cumsum(self.lengths), self.lengths)
        first = np.flatnonzero(np.arange(self.n_frames) + lag < ends)
        return first, self.of_frame()[first]

    def pair_sums(
        self, cell: np.ndarray, n_cells: int, lag: int, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Number of pairs of each block, or their sum of ``weights`` (frame,) of the first frames.

        Arguments as for `sums`.

        Returns
        -------
        (block, n_cells, n_cells) counts, from first to second axis.
        """
        cell = self._check(cell)
        first, block = self.pairs(lag)
        used = (cell[first] >= 0) & (cell[first + lag] >= 0)
        first, block = first[used], block[used]
        weights = None if weights is None else self._check(weights)[first]
        counts = self._count(block, cell[first] * n_cells + cell[first + lag], n_cells**2, weights)
        return counts.reshape(len(self), n_cells, n_cells)

    def segments(self, values: np.ndarray) -> list[np.ndarray]:
        """Rows of ``values`` (frame, ...) of each block, as views."""
        values = self._check(values)
        return [values[first:end] for first, end in zip(self.start, self.stop, strict=True)]

    def draw(self, n_draws: int = N_DRAWS, *, seed: int = 0, stratum: np.ndarray | None = None) -> Bootstrap:
        """Bootstrap samples of as many blocks as there are.

        ``stratum`` (block,) are optional labels, such as the umbrella window of each block: blocks of one
        label are drawn among themselves.
        """
        stratum = np.zeros(len(self), int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
        generator = np.random.default_rng(seed)
        counts = np.zeros((n_draws, len(self)), np.int64)
        for one in range(stratum.max() + 1):
            mine = np.flatnonzero(stratum == one)
            counts[:, mine] = generator.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), n_draws)
        return Bootstrap(self, counts, int(stratum.max()) + 1)

    def _check(self, values) -> np.ndarray:
        values = np.asarray(values)
        if values.shape[:1] != (self.n_frames,):
            raise FelError(
                f"Values of shape {values.shape} for {self.n_frames} frames.",
                "One per frame, the trajectories one after the other.",
            )
        return values

    def _count(self, block, cell, n_cells, weights) -> np.ndarray:
        size = len(self) * n_cells
        return np.bincount(block * n_cells + cell, weights, minlength=size).reshape(len(self), n_cells)


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap samples of `Blocks`, and the errors of a statistic from its values on them.

    Attributes
    ----------
    blocks
        What was drawn from.
    counts
        (draw, block) how often a draw holds each block.
    n_strata
        Number of groups of blocks that were drawn separately.
    """

    blocks: Blocks
    counts: np.ndarray
    n_strata: int = 1

    def __len__(self) -> int:
        return len(self.counts)

    def sums(self, per_block: np.ndarray) -> np.ndarray:
        """Sums (draw, ...) over the blocks of each draw, of ``per_block`` (block, ...)."""
        return np.tensordot(self.counts.astype(float), np.asarray(per_block, float), axes=1)

    def frame_counts(self) -> Iterator[np.ndarray]:
        """For each draw how often it holds each frame, (frame,) int."""
        block = self.blocks.of_frame()
        return (counts[block] for counts in self.counts)

    def segments(self, values: np.ndarray) -> Iterator[list[np.ndarray]]:
        """For each draw the rows of ``values`` (frame, ...) of its blocks, those drawn twice listed twice."""
        segments = self.blocks.segments(values)
        return (
            [segments[block] for block in np.repeat(np.arange(len(counts)), counts)] for counts in self.counts
        )

    def standard_error(self, samples: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """`standard_error` of a statistic (...) from its values on the draws (draw, ...)."""
        return standard_error(self._check(samples), len(self.blocks), n_strata=self.n_strata)

    def interval(
        self, samples: Sequence[np.ndarray] | np.ndarray, confidence: float = 0.95
    ) -> tuple[np.ndarray, np.ndarray]:
        """`percentile_interval` of a statistic (...) from its values on the draws (draw, ...)."""
        n_blocks = len(self.blocks)
        return percentile_interval(self._check(samples), n_blocks, confidence, n_strata=self.n_strata)

    def _check(self, samples) -> np.ndarray:
        samples = np.asarray(samples, float)
        if len(samples) != len(self):
            raise FelError(f"{len(samples)} values of a statistic for {len(self)} draws.", "One per draw.")
        return samples


def standard_error(samples: np.ndarray, n_blocks: int, *, n_strata: int = 1) -> np.ndarray:
    """Standard error of a statistic from its bootstrap samples.

    The standard deviation of the finite samples times sqrt(n / (n - 1)) for n blocks, without which the
    bootstrap underestimates the error of a mean (B. Efron and R. J. Tibshirani, An Introduction to the
    Bootstrap (1993), doi:10.1007/978-1-4899-4541-9, Eq. 5.12).

    Parameters
    ----------
    samples
        (draw, ...) values of the statistic.
    n_blocks, n_strata
        Number of blocks that were drawn from, in so many strata.

    Returns
    -------
    (...) errors; NaN where fewer than `MIN_FINITE` of the samples are finite, or there is a single block.
    """
    samples = np.asarray(samples, float)
    finite = np.isfinite(samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = finite.sum(axis=0)
        mean = np.where(finite, samples, 0.0).sum(axis=0) / n
        squares = np.where(finite, samples - mean, 0.0) ** 2
        error = np.sqrt(squares.sum(axis=0) / (n - 1)) * _inflation(n_blocks / n_strata)
    return np.where(_enough(finite, n_blocks, n_strata), error, np.nan)


def percentile_interval(
    samples: np.ndarray, n_blocks: int, confidence: float = 0.95, *, n_strata: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of a statistic from its bootstrap samples, expanded for few blocks.

    The tail is Phi(-sqrt(n / (n - 1)) t), with t the quantile of Student's distribution with n - 1 degrees of
    freedom for n blocks (Hesterberg, Am. Stat. 69, 371 (2015), doi:10.1080/00031305.2015.1089789).

    Arguments as for `standard_error`.

    Returns
    -------
    Lower and upper limits, each (...); NaN as for `standard_error`.
    """
    samples = np.asarray(samples, float)
    finite = np.isfinite(samples)
    enough = _enough(finite, n_blocks, n_strata)
    limits = np.full((2, *samples.shape[1:]), np.nan)
    if enough.any():
        quantile = scipy.stats.t.ppf((1 + confidence) / 2, n_blocks - n_strata)
        tail = 100 * scipy.stats.norm.cdf(-_inflation(n_blocks / n_strata) * quantile)
        columns = np.where(finite, samples, np.nan)[:, enough]
        # "weibull": the default's limits of few draws lie too far inside
        limits[:, enough] = np.nanpercentile(columns, [tail, 100 - tail], axis=0, method="weibull")
    return limits[0], limits[1]


def _enough(finite, n_blocks, n_strata) -> np.ndarray:
    """Where (...) errors are defined, from which samples (draw, ...) are finite."""
    several = n_blocks > n_strata and len(finite) > 1
    return np.asarray(finite.mean(axis=0) >= MIN_FINITE) & several


def _inflation(n: float) -> float:
    return np.sqrt(n / (n - 1)) if n > 1 else np.nan
