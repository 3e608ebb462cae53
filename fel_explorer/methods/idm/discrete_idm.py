"""Metastable states at many lag times without a network, as a method: fitted in seconds, saved, applied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import param
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.idm.discrete import (
    Criteria,
    DiscreteStates,
    coarse_partitions,
    find_states,
    undivided,
)
from fel_explorer.methods.idm.lag_hierarchy import (
    PER_STATE,
    lags_in_frames,
    parent_states,
    suggested_level,
    trace_branches,
)
from fel_explorer.methods.idm.lag_scan import LagScan
from fel_explorer.methods.idm.microstates import LAG_DIVISOR, Microstates, PairCounts, find_microstates
from fel_explorer.methods.registry import register
from fel_explorer.progress import Progress
from fel_explorer.training.data import Scaling


@register
class DiscreteIDM(Method):
    """Finds the metastable states at many lag times in seconds, without a network.

    The frames are divided into microstates in slow coordinates (TICA, KMeans). At each lag time the partition
    of the microstates with the largest objective of IDM is found from counts of pairs, and states without
    evidence are merged with their neighbours. The states at a shorter lag are not forced to be parts of those
    at a longer one; the parent of a state is the one that holds most of its frames.

    Source: the objective is that of J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019),
    doi:10.1021/acs.jpclett.9b02012, Eqs. 1-2. Maximising it over partitions of microstates is this package's
    own.

    Attributes
    ----------
    graph
        The states of all lags as a networkx.DiGraph.
    branches
        States over the ranges of lag times in which they stay undivided.
    """

    has_states = True
    has_tree = True
    has_microstates = True

    n_dims = parameters.n_dims(doc="Number of slow coordinates (TICA) that are the map.", maximum=None)
    lag_times = param.List(
        [],
        item_type=(int, float),
        bounds=(0, 200),
        precedence=1,
        label="Lag times",
        doc="Time resolutions, in the data's time unit (ps for molecules). Empty: 30 on a logarithmic axis, "
        "from the time between frames to a tenth of the longest trajectory.",
    )
    beta_end = param.Number(
        0.9,
        bounds=(0.5, 1),
        inclusive_bounds=(False, True),
        precedence=1.3,
        label="Sensitivity to states (beta)",
        doc="Higher values find more states, lower ones fewer that live longer: within the lag, a state must "
        "keep at least the fraction 2 (1 - beta) of its information, 20 % at 0.9 and 40 % at 0.8.",
    )
    min_evidence = param.Number(
        1.5,
        bounds=(0, 10),
        precedence=1.4,
        label="Evidence for a state",
        doc="Standard errors (bootstrap over trajectories, or blocks of them) by which the objective must "
        "gain from a state. More gives fewer, surer states.",
    )
    min_visits = param.Number(
        10.0,
        bounds=(0, None),
        precedence=1.5,
        label="Visits of a state",
        doc="How often a state must have been entered, counted at the resolution of the lag.",
    )
    min_population = param.Number(
        0.001,
        bounds=(0, 0.5),
        precedence=1.6,
        label="Smallest state",
        doc="Fraction of all frames that a state must hold.",
    )
    n_microstates = parameters.n_microstates()

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._microstates: Microstates
        self._weight = np.zeros(0, np.int64)  # frames (microstate,)
        self._scanned: list[float] = []
        self._levels: list[DiscreteStates] = []
        self._time_step = 1.0

    def _fit(self, dataset, *, device, callback, checkpoint_dir) -> None:
        if any(lag <= 0 for lag in self.lag_times):
            raise FelError(f"lag_times={self.lag_times}.", "A lag is positive.")
        lags, step = lags_in_frames(dataset, self.lag_times or None), schema.time_step(dataset)
        scaling, stop = Scaling.of(dataset), False
        self._begin(dataset, scaling, lags[0])

        def report(step: int, message: str) -> bool:
            nonlocal stop
            said = Progress(step, len(lags), message=message)
            stop = stop or (callback is not None and bool(callback(said)))
            return stop

        found = find_microstates(
            dataset, max(1, min(lags) // LAG_DIVISOR), n_microstates=self.n_microstates, seed=self.seed,
            scaling=scaling, report=lambda: report(0, "microstates"),
        )  # fmt: skip
        if found.matrix.shape[1] < self.n_dims:
            raise FelError(
                f"n_dims={self.n_dims}, and the features span {found.matrix.shape[1]} dimensions.",
                remedy=f"Take n_dims={found.matrix.shape[1]} or more features.",
            )
        self._microstates, self._weight = found, np.bincount(found.labels, minlength=len(found))
        weights = dataset["weight"].values if "weight" in dataset else None
        pairs = PairCounts(schema.trajectory_lengths(dataset), weights, self.seed)
        starts = coarse_partitions(found.centres, self.seed)
        criteria = Criteria(self.beta_end, self.min_evidence, self.min_visits, self.min_population)
        self._scanned, self._levels = [], []
        for i, lag in enumerate(lags):
            self._levels = [*self._levels, find_states(pairs, found.labels, starts, lag, criteria)]
            self._scanned = [*self._scanned, step * lag]
            if report(i + 1, f"states at lag {i + 1} of {len(lags)}"):
                break

    def _begin(self, dataset, scaling, lag) -> None:
        """One state of all frames, on a map of features, until something is found."""
        n, self._time_step = int(scaling.keep.sum()), schema.time_step(dataset)
        axes = torch.eye(n)[:, : self.n_dims]
        frames = np.zeros(dataset.sizes["frame"], np.int32)
        self._microstates = Microstates(frames, np.zeros((1, axes.shape[1]), np.float32), scaling, axes)
        self._weight = np.array([len(frames)])
        self._scanned, self._levels = [self._time_step * lag], [undivided()]

    # ---- the states

    @property
    def lags(self) -> tuple[float, ...]:
        """Lag of each level, longest first; before the fit those that were asked for."""
        return tuple(self._scanned or sorted(map(float, self.lag_times), reverse=True))

    @property
    def n_levels(self) -> int:
        """Lag times at which states were found; fewer than asked for if the fit was stopped."""
        return len(self._levels)

    @property
    def default_level(self) -> int:
        """Level to look at first: amid the widest range of lags with three states or more.

        See `LagScan.suggested_lag_time`, whose rule this is.
        """
        return suggested_level(np.array([len(one) for one in self._levels]), self._scanned)

    @property
    def n_states(self) -> xr.DataArray:
        """Number of states (lag,) at each lag time."""
        return self._scan.n_states

    @property
    def branches(self) -> xr.Dataset:
        """States over the ranges of lag times in which they stay undivided; see `LagScan.branches`."""
        return self._scan.branches

    @property
    def graph(self) -> networkx.DiGraph:
        """The states of all lags, from parent to child.

        Nodes are named "level-index" from 1. Each has ``level`` and ``state`` (from 0, as `predict` takes and
        gives them), ``population`` (fraction of frames), ``lag_time`` and ``mean_lifetime`` (the data's time
        unit, ``graph.graph["time_unit"]``; lifetimes are counted at the resolution of the lag), ``gain`` and
        ``error`` (nats; infinite where there is one state only), ``visits``, and of its branch ``branch``,
        ``appears`` and ``disappears`` (lag times).
        """
        self._check_fitted()
        scan, graph = self._scan, networkx.DiGraph(time_unit=self.time_unit_)
        branches = scan.branches
        for level, (lag, found) in enumerate(zip(self._scanned, self._levels, strict=True)):
            above = None if level == 0 else parent_states(self._levels[level - 1], found, self._weight)
            for state, branch in enumerate(scan.lineage[level]):
                values = {name: float(getattr(found, name)[state]) for name in PER_STATE}
                values["mean_lifetime"] = self._time_step * values.pop("lifetime")
                values |= {name: float(branches[name][branch]) for name in ("appears", "disappears")}
                node = f"{level + 1}-{state + 1}"
                graph.add_node(
                    node, level=level, state=state, lag_time=float(lag), branch=int(branch), **values
                )
                if above is not None:
                    graph.add_edge(f"{level}-{above[state] + 1}", node)
        return graph

    @property
    def _scan(self) -> LagScan:
        """The scan, with the microstates of the frames of the fit in order of microstate."""
        self._check_fitted()
        frames = np.repeat(np.arange(len(self._weight), dtype=np.int32), self._weight)
        return LagScan(
            np.array(self._scanned),
            xr.DataArray(frames, dims="frame"),
            tuple(self._levels),
            tuple(trace_branches(self._levels, self._weight)),
            self._time_step,
            self.time_unit_ or "",
        )

    # ---- the verbs

    def transform(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        level: int = -1,
        *,
        out: str | Path | None = None,
    ) -> xr.DataArray:
        """Embedding (frame, cv): the slowest coordinates, the same at all levels.

        ``out`` as in `Method.transform`.
        """
        self._level(level)
        return super().transform(X, out=out)

    def predict_microstates(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """Microstate (frame,) int32 of each frame."""
        found = self._map(X, lambda features: torch.from_numpy(self._assigned(features))[:, None], "one")
        return found[:, 0].rename("microstate")

    def microstate_memberships(self, level: int = -1) -> np.ndarray:
        """Memberships (microstate, state) float32 at a level, from which those of frames are looked up."""
        return self._levels[self._level(level)].memberships.astype(np.float32)

    def predict_proba(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        level: int = -1,
        *,
        out: str | Path | None = None,
    ) -> xr.DataArray:
        """Memberships (frame, state) at a level: probability of a state within the lag, given the microstate.

        Level 0 is the longest lag, -1 the shortest.  ``out`` as in `Method.transform`.
        """
        chi = torch.from_numpy(self.microstate_memberships(level))
        return self._map(X, lambda features: chi[self._assigned(features)], "state", out)

    def predict(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], level: int = -1) -> xr.DataArray:
        """State of each frame, (frame,) int, at a level."""
        chi = torch.from_numpy(self.microstate_memberships(level))
        return self._map_states(X, lambda features: chi[self._assigned(features)])

    def _transform(self, features):
        return self._microstates.scaling(features) @ self._microstates.matrix[:, : self.n_dims]

    def _assigned(self, features):
        return self._microstates.assign(features.numpy())

    def _level(self, level):
        self._check_fitted()
        if not -self.n_levels <= level < self.n_levels:
            raise FelError(
                f"level={level}.", f"Levels of this scan are 0 to {self.n_levels - 1}; -1 is the last."
            )
        return level % self.n_levels

    # ---- the file

    def _get_arrays(self):
        found = self._microstates
        arrays = {
            "centres": torch.from_numpy(found.centres),
            "mean": found.scaling.mean,
            "scale": found.scaling.scale,
            "keep": found.scaling.keep,
            "matrix": found.matrix,
            "frames": torch.from_numpy(self._weight),
            "lag_times": torch.tensor(self._scanned, dtype=torch.float64),
            "time_step": torch.tensor(self._time_step, dtype=torch.float64),
            "objective": torch.tensor([one.objective for one in self._levels], dtype=torch.float64),
            "labels": torch.from_numpy(np.stack([one.labels for one in self._levels]).astype(np.int32)),
        }
        for level, one in enumerate(self._levels):
            arrays[f"memberships {level}"] = torch.from_numpy(np.asarray(one.memberships, np.float32))
            columns = np.stack([getattr(one, name) for name in PER_STATE])
            arrays[f"states {level}"] = torch.from_numpy(columns.astype(float))
        return arrays

    def _set_arrays(self, arrays):
        scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])
        centres = arrays["centres"].numpy()
        self._microstates = Microstates(np.zeros(0, np.int32), centres, scaling, arrays["matrix"])
        self._weight = arrays["frames"].numpy()
        self._scanned, self._time_step = arrays["lag_times"].tolist(), float(arrays["time_step"])
        self._levels = [
            DiscreteStates(
                labels=labels.astype(int),
                memberships=arrays[f"memberships {level}"].numpy(),
                objective=objective,
                **dict(zip(PER_STATE, arrays[f"states {level}"].numpy(), strict=True)),
            )
            for level, (labels, objective) in enumerate(
                zip(arrays["labels"].numpy(), arrays["objective"].tolist(), strict=True)
            )
        ]
