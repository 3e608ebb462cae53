"""Datasets on disk: zarr folders, opened lazily."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from fel_explorer.data.atomic_folders import link_folder, recover, whole_or_nothing, writing
from fel_explorer.data.chunk_checks import CheckedStore, check_chunks
from fel_explorer.data.dataset_files import check_how_made
from fel_explorer.data.schema import COLUMN_FRAMES, rows_per_block, validate
from fel_explorer.errors import FelError

# read 2.3 times as fast as zarr's own choice (zstd), in less space: `benchmarks/scale.py --codecs`
CODECS = (BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"), Crc32cCodec())
TEXT_CODECS = (ZstdCodec(level=0), Crc32cCodec())
FEATURES = ("features", "feature")
LOADED_FRAMES = 2**22  # up to which columns are loaded when a dataset is opened
CHECKED = 512 * 2**20  # bytes of features up to which opening looks at every value


def save_dataset(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a dataset as a zarr (v3) folder, whole or not at all.

    Parameters
    ----------
    dataset
        A valid dataset; lazy ones are written block by block.
    path
        The folder to make, by custom ending in ``.zarr``.
    overwrite
        Replace a dataset that is already there. Anything else is never replaced.

    Raises
    ------
    FelError
        If the dataset is not valid, the path is taken, or it can't be written.
    """
    path = Path(path).expanduser()
    validate(dataset, check_values=False)
    if path.exists():
        check_free(path, overwrite)
    with writing(f"'{path}' can't be written"), whole_or_nothing(path, replace=True) as partial:
        to_store(dataset, partial)
    return path


def check_free(path: Path, overwrite: bool) -> None:
    """Raise unless ``path`` holds a dataset that may be replaced."""
    if not overwrite:
        raise FelError(f"'{path}' exists already.", remedy="Choose another path, or give overwrite=True.")
    if not (path / "zarr.json").is_file():
        raise FelError(
            f"'{path}' exists and is not a dataset.", "Only datasets are replaced.", "Choose another path."
        )


def to_store(dataset: xr.Dataset, path: Path, *, compute: bool = True) -> None:
    """Write ``dataset`` to a new zarr folder; ``compute=False`` leaves out its lazy arrays' values."""
    dataset = dataset.drop_encoding()
    names = dataset["feature"].values.astype(np.dtypes.StringDType())  # fixed-width text has no zarr v3 type
    n_frames, n_features = dataset["features"].shape
    encoding = _encoding(dataset)
    encoding["features"] |= {
        "chunks": (min(rows_per_block(n_features), n_frames), n_features),
        # NaN as the fill value, so that a lost chunk can't pass for zeros
        "_FillValue": np.float32("nan"),
    }
    dataset.assign_coords(feature=names).to_zarr(  # type: ignore[call-overload]  # only literals of compute
        path,
        mode="w-",
        zarr_format=3,
        consolidated=False,
        compute=compute,
        encoding=encoding,
        write_empty_chunks=True,  # so that a chunk that is missing was lost
        safe_chunks=False,
    )


def _encoding(dataset: xr.Dataset) -> dict[str, dict]:
    """Encoding of each variable: codecs with a CRC-32C for each chunk, compared when it is read."""
    found: dict[str, dict] = {}
    for name, column in dataset.variables.items():
        found[str(name)] = {"compressors": CODECS if column.dtype.kind in "iuf" else TEXT_CODECS}
        if column.dims == ("frame",) and column.dtype.kind in "iuf":
            found[str(name)]["chunks"] = (min(COLUMN_FRAMES, len(column)),)
    return found


def open_dataset(path: str | Path, *, check_values: bool | None = None) -> xr.Dataset:
    """Open a saved dataset; its features are read when they are used.

    Parameters
    ----------
    path
        The zarr folder.
    check_values
        Read all features once to see that they are finite; default up to 512 MiB of them.

    Raises
    ------
    FelError
        If there is no dataset at ``path``, it is of another program, or parts of it are missing.
    """
    path = recover(Path(path).expanduser())
    if not path.exists():
        raise FelError(f"There is no dataset at '{path}'.", remedy="Check the path.")
    try:
        check_chunks(path)
        store = CheckedStore(path, read_only=True)
        dataset = xr.open_zarr(store, consolidated=False, chunks={}, zarr_format=3)
        # those of more frames stay on disk too, as they would fill the memory
        loaded = dataset.sizes.get("frame", 0) <= LOADED_FRAMES
        columns = {n: v.load() for n, v in dataset.variables.items() if loaded and n not in FEATURES}
    except FelError:
        raise
    except Exception as error:  # zarr, its codecs and xarray each raise their own
        raise _not_a_dataset(
            path, str(error).splitlines()[0] if str(error) else type(error).__name__
        ) from error
    dataset = dataset.assign(columns) if columns else dataset
    if "feature" in dataset:
        dataset = dataset.assign_coords(feature=np.array(dataset["feature"].values.tolist(), dtype=str))
    if check_values is None:
        check_values = "features" in dataset and dataset["features"].nbytes <= CHECKED
    try:
        check_how_made(dataset)
        return validate(dataset, check_values=check_values)
    except FelError:
        raise
    except Exception as error:
        raise _not_a_dataset(path, str(error)) from error


def _not_a_dataset(path: Path, reason: str) -> FelError:
    return FelError(
        f"'{path}' can't be opened as a dataset ({reason}).",
        "It must be a folder written by fel.save_dataset(...) or featurize(..., store=...).",
        "Copy it again in full, or featurize the trajectories again.",
    )


def write_columns(dataset: xr.Dataset, path: str | Path) -> None:
    """Write the columns (frame,) of ``dataset`` into its store at ``path``, all or none of them.

    Raises
    ------
    FelError
        If they can't be written; the store then stays as it was.
    """
    path = Path(path).expanduser()
    columns = dataset[[name for name in dataset.data_vars if name != "features"]].reset_coords(drop=True)
    columns = columns.drop_encoding()
    columns.attrs = dict(zarr.open_group(path, mode="r").attrs) | dataset.attrs
    what = f"Columns can't be written into '{path}'"
    with writing(what), whole_or_nothing(path, replace=True) as partial:
        link_folder(path, partial)
        for name in columns.variables:
            shutil.rmtree(partial / str(name), ignore_errors=True)
        (partial / "zarr.json").unlink()  # or its attrs would be written into the file that is linked
        shutil.copy2(path / "zarr.json", partial / "zarr.json")
        columns.to_zarr(
            partial,
            mode="a",
            zarr_format=3,
            consolidated=False,
            encoding=_encoding(columns),
            write_empty_chunks=True,
        )
