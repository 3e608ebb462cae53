"""Feature sets of a session: datasets of the same frames that differ in their features."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from fel_explorer.data import schema

GIVEN = "given features"  # of arrays, of which nobody knows how they were made


def readable(name: str) -> str:
    """Name of a featurizer for people: 'heavy_atom_distances' -> 'heavy atom distances'."""
    return name.replace("_", " ").replace("ca ", "C-alpha ")


def feature_set_name(dataset: xr.Dataset, taken=()) -> str:
    """Name of the features of ``dataset``, that of its featurizers; with a number where it is ``taken``."""
    featurizers = json.loads(dataset.attrs.get("featurizers", "[]"))
    return free_name(" + ".join(readable(one["name"]) for one in featurizers) or GIVEN, taken)


def free_name(name: str, taken=()) -> str:
    """``name``, or where it is ``taken`` 'name (2)', 'name (3)', ..."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def are_same_frames(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether two datasets have the same numbers of frames, in trajectories of the same lengths and times."""
    if not schema.same_frames(schema.trajectory_lengths(one), schema.trajectory_lengths(other)):
        return False
    return np.array_equal(one["time"].values, other["time"].values)


def are_same_features(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether two datasets of the same frames have the same features, made by the same featurizers."""
    made = [dataset.attrs.get("featurizers") for dataset in (one, other)]
    return made[0] is not None and made[0] == made[1]


def frame_columns(dataset: xr.Dataset) -> dict[str, xr.Variable]:
    """``{name: column}`` of the values per frame (frame,) that are not features."""
    return {str(name): data.variable for name, data in dataset.data_vars.items() if data.dims == ("frame",)}


def with_columns_of(dataset: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """``dataset`` with the columns of ``other``, which has the same frames."""
    return dataset.assign(frame_columns(other))
