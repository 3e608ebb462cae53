"""Per-frame results (states, memberships) as one array per trajectory, with the time between frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError


def split(
    values: xr.DataArray | np.ndarray | Sequence[np.ndarray] | Sequence[float], time_step: float | None = None
) -> tuple[list[np.ndarray], float]:
    """Split per-frame ``values`` by trajectory.

    Parameters
    ----------
    values
        A result DataArray (frame, ...) with its ``trajectory`` and ``time`` coordinates, one array or list of
        numbers, or a list of arrays (one per trajectory).
    time_step
        Time between frames; needed for arrays that should have physical times, default 1.

    Returns
    -------
    parts, time_step
        One array (frame, ...) per trajectory; the time between two frames.
    """
    if isinstance(values, xr.DataArray):
        if "trajectory" not in values.coords or "time" not in values.coords:
            raise FelError(
                f"A DataArray with coordinates {sorted(map(str, values.coords))}.",
                "Kinetics needs 'trajectory' and 'time' along the frames.",
                "Use the result of predict(data) as it is, or pass a list of arrays and time_step=.",
            )
        trajectory, time = values["trajectory"].values, values["time"].values
        parts = np.split(values.values, np.flatnonzero(np.diff(trajectory)) + 1)
        within = np.diff(time)[np.diff(trajectory) == 0]
        if time_step is None:
            time_step = float(np.median(within)) if len(within) else 1.0
        return parts, time_step
    several = isinstance(values, list | tuple) and not all(np.ndim(value) == 0 for value in values[:1])
    parts = [np.asarray(p) for p in (values if several else [values])]
    if not parts or any(p.ndim == 0 or len(p) == 0 for p in parts):
        raise FelError("An empty series.", "Each trajectory needs at least one frame.")
    return parts, 1.0 if time_step is None else float(time_step)


def lag_frames(lag_time: float, time_step: float, longest: int) -> int:
    """``lag_time`` in frames; a `FelError` where it is not a positive multiple of the step or too long."""
    lag = round(lag_time / time_step)
    if lag < 1 or lag >= longest or abs(lag * time_step - lag_time) > 1e-6 * max(time_step, lag_time):
        raise FelError(
            f"lag_time={lag_time:g} with frames every {time_step:g} and trajectories of at most {longest}.",
            f"Lags are multiples of {time_step:g}, at most {(longest - 1) * time_step:g}.",
            f"Take lag_time={min(max(1, lag), max(1, longest - 1)) * time_step:g}.",
        )
    return lag
