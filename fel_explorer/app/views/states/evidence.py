"""Evidence for the states of a result: lifetimes, survival, exits, and KMeans states to compare with.

Kept for as long as their `Result` lives, because every panel asks for them.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer import kinetics
from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.data.schema import frame_weights
from fel_explorer.kinetics.lifetimes import MIN_EXITS
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.survival import Survival
from fel_explorer.progress import Progress
from fel_explorer.structures import state_observables

TOO_SHORT = 5  # frames of mean lifetime below which no decay is resolved
KMEANS_FRAMES = 50_000  # from which cluster centres are found
MAX_OBSERVABLES = 4  # columns of the table of states
FIRST_SHOWN = ("rmsd", "native_contacts", "q", "radius_of_gyration", "rg", "energy")  # shown first

UNWEIGHTED = "Frame weights are not used here: biased trajectories have biased kinetics."

_kept: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@dataclass(eq=False)
class Evidence:
    """Lifetimes and exits of hard states (frame,) with their ``trajectory`` and ``time``."""

    states: xr.DataArray
    time_unit: str

    @cached_property
    def lifetimes(self) -> xr.Dataset:
        return kinetics.lifetimes(self.states)

    @cached_property
    def exits(self) -> xr.Dataset:
        return kinetics.exits(self.states)

    @cached_property
    def visits(self) -> kinetics.Dwells:
        return kinetics.dwells(self.states)

    def survival(self, state: int, label: str, colour: str) -> Survival:
        """Data of the survival plot of ``state``."""
        row = self.lifetimes.sel(state=state)
        numbers = (float(row[name]) for name in ("mean_lifetime", "lower", "upper"))
        return Survival(label, colour, kinetics.survival(self.visits.of(state)), *numbers)

    def overlapping(self, other: xr.DataArray, state: int) -> int:
        """The state here that shares most with ``state`` of ``other`` (frame,): largest Jaccard index."""
        theirs = other.values == state
        both = np.bincount(self.states.values[theirs], minlength=int(self.states.max()) + 1)
        mine = np.bincount(self.states.values, minlength=len(both))
        return int((both / (mine + theirs.sum() - both)).argmax())


def frames_of(values: np.ndarray, dataset: xr.Dataset) -> xr.DataArray:
    """``values`` (frame, ...) with the trajectory and time that kinetics needs."""
    dims = ("frame", "state")[: values.ndim]
    coords = {name: ("frame", dataset[name].values) for name in ("trajectory", "time")}
    return xr.DataArray(values, dims=dims, coords=coords)


def evidence_of(result: Result, dataset: xr.Dataset) -> Evidence:
    """The evidence for the states of ``result``."""
    if result not in _kept:
        _kept[result] = Evidence(frames_of(result.state, dataset), dataset.attrs["time_unit"])
    return _kept[result]


@process_job
def clustering(
    report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset
) -> tuple[Result, Evidence]:
    """The job that finds KMeans states; its result is ``result`` and what `kmeans_evidence` returns."""
    report(Progress(0, 0, message="clustering"))
    return result, kmeans_evidence(result, dataset)


def kmeans_evidence(result: Result, dataset: xr.Dataset, seed: int = 0) -> Evidence:
    """KMeans states on the embedding of ``result``, as many as its populated states; takes about a second."""
    points = result.embedding
    frames = np.random.default_rng(seed).permutation(len(points))[:KMEANS_FRAMES]
    from sklearn.cluster import KMeans  # takes long to import, and a page opens without it

    model = KMeans(max(len(result.states()), 2), n_init=3, random_state=seed).fit(points[frames])
    states = frames_of(model.predict(points).astype(int), dataset)
    return Evidence(states, dataset.attrs["time_unit"])


def selected_state(session) -> int | None:
    """The state of the shown result that the selection is, if it is all of one state and nothing else."""
    result, mask = session.shown, session.selection.mask
    if result is None or result.state is None or not mask.any():
        return None
    state = int(result.state[mask.argmax()])
    return state if np.array_equal(result.state == state, mask) else None


def verdict(row: xr.Dataset, time_step: float, time_unit: str) -> tuple[str, str]:
    """Of a row of `kinetics.lifetimes`: the verdict in a word or two, and in a sentence."""
    said, n_exits = str(row["verdict"].item()), int(row["n_exits"])
    if said == "exponential":
        return said, ("The exit rate is constant in time, as for a metastable state.")
    if said == "not exponential":
        amplitude = float(row["amplitude"])
        if amplitude < 1:
            return "recrosses", (
                f"About {1 - amplitude:.0%} of the visits end at once: recrossings of the border, or "
                "the state contains more than one well."
            )
        return said, "Visits last longer than for a constant exit rate: the state may be a transition region."
    if n_exits < MIN_EXITS:
        return "too few exits", f"Left {n_exits} times in these data; at least {MIN_EXITS} are needed."
    if float(row["mean_lifetime"]) > TOO_SHORT * time_step:
        return "too few exits", (
            f"Left {n_exits} times, but too few visits have both their beginning and a long enough "
            "remainder of the trajectory in these data."
        )
    step = time_text(time_step, time_unit)
    return (
        "too short",
        f"Its lifetime is about the time between two frames ({step}): no decay can be resolved.",
    )


def populations(result: Result, weights: np.ndarray) -> np.ndarray:
    """Fraction (state,) of the frame weights (frame,) that each state holds."""
    n_states = result.membership.shape[1]
    return np.bincount(result.state, weights, minlength=n_states) / weights.sum()


def unweighted_note(dataset: xr.Dataset) -> str:
    """Note of a view of kinetics where frames have weights; "" where they have none."""
    return UNWEIGHTED if "weight" in dataset else ""


def state_table(result: Result, dataset: xr.Dataset, names: dict[int, str]) -> pd.DataFrame:
    """One row per populated state: population, mean lifetime with interval, verdict, means of observables.

    Frame weights count for populations and observables; lifetimes are those of the trajectories as they are.
    Columns that are means carry the dataset's name of the observable, their spreads "... std".
    """
    states = result.states()
    lives = evidence_of(result, dataset).lifetimes.sel(state=states)
    weights = frame_weights(dataset)
    step, unit = dataset.attrs["time_step"], dataset.attrs["time_unit"]
    table = pd.DataFrame(
        {
            "state": states,
            "name": [names[state] for state in states],
            "population": populations(result, weights)[states],
            "mean_lifetime": lives["mean_lifetime"].values,
            "lower": lives["lower"].values,
            "upper": lives["upper"].values,
            "n_exits": lives["n_exits"].values,
            "verdict": [verdict(lives.sel(state=state), step, unit)[0] for state in states],
        }
    )
    columns = observables(dataset)
    if columns:
        means = state_observables(result.state, dataset[[*columns]], weights=weights).sel(state=states)
        for name in columns:
            table[name] = means[name].sel(statistic="mean").values
            table[f"{name} std"] = means[name].sel(statistic="std").values
    return table


def observables(dataset: xr.Dataset) -> list[str]:
    """Names of at most four columns of ``dataset`` that are numbers of each frame; RMSD, Q and Rg first."""
    names = [
        str(name)
        for name, column in dataset.data_vars.items()
        if column.dims == ("frame",) and column.dtype.kind == "f" and name != "weight"
    ]

    def rank(name):
        word = name.lower().split()[0]
        return FIRST_SHOWN.index(word) if word in FIRST_SHOWN else len(FIRST_SHOWN)

    return sorted(names, key=rank)[:MAX_OBSERVABLES]
