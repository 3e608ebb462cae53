"""Features read in blocks of frames, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError

READ_BYTES = 16 * 2**20  # of features read at once: at less dask's overhead shows, at more the cache misses


def is_stored(dataset: xr.Dataset) -> bool:
    """Whether the features lie on disk, or are computed when they are read, and not in memory."""
    return dataset["features"].variable.chunks is not None


def feature_blocks(dataset: xr.Dataset) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first frame, features (frame, feature)) of blocks of consecutive frames, in order.

    Blocks of stored features end where stored chunks end, so that each chunk is read once; the next block is
    read while one is used.  Features in memory are not copied: do not write to a block.
    """
    features = dataset["features"].variable
    edges = block_edges(dataset)
    if not is_stored(dataset):
        for start, stop in pairwise(edges):
            yield int(start), features[start:stop].values
        return
    with ThreadPoolExecutor(1, "feature-blocks") as pool:
        reading = pool.submit(_read, features, edges[0], edges[1])
        for index, start in enumerate(edges[:-1]):
            block = reading.result()
            if index + 2 < len(edges):
                reading = pool.submit(_read, features, *edges[index + 1 : index + 3])
            yield int(start), block


def finite_blocks(dataset: xr.Dataset) -> Iterator[tuple[int, np.ndarray]]:
    """`feature_blocks`, with a `FelError` where a stored value is not finite; others were checked before."""
    stored = is_stored(dataset)
    for start, block in feature_blocks(dataset):
        if stored:
            check_finite(dataset, start, block)
        yield start, block


def check_finite(dataset: xr.Dataset, start: int, block: np.ndarray) -> None:
    """Raise a `FelError` naming frame and feature where ``block`` (frame, feature) is not finite.

    ``start`` is the frame with which the block begins.
    """
    finite = np.isfinite(block)
    if finite.all():
        return
    frame, feature = np.argwhere(~finite)[0]
    name = str(dataset["feature"].values[feature])
    raise FelError(
        f"Feature '{name}' is {block[frame, feature]} at frame {start + frame}.",
        "All features must be finite numbers.",
        "Remove broken frames from the trajectory or leave this feature out.",
    )


def block_edges(dataset: xr.Dataset) -> np.ndarray:
    """First frames of the blocks, and the number of frames."""
    n_frames, n_features = dataset["features"].shape
    rows = max(1, READ_BYTES // (4 * n_features))
    chunks = dataset["features"].variable.chunks
    if chunks is None:
        return np.append(np.arange(0, n_frames, rows), n_frames)
    ends = np.cumsum(chunks[0])
    block = (ends - 1) // max(rows, max(chunks[0]))  # of the last frame of each chunk
    last = np.append(block[1:] != block[:-1], True)
    return np.append(0, ends[last & (ends > 0)])


def _read(features: xr.Variable, start: int, stop: int) -> np.ndarray:
    # in one thread: the allocator of each thread of a pool would keep some blocks' worth of memory
    return np.asarray(features.data[start:stop].compute(scheduler="synchronous"))
