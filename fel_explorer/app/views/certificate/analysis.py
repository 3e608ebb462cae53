"""Certificates of results: the jobs that make them, and the table with a row for each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.certificates import keep_certificate, known_certificate, known_measure
from fel_explorer.app.session.result import Result
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.errors import FelError
from fel_explorer.methods.assessment.certificate import Certificate, certify
from fel_explorer.methods.assessment.certificate_definitions import DEFINITIONS
from fel_explorer.plots.quantities import time_text
from fel_explorer.progress import Progress

N_FOLDS = 3
SHORT = 15.0  # seconds of a training that is repeated for the held-out score without being asked
COLUMNS = (
    "held_out_vamp2",
    "timescale",
    "full_timescale",
    "effective_timescale",
    "timescale_growth",
    "ck_error",
    "unexplained_mode",
    "unexplained_committor",
    "transitions",
)


def can_certify(result: Result | None) -> bool:
    """Whether a result has a fitted method, so that its embedding can be computed anew."""
    return result is not None and result.method.is_fitted


def is_short(result: Result) -> bool:
    """Whether its training is short enough to be repeated without being asked."""
    return bool(result.seconds <= SHORT)


def certifying(
    results: list[Result], dataset: xr.Dataset, lag_time: float, *, train_again: bool
) -> Call[list[Certificate]]:
    """The job that certifies ``results`` at a lag, one after another; stopped, it keeps those that are done.

    Parameters
    ----------
    train_again
        Train each method again for its held-out score; else only those whose training is short.
    """
    folds = [N_FOLDS if train_again or is_short(result) else 0 for result in results]
    return replace(_certifying(dataset, lag_time, folds, *results), finish=partial(_keep, results))


@process_job
def _certifying(
    report: Report,
    should_stop: ShouldStop,
    dataset: xr.Dataset,
    lag_time: float,
    folds: list[int],
    *results: Result,
) -> list[Certificate]:
    made: list[Certificate] = []
    for i, (result, n_folds) in enumerate(zip(results, folds, strict=True)):

        def callback(progress, i=i, result=result):
            part = progress.step / max(progress.n_steps, 1)
            message = f"{result.label}: {progress.message or 'training on a fold'}"
            report(Progress(round(100 * (i + part)), 100 * len(results), message=message))
            return should_stop()

        found = certify(
            result.method, dataset, lag_time=lag_time, n_folds=n_folds, device="cpu", callback=callback
        )
        if should_stop():
            break
        made.append(found)
    if not made:
        raise Cancelled
    return made


def _keep(results: list[Result], made: list[Certificate]) -> list[Certificate]:
    for result, certificate in zip(results, made, strict=False):
        keep_certificate(result, certificate)
    return made


def certificate_table(results: Mapping[str, Result]) -> pd.DataFrame:
    """One row a model: ``label``, ``lag_time``, and value and ``NAME_error`` of each of `COLUMNS`."""
    rows = []
    for label, result in results.items():
        found = known_certificate(result)
        row: dict = {"label": label, "lag_time": np.nan if found is None else found.lag_time}
        known = {} if found is None else {measure.key: measure for measure in found.measures}
        for key in COLUMNS:
            row[key] = known[key].value if key in known else np.nan
            row[f"{key}_error"] = known[key].error if key in known else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def columns() -> list[dict]:
    """Columns of the table on the page, for `SortableTable`."""
    first = {"key": "label", "title": "Model", "number": False, "about": "Click on a row to show it."}
    return [first] + [
        {"key": key, "title": DEFINITIONS[key].title, "number": True, "about": DEFINITIONS[key].text}
        for key in COLUMNS
    ]


def cells(label: str, result: Result) -> dict:
    """Cells of a model's row: values with errors, sorted by value."""
    found = known_certificate(result)
    known = {} if found is None else {measure.key: measure for measure in found.measures}
    row = {"label": {"text": label.replace(" ", "\N{NO-BREAK SPACE}"), "value": label}}
    for key in COLUMNS:
        measure = known.get(key)
        if measure is None or not np.isfinite(measure.value):
            about = measure.note if measure is not None else "No certificate yet."
            row[key] = {"text": "", "value": None, "about": about}
        else:
            row[key] = {"text": measure.text, "value": float(measure.value), "about": measure.note}
    return row


def certificate_words(result: Result) -> str:
    """What the certificate of a result says, as Markdown."""
    found = known_certificate(result)
    if found is None:
        return f"**{literal(result.label)}** has no certificate yet."
    lag = time_text(found.lag_time, found.time_unit)
    return f"**{literal(result.label)}** at a lag of {lag}. {summary(found)}"


def limits_words(result: Result) -> str:
    """What the certificate of a result does not see, as Markdown; '' without one."""
    found = known_certificate(result)
    return "" if found is None else f"**Not seen:** {literal(' '.join(found.limits))}"


def summary(found: Certificate) -> str:
    """How much of the slowest process the embedding explains, and how well the process is sampled."""
    try:
        slow, left, passages = (found[key] for key in ("full_timescale", "unexplained_mode", "transitions"))
    except FelError:
        return "It was stopped before its end."
    explained = f"The map explains {1 - left.value:.0%} of the slowest process ({slow.text})"
    n = f"{passages.value:.0f} transition{'' if passages.value == 1 else 's'} in the data"
    return f"{explained}; {n}{f', {passages.note}' if passages.note else ''}."


def trained_words(results: Mapping[str, Result]) -> str:
    """What the certificates say about the models that have been trained, as Markdown; '' for none."""
    results = {label: result for label, result in results.items() if can_certify(result)}
    if not results:
        return ""
    best = best_label(results)
    if not best:
        return "**Trained already:** open *Certificate*, below the map, to see what each model is worth."
    found = known_certificate(results[best])
    assert found is not None
    n = sum(known_certificate(result) is not None for result in results.values())
    of = f" of {n} certified models" if n > 1 else ""
    return f"**Trained already:** {literal(best)} leaves least of the slowest process{of}. {summary(found)}"


def best_label(results: Mapping[str, Result]) -> str:
    """The certified model that leaves least of the slowest mode unexplained; '' without certificates."""
    known = {label: known_measure(result, "unexplained_mode") for label, result in results.items()}
    known = {label: value for label, value in known.items() if np.isfinite(value)}
    return min(known, key=lambda label: known[label]) if known else ""
