"""Functions of features applied in blocks of frames, here or where tasks run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from fel_explorer import parallel
from fel_explorer.data import schema
from fel_explorer.data.block_store import write_blocks
from fel_explorer.data.blocks import block_edges, feature_blocks, is_stored

BLOCK = 65_536  # frames at once through a network

Function = Callable[[torch.Tensor], torch.Tensor]


def map_features(dataset: xr.Dataset, function: Function, dim: str) -> xr.DataArray:
    """Values (frame, ``dim``) of ``function`` of features (frame, feature), with the frames' coordinates."""
    values = None
    for start, block in _mapped_blocks(dataset, function):
        if values is None:
            values = np.empty((dataset.sizes["frame"], block.shape[1]), block.dtype)
        # blocks that were kept would lie amid the heap, which then grows by the features' size
        values[start : start + len(block)] = block
    coords = {name: dataset[name] for name in schema.BOOKKEEPING}
    return xr.DataArray(values, dims=("frame", dim), coords=coords)


def map_into_store(dataset: xr.Dataset, function: Function, dim: str, out: str | Path) -> xr.DataArray:
    """What `map_features` returns, read from a zarr folder at ``out``, which is written block by block.

    Raises
    ------
    FelError
        If ``out`` is taken or can't be written.
    """
    blocks = _mapped_blocks(dataset, function)
    first = next(blocks)
    columns = [f"{dim} {i + 1}" for i in range(first[1].shape[1])]
    written = write_blocks(out, dataset, columns, chain([first], blocks))["features"]
    return written.rename(None).rename(feature=dim).drop_vars(dim)


def _mapped_blocks(dataset: xr.Dataset, function: Function) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first frame, values (frame, value)) of blocks of frames."""
    if parallel.scheduler() is not None and is_stored(dataset):
        edges = block_edges(dataset).tolist()
        features = dataset["features"].variable
        tasks = list(pairwise(edges))
        mapped = parallel.iterate_tasks(_map_range, tasks, shared=(features, function))
        yield from ((start, values) for (start, _), values in zip(tasks, mapped, strict=True))
        return
    for start, block in feature_blocks(dataset):
        for first in range(0, len(block), BLOCK):
            part = torch.from_numpy(np.array(block[first : first + BLOCK], np.float32))
            with torch.no_grad():
                yield start + first, function(part).cpu().numpy()


def _map_range(shared, frames) -> np.ndarray:
    """Values (frame, value) of a range of stored frames, anywhere."""
    features, function = shared
    block = np.array(features[slice(*frames)].values, np.float32)
    with torch.no_grad():
        parts = [function(part).cpu().numpy() for part in torch.from_numpy(block).split(BLOCK)]
    return np.concatenate(parts)
