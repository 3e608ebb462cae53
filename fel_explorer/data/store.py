"""Datasets on disk: zarr folders, opened lazily."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from fel_explorer.data.atomic_folders import recover, whole_or_nothing, write_error
from fel_explorer.data.schema import COLUMN_FRAMES, rows_per_block, same_frames, trajectory_lengths, validate
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from fel_explorer.data.trajectories import TrajectorySet

# read 2.3 times as fast as zarr's own choice (zstd), in less space: `benchmarks/scale.py --codecs`
CODECS = (BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),)
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
    try:
        with whole_or_nothing(path, replace=True) as partial:
            to_store(dataset, partial)
    except OSError as error:
        raise write_error(error, f"'{path}' can't be written") from error
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
    columns = {
        str(name): {"chunks": (min(COLUMN_FRAMES, n_frames),), "compressors": CODECS}
        for name, column in dataset.variables.items()
        if column.dims == ("frame",) and column.dtype.kind in "iuf"
    }
    dataset.assign_coords(feature=names).to_zarr(  # type: ignore[call-overload]  # only literals of compute
        path,
        mode="w-",
        zarr_format=3,
        consolidated=False,
        compute=compute,
        # NaN as the fill value, so that a lost chunk can't pass for zeros.
        encoding=columns
        | {
            "features": {
                "chunks": (min(rows_per_block(n_features), n_frames), n_features),
                "_FillValue": np.float32("nan"),
                "compressors": CODECS,
            }
        },
        safe_chunks=False,
    )


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
        dataset = xr.open_zarr(path, consolidated=False, chunks={})
        missing = _missing_chunks(path)
        # those of more frames stay on disk too, as they would fill the memory
        loaded = dataset.sizes.get("frame", 0) <= LOADED_FRAMES
        columns = {n: v.load() for n, v in dataset.variables.items() if loaded and n not in FEATURES}
    except Exception as error:  # zarr, its codecs and xarray each raise their own
        raise _not_a_dataset(
            path, str(error).splitlines()[0] if str(error) else type(error).__name__
        ) from error
    if missing:
        raise _not_a_dataset(path, f"{missing} blocks of its features are missing")
    dataset = dataset.assign(columns) if columns else dataset
    if "feature" in dataset:
        dataset = dataset.assign_coords(feature=np.array(dataset["feature"].values.tolist(), dtype=str))
    if check_values is None:
        check_values = "features" in dataset and dataset["features"].nbytes <= CHECKED
    try:
        return validate(dataset, check_values=check_values)
    except FelError:
        raise
    except Exception as error:
        raise _not_a_dataset(path, str(error)) from error


def _missing_chunks(path: Path) -> int:
    group = zarr.open_group(path, mode="r")
    if "features" not in group:
        return 0
    features = group["features"]
    return features.nchunks - features.nchunks_initialized if isinstance(features, zarr.Array) else 0


def _not_a_dataset(path: Path, reason: str) -> FelError:
    return FelError(
        f"'{path}' can't be opened as a dataset ({reason}).",
        "It must be a folder written by fel.save_dataset(...) or featurize(..., store=...).",
        "Copy it again in full, or featurize the trajectories again.",
    )


def files_of(dataset: xr.Dataset) -> list[str]:
    """Paths of the trajectory files behind ``dataset``; [] where one is gone or their atoms are not known."""
    files = [entry["path"] for entry in json.loads(dataset.attrs.get("files", "[]"))]
    needed = [] if _whole(dataset) else _topology_files(dataset)
    return files if needed is not None and all(Path(path).exists() for path in [*files, *needed]) else []


def _whole(dataset: xr.Dataset) -> bool:
    """Whether all atoms of the files are used; the dataset then holds the topology that opens them."""
    attrs = dataset.attrs
    if json.loads(attrs.get("selection", "null")) is None:
        return json.loads(attrs.get("atoms", "null")) is None
    # a selection of all atoms of the first file can be a part of another
    return json.loads(attrs["atoms"]) is None and isinstance(json.loads(attrs["topology_files"]), str)


def _topology_files(dataset: xr.Dataset) -> list[str] | None:
    """Files with the atoms, [] where the trajectories name them; None where it is not known."""
    if "topology_files" not in dataset.attrs:
        return None
    topology = json.loads(dataset.attrs["topology_files"])
    return topology if isinstance(topology, list) else [topology] if topology else []


def trajectories_of(dataset: xr.Dataset) -> TrajectorySet | None:
    """The trajectories that ``dataset`` was made from; None if files are gone or frames were left out.

    Examples
    --------
    >>> trajs = fel.data.trajectories_of(fel.open_dataset("data.zarr"))
    """
    from fel_explorer.data.topology_text import read_topology
    from fel_explorer.data.trajectories import open_trajectories  # mdtraj, which opening does not need

    files, attrs = files_of(dataset), dataset.attrs
    if not files:
        return None
    note, stride = attrs.get("time_note", ""), int(attrs["stride"])
    options: dict[str, Any] = {"stride": stride, "time_step": attrs["time_step"] / stride if note else None}
    options["join"] = "joined_lengths" in attrs
    if not _whole(dataset):
        topology, atoms = json.loads(attrs["topology_files"]), json.loads(attrs["selection"])
        trajs = open_trajectories(files, topology, atoms=atoms, **options)
    else:
        trajs = open_trajectories(files, read_topology(attrs["topology"]), **options)
    trajs.time_note = note
    same = same_frames(trajectory_lengths(dataset), trajs.lengths)  # not of a part of the frames
    return trajs if same else None


def positions_of(dataset: xr.Dataset) -> np.ndarray | None:
    """Positions (frame, atom, 3) in nm behind ``dataset``, all atoms of its topology, molecules whole.

    None where `trajectories_of` has none.
    """
    from fel_explorer.data.molecules import Molecules, arrange  # mdtraj, which opening does not need

    trajs = trajectories_of(dataset)
    if trajs is None:
        return None
    frames, reference = trajs.frames(np.arange(trajs.n_frames)), arrange(trajs.reference)
    return Molecules.of(frames).place_near(frames, np.arange(frames.n_atoms), reference.xyz[0])


def write_columns(dataset: xr.Dataset, path: str | Path) -> None:
    """Write the columns (frame,) of ``dataset`` into its store at ``path``; its features stay untouched."""
    path = Path(path).expanduser()
    columns = dataset[[name for name in dataset.data_vars if name != "features"]].reset_coords(drop=True)
    columns.attrs = dict(zarr.open_group(path, mode="r").attrs) | dataset.attrs
    columns.drop_encoding().to_zarr(path, mode="a", zarr_format=3, consolidated=False)
