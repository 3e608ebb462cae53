"""Refinement, by a network, of states that were found without one: when it starts and what it changed."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.featurize_and_train import training
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.recipe import Recipe
from fel_explorer.app.session.refined_states import carried_hues, nearest_level, overlap
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.data import schema
from fel_explorer.methods import DivisiveIDM
from fel_explorer.methods.idm.lag_hierarchy import representative_levels
from fel_explorer.methods.idm.microstates import PairCounts
from fel_explorer.methods.idm.partition import information
from fel_explorer.plots.quantities import time_text

SHARED = ("beta_end", "min_evidence", "min_visits", "min_population", "n_microstates", "seed")
RISE = 0.01  # relative rise of the objective that is worth a word


class Refinement:
    """Trains a network on the states of a scan over lag times as soon as this page has found them.

    `Session.refine` switches it off.
    """

    def __init__(self, session: Session, board: PageJobs):
        self.session, self.board = session, board
        self._watcher = board.param.watch(self._on_ended, "ended")

    def close(self) -> None:
        """Stop watching the jobs."""
        self.board.param.unwatch(self._watcher)

    def _on_ended(self, event):
        job = event.new
        own = job.owner == self.board.owner and job.show and job.state == "done"
        if own and self.session.refine and isinstance(job.result, Result) and can_refine(job.result):
            features = self.session.features_of.get(job.result.label)
            if features == self.session.feature_set:
                self.start(job.result)

    def start(self, first: Result) -> None:
        """Refine the states of a result, as a job."""
        label = self.board.free_label(f"{first.label}, refined")
        method = refining_method(first)
        job = refinement_job(first, method, self.session.dataset, label)
        self.board.submit(label, job, kind="model", show=False, recipe=Recipe.of(method))


def can_refine(first: Result) -> bool:
    """Whether a result has states at many lag times, two or more somewhere, that a network can refine."""
    if not (first.method.has_tree and first.method.has_microstates) or first.partial:
        return False
    return bool(representative_levels(first.method.n_states.values, first.method.lags))


def refining_method(first: Result) -> DivisiveIDM:
    """The unfitted tree of networks at a few of the lags, with the criteria of the scan."""
    n_states, values = first.method.n_states.values, first.method.hyperparameters()
    levels = representative_levels(n_states, first.method.lags)
    shared = {name: values[name] for name in SHARED}
    most = max(DivisiveIDM.param["n_states"].default, int(n_states.max()))
    return DivisiveIDM(lag_times=[first.method.lags[level] for level in levels], n_states=most, **shared)


@process_job
def refinement_job(
    report: Report,
    should_stop: ShouldStop,
    first: Result,
    method: DivisiveIDM,
    dataset: xr.Dataset,
    label: str,
) -> Result:
    """The job that trains ``method``; its result says what it changed.  Stopped, it keeps nothing."""
    train = training(method, dataset, label)
    refined = train(lambda progress, preview=None: report(progress), should_stop)
    if should_stop():
        raise Cancelled
    hues = carried_hues(first, refined)
    return refined.refining(first.method, what_changed(first, refined, dataset), hues)


def what_changed(first: Result, refined: Result, dataset: xr.Dataset) -> str:
    """How refined states differ from those before, in a sentence or two."""
    unit, others, kept, rises = dataset.attrs["time_unit"], [], [], {}
    for level, lag_time in enumerate(refined.method.lags[: refined.n_levels]):
        new, old = refined.at(level), first.at(nearest_level(first, lag_time))
        before, now = len(old.states()), len(new.states())
        if before != now:
            others.append(f"{now} instead of {before} at {time_text(lag_time, unit)}")
        shared = overlap(old, new)
        kept.append(shared[linear_sum_assignment(-shared)].sum() / len(new.state))
        rises[lag_time] = objective_rise(old, new, dataset, lag_time)
    least = np.floor(1000 * min(kept)) / 10
    said = f"Refined by a network: {_listed(others) if others else 'the same numbers of states'}, "
    said += "each frame" if least == 100 else f"at least {least:g} % of the frames"
    said += " in the state that it was in." if least == 100 else " in the state that they were in."
    best = max(rises, key=lambda lag: rises[lag])
    if rises[best] > RISE:
        said += f" The objective rose by {100 * rises[best]:.0f} % at {time_text(best, unit)}."
    return said


def objective_rise(old: Result, new: Result, dataset: xr.Dataset, lag_time: float) -> float:
    """Relative rise of I_beta from old states to new ones, on the same pairs."""
    weights = dataset["weight"].values if "weight" in dataset else None
    pairs = PairCounts(schema.trajectory_lengths(dataset), weights)
    lag, beta = schema.lag_in_frames(dataset, lag_time), new.method.beta_end
    before, now = (
        information(pairs.joint(one.state, one.membership.shape[1], lag), beta) for one in (old, new)
    )
    return (now - before) / max(abs(before), np.finfo(float).tiny)


def _listed(words: list[str]) -> str:
    """ "2 ps, 8 ps and 50 ps"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
