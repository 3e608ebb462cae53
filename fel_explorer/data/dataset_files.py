"""Trajectory files behind a dataset, and the positions of its frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fel_explorer.data.schema import same_frames, trajectory_lengths
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from fel_explorer.data.trajectories import TrajectorySet


def check_how_made(dataset: xr.Dataset) -> None:
    """Raise unless the attrs that say how a dataset was made are of the schema, where it has them."""
    attrs = dataset.attrs
    wrong = [n for n, check in HOW_MADE.items() if n in attrs and not _is_valid(attrs[n], check)]
    stride = attrs.get("stride", 1)
    if not isinstance(stride, int | np.integer) or stride < 1:
        wrong.append("stride")
    wrong += [name for name in ("time_note", "topology") if not isinstance(attrs.get(name, ""), str)]
    if wrong:
        raise FelError(
            f"The dataset's attr '{wrong[0]}' is not valid.",
            "It is written by fel.featurize(...).",
            "Featurize the trajectories again.",
        )


def _is_valid(text: Any, check: Callable[[Any], bool]) -> bool:
    try:
        return check(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return False


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and one >= 0 for one in value)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("path"), str) and "\0" not in value["path"]


def _is_topology_files(value: Any) -> bool:
    return isinstance(value, str | None) or (
        isinstance(value, list) and all(isinstance(one, str | None) for one in value)
    )


HOW_MADE: dict[str, Callable[[Any], bool]] = {
    "files": lambda value: isinstance(value, list) and all(map(_is_file, value)),
    "featurizers": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "atoms": lambda value: value is None or _is_numbers(value),
    "joined_lengths": _is_numbers,
    "topology_files": _is_topology_files,
    "selection": lambda value: isinstance(value, str | None) or _is_numbers(value),
}


def named_files(dataset: xr.Dataset) -> list[str]:
    """Paths of the files that ``dataset`` names, trajectories and those of their atoms."""
    files = [entry["path"] for entry in json.loads(dataset.attrs.get("files", "[]"))]
    return files + [path for path in _topology_files(dataset) or [] if path is not None]


def without_files(dataset: xr.Dataset) -> xr.Dataset:
    """``dataset`` without the files that it was made from."""
    attrs = {name: value for name, value in dataset.attrs.items() if name not in ("files", "topology_files")}
    return dataset.drop_attrs(deep=False).assign_attrs(attrs)


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
    if not files or "stride" not in attrs:
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
