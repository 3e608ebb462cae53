"""Persistence of metastable states over lag times: the states of many lags at once, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx
import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.idm.discrete import Criteria, DiscreteStates, coarse_partitions, find_states
from fel_explorer.methods.idm.lag_hierarchy import (
    PER_STATE,
    lags_in_frames,
    parent_states,
    suggested_level,
    trace_branches,
)
from fel_explorer.methods.idm.microstates import LAG_DIVISOR, PairCounts, find_microstates


@dataclass(frozen=True)
class LagScan:
    """Metastable states at many lag times, held as labels of microstates.

    Attributes
    ----------
    lag_times
        (lag,) from long to short, in the data's time unit.
    microstates
        (frame,) int32 microstate of each frame, with the dataset's bookkeeping coordinates.
    levels
        (lag,) the states at each lag.
    lineage
        (lag,) for each lag the branch (state,) of each state; see `branches`.
    """

    lag_times: np.ndarray
    microstates: xr.DataArray
    levels: tuple[DiscreteStates, ...]
    lineage: tuple[np.ndarray, ...]
    time_step: float
    time_unit: str

    def nearest(self, lag_time: float) -> int:
        """Index of the scanned lag nearest to ``lag_time`` on a logarithmic axis."""
        if not lag_time > 0:
            raise FelError(f"lag_time={lag_time}.", "A lag is positive.")
        return int(np.abs(np.log(self.lag_times / lag_time)).argmin())

    def predict(self, lag_time: float) -> xr.DataArray:
        """State (frame,) int of each frame at the scanned lag nearest to ``lag_time``."""
        labels = self.levels[self.nearest(lag_time)].labels.astype(np.int32)
        return self.microstates.copy(data=labels[self.microstates.values]).rename("state")

    def predict_proba(self, lag_time: float) -> xr.DataArray:
        """Memberships (frame, state) float32: probability of a state within the lag, given the microstate."""
        chi = self.levels[self.nearest(lag_time)].memberships.astype(np.float32)
        coords = self.microstates.coords
        return xr.DataArray(chi[self.microstates.values], dims=("frame", "state"), coords=coords)

    @property
    def n_states(self) -> xr.DataArray:
        """Number of states (lag,) at each lag time."""
        counts = [len(level) for level in self.levels]
        return xr.DataArray(counts, dims="lag", coords={"lag_time": ("lag", self.lag_times)})

    @property
    def states(self) -> xr.Dataset:
        """Table of all states at all lags, over the dimension ``state_at_lag``.

        Variables: ``lag_time``, ``state`` (as `predict` gives it), ``branch``, ``population``, ``gain`` and
        ``error`` (nats), ``visits``, ``lifetime`` (the data's time unit), and the lags ``appears`` and
        ``disappears`` of its branch.
        """
        branches = self.branches
        columns: dict[str, list] = {name: [] for name in ("lag_time", "state", "branch", *PER_STATE)}
        for lag_time, level, branch in zip(self.lag_times, self.levels, self.lineage, strict=True):
            columns["lag_time"] += [float(lag_time)] * len(level)
            columns["state"] += range(len(level))
            columns["branch"] += branch.tolist()
            for name in PER_STATE:
                factor = self.time_step if name == "lifetime" else 1.0
                columns[name] += (factor * getattr(level, name)).tolist()
        columns |= {
            name: branches[name].values[columns["branch"]].tolist() for name in ("appears", "disappears")
        }
        table = xr.Dataset({name: ("state_at_lag", np.asarray(values)) for name, values in columns.items()})
        return table.assign_attrs(time_unit=self.time_unit)

    @property
    def branches(self) -> xr.Dataset:
        """Branches of the tree: a state over the range of lags in which it stays undivided, over ``branch``.

        Variables: ``appears``, the longest lag at which the state is there; ``disappears``, the shortest,
        where it divides or is lost; ``parent``, the branch that it is part of at longer lags (-1: none);
        ``population`` and ``lifetime`` at the shortest lag, ``gain`` and ``error`` where the gain is largest.
        """
        n = 1 + max(int(branch.max()) for branch in self.lineage)
        appears, disappears, parent = np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1)
        values = {name: np.full(n, np.nan) for name in ("population", "lifetime", "gain", "error")}
        above = None
        for lag_time, level, branch in zip(self.lag_times, self.levels, self.lineage, strict=True):
            for state, name in enumerate(branch):
                if np.isnan(appears[name]):
                    appears[name] = lag_time
                    if above is not None:
                        parent[name] = above[1][parent_states(above[0], level, self._weight)[state]]
                disappears[name] = lag_time
                values["population"][name] = level.population[state]
                values["lifetime"][name] = level.lifetime[state] * self.time_step
                if not level.gain[state] <= values["gain"][name]:
                    values["gain"][name], values["error"][name] = level.gain[state], level.error[state]
            above = level, branch
        columns = {"appears": appears, "disappears": disappears, "parent": parent, **values}
        table = xr.Dataset({name: ("branch", values) for name, values in columns.items()})
        return table.assign_attrs(time_unit=self.time_unit)

    @property
    def graph(self) -> networkx.DiGraph:
        """The tree of `branches`, from parent to child; nodes are numbers and carry its variables."""
        table, graph = self.branches, networkx.DiGraph(time_unit=self.time_unit)
        for branch in range(table.sizes["branch"]):
            about = {str(name): values.item() for name, values in table.isel(branch=branch).items()}
            parent = about.pop("parent")
            graph.add_node(branch, **about)
            if parent >= 0:
                graph.add_edge(parent, branch)
        return graph

    @property
    def suggested_lag_time(self) -> float:
        """Lag time to look at first, at which the page opens the scan; see `suggested_level`.

        In the middle of the widest range of lags, on a logarithmic axis, with one number of states. Ranges
        with three states or more come first, then those with two.
        """
        return float(self.lag_times[suggested_level(self.n_states.values, self.lag_times)])

    @property
    def _weight(self) -> np.ndarray:
        return np.bincount(self.microstates.values, minlength=len(self.levels[0].labels))


def scan_lag_times(
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    lag_times: Sequence[float] | np.ndarray | None = None,
    *,
    beta: float = 0.9,
    n_microstates: int = 400,
    min_evidence: float = 1.5,
    min_visits: float = 10.0,
    min_population: float = 0.001,
    seed: int = 0,
) -> LagScan:
    """Metastable states at many lag times, and the range of lags over which each persists.

    At each lag the partition of microstates with the largest I_beta is found from counts of pairs; states
    without evidence are merged with their neighbours.

    Parameters
    ----------
    X
        A dataset, an array (frame, feature) or a list of arrays, as `Method.fit` takes it.
    lag_times
        In the data's time unit, multiples of the time between frames; by default 30 on a logarithmic axis,
        from that to a tenth of the longest trajectory.
    beta
        Final beta of IDM, the memory that a state must have, above 0.5 and up to 1.
    n_microstates
        Number of microstates at most.
    min_evidence
        Standard errors (block bootstrap) by which the gain in I_beta of a state must exceed zero.
    min_visits
        Visits, counted at the resolution of the lag, that a state must have.
    min_population
        Fraction of the frames that a state must hold.

    Returns
    -------
    LagScan
    """
    dataset = schema.as_dataset(X)
    lags, step = lags_in_frames(dataset, lag_times), schema.time_step(dataset)
    microstates = find_microstates(
        dataset, max(1, min(lags) // LAG_DIVISOR), n_microstates=n_microstates, seed=seed
    )
    weights = dataset["weight"].values if "weight" in dataset else None
    pairs = PairCounts(schema.trajectory_lengths(dataset), weights, seed)
    starts = coarse_partitions(microstates.centres, seed)
    criteria = Criteria(beta, min_evidence, min_visits, min_population)
    levels = tuple(find_states(pairs, microstates.labels, starts, lag, criteria) for lag in lags)
    coords = {name: dataset[name] for name in schema.BOOKKEEPING}
    labels = xr.DataArray(microstates.labels, dims="frame", coords=coords, name="microstate")
    weight = np.bincount(microstates.labels, minlength=len(microstates))
    lineage = tuple(trace_branches(levels, weight))
    return LagScan(step * np.array(lags), labels, levels, lineage, step, dataset.attrs["time_unit"])
