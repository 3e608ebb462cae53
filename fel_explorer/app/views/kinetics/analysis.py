"""The job behind the view of kinetics: rates, implied time scales and the Chapman-Kolmogorov test."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from fel_explorer import kinetics
from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.states.evidence import evidence_of, frames_of
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress

BOOTSTRAPS = 20  # of the rates
MULTIPLES = (1, 2, 4, 8)
N_LAGS = 8
LONGEST_PART = 4  # lags up to a quarter of the longest trajectory


@dataclass(frozen=True, eq=False)
class Kinetics:
    """Kinetics of a result's states at a lag; parts are computed one after another.

    Attributes
    ----------
    result, lag_time, form
        The settings; the form is that of `CoarseMasterEquation`.
    rates
        From `CoarseMasterEquation.to_dataset`, or None.
    spectrum
        ``timescale``, ``lower``, ``upper`` over ``process``, of the same rates, or None.
    timescales, ck_test
        From `kinetics.implied_timescales` and `kinetics.ck_test`, or None.
    errors
        {part: why it could not be computed}.
    """

    result: Result
    lag_time: float
    form: str = "auto"
    rates: xr.Dataset | None = None
    spectrum: xr.Dataset | None = None
    timescales: xr.Dataset | None = None
    ck_test: xr.Dataset | None = None
    errors: dict[str, FelError] = field(default_factory=dict)

    @property
    def question(self) -> tuple:
        """Key: result, lag time and form."""
        return self.result, self.lag_time, self.form


def default_lag(result: Result, dataset: xr.Dataset) -> float:
    """The method's lag where it has one that fits, else a hundredth of the longest trajectory."""
    step, longest = schema.time_step(dataset), int(schema.trajectory_lengths(dataset).max())
    lag = result.lag_time or step * max(1, longest // 100)
    return step * int(np.clip(round(lag / step), 1, max(1, longest // LONGEST_PART)))


def lag_times(lag_time: float, dataset: xr.Dataset) -> list[float]:
    """Up to eight lags from one frame to ten times ``lag_time``, where the data allow it."""
    step, longest = schema.time_step(dataset), int(schema.trajectory_lengths(dataset).max())
    last = max(1, min(round(10 * lag_time / step), longest // LONGEST_PART))
    frames = np.unique(np.round(np.geomspace(1, last, N_LAGS)).astype(int))
    return [float(step * n) for n in frames]


@process_job
def kinetics_job(
    report: Report,
    should_stop: ShouldStop,
    result: Result,
    dataset: xr.Dataset,
    lag_time: float,
    form: str = "auto",
    known: Kinetics | None = None,
    clock: Callable = time.monotonic,
):
    """The job for one result, lag and form of the rates; cancelled, it keeps the parts that are ready.

    ``known`` has parts of the same result and lag that don't depend on the form.
    """
    states = evidence_of(result, dataset).states
    memberships = frames_of(result.membership, dataset)
    lags = lag_times(lag_time, dataset)
    longest = int(schema.trajectory_lengths(dataset).max()) * schema.time_step(dataset)
    multiples = [n for n in MULTIPLES if n * lag_time <= longest / LONGEST_PART] or [1]
    parts = {
        "rates": (BOOTSTRAPS, lambda: _rates(memberships, lag_time, form, multiples, meter)),
        "timescales": (len(lags), lambda: _timescales(states, lags, meter)),
        "ck_test": (len(multiples), lambda: _ck_test(states, lag_time, multiples, meter)),
    }
    found = _independent_of_form(known, result, lag_time, form)
    wanted = [part for part in parts if getattr(found, part) is None and part not in found.errors]
    meter = _Meter(report, should_stop, sum(parts[part][0] for part in wanted), clock)
    for part in wanted:
        if should_stop():
            break
        try:
            found = replace(found, **parts[part][1]())
        except FelError as error:
            found = replace(found, errors={**found.errors, part: error})
        meter.send(found)
    return found


def _independent_of_form(known, result, lag_time, form) -> Kinetics:
    if known is None:
        return Kinetics(result, lag_time, form)
    errors = {part: error for part, error in known.errors.items() if part != "rates"}
    return replace(known, form=form, rates=None, spectrum=None, errors=errors)


class _Meter:
    """Counts the steps of all parts and reports them."""

    def __init__(self, report, should_stop, n_steps, clock):
        self.report, self.should_stop, self.n_steps, self.clock = report, should_stop, n_steps, clock
        self.step, self.begin, self.message = 0, clock(), ""

    def count(self) -> bool:
        """One step more; whether to stop."""
        self.step += 1
        self.send()
        return self.should_stop()

    def send(self, preview=None):
        left = (self.clock() - self.begin) / max(self.step, 1) * (self.n_steps - self.step)
        self.report(Progress(self.step, self.n_steps, eta=left, message=self.message), preview)


def _rates(memberships, lag_time, form, multiples, meter):
    meter.message = "rates"
    given = {"multiples": multiples, "form": form, "n_bootstraps": BOOTSTRAPS}
    model = kinetics.CoarseMasterEquation(lag_time, **given)
    model.fit(memberships, callback=lambda *_: meter.count())
    columns = {
        "timescale": model.timescales_,
        "lower": model.timescales_lower_,
        "upper": model.timescales_upper_,
    }
    spectrum = xr.Dataset(
        {name: ("process", values) for name, values in columns.items()},
        coords={"process": np.arange(1, len(model.timescales_) + 1)},
    )
    return {"rates": model.to_dataset(), "spectrum": spectrum}


def _timescales(states, lags, meter):
    meter.message = "time scales"
    n_timescales = int(np.clip(len(np.unique(states)) - 1, 1, 5))
    parts = []
    for lag in lags:
        parts.append(kinetics.implied_timescales(states, [lag], n_timescales=n_timescales))
        if meter.count():
            break
    return {"timescales": xr.concat(parts, "lag_time")}


def _ck_test(states, lag_time, multiples, meter):
    meter.message = "Chapman-Kolmogorov test"
    parts = []
    for n in multiples:
        parts.append(kinetics.ck_test(states, lag_time, multiples=[n]))
        if meter.count():
            break
    worst = max(part.attrs["worst"] for part in parts)
    test = xr.concat(parts, "multiple", combine_attrs="drop")
    return {"ck_test": test.assign_attrs(lag_time=lag_time, worst=worst)}
