"""States of one result among those of another on the same frames: what their names and levels become."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fel_explorer.app.session.result import Result

SAME = 0.5  # frames in both over frames in either, from which two states are the same one


def nearest_level(result: Result, lag_time: float) -> int:
    """The level of a tree whose lag is nearest to ``lag_time``, on a logarithmic axis."""
    lags = np.array(result.method.lags[: result.n_levels], float)
    return int(np.abs(np.log(lags / lag_time)).argmin())


def overlap(first: Result, second: Result) -> np.ndarray:
    """Frames (state of the first, state of the second) that are in both."""
    n = first.membership.shape[1], second.membership.shape[1]
    return np.bincount(first.state * n[1] + second.state, minlength=n[0] * n[1]).reshape(n)


def carried_names(names: Mapping[tuple, str], first: Result, refined: Result) -> dict[tuple, str]:
    """``{(label, level, state): name}`` of refined states, from those of the states that they were.

    Parameters
    ----------
    names
        Given to states of ``first``, and others.
    """
    carried = {}
    for level in range(refined.n_levels):
        new, place = refined.at(level), nearest_level(first, refined.method.lags[level])
        old = first.at(place)
        shared = overlap(old, new)
        either = shared.sum(1, keepdims=True) + shared.sum(0) - shared
        for state, origin in enumerate(shared.argmax(0)):
            name = names.get((first.label, place, int(origin)))
            if name and shared[origin, state] > SAME * either[origin, state]:
                carried[refined.label, level, state] = name
    return carried
