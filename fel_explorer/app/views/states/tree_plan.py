"""Lag times proposed for a tree of states, what each would show, and how long the training would take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.data import schema
from fel_explorer.methods import IDM, DiscreteIDM, DivisiveIDM
from fel_explorer.methods.idm.discrete import Criteria
from fel_explorer.methods.idm.division_progress import AFTER, USED
from fel_explorer.methods.idm.division_training import steps_of_division
from fel_explorer.methods.idm.lag_hierarchy import representative_levels
from fel_explorer.methods.idm.start import StartFinder
from fel_explorer.plots.dendrogram import percent_text
from fel_explorer.plots.quantities import time_text
from fel_explorer.progress import Progress
from fel_explorer.structures.state_description import describe_states
from fel_explorer.training.data import Scaling

FRAMES = 5_000  # on which steps of training are measured
TRIED = 40  # steps of training that are measured
WARMING = 10  # of them that are not
MAX_NAMED = 4  # states that a line names
SHARED = ("beta_end", "min_evidence", "min_visits", "n_microstates", "seed")  # with the scan


@dataclass(frozen=True)
class ScannedLag:
    """What a scan over lag times has found at one of them.

    Attributes
    ----------
    populations, lifetimes
        (state,) fractions of the frames, and the data's time unit.
    words
        (state,) what sets each state apart, "" where nothing does.
    """

    lag_time: float
    populations: tuple[float, ...]
    lifetimes: tuple[float, ...]
    words: tuple[str, ...]

    def text(self, unit: str) -> str:
        """ "44 ps: 2 states, phi < 0 (95 %), alpha-L (4.7 %); the shortest-lived lasts 40 ps"."""
        n = len(self.populations)
        if n == 1:
            return f"{time_text(self.lag_time, unit)}: one state"
        order = np.argsort(self.populations)[::-1]
        named = []
        for i in order[:MAX_NAMED]:
            percent = percent_text(self.populations[i])
            named.append(f"{self.words[i]} ({percent})" if self.words[i] else percent)
        more = [f"{n - MAX_NAMED} smaller"] if n > MAX_NAMED else []
        lives = time_text(min(self.lifetimes), unit)
        return (
            f"{time_text(self.lag_time, unit)}: {n} states, {', '.join(named + more)}; "
            f"the shortest-lived lasts {lives}"
        )


@dataclass(frozen=True)
class TreePlan:
    """The lags of a tree that suit the data, and the costs of its training on this machine.

    Attributes
    ----------
    lags
        All lags of the scan, from long to short.
    proposed
        Indices of those proposed.
    search_seconds
        Of one search for discrete states in all frames.
    preparation_seconds
        Of its slow coordinates.
    step_seconds
        Of one step of training.
    """

    lags: tuple[ScannedLag, ...]
    proposed: tuple[int, ...]
    search_seconds: float
    preparation_seconds: float
    step_seconds: float

    def at(self, lag_time: float) -> ScannedLag:
        """The scanned lag nearest to a lag time, on a logarithmic axis."""
        return min(self.lags, key=lambda one: abs(np.log(one.lag_time / lag_time)))

    def n_divisions(self, lag_times: Sequence[float]) -> int:
        """Trainings of a tree at these lags, from long to short: the first, and one for each that divides."""
        counts = [len(self.at(lag).populations) for lag in lag_times]
        return 1 + sum(min(before, max(after - before, 0)) for before, after in pairwise(counts))

    def n_states(self, lag_times: Sequence[float]) -> int:
        """States at most at these lags."""
        return max((len(self.at(lag).populations) for lag in lag_times), default=1)

    def seconds(self, lag_times: Sequence[float], method: DivisiveIDM) -> float:
        """Seconds that a tree at these lags is expected to take."""
        divisions = self.n_divisions(lag_times)
        if method.start != "discrete":
            steps = steps_of_division(method) * self.step_seconds
            return steps * sum(len(self.at(lag).populations) for lag in (lag_times[0], *lag_times[:-1]))
        search = self.preparation_seconds + method.n_searches * self.search_seconds
        training = USED * steps_of_division(method) * self.step_seconds + AFTER * search
        return len(lag_times) * search + divisions * training


@process_job
def planning(
    report: Report,
    should_stop: ShouldStop,
    dataset: xr.Dataset,
    method: DivisiveIDM,
    scan: DiscreteIDM | None = None,
) -> TreePlan:
    """The job that proposes lags; its result is a `TreePlan`.

    Parameters
    ----------
    method
        The unfitted tree, for its hyperparameters.
    scan
        States at many lag times that were found before; without one they are found now.
    """

    def callback(progress: Progress) -> bool:
        report(progress)
        return should_stop()

    if scan is None:
        shared = {name: method.hyperparameters()[name] for name in SHARED}
        scan = DiscreteIDM(**shared)
        scan.fit(dataset, device="cpu", callback=callback)
    if should_stop():
        raise Cancelled
    n = len(scan.lags)
    report(Progress(n, n, message="a search on this machine"))
    preparation, search = measure_search(dataset, method, scan)
    if should_stop():
        raise Cancelled
    report(Progress(n, n, message="steps of training on this machine"))
    step = measure_steps(dataset, method, scan.lags[scan.default_level])
    if should_stop():
        raise Cancelled
    chosen = representative_levels(scan.n_states.values, scan.lags) or [scan.default_level]
    return TreePlan(scanned_lags(scan, dataset), tuple(chosen), search, preparation, step)


def scanned_lags(scan: DiscreteIDM, dataset: xr.Dataset) -> tuple[ScannedLag, ...]:
    """What a scan found at each of its lags."""
    found: list[ScannedLag] = []
    microstates, graph = scan.predict_microstates(dataset).values, scan.graph
    for level, lag in enumerate(scan.lags[: scan.n_levels]):
        nodes = [about for about in graph.nodes.values() if about["level"] == level]
        states = scan.microstate_memberships(level).argmax(axis=1).take(microstates)
        words = describe_states(states, dataset) if len(nodes) > 1 else [""]
        populations, lifetimes = (tuple(about[k] for about in nodes) for k in ("population", "mean_lifetime"))
        words = (*words, *[""] * (len(nodes) - len(words)))
        found.append(ScannedLag(float(lag), populations, lifetimes, words))
    return tuple(found)


def measure_search(dataset: xr.Dataset, method: DivisiveIDM, scan: DiscreteIDM) -> tuple[float, float]:
    """Seconds of the slow coordinates and of one search in all frames."""
    lag = schema.lag_in_frames(dataset, scan.lags[scan.default_level])
    least = method.hyperparameters()["min_population"]
    criteria = Criteria(method.beta_end, method.min_evidence, method.min_visits, least, method.n_states)
    begun = time.monotonic()
    finder = StartFinder(dataset, lag, Scaling.of(dataset))
    prepared = time.monotonic()
    finder.search(criteria, method.n_microstates, method.seed)
    return prepared - begun, time.monotonic() - prepared


def measure_steps(dataset: xr.Dataset, method: DivisiveIDM, lag_time: float) -> float:
    """Seconds of a step of training of a division, from some steps of a network that is not kept."""
    shared = {k: v for k, v in method.hyperparameters().items() if k in IDM.param and k != "lag_time"}
    shared |= {"n_steps": TRIED, "n_restarts": 1, "start": "random"}
    times: list[tuple[int, float]] = []
    model = IDM(lag_time=lag_time, **shared)
    n_frames = max(FRAMES, 4 * schema.lag_in_frames(dataset, lag_time))  # of all, a step takes as long
    model.fit(
        dataset.isel(frame=slice(n_frames)),
        callback=lambda progress: times.append((progress.step, time.monotonic())),
    )
    if len(times) < 2:
        return float("nan")
    first = next((one for one in times[:-1] if one[0] >= WARMING), times[0])
    return (times[-1][1] - first[1]) / max(times[-1][0] - first[0], 1)
