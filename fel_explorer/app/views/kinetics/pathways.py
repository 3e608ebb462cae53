"""Pathways between two states of a result: the job that finds them, and the words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer import kinetics
from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.states.evidence import evidence_of
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.errors import FelError
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.progress import Progress

MAX_LISTED = 4
TABLED = (
    "mean_first_passage_time",
    "total_flux",
    "stationary_distribution",
    "committor",
    "net_flux",
    "pathway_flux",
    "pathway_fraction",
)


@dataclass(frozen=True, eq=False)
class Pathways:
    """Transition paths from one state to another.

    Attributes
    ----------
    result, lag_time, source, target
        The settings.
    table
        From `kinetics.transition_paths`; None if that failed.
    back
        Mean first-passage time from target to source with its interval, (3,).
    error
        Why it failed.
    """

    result: Result
    lag_time: float
    source: int
    target: int
    table: xr.Dataset | None = None
    back: tuple[float, float, float] | None = None
    error: FelError | None = None

    @property
    def question(self) -> tuple:
        """Key by which two of them differ."""
        return self.result, self.lag_time, self.source, self.target


@process_job
def pathways_job(
    report: Report,
    should_stop: ShouldStop,
    result: Result,
    dataset: xr.Dataset,
    lag_time: float,
    source: int,
    target: int,
):
    """The job that finds the pathways from ``source`` to ``target``."""
    report(Progress(0, 2, message="pathways"))
    states, asked = evidence_of(result, dataset).states, (result, lag_time, source, target)
    try:
        table = kinetics.transition_paths(states, source, target, lag_time)
        report(Progress(1, 2, message="pathways"))
        back = kinetics.transition_paths(states, target, source, lag_time)
    except FelError as error:
        return Pathways(*asked, error=error)
    return Pathways(*asked, table, _number(back, "mean_first_passage_time"))


def default_ends(result: Result) -> tuple[int, int] | None:
    """The two most populated states, or None where there is one."""
    states = sorted(result.states(), key=lambda state: -np.count_nonzero(result.state == state))
    return (states[0], states[1]) if len(states) > 1 else None


def pathway_words(found: Pathways, names: dict[int, str], unit: str) -> str:
    """First passage times there and back, and the strongest pathways, as Markdown."""
    if found.error is not None:
        return literal(" ".join(filter(None, (found.error.given, found.error.remedy))))
    one, other = literal(names[found.source]), literal(names[found.target])
    there = _number(found.table, "mean_first_passage_time")
    lines = [
        f"**{one} to {other}** on average after {_time(there, unit)}",
        f"**and back** after {_time(found.back, unit)}",
    ]
    for row in range(min(found.table.sizes["path"], MAX_LISTED)):
        path = found.table.isel(path=row)
        states = [names.get(int(s), f"state {int(s) + 1}") for s in path["pathway"].values if s >= 0]
        steps = literal(" → ".join(states))
        lines.append(f"{steps}: {_percent(_number(path, 'pathway_fraction'))} of the flux")
    return "  \n".join(lines)


def pathway_table(found: Pathways, names: dict[int, str]) -> pd.DataFrame:
    """All numbers with intervals: a row each, with the states that it is of."""
    rows = []
    for name in TABLED:
        values = found.table[name]
        for index in np.ndindex(values.shape):
            at = dict(zip(values.dims, index, strict=True))
            number, low, high = _number(found.table.isel(at), name)
            if name == "net_flux" and number == 0:
                continue
            rows.append(
                {
                    "quantity": name,
                    "states": _of(found, at, names),
                    "value": number,
                    "lower": low,
                    "upper": high,
                }
            )
    return pd.DataFrame(rows)


def _of(found, at, names):
    """What states a number is of."""
    if "path" in at:
        numbers = [int(s) for s in found.table["pathway"].values[at["path"]] if s >= 0]
    elif at:
        numbers = [int(found.table[dim].values[index]) for dim, index in at.items()]
    else:
        numbers = [found.source, found.target]
    return " > ".join(names.get(number, f"state {number + 1}") for number in numbers)


def _number(table, name) -> tuple[float, float, float]:
    """A number and its limits."""
    return tuple(float(table[f"{name}{side}"]) for side in ("", "_lower", "_upper"))


def _time(number, unit):
    interval = interval_text(*number[1:], unit) if np.isfinite(number[1:]).all() else ""
    return time_text(number[0], unit) + (f" ({interval})" if interval else "")


def _percent(number):
    value, low, high = (100 * one for one in number)
    return f"{value:.0f} %" + (f" ({low:.0f} to {high:.0f} %)" if np.isfinite(low + high) else "")
