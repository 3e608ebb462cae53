"""Comparison of two conditions of a session, and the job that makes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from fel_explorer import comparison
from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.view import FREE_ENERGY, MapView, make_view, shown_axes
from fel_explorer.data import schema
from fel_explorer.data.conditions import COLUMN, condition_names
from fel_explorer.data.frame_values import torsions
from fel_explorer.errors import FelError
from fel_explorer.plots.energy_units import EnergyUnit
from fel_explorer.progress import Progress
from fel_explorer.structures.comparison import ComparisonCancelled

MAX_BINS = 60  # along an axis of a map: cells need frames of both conditions
PARTS = {"map": "Free energy", "states": "States", "rates": "Rates", "features": "Features"}


@dataclass(frozen=True, eq=False)
class Question:
    """What is compared: two conditions over the axes of a map, with the states of a result.

    Attributes
    ----------
    first, second
        Conditions; the first is the reference.
    values
        (frame, 1 or 2) positions on the map.
    axes, labels
        Names of the axes, and their labels.
    state
        (frame,) states, or None.
    """

    first: str
    second: str
    values: np.ndarray
    axes: tuple[str, ...]
    labels: tuple[str, ...]
    state: np.ndarray | None
    unit: EnergyUnit


@dataclass(frozen=True, eq=False)
class Answer:
    """Comparisons of two conditions; parts are None until they are ready.

    Attributes
    ----------
    surfaces, states, features
        Of `comparison.free_energies`, `comparison.states` and `comparison.features`.
    errors
        {part: why it could not be computed}.
    """

    surfaces: xr.Dataset | None = None
    states: xr.Dataset | None = None
    features: xr.Dataset | None = None
    errors: dict[str, FelError] = field(default_factory=dict)


def names_of(session: Session) -> list[str]:
    """Conditions of the session's data that hold frames."""
    data = session.dataset
    names = [] if data is None else condition_names(data)
    there = set(np.unique(data[COLUMN].values)) if names else set()
    return [name for number, name in enumerate(names) if number in there]


def question_of(session: Session, first: str, second: str) -> Question:
    """The comparison of two conditions over the session's map."""
    axes, shown = shown_axes(session), session.shown
    view: MapView = make_view(session, axes, weighted=True, unit=session.unit)
    columns = slice(1) if axes[1] == FREE_ENERGY else slice(2)
    state = None if shown is None else shown.state
    return Question(
        first,
        second,
        view.xy[:, columns],
        tuple(axes[columns]),
        tuple(view.labels[columns]),
        state,
        session.unit,
    )


@process_job
def conditions_job(
    report: Report, should_stop: ShouldStop, dataset: xr.Dataset, question: Question
) -> Answer:
    """The job that compares two conditions; its result is an `Answer`."""
    report(Progress(0, 0, message="comparing conditions"))
    names = condition_names(dataset)
    pair = [names.index(question.first), names.index(question.second)]
    used = np.isin(dataset[COLUMN].values, pair)
    condition = np.array(names)[dataset[COLUMN].values[used]]
    trajectory = dataset["trajectory"].values[used]
    weights = dataset["weight"].values[used] if "weight" in dataset else None
    given = condition, trajectory, weights
    errors: dict[str, FelError] = {}
    found: dict[str, xr.Dataset] = {}
    periodic = [name in torsions(dataset) for name in question.axes]
    bins = min(MAX_BINS, max(20, int(np.sqrt(used.sum()) / 4)))

    def surfaces():
        return comparison.free_energies(
            question.values[used], *given, reference=question.first, bins=bins, periodic=periodic,
            kT=question.unit.kT,
        )  # fmt: skip

    def states():
        step = schema.time_step(dataset)
        return comparison.states(question.state[used], *given, time_step=step, reference=question.first)

    def features():
        masks = [dataset[COLUMN].values == number for number in pair]

        def callback(progress):
            report(progress)
            return should_stop()

        return comparison.features(dataset, *masks, callback=callback)

    parts = {"surfaces": surfaces, "features": features}
    if question.state is not None:
        parts["states"] = states
    try:
        for name, compute in parts.items():
            try:
                found[name] = compute()
            except FelError as error:
                errors[name] = error
    except ComparisonCancelled as stopped:
        raise Cancelled from stopped
    return Answer(**found, errors=errors)
