"""Divisive IDM: the hierarchy of metastable states over time scales."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import param
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.kinetics.lifetimes import lifetimes
from fel_explorer.methods.idm.division_progress import Report
from fel_explorer.methods.idm.division_training import DivisionTrainer, steps_of_division
from fel_explorer.methods.idm.divisive_tree import Division, visited_segments
from fel_explorer.methods.idm.parameters import IDMParameters
from fel_explorer.methods.registry import register

SPREAD = 0.25  # size of an unfolded state on the map, in units of its distance to the next one
COLUMNS = (
    *("parent", "population", "mean_lifetime", "stability", "representative"),
    *("gain", "gain_error", "visits"),  # the first files lack these
)


@register
class DivisiveIDM(IDMParameters):
    """Learns a tree of states: metastable states at a long lag time, each divided at shorter lag times.

    Each state is divided by an IDM that is trained only on the segments of trajectory spent in it.  Parts of
    a rare state are thus found as easily as those of a common one, a state that does not divide stays
    whole, and the memberships of children sum to their parent's: chi_child = chi_parent chi(child | parent).

    The embedding of a level is that of the level above with every divided state unfolded in its place, so
    that the map of the last level shows all levels.

    Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, section
    3.4 and Eq. 2. Dividing within states, so that chi_child = chi_parent chi(child | parent), is this
    package's own.

    Attributes
    ----------
    graph
        The tree as a networkx.DiGraph.
    """

    has_states = True
    score_name = "objective"
    has_tree = True

    lag_times = param.List(
        [200.0, 20.0, 2.0],
        item_type=(int, float),
        bounds=(1, 12),
        precedence=1,
        label="Lag times",
        doc="Time resolutions from long to short, in the data's time unit (ps for molecules). Each adds a "
        "level to the tree: at a shorter lag, faster motions count as changes of state, and states divide.",
    )
    n_steps = param.Integer(
        default=2000,
        doc="Steps of training of each division at most. From a random start all are done. From discrete "
        "states at most 1000, or a third of these if that is more, and fewer once the objective rises no "
        "more.",
    )
    n_restarts = param.Integer(
        default=3,
        doc="Trainings of each division from a random start; the one with the best objective is kept. Their "
        "agreement with it is the stability of its states, from discrete states that of the searches.",
    )
    min_population = param.Number(
        0.005,
        bounds=(0, 0.5),
        precedence=1.6,
        label="Smallest state",
        doc="Fraction of all frames that a state must hold; smaller states are not split off.",
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._levels: list[list[Division]] = []
        self._rows: list[np.ndarray] = []  # per level (state, COLUMNS)

    def _fit(self, dataset, *, device, callback, checkpoint_dir) -> None:
        lags = self.lag_times
        if any(lag <= 0 for lag in lags) or any(a <= b for a, b in pairwise(lags)):
            raise FelError(
                f"lag_times={lags}.",
                "They are positive and fall from long to short, such as [200.0, 20.0, 2.0].",
            )
        for lag in lags:
            schema.lag_in_frames(dataset, lag)
        self._levels, self._rows = [], []
        report = Report(callback, steps_of_division(self), len(lags), self.start == "discrete")
        trainer = DivisionTrainer(self, report, device, show=self._show)
        for level, lag in enumerate(lags):
            states = self.predict(dataset).values if level else np.zeros(dataset.sizes["frame"], int)
            n_parents = len(self._parents(level - 1)) if level else 1
            fractions = np.bincount(states, minlength=n_parents) / len(states)
            report.next_level(level, fractions.tolist())
            divisions = []
            for parent in range(n_parents):
                folder = None if checkpoint_dir is None else Path(checkpoint_dir) / f"{level}-{parent}"
                division = self._divide(dataset, states == parent, parent, lag, trainer, folder)
                divisions += [division] if division is not None else []
                report.division_ended()
            self._levels[level:] = [divisions]
            self._rows.append(self._measure(dataset, level))
            if report.stopped:
                break
        self.history = self._levels[0][0].model.history

    # ---- one division

    def _divide(self, dataset, inside, parent, lag, trainer, folder) -> Division | None:
        """The division of state ``parent``, or None if it stays whole."""
        n_frames, first = len(inside), not self._levels
        if not first and (trainer.report.stopped or inside.sum() < 2 * self.min_population * n_frames):
            return None
        part = visited_segments(dataset, inside, schema.lag_in_frames(dataset, lag))
        if part is None:
            return None
        model, stable = trainer.train(part, n_frames, lag, folder)
        if model is None:
            return None
        fraction = np.bincount(model.predict(part).values, minlength=self.n_states) / n_frames
        kept = np.flatnonzero(fraction >= self.min_population)
        if first:
            kept = kept if len(kept) else np.array([fraction.argmax()])
            division = Division.undivided(model, self.n_states, self.n_dims)
        elif len(kept) < 2:
            return None
        else:
            place = self._place(dataset, inside, parent, model)
            division = Division(parent, model, torch.from_numpy(kept), *place)
        division.kept, division.stability = torch.from_numpy(kept), stable
        return division

    def _show(self, model) -> None:
        """Let the embedding of the first level be watched as it forms."""
        if not self._levels:
            self._levels = [[Division.undivided(model, self.n_states, self.n_dims)]]

    def _place(self, dataset, inside, parent, model):
        """Centre and scale that unfold a state among its neighbours on the map of the level above."""
        states, positions = self.predict(dataset).values, self.transform(dataset).values
        inner = model.transform(dataset["features"][inside].values).values
        centroids = np.stack([positions[states == s].mean(0) for s in np.unique(states)])
        gaps = np.linalg.norm(centroids - positions[inside].mean(0), axis=1)
        gap = np.partition(gaps, 1)[1] if len(gaps) > 1 else np.sqrt(positions.var(0).sum())
        spread = np.sqrt(inner.var(0).sum())
        return torch.from_numpy(inner.mean(0)), torch.tensor(SPREAD * gap / max(spread, 1e-12)).float()

    # ---- properties of the states

    def _measure(self, dataset, level) -> np.ndarray:
        """COLUMNS of each state of a level, (state, column)."""
        parents = self._parents(level)
        states = self.predict(dataset, level)
        table = lifetimes(states, time_step=schema.time_step(dataset))
        table = table.reindex(state=np.arange(len(parents)))
        weight = dataset["weight"].values if "weight" in dataset else np.ones(len(states))
        population = np.bincount(states.values, weight, len(parents)) / weight.sum()
        z = self.transform(dataset, level).values
        rows = []
        for state, (parent, division, child) in enumerate(parents):
            members = np.flatnonzero(states.values == state)
            centre = z[members].mean(0) if len(members) else 0.0
            nearest = members[np.linalg.norm(z[members] - centre, axis=1).argmin()] if len(members) else -1
            row = [parent, population[state], table["mean_lifetime"][state]]
            evidence = [np.nan] * 3 if division is None else division.evidence(child)
            stable = np.nan if division is None else division.stability
            rows.append([*row, stable, nearest, *evidence])
        return np.array(rows, float)

    def _parents(self, level) -> list[tuple[int, Division | None, int]]:
        """Of each state of a level its parent in the level above, the division, and its index in that."""
        n_above = len(self._parents(level - 1)) if level else 1
        divisions = {division.parent: division for division in self._levels[level]}
        children = []
        for parent in range(n_above):
            division = divisions.get(parent)
            n = 1 if division is None else len(division.kept)
            children += [(parent, division, child) for child in range(n)]
        return children

    @property
    def lags(self) -> tuple[float, ...]:
        """The lag of each level of the tree, longest first."""
        return tuple(self.lag_times)

    @property
    def n_levels(self) -> int:
        """Levels that the tree has; fewer than lags if its training was stopped."""
        return len(self._levels)

    @property
    def graph(self) -> networkx.DiGraph:
        """The tree.

        Nodes are named "level-index" from 1, as in Fig. 5 C of the source.  Each has ``level`` and ``state``
        (from 0, as `predict` takes and gives them), ``population`` (fraction of frames), ``lag_time`` and
        ``mean_lifetime`` (the data's time unit, ``graph.graph["time_unit"]``), ``stability`` (mean adjusted
        Rand index of the searches, or restarts, of the division that made it with what was kept; nan where it
        stayed whole, or with one of them),
        ``gain`` and ``gain_error`` (gain in I_beta, in nats, from separating it from its nearest sibling,
        with the standard error), ``visits`` (entries from its siblings), nan where it stayed whole,
        and ``representative`` (dataset index of the frame nearest to its centroid).
        """
        self._check_fitted()
        graph = networkx.DiGraph(time_unit=self.time_unit_)
        for level, (lag, rows) in enumerate(zip(self.lag_times, self._rows, strict=False)):
            for state, row in enumerate(rows):
                values = dict(zip(COLUMNS, row.tolist(), strict=True))
                parent, frame = int(values.pop("parent")), int(values.pop("representative"))
                node = f"{level + 1}-{state + 1}"
                graph.add_node(
                    node, level=level, state=state, lag_time=float(lag), representative=frame, **values
                )
                if level:
                    graph.add_edge(f"{level}-{parent + 1}", node)
        return graph

    # ---- the verbs

    def transform(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        level: int = -1,
        *,
        out: str | Path | None = None,
    ) -> xr.DataArray:
        """Embedding (frame, cv) of a level: 0 is that of the longest lag, -1 that of the shortest.

        ``out`` as in `Method.transform`.
        """
        return self._map(X, lambda features: self._walk(features, self._level(level))[1], "cv", out)

    def predict_proba(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        level: int = -1,
        *,
        out: str | Path | None = None,
    ) -> xr.DataArray:
        """Soft memberships (frame, state) of a level; those of children sum to their parent's.

        ``out`` as in `Method.transform`.
        """
        return self._map(X, lambda features: self._walk(features, self._level(level))[0], "state", out)

    def predict(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], level: int = -1) -> xr.DataArray:
        """State of each frame, (frame,) int, at a level."""
        return self._map_states(X, lambda features: self._walk(features, self._level(level))[0])

    def _level(self, level):
        if not -self.n_levels <= level < self.n_levels:
            raise FelError(
                f"level={level}.", f"Levels of this tree are 0 to {self.n_levels - 1}; -1 is the last."
            )
        return level % self.n_levels

    def _walk(self, features, last):
        """Memberships and embedding of level ``last``."""
        chi, z = torch.ones(len(features), 1), torch.zeros(len(features), self.n_dims)
        for divisions in self._levels[: last + 1]:
            columns = list(chi.split(1, dim=1))
            for division in divisions:
                inside = columns[division.parent]
                columns[division.parent] = inside * division.memberships(features)
                z = z + inside * division.unfold(features)
            chi = torch.cat(columns, dim=1)
        return chi, z

    # ---- the file

    def _get_parts(self):
        return {f"{i}.{d.parent}": d.model for i, divisions in enumerate(self._levels) for d in divisions}

    def _set_parts(self, parts):
        self._parts = parts

    def _get_arrays(self):
        arrays = {"n_levels": torch.tensor(self.n_levels)}
        for level, (divisions, rows) in enumerate(zip(self._levels, self._rows, strict=True)):
            arrays[f"{level}"] = torch.from_numpy(rows)
            for division in divisions:
                values = (division.kept, division.centre, division.scale, torch.tensor(division.stability))
                names = ("kept", "centre", "scale", "stability")
                arrays |= {f"{level}.{division.parent}.{n}": v for n, v in zip(names, values, strict=True)}
        return arrays

    def _set_arrays(self, arrays):
        self._levels, self._rows = [], []
        for level in map(str, range(int(arrays["n_levels"]))):
            rows = arrays[level].numpy()
            missing = len(COLUMNS) - rows.shape[1]
            self._rows.append(np.pad(rows, ((0, 0), (0, missing)), constant_values=np.nan))
            divisions = []
            for name, model in self._parts.items():
                if name.split(".")[0] == level:
                    kept, centre, scale, stable = (
                        arrays[f"{name}.{value}"] for value in ("kept", "centre", "scale", "stability")
                    )
                    parent = int(name.split(".")[1])
                    divisions.append(Division(parent, model, kept, centre, scale, float(stable)))
            self._levels.append(divisions)
        del self._parts
