"""How far the shown states depend on choices: the job that compares them, and its result in words."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.result import Result
from fel_explorer.methods import compare_choices
from fel_explorer.methods.idm.choices import SAME

SIMILAR, DIFFERENT = 0.9, 0.6  # NMI from which states count as nearly the same, and below which as others
ABOUT = (
    "The states are found again without a network, each time with one choice changed. Agreement is the "
    "normalised mutual information with the states shown: 1 if they are the same, 0 if they have nothing in "
    "common."
)
NAMES = {
    "beta_end": "sensitivity to states (beta) {}",
    "half of the features": "half of the features, at random",
    "the other half": "the other half of the features",
    SAME: "no other choice",
}


def can_compare(result: Result | None) -> bool:
    """Whether the states of a result are those of a method with such choices."""
    return (
        result is not None and result.state is not None and "beta_end" in result.method.hyperparameter_names()
    )


@process_job
def comparison_job(report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset):
    """The job that finds states with other choices; its result is the table of `compare_choices`.

    Stopped, it keeps the comparisons that are done.
    """

    def callback(progress):
        report(progress)
        return should_stop()

    level = result.level if result.method.has_tree else -1
    table = compare_choices(result.method, dataset, result.state, level=level, callback=callback)
    if not table.size:
        raise Cancelled
    return table


def table_text(table: xr.DataArray) -> str:
    """The comparisons as a Markdown table, and what follows from them."""
    rows = ["| Changed | States | Agreement |", "|:---|---:|---:|"]
    for row in table:
        name = str(row["alternative"].item())
        rows.append(f"| {_name(name)} | {int(row['n_states'])} | {row.item():.2f} |")
    return "\n".join([*rows, "", conclusion(table)])


def conclusion(table: xr.DataArray) -> str:
    """The sentence below the table."""
    others = table[table["alternative"].values != SAME]
    if not others.size:
        return ""
    worst = others[int(np.argmin(others.values))]
    name = _name(str(worst["alternative"].item()))
    if worst >= SIMILAR:
        return f"**The states hardly depend on these choices.** Agreement is at least {worst.item():.2f}."
    depends = "depend" if worst < DIFFERENT else "depend a little"
    return f"**The states {depends} on these choices**, most on: {name}."


def _name(alternative):
    if alternative.startswith("beta_end"):
        return NAMES["beta_end"].format(alternative.split()[1])
    return NAMES.get(alternative, alternative)
