"""Pairs of frames within a lag, drawn by index arithmetic on the device that holds the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Num, Shaped
from torch import Tensor

from fel_explorer.errors import FelError


@dataclass(frozen=True)
class Batch:
    """Pairs of frames.

    Attributes
    ----------
    frames
        (2 * pair, feature): the earlier frames of all pairs, then the later ones, so that a network needs
        one call for both.
    weight
        (pair,), mean about 1.
    """

    frames: Float[Tensor, "frame feature"]
    weight: Float[Tensor, "pair"]

    def halves(
        self, values: Shaped[Tensor, "frame *value"]
    ) -> tuple[Shaped[Tensor, "pair *value"], Shaped[Tensor, "pair *value"]]:
        """Split what was computed from `frames` into the earlier and the later half."""
        half = len(values) // 2
        return values[:half], values[half:]


def segments_of(lengths: Sequence[int] | np.ndarray) -> Int[np.ndarray, "trajectory 2"]:
    """First frame and end (one past the last) of each trajectory, (trajectory, 2)."""
    ends = np.cumsum(np.asarray(lengths, np.int64))
    return np.stack([ends - lengths, ends], axis=1)


def pair_starts(segments: Int[np.ndarray, "segment 2"], lag: int) -> Int[np.ndarray, "start"]:
    """Frames (start,) from which a frame ``lag`` later lies in the same segment.

    ``segments`` (segment, 2) are consecutive frames of one trajectory: `segments_of`, or a part
    of a split.  Raises a `FelError` when there is no such frame.
    """
    starts = [np.arange(first, end - lag) for first, end in segments if end - first > lag]
    if not starts:
        raise FelError(
            f"A lag of {lag} frames in {len(segments)} segments of at most"
            f" {max((int(end - first) for first, end in segments), default=0)} frames.",
            "At least one segment must be longer than the lag.",
            "Take a shorter lag_time, longer trajectories, or a smaller validation_fraction.",
        )
    return np.concatenate(starts)


class LagPairs:
    """Draws batches of pairs (x at t, x at t + k).

    Parameters
    ----------
    features
        (frame, feature) on the device where training runs.
    starts
        (start,) frames that may be the earlier one; see `pair_starts`.
    lag
        In frames.
    exact
        True: k = lag.  False: k uniform over 1 ... lag, the temporal neighbourhood of IDM
        (doi:10.1021/acs.jpclett.9b02012, section 2.1).
    both_ways
        Exact pairs in both directions of time: (x at t + lag, x at t) too, with the weight of x at t.
    weights
        Optional frame weights (frame,); a pair has that of its earlier frame.
    cells
        Optional cell (frame,) of each frame in a partition, see `training.seeding`, for draws by the cell of
        the first frame of a pair.
    """

    def __init__(
        self,
        features: Float[Tensor, "frame feature"],
        starts: Int[np.ndarray, "start"],
        lag: int,
        *,
        exact: bool = False,
        both_ways: bool = False,
        weights: Num[np.ndarray, "frame"] | None = None,
        cells: Int[np.ndarray, "frame"] | None = None,
    ) -> None:
        device = features.device
        self.features, self.lag, self.exact = features, lag, exact
        weight = np.ones(len(starts)) if weights is None else weights[starts] / weights[starts].mean()
        self._ahead = None  # (start,) from the first frame of each pair to the second, where it differs
        if both_ways:
            ahead = np.repeat([lag, -lag], len(starts))
            starts, weight = np.concatenate([starts, starts + lag]), np.tile(weight, 2)
            self._ahead = torch.as_tensor(ahead, device=device)
        if cells is not None:
            order = np.argsort(cells[starts], kind="stable")
            starts, weight = starts[order], weight[order]
            if both_ways:
                self._ahead = torch.as_tensor(ahead[order], device=device)
            cell, first, count = np.unique(cells[starts], return_index=True, return_counts=True)
            boost = np.repeat(len(starts) / (len(cell) * count), count)  # p_by_cell / p_uniform of a frame
            self._boost = torch.as_tensor(boost, dtype=torch.float32, device=device)
            self._first = torch.as_tensor(first, device=device)
            self._count = torch.as_tensor(count, device=device)
        self.starts = torch.as_tensor(starts, device=device)
        self.weight = torch.as_tensor(weight, dtype=torch.float32, device=device)

    def draw(
        self, n: int, generator: torch.Generator, *, cell_share: float = 0.0, unbias: float = 1.0
    ) -> Batch:
        """``n`` random pairs, with replacement.

        Parameters
        ----------
        cell_share
            Fraction of the pairs drawn uniformly over cells, and uniformly within the cell; the others are
            drawn uniformly over all frames.
        unbias
            Power of the importance weight p_uniform / p_mixture <= 1 / (1 - cell_share): 1 undoes
            the bias of drawing by cell, 0 leaves it.
        """
        chosen = self._choose(n, round(n * cell_share), generator)
        earlier = self.starts[chosen]
        offset: Tensor | int
        if self._ahead is not None:
            offset = self._ahead[chosen]
        elif self.exact:
            offset = self.lag
        else:
            offset = torch.randint(1, self.lag + 1, (n,), device=earlier.device, generator=generator)
        weight = self.weight[chosen]
        if cell_share:
            weight = weight / (1.0 + cell_share * (self._boost[chosen] - 1.0)) ** unbias
        return Batch(self.features[torch.cat([earlier, earlier + offset])], weight)

    def _choose(self, n: int, n_by_cell: int, generator: torch.Generator) -> Tensor:
        device = self.starts.device
        uniform = torch.randint(len(self.starts), (n - n_by_cell,), device=device, generator=generator)
        if not n_by_cell:
            return uniform
        cell = torch.randint(len(self._first), (n_by_cell,), device=device, generator=generator)
        # float64: a float32 fraction cannot reach every frame of a large cell
        within = torch.rand(n_by_cell, device=device, dtype=torch.float64, generator=generator)
        within = (within * self._count[cell]).long()
        return torch.cat([uniform, self._first[cell] + within])
