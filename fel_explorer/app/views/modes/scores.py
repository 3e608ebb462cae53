"""Jobs of the view of modes: scores of other lags on held-out data, and sensitivities of a variable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import Method, cross_validate, sensitivity
from fel_explorer.plots.quantities import time_text
from fel_explorer.progress import Progress

N_LAGS, SPAN = 6, 8.0  # lags that are tried, and how far below and above the method's own they reach
N_FOLDS = 5


@dataclass(frozen=True)
class Variable:
    """One function of a result that depends on features: ``of`` is "embedding" or "memberships"."""

    name: str
    of: str
    index: int


def variables(result: Result, state_name) -> list[Variable]:
    """Outputs with sensitivities: the embedding's axes, and the memberships in the populated states.

    ``state_name`` gives the name of a state.
    """
    axes = "mode" if result.method.has_modes else "CV"
    found = [Variable(f"{axes} {i + 1}", "embedding", i) for i in range(result.embedding.shape[1])]
    if result.tree is not None or result.edited or result.membership is None:
        return found
    return found + [Variable(state_name(s), "memberships", s) for s in result.states()]


def tried_lags(result: Result, dataset: xr.Dataset) -> list[float]:
    """Lags around the method's own, from one frame to a quarter of the longest trajectory at most."""
    step, own = schema.time_step(dataset), default_lag(result, dataset)
    longest = max(1, int(schema.trajectory_lengths(dataset).max()) // 4)
    frames = np.round(own / step * np.geomspace(1 / SPAN, SPAN, N_LAGS))
    frames = {round(own / step), *np.clip(frames, 1, longest).astype(int).tolist()}
    return [float(step * n) for n in sorted(frames)]


def reason_no_scores(result: Result) -> FelError | None:
    """Reason why lags of a result's method can't be scored; None where they can."""
    method = result.method
    name = type(method).__name__
    if not (method.needs_lag and method.lags):
        return FelError(
            f"{name} has no lag that could be varied.",
            "Scores against the lag are for TICA, SRV, VAMPNet, IDM and Eigenfunctions (transfer).",
            "Train one of these.",
        )
    if method.embedding_ is not None:
        return FelError(
            f"{name} was trained on the embedding of another model.",
            "Trained anew on each part of the data it would need that model each time too.",
            "Look at the score of the model below it.",
        )
    return None


def score_job(
    result: Result, dataset: xr.Dataset, lags, lag_time: float, n_folds: int = N_FOLDS
) -> Call[xr.Dataset]:
    """The job that trains the result's method at each of ``lags`` and scores it on held-out data.

    All are scored at one ``lag_time``: VAMP-2 scores of different lags can't be compared.  Its result is what
    `cross_validate` returns; cancelled it keeps the lags that are done.
    """
    if (error := reason_no_scores(result)) is not None:
        raise error
    method = type(result.method)(**result.method.hyperparameters())
    return _scoring(method, dataset, lags, lag_time, n_folds)


@process_job
def _scoring(
    report: Report,
    should_stop: ShouldStop,
    method: Method,
    dataset: xr.Dataset,
    lags,
    lag_time: float,
    n_folds: int,
) -> xr.Dataset:
    def callback(progress):
        fit = min(progress.step * len(lags) * n_folds // progress.n_steps, len(lags) * n_folds - 1)
        lag = time_text(lags[fit // n_folds], dataset.attrs["time_unit"])
        title = f"lag {lag}, part {fit % n_folds + 1} of {n_folds}"
        report(Progress(progress.step, progress.n_steps, {}, progress.eta, title))
        return should_stop()

    table = cross_validate(
        method, dataset, n_folds=n_folds, parameter="lag_time", values=list(lags), lag_time=lag_time,
        of="memberships" if method.has_states else "embedding", callback=callback,
    )  # fmt: skip
    done = table["score"].notnull().all("fold")
    if not done.any():
        raise Cancelled
    return table.isel(lag_time=np.flatnonzero(done)).assign_attrs(table.attrs, scored_at=lag_time)


@process_job
def sensitivity_job(report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset):
    """The job that finds which features the variables of a result depend on.

    Its result is {"embedding": table, "memberships": table} of `methods.sensitivity`, the latter where the
    method has states of its own.
    """
    kinds = ["embedding"]
    if any(v.of == "memberships" for v in variables(result, result.default_name)):
        kinds.append("memberships")
    tables = {}
    for i, of in enumerate(kinds):
        report(Progress(i, len(kinds), message="derivatives by the features"))
        tables[of] = sensitivity(result.method, dataset, of=of)
        if should_stop():
            break
    return tables
