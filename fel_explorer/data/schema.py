"""The dataset schema: dims, variables and attrs of a dataset, and their validation.

A dataset is an `xarray.Dataset` along the dimension ``frame``:

=========================  ====================  ==================================================
variable                   dims                  meaning
=========================  ====================  ==================================================
``features``               (frame, feature)      float32; the ``feature`` coordinate names them
``time``                   (frame)               float64, in ``attrs["time_unit"]``
``trajectory``             (frame)               int, 0-based, frames of one are contiguous
``frame_in_trajectory``    (frame)               int, counts up from 0 within each trajectory
``weight``                 (frame), optional     float64, frame weights of biased sampling
``condition``              (frame), optional     int, one for each trajectory (`data.conditions`)
any other column           (frame), optional     ``energy``, CSV columns, ...
=========================  ====================  ==================================================

``time``, ``trajectory`` and ``frame_in_trajectory`` are coordinates.  ``attrs`` are strings and numbers
only: ``time_unit`` ("ps" or "1"), ``time_step``, and for molecular data ``topology`` (PDB text),
``files`` (JSON), ``featurizers`` (JSON), ``stride``, ``versions`` (JSON).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.data.blocks import check_finite, feature_blocks, is_stored
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    import dask.array
    import mdtraj
    from numpy.typing import ArrayLike

    from fel_explorer.data.trajectories import TrajectorySet

BOOKKEEPING = ("time", "trajectory", "frame_in_trajectory")
COLUMN_FRAMES = 2**18  # of a stored chunk of a column (frame,)
BLOCK_BYTES = 4 * 2**20  # of features that are read, written or checked at a time


def as_dataset(
    arrays: np.ndarray | Sequence[np.ndarray] | xr.Dataset,
    *,
    time_step: float = 1.0,
    time_unit: str = "1",
    feature_names: Sequence[str] | None = None,
    weights: np.ndarray | Sequence[np.ndarray] | None = None,
) -> xr.Dataset:
    """Put plain arrays into the dataset schema.

    Parameters
    ----------
    arrays
        One array (frame, feature), a list of them (one per trajectory), or a dataset, returned as it is.
    time_step
        Time between two frames, in ``time_unit``.
    time_unit
        "ps" for molecular dynamics, "1" for dimensionless model systems.
    feature_names
        One readable name per feature; default "x0", "x1", ...
    weights
        Optional frame weights, same list structure as ``arrays``, each (frame,).

    Raises
    ------
    FelError
        If an array is not two-dimensional, they differ in features, or a value is not finite.
    """
    if isinstance(arrays, xr.Dataset):
        return validate(arrays)
    arrays = [np.asarray(a) for a in (arrays if isinstance(arrays, list | tuple) else [arrays])]
    _check_arrays(arrays)
    lengths = [len(a) for a in arrays]
    with np.errstate(over="ignore"):  # validate() reports what is too large for float32
        features = np.concatenate(arrays).astype(np.float32, copy=False)
    dataset = assemble(
        features,
        feature_names or [f"x{i}" for i in range(arrays[0].shape[1])],
        lengths,
        time_step=time_step,
        time_unit=time_unit,
    )
    if weights is not None:
        weights = [np.ravel(weights)] if len(arrays) == 1 else weights
        weights = [np.asarray(w, float) for w in weights]
        if [w.shape for w in weights] != [(n,) for n in lengths]:
            raise FelError(
                f"Weights of shapes {[w.shape for w in weights]} for trajectories of {lengths} frames.",
                "Each trajectory needs one weight per frame.",
            )
        dataset["weight"] = ("frame", np.concatenate(weights))
    return validate(dataset)


def _check_arrays(arrays: list[np.ndarray]) -> None:
    if not arrays:
        raise FelError("An empty list of arrays.", "At least one array (frame, feature) is needed.")
    for index, array in enumerate(arrays):
        if array.ndim != 2:
            raise FelError(
                f"Array {index} has shape {array.shape}.",
                "Each array is two-dimensional: (frame, feature).",
                "For one feature use array[:, None].",
            )
        if array.shape[1] != arrays[0].shape[1]:
            raise FelError(
                f"Array {index} has {array.shape[1]} features and array 0 has {arrays[0].shape[1]}.",
                "All trajectories have the same features.",
            )
        if len(array) == 0:
            raise FelError(
                f"Array {index} has no frames.", "Each trajectory needs at least one.", "Leave it out."
            )
        if array.dtype.kind not in "iufb":
            raise FelError(f"Array {index} holds {array.dtype}.", "Features are real numbers.")


def assemble(
    features: np.ndarray | dask.array.Array,
    feature_names: Sequence[str] | np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    *,
    time_step: float,
    time_unit: str = "ps",
    start_times: ArrayLike | None = None,
    attrs: Mapping | None = None,
) -> xr.Dataset:
    """Dataset of ``features`` (frame, feature; NumPy or dask) over trajectories of the given lengths.

    ``start_times`` (trajectory,) are the times of the first frames; default 0.
    """
    if len(feature_names) != features.shape[1]:
        raise FelError(
            f"{len(feature_names)} feature names for {features.shape[1]} features.",
            "One name per feature is needed.",
        )
    check_time_step(time_step)
    frame_in_trajectory = np.concatenate([np.arange(n) for n in lengths])
    starts = np.repeat(np.zeros(len(lengths)) if start_times is None else start_times, lengths)
    return xr.Dataset(
        {"features": (("frame", "feature"), features)},
        coords={
            "feature": np.asarray(feature_names, dtype=str),
            "time": ("frame", starts + frame_in_trajectory * float(time_step)),
            "trajectory": ("frame", np.repeat(np.arange(len(lengths)), lengths)),
            "frame_in_trajectory": ("frame", frame_in_trajectory),
        },
        attrs={"time_unit": time_unit, "time_step": float(time_step), **(attrs or {})},
    )


def check_time_step(time_step: object) -> None:
    """Raise unless ``time_step`` is a finite positive number."""
    if (
        isinstance(time_step, bool | np.bool)
        or not isinstance(time_step, Real)
        or not (np.isfinite(float(time_step)) and float(time_step) > 0)
    ):
        shown = f"'{time_step[:40]}'" if isinstance(time_step, str) else time_step
        raise FelError(f"time_step={shown}.", "The time between two frames is a positive number.")


def validate(dataset: xr.Dataset, *, check_values: bool | None = None) -> xr.Dataset:
    """Return ``dataset`` unchanged if it follows the schema, else raise a `FelError` that names the fault.

    ``check_values`` says whether to look for features that are not finite.  By default those in memory are
    looked at; stored ones are checked by what reads them (`data.blocks.finite_blocks`), in the same pass.
    """
    for name in ("features", "feature", *BOOKKEEPING):
        if name not in dataset:
            raise FelError(
                f"The dataset has no variable '{name}'; it has {sorted(map(str, dataset.variables))}.",
                "It needs features, feature, time, trajectory and frame_in_trajectory.",
                "Make datasets with fel.featurize(...) or fel.as_dataset(...).",
            )
    features = dataset["features"]
    if features.dims != ("frame", "feature"):
        raise FelError(f"'features' has dims {features.dims}.", "They must be ('frame', 'feature').")
    if dataset.sizes["frame"] == 0 or dataset.sizes["feature"] == 0:
        raise FelError(
            f"The dataset has {dataset.sizes['frame']} frames and {dataset.sizes['feature']} features.",
            "At least one of each is needed.",
        )
    names, counts = np.unique(dataset["feature"].values, return_counts=True)
    if (counts > 1).any():
        raise FelError(
            f"{counts.max()} features are named '{names[counts.argmax()]}'.",
            "Each feature needs a name of its own.",
        )
    if not {"time_unit", "time_step"} <= dataset.attrs.keys():
        raise FelError(
            f"The dataset's attrs are {sorted(dataset.attrs)}.", "They need 'time_unit' and 'time_step'."
        )
    check_time_step(dataset.attrs["time_step"])
    _check_order(dataset)
    if check_values or (check_values is None and not is_stored(dataset)):
        for start, block in feature_blocks(dataset):
            check_finite(dataset, start, block)
    if "weight" in dataset:
        weight = dataset["weight"].values
        if (
            weight.shape != (dataset.sizes["frame"],)
            or not np.isfinite(weight).all()
            or (weight < 0).any()
            or weight.sum() <= 0
        ):
            raise FelError(
                "'weight' is negative or not finite somewhere, zero everywhere, or not along 'frame'.",
                "Each frame has one weight: finite, not negative, and not all of them zero.",
            )
    return dataset


def _check_order(dataset: xr.Dataset) -> None:
    for name in BOOKKEEPING:
        if dataset[name].dims != ("frame",):
            raise FelError(f"'{name}' has dims {dataset[name].dims}.", "They must be ('frame',).")
    before, number, time = np.array([-1]), np.array([-1]), np.array([0.0])  # of the frame before the block
    for start, stop in _frame_ranges(dataset):
        trajectory = np.concatenate([before, dataset["trajectory"].variable[start:stop].values])
        numbers = np.concatenate([number, dataset["frame_in_trajectory"].variable[start:stop].values])
        steps = np.diff(trajectory)
        if not np.isin(steps, (0, 1)).all() or trajectory[1] < 0:
            raise FelError(
                "'trajectory' is not sorted or has gaps.",
                "Frames are ordered by trajectory, numbered from 0 without gaps.",
                "Make datasets with fel.featurize(...) or fel.as_dataset(...).",
            )
        if not np.array_equal(numbers[1:], np.where(steps == 1, 0, numbers[:-1] + 1)):
            raise FelError(
                "'frame_in_trajectory' does not count up from 0 within each trajectory.",
                "The frames of a trajectory are in order and without gaps.",
                "To drop frames use fel.load_trajectories(..., stride=...) and featurize again.",
            )
        times = np.concatenate([time, dataset["time"].variable[start:stop].values])
        if not np.isfinite(times[1:]).all() or (np.diff(times)[steps == 0] <= 0).any():
            raise FelError(
                "'time' is not finite somewhere, or does not grow from frame to frame of a trajectory.",
                "Times of a trajectory are finite numbers that grow.",
                "Copy the dataset again, or featurize the trajectories again.",
            )
        before, number, time = trajectory[-1:], numbers[-1:], times[-1:]


def _frame_ranges(dataset: xr.Dataset) -> Iterator[tuple[int, int]]:
    """Yield (first frame, end) of ranges in which columns are read: of large stores they lie on disk."""
    for start in range(0, dataset.sizes["frame"], COLUMN_FRAMES):
        yield start, min(start + COLUMN_FRAMES, dataset.sizes["frame"])


def rows_per_block(n_features: int) -> int:
    """Frames in one block of features on disk and in checks: 4 MiB, at most 16,384."""
    return min(16_384, max(1, BLOCK_BYTES // (4 * n_features)))


def frame_weights(dataset: xr.Dataset) -> np.ndarray:
    """Weights (frame,) float64, 1 each where the dataset has none."""
    if "weight" not in dataset:
        return np.ones(dataset.sizes["frame"])
    return dataset["weight"].values.astype(float)


def trajectory_lengths(dataset: xr.Dataset) -> np.ndarray:
    """Number of frames of each trajectory, (trajectory,)."""
    trajectory = dataset["trajectory"].variable
    lengths = np.zeros(int(trajectory[-1:].values[0]) + 1, np.int64)
    for start, stop in _frame_ranges(dataset):
        part = trajectory[start:stop].values
        counts = np.bincount(part - part[0])
        lengths[part[0] : part[0] + len(counts)] += counts
    return lengths


def same_frames(lengths: Sequence[int] | np.ndarray, there: Sequence[int] | np.ndarray) -> bool:
    """Whether a dataset of trajectories of ``lengths`` frames can be of files with ``there``, each (file,).

    Samples without time are trajectories of one frame each, whatever their files.
    """
    return np.array_equal(lengths, there) or len(lengths) == np.sum(lengths) == np.sum(there)


def check_same_frames(dataset: xr.Dataset, trajs: TrajectorySet | mdtraj.Trajectory | None) -> None:
    """Raise a `FelError` unless frame i of the dataset is frame i of ``trajs``, a `TrajectorySet` or None."""
    there = getattr(trajs, "lengths", None)
    if there is None:
        return
    lengths = trajectory_lengths(dataset)
    if not same_frames(lengths, there):
        raise FelError(
            f"The dataset has {len(lengths)} trajectories with {lengths.sum()} frames, the files have "
            f"{len(there)} with {np.sum(there)}.",
            "Structures are found by the number of their frame: both must hold the same frames.",
            "Featurize these trajectories, or load the files that the dataset is of.",
        )


def common_start(dataset: xr.Dataset) -> float | None:
    """Time of the first frames of all trajectories, in the dataset's unit; None where they differ."""
    starts = dataset["time"].values[dataset["frame_in_trajectory"].values == 0]
    return float(starts[0]) if np.abs(starts - starts[0]).max() < 0.5 * time_step(dataset) else None


def time_step(dataset: xr.Dataset) -> float:
    """Time between two frames, in the dataset's time unit."""
    return float(dataset.attrs["time_step"])


def lag_in_frames(dataset: xr.Dataset, lag_time: float) -> int:
    """``lag_time`` (dataset's time unit) as a whole number of frames.

    Raises
    ------
    FelError
        If the lag is not a number, not a positive multiple of the frame step, or no trajectory is longer.
    """
    if not isinstance(lag_time, int | float | np.number):
        raise FelError(f"lag_time={lag_time!r}.", "A lag is one number.", "Give several lags one by one.")
    step, unit = time_step(dataset), dataset.attrs["time_unit"]
    unit = "" if unit == "1" else f" {unit}"
    longest = int(trajectory_lengths(dataset).max())
    given = f"lag_time={lag_time:g}{unit} with a frame every {step:g}{unit}"
    given += f" and a longest trajectory of {longest} frames ({(longest - 1) * step:g}{unit})."
    valid = f"The lag is a multiple of {step:g}{unit}, from {step:g} to {(longest - 1) * step:g}{unit}."
    if longest < 2:
        raise FelError(given, "A lag needs trajectories of at least two frames.", "Load longer trajectories.")
    if not np.isfinite(lag_time):
        raise FelError(given, valid)
    lag = round(lag_time / step)
    if lag < 1 or abs(lag * step - lag_time) > 1e-6 * max(step, abs(lag_time)):
        nearest = max(1, lag) * step
        raise FelError(given, valid, f"Take lag_time={min(nearest, (longest - 1) * step):g}.")
    if lag >= longest:
        raise FelError(given, valid, f"Take a shorter lag, such as {max(1, longest // 10) * step:g}{unit}.")
    return lag
