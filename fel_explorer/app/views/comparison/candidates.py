"""Sets of frames that can be compared in a session, and the job of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.session import Session
from fel_explorer.structures.comparison import ComparisonCancelled, compare

SELECTION, REST, EVERYTHING = "the selection", "all other frames", "all frames"


@dataclass(frozen=True, eq=False)
class Kept:
    """A selection that was put aside under a name."""

    name: str
    mask: np.ndarray


def choices(session: Session, kept=()) -> list[str]:
    """Names of the sets that can be compared now."""
    names = [SELECTION] if session.selection.count else []
    if session.result is not None:
        names += [session.state_name(state) for state in session.result.states()]
    return [*names, *(one.name for one in kept), REST, EVERYTHING]


def defaults(session: Session) -> tuple[str, str]:
    """The selection and the rest; without one the two largest states."""
    if session.selection.count:
        return SELECTION, REST
    states = session.result.states() if session.result is not None else []
    if len(states) > 1:
        first, second = sorted(states, key=lambda s: -np.count_nonzero(session.result.state == s))[:2]
        return session.state_name(first), session.state_name(second)
    return EVERYTHING, REST


def masks(session: Session, first: str, second: str, kept=()) -> list[np.ndarray]:
    """The two sets as (frame,) bool; "all other frames" are those that the other set has not."""
    one, other = (_mask(session, name, kept) for name in (first, second))
    if one is None:
        one = ~other if other is not None else np.zeros(len(session.selection.mask), bool)
    return [one, ~one if other is None else other]


def colour(session: Session, name: str, *, dark: bool = False) -> str:
    """Colour of the state of that name; '' where the set is not a state."""
    states = session.result.states() if session.result is not None else []
    found = [state for state in states if session.state_name(state) == name]
    return session.result.colours(found, dark=dark)[found[0]] if found else ""


def _mask(session, name, kept):
    if name == SELECTION:
        return session.selection.mask
    if name == EVERYTHING:
        return np.ones(len(session.selection.mask), bool)
    for one in kept:
        if one.name == name:
            return one.mask
    for state in session.result.states() if session.result is not None else []:
        if session.state_name(state) == name:
            return session.result.state == state
    return None


@process_job
def comparison_job(report: Report, should_stop: ShouldStop, dataset, first, second):
    """The job that ranks what differs; its result is the table of `structures.compare`."""

    def callback(progress):
        report(progress)
        return should_stop()

    try:
        return compare(dataset, first, second, callback=callback)
    except ComparisonCancelled as stopped:
        raise Cancelled from stopped
