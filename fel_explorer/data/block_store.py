"""Results of frames written to a store block by block, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr

from fel_explorer.data.atomic_folders import whole_or_nothing, writing
from fel_explorer.data.schema import BOOKKEEPING, COLUMN_FRAMES, rows_per_block
from fel_explorer.data.store import check_free, open_dataset, to_store


def write_blocks(
    path: str | Path,
    dataset: xr.Dataset,
    names: list[str],
    blocks: Iterable[tuple[int, np.ndarray]],
    *,
    overwrite: bool = False,
) -> xr.Dataset:
    """Write values of the frames of ``dataset`` as a dataset of their own, whole or not at all, and open it.

    Parameters
    ----------
    path
        The zarr folder to make.
    dataset
        Whose frames they are of: their trajectories, times and weights are written too.
    names
        Name of each value.
    blocks
        (first frame, values (frame, value)) of consecutive blocks of frames.
    overwrite
        Replace a dataset that is already there.

    Raises
    ------
    FelError
        If the path is taken or can't be written.
    """
    path = Path(path).expanduser()
    if path.exists():
        check_free(path, overwrite)
    shape = dataset.sizes["frame"], len(names)
    template = dask.array.zeros(shape, dtype=np.float32, chunks=(rows_per_block(shape[1]), -1))
    kept = [name for name in (*BOOKKEEPING, "weight") if name in dataset]
    result = dataset[kept].drop_vars("feature", errors="ignore").assign_coords(feature=names)
    result = result.assign(features=(("frame", "feature"), template))
    result.attrs = {name: dataset.attrs[name] for name in ("time_unit", "time_step")}
    with writing(f"'{path}' can't be written"), whole_or_nothing(path, replace=True) as partial:
        to_store(result, partial, compute=False)
        group: Any = zarr.open_group(partial, mode="r+")
        for name in kept:
            if result[name].variable.chunks is not None:  # on disk, like the features
                _fill(group[name], _column_blocks(result[name].variable))
        _fill(group["features"], (values for _, values in blocks))
    return open_dataset(path, check_values=False)


def _column_blocks(column: xr.Variable) -> Iterator[np.ndarray]:
    for start in range(0, len(column), COLUMN_FRAMES):
        yield column[start : start + COLUMN_FRAMES].values


def _fill(target: zarr.Array, blocks: Iterable[np.ndarray]) -> None:
    """Write blocks, of whatever size, in whole chunks of ``target``."""
    rows, done, waiting = target.chunks[0], 0, []
    n_waiting = 0
    for values in blocks:
        waiting.append(values)
        n_waiting += len(values)
        whole = n_waiting // rows * rows
        if whole:
            joined = np.concatenate(waiting)
            target[done : done + whole] = joined[:whole]
            done, n_waiting, waiting = done + whole, n_waiting - whole, [joined[whole:]]
    if n_waiting:
        target[done : done + n_waiting] = np.concatenate(waiting)
