"""Where batches come from: pairs of all frames, or of a window of shuffled blocks at a time."""

from __future__ import annotations

import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from fel_explorer.training.data import Frames, memory_budget
from fel_explorer.training.pairs import Batch, LagPairs, pair_starts

BLOCK_FRAMES = 4096  # length of a block beyond the lag
STEPS = 200  # training steps from one window


def pair_source(
    frames: Frames, segments: np.ndarray, lag: int, **options: Any
) -> ResidentSource | WindowedSource:
    """Source of lag pairs within ``segments`` of ``frames``.

    ``options``: ``exact``, ``both_ways``, ``weights`` and ``cells`` of `LagPairs`, and ``seed``.
    """
    return (ResidentSource if frames.resident else WindowedSource)(frames, segments, lag, **options)


class _Source:
    def __init__(self, frames, segments, lag, *, seed=0, weights=None, cells=None, **options):
        self.frames, self.segments, self.lag, self.seed = frames, segments, lag, seed
        self.weights, self.cells, self.options = weights, cells, options

    def fixed(self, starts: np.ndarray, random: np.random.Generator) -> Batch:
        """The pairs that begin at ``starts``, with offsets from ``random``, by dataset weight."""
        exact = self.options.get("exact", False)
        offset = self.lag if exact else random.integers(1, self.lag + 1, len(starts))
        weight = np.ones(len(starts)) if self.weights is None else self.weights[starts]
        weight = torch.as_tensor(weight / weight.mean(), dtype=torch.float32, device=self.frames.device)
        return Batch(self.frames.take(np.concatenate([starts, starts + offset])), weight)


class ResidentSource(_Source):
    """All frames are on the device."""

    def __init__(self, frames: Frames, segments: np.ndarray, lag: int, **options: Any) -> None:
        super().__init__(frames, segments, lag, **options)
        self._pairs = LagPairs(
            frames.values,
            pair_starts(segments, lag),
            lag,
            weights=self.weights,
            cells=self.cells,
            **self.options,
        )

    def at(self, step: int) -> LagPairs:
        """Where the batch of this step is drawn from."""
        return self._pairs


class WindowedSource(_Source):
    """The frames are in a file; every `STEPS` steps other blocks, chosen at random, come to the device.

    Which blocks is a function of the seed and the step, so that a resumed run reads the same.  A thread reads
    the next window while this one is trained on; from pinned memory it is copied without waiting.
    """

    def __init__(
        self, frames: Frames, segments: np.ndarray, lag: int, *, budget: int | None = None, **options: Any
    ) -> None:
        super().__init__(frames, segments, lag, **options)
        blocks = [
            (start, min(start + BLOCK_FRAMES + lag, end))
            for first, end in segments
            for start in range(first, end - lag, BLOCK_FRAMES)
        ]
        self._blocks = np.array(blocks)
        budget = memory_budget(frames.device) // 3 if budget is None else budget  # two windows, and a batch
        bytes_per_block = 4 * frames.values.shape[1] * (BLOCK_FRAMES + lag)
        self._n_blocks = min(max(1, budget // bytes_per_block), len(blocks))
        self._window = -1
        self._next: tuple[int, Future] | None = None  # number of the window that is read, and what it gives
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-window")
        weakref.finalize(self, self._thread.shutdown, wait=False, cancel_futures=True)

    def at(self, step: int) -> LagPairs:
        """Where the batch of this step is drawn from."""
        window = step // STEPS
        if window != self._window:
            if self._next is None or self._next[0] != window:
                self._next = window, self._thread.submit(self._read, window)
            self._window, self._pairs = window, self._on_device(*self._next[1].result())
            self._next = window + 1, self._thread.submit(self._read, window + 1)
        return self._pairs

    def _read(self, window: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
        """Frames of a window, its segments, and its features on the host."""
        random = np.random.default_rng([self.seed, window])
        # chosen in proportion to its pairs, so that a short last block does not count more than its frames
        size = self._blocks[:, 1] - self._blocks[:, 0] - self.lag
        chosen = random.choice(len(self._blocks), self._n_blocks, replace=False, p=size / size.sum())
        blocks = self._blocks[np.sort(chosen)]
        frames = np.concatenate([np.arange(first, end) for first, end in blocks])
        ends = np.cumsum(blocks[:, 1] - blocks[:, 0])
        local = np.stack([ends - (blocks[:, 1] - blocks[:, 0]), ends], axis=1)
        return frames, local, self.frames.gather(frames)

    def _on_device(self, frames, local, features) -> LagPairs:
        return LagPairs(
            features.to(self.frames.device, non_blocking=True),
            pair_starts(local, self.lag),
            self.lag,
            weights=None if self.weights is None else self.weights[frames],
            cells=None if self.cells is None else self.cells[frames],
            **self.options,
        )
