"""A lag time proposed from the data, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import TICA
from fel_explorer.plots.quantities import time_text
from fel_explorer.progress import Progress

N_LAGS = 8
SHORTEST_PART = 20  # lags up to this part of the longest trajectory
SAME = 0.1  # relative change of a time scale that counts as none


@dataclass(frozen=True)
class Proposal:
    """Proposed lag, the slowest implied time scale of TICA, and whether that is the same at longer lags."""

    lag_time: float
    timescale: float
    converged: bool

    def text(self, unit: str) -> str:
        """The proposal as a sentence."""
        lag, time = time_text(self.lag_time, unit), time_text(self.timescale, unit)
        if self.converged:
            return f"Proposed lag **{lag}**: from there on the slowest process of TICA takes {time}."
        return (
            f"Proposed lag **{lag}**, a tenth of the slowest process of TICA. That takes {time} or more: its "
            "time scale grows with the lag, so a nonlinear method sees it better."
        )


@process_job
def proposing(report: Report, should_stop: ShouldStop, dataset: xr.Dataset):
    """The job that proposes a lag; its result is a `Proposal`."""
    lags, times = tried_lags(dataset), []
    for i, lag in enumerate(lags):
        if should_stop():
            raise Cancelled
        report(Progress(i, len(lags), message=f"time scales at lag {lag:g}"))
        times.append(float(TICA(lag_time=lag, n_dims=1).fit(dataset).implied_timescales_[0]))
    return choose(np.array(lags), np.array(times), schema.time_step(dataset))


def tried_lags(dataset: xr.Dataset) -> list[float]:
    """Lags from one frame to a twentieth of the longest trajectory, evenly over their logarithm."""
    longest = int(schema.trajectory_lengths(dataset).max())
    if longest < 3 * SHORTEST_PART:
        raise FelError(
            f"The longest trajectory has {longest} frames.",
            f"{3 * SHORTEST_PART} are needed to compare time scales at several lags.",
            "Set the lag by hand.",
        )
    frames = np.unique(np.geomspace(1, longest // SHORTEST_PART, N_LAGS).round().astype(int))
    return [float(one * schema.time_step(dataset)) for one in frames]


def choose(lags: np.ndarray, times: np.ndarray, time_step: float) -> Proposal:
    """The lag to begin with, from the slowest time scale (lag,) at several lags.

    It is the shortest one from which on the time scale is the same, if that is well below the time scale
    itself; else a tenth of the longest time scale.  Lags beyond the time scale see nothing of the process and
    do not count.
    """
    seen = np.isfinite(times) & (times > lags)
    lags, times = (lags[seen], times[seen]) if seen.any() else (lags[:1], times[:1])
    longest = float(times.max())
    first = int(np.argmax(times > (1 - SAME) * longest))
    if first < len(lags) - 1 and lags[first] < longest / 3:
        return Proposal(float(lags[first]), float(times[first]), True)
    return Proposal(max(1, round(longest / 10 / time_step)) * time_step, longest, False)
