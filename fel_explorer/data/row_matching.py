"""Matching of the rows of a table to the frames of a dataset: by number, by time, or by order."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.data.schema import trajectory_lengths
from fel_explorer.data.times import EPS
from fel_explorer.errors import FelError

KEYS = ["trajectory", "frame_in_trajectory"]


def count_from_zero(table: pd.DataFrame) -> pd.DataFrame:
    """The table with 'trajectory', from 0, in place of 'trajectory_number', from 1, which exports have."""
    if "trajectory_number" not in table or "trajectory" in table:
        return table
    return table.rename(columns={"trajectory_number": "trajectory"}).assign(
        trajectory=table["trajectory_number"] - 1
    )


def match_one(dataset: xr.Dataset, table: pd.DataFrame) -> np.ndarray:
    """Row of a table of all trajectories for each frame of the dataset, (frame,)."""
    if set(KEYS) <= set(table.columns):
        exported = "frame" in table  # by `structures.export_frames`, whose numbers are after the stride
        numbers = dataset["frame_in_trajectory"].values if exported else _raw_frames(dataset)
        return _match_keys(table, dataset["trajectory"].values, numbers)
    if not (has_times(dataset) and _has_time(table)):
        _check_time_grows(dataset, table)
        return _match_order(dataset, len(table), np.unique(dataset["trajectory"].values))
    times = table["time"].to_numpy(float)
    if "trajectory" in table:
        owners = table["trajectory"].to_numpy()
        return _by_trajectory(dataset, times, [np.flatnonzero(owners == i) for i in _numbers(dataset)])
    if dataset["trajectory"].values[-1] == 0 or _disjoint(dataset):
        return _match_times(dataset, np.arange(dataset.sizes["frame"]), times, np.arange(len(times)))
    parts = np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) <= 0) + 1)
    if len(parts) == len(_numbers(dataset)):
        return _by_trajectory(dataset, times, parts)
    raise FelError(
        f"The table's times begin anew {len(parts) - 1} times, the dataset has {len(_numbers(dataset))} "
        "trajectories at overlapping times.",
        "The rows of each trajectory must be known.",
        "Give a list of tables, one per trajectory, or add a column 'trajectory' (counted from 0) or "
        "'trajectory_number' (from 1).",
    )


def match_each(dataset: xr.Dataset, tables: list[pd.DataFrame]) -> np.ndarray:
    """Row for each frame (frame,) in the tables of the trajectories, one after the other."""
    numbers = _numbers(dataset)
    if len(tables) != len(numbers):
        raise FelError(
            f"{len(tables)} tables for {len(numbers)} trajectories.",
            "One table for all, or one for each trajectory.",
            "Give them in the order of the trajectories.",
        )
    rows = np.empty(dataset.sizes["frame"], np.int64)
    offset = 0
    for number, table in zip(numbers, tables, strict=True):
        frames = np.flatnonzero(dataset["trajectory"].values == number)
        if has_times(dataset) and _has_time(table):
            times = table["time"].to_numpy(float)
            rows[frames] = _match_times(dataset, frames, times, np.arange(len(times)))
        elif "frame_in_trajectory" in table:
            keyed = table.assign(trajectory=number)
            trajectory = np.full(len(frames), number)
            rows[frames] = _match_keys(keyed, trajectory, _raw_frames(dataset)[frames])
        else:
            rows[frames] = _match_order(dataset, len(table), np.array([number]))
        rows[frames] += offset
        offset += len(table)
    return rows


def _check_time_grows(dataset, table) -> None:
    """Raise where rows that go by order have times that do not grow within a trajectory."""
    if not _has_time(table) or len(table) != dataset.sizes["frame"]:
        return
    back = (np.diff(table["time"].to_numpy(float)) <= 0) & (np.diff(dataset["trajectory"].values) == 0)
    if back.any():
        row = int(np.argmax(back)) + 1
        times = table["time"].to_numpy(float)[[row - 1, row]]
        raise FelError(
            f"The table's time goes back or stands from row {row} ({times[0]:g} ps) to row {row + 1} "
            f"({times[1]:g} ps).",
            "The rows of a trajectory are in the order of time.",
            "Sort the rows, or leave the column 'time' out.",
        )


def has_times(dataset: xr.Dataset) -> bool:
    """Whether the times of a dataset are those of trajectory files."""
    return "files" in dataset.attrs and "time_note" not in dataset.attrs


def _has_time(table: pd.DataFrame) -> bool:
    return "time" in table and table["time"].dtype.kind in "iuf"


def _numbers(dataset) -> np.ndarray:
    return np.unique(dataset["trajectory"].values)


def _raw_frames(dataset) -> np.ndarray:
    """Number of each frame in its trajectory before the stride, (frame,)."""
    return dataset["frame_in_trajectory"].values * int(dataset.attrs.get("stride", 1))


def raw_lengths(dataset: xr.Dataset) -> np.ndarray:
    """Frames of each trajectory before the stride, (trajectory,); empty where it is not known."""
    if "joined_lengths" in dataset.attrs:
        return np.array(json.loads(dataset.attrs["joined_lengths"]))
    files = json.loads(dataset.attrs.get("files", "[]"))
    return np.array([file["n_frames"] for file in files], int)


# ---- by number


def _match_keys(table, trajectory, raw_frame) -> np.ndarray:
    keys = pd.MultiIndex.from_frame(table[KEYS])
    if keys.has_duplicates:
        first = keys[keys.duplicated()][0]
        raise FelError(
            f"The table has two rows for trajectory {first[0]}, frame {first[1]}.", "One row per frame."
        )
    rows = keys.get_indexer(pd.MultiIndex.from_arrays([trajectory, raw_frame]))
    if (rows < 0).any():
        at = int(np.argmax(rows < 0))
        raise FelError(
            f"The table has no row for {int((rows < 0).sum())} of {len(rows)} frames, the first of them "
            f"trajectory {trajectory[at]}, frame {raw_frame[at]}.",
            "Each frame needs a row; both are counted from 0.",
        )
    return rows


# ---- by time


def _disjoint(dataset) -> bool:
    """Whether no two trajectories of a dataset overlap in time."""
    step = dataset.attrs["time_step"]
    spans = pd.Series(dataset["time"].values).groupby(dataset["trajectory"].values).agg(["min", "max"])
    spans = spans.sort_values("min")
    return bool((spans["min"].to_numpy()[1:] > spans["max"].to_numpy()[:-1] + 0.5 * step).all())


def _by_trajectory(dataset, times, parts) -> np.ndarray:
    rows = np.empty(dataset.sizes["frame"], np.int64)
    for number, part in zip(_numbers(dataset), parts, strict=True):
        frames = np.flatnonzero(dataset["trajectory"].values == number)
        rows[frames] = _match_times(dataset, frames, times, part)
    return rows


def _match_times(dataset, frames, times, candidates) -> np.ndarray:
    """Row among ``candidates`` at the time of each of the ``frames``; of several the last."""
    wanted, trajectory = dataset["time"].values[frames], dataset["trajectory"].values[frames]
    candidates = candidates[np.isfinite(times[candidates])]
    if not len(candidates):
        raise FelError(f"The table has no times for trajectory {trajectory[0]}.", "Each frame needs a row.")
    known, reverse = np.unique(times[candidates][::-1], return_index=True)  # the first from the end
    rows = candidates[len(candidates) - 1 - reverse]
    right = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(known[left] - wanted) <= np.abs(known[right] - wanted), left, right)
    raw_step = dataset.attrs["time_step"] / int(dataset.attrs.get("stride", 1))
    spacing = min(raw_step, float(np.median(np.diff(known))) if len(known) > 1 else raw_step)
    missed = np.abs(known[nearest] - wanted) > 0.02 * spacing + 4 * EPS * np.abs(wanted)
    if missed.any():
        at = int(np.argmax(missed))
        in_ns = known[-1] < 0.01 * wanted[-1] and abs(1000 * known[-1] - wanted[-1]) < 0.05 * wanted[-1]
        raise FelError(
            f"The table has no row for {int(missed.sum())} of {len(wanted)} frames, the first of them at "
            f"{wanted[at]:.10g} ps in trajectory {trajectory[at]}.",
            f"Each frame needs one; there are {len(candidates)} at {known[0]:.10g} to {known[-1]:.10g} ps.",
            "Are its times in ns? Then name the column 'time [ns]'."
            if in_ns
            else "Give the table that was written with these frames, or leave out its column 'time'.",
        )
    return rows[nearest]


# ---- by order


def _match_order(dataset, n_rows: int, numbers: np.ndarray) -> np.ndarray:
    """Row of each frame of the trajectories ``numbers``, whose rows follow one another."""
    own = np.isin(dataset["trajectory"].values, numbers)
    n_frames, stride = int(own.sum()), int(dataset.attrs.get("stride", 1))
    if n_rows == n_frames:
        return np.arange(n_frames)
    lengths = raw_lengths(dataset)
    fits = len(lengths) == len(trajectory_lengths(dataset))
    lengths = lengths[numbers] if fits else lengths[:0]
    if fits and n_rows == lengths.sum():
        starts = dict(zip(numbers.tolist(), np.cumsum([0, *lengths[:-1]]), strict=True))
        offsets = np.array([starts[number] for number in dataset["trajectory"].values[own].tolist()])
        return offsets + _raw_frames(dataset)[own]
    valid = f"One row per frame is needed: {n_frames}"
    raise FelError(
        f"The table has {n_rows} rows.",
        f"{valid} (or {lengths.sum()}, the files' frames before the stride)." if stride > 1 else f"{valid}.",
        "Drop the extra rows (PLUMED and GROMACS often write one more, at time 0), or add the columns "
        "'trajectory' and 'frame_in_trajectory'.",
    )
