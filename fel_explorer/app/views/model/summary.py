"""What a model with states has found, in one sentence."""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.data.frame_values import columns, quantities, torsions
from fel_explorer.errors import FelError
from fel_explorer.kinetics.markov import markov_model
from fel_explorer.plots.quantities import time_text
from fel_explorer.structures.comparison import compare

MAX_FRAMES = 20_000  # for the comparison
LEAST_EFFECT = 0.5  # below it no quantity sets two sets of frames apart

_kept: weakref.WeakKeyDictionary[Result, str] = weakref.WeakKeyDictionary()


def known_summary(result: Result) -> str | None:
    """The sentence on a result where it has been made."""
    return _kept.get(result)


def summarizing(result: Result, dataset: xr.Dataset) -> Call[str]:
    """The job that makes the sentence on a result with states."""
    return replace(_summarizing(result, dataset), finish=partial(_keep, result))


@process_job
def _summarizing(report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset) -> str:
    return summary(result, dataset)


def _keep(result: Result, sentence: str) -> str:
    _kept[result] = sentence
    return sentence


def summary(result: Result, dataset: xr.Dataset) -> str:
    """Number of states, the slowest process between them, and the quantity that sets its two sides apart.

    "3 states at 8 ps: the slowest process takes 142 ps, phi of ALA2."  The process is that of the reversible
    Markov model of the states at the model's lag; its sides are the states where its eigenvector is positive
    and negative.
    """
    unit, lag, n = dataset.attrs["time_unit"], default_lag(result, dataset), len(result.states())
    found = f"{n} state{'s' if n != 1 else ''} at {time_text(lag, unit)}"
    try:
        time, side = slowest_process(result, dataset, lag)
    except FelError:
        return f"{found}; no two are connected at this lag."
    words = f"{found}: the slowest process takes {time_text(time, unit)}"
    apart = quantity_apart(dataset, side)
    return f"{words}, {apart}." if apart else f"{words}."


def states_array(result: Result, dataset: xr.Dataset) -> xr.DataArray:
    """States (frame,) of a result with the times and trajectories of its dataset."""
    states = xr.DataArray(result.state, dims="frame", coords=dataset["time"].coords)
    return states.assign_attrs(dataset.attrs)


def slowest_process(result: Result, dataset: xr.Dataset, lag: float) -> tuple[float, np.ndarray]:
    """Implied time scale of the slowest process, and the side (frame,) of each frame: 1, -1, or 0 outside."""
    model = markov_model(states_array(result, dataset), lag)
    signs = np.zeros(int(result.state.max()) + 1)
    signs[model.count_model.state_symbols] = np.sign(model.eigenvectors_right(2)[:, 1])
    step = float(dataset.attrs["time_step"])
    return float(model.timescales(k=1)[0]) * step, signs[result.state]


def quantity_apart(dataset: xr.Dataset, side: np.ndarray) -> str:
    """The quantity whose values differ most between the two sides (frame,); '' where none does."""
    every = max(1, len(side) // MAX_FRAMES)
    few, sides = dataset.isel(frame=slice(None, None, every)), side[::every]
    if not (sides > 0).any() or not (sides < 0).any():
        return ""
    angles = torsions(dataset)
    names = angles + [name for name in quantities(dataset) if name not in columns(dataset)]
    table = compare(few, sides > 0, sides < 0, names=list(dict.fromkeys(names)), n_bootstrap=2)
    if float(table["effect"][0]) < LEAST_EFFECT:
        return ""
    return readable_quantity(str(table["quantity"].values[0]))


def readable_quantity(name: str) -> str:
    """'phi ALA2' -> 'phi of ALA2', 'd ALA2-CB NME3-C' -> 'distance of ALA2-CB and NME3-C'."""
    words = name.split(" ")
    if len(words) == 2 and words[0] in ("phi", "psi", "omega", "chi1", "chi2", "chi3", "chi4"):
        return f"{words[0]} of {words[1]}"
    if len(words) == 3 and words[0] == "d":
        return f"distance of {words[1]} and {words[2]}"
    return name
