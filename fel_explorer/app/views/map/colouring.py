"""Colours and axes for the frames of a session.

Names are plain words, the same in the page, in saved sessions and in scripts: "free energy", "state",
"membership 3", "membership entropy", "mode 2", "time", "trajectory", a column, an observable ("rmsd"), a
feature, or a torsion ("phi ALA2", degrees) where the features hold its cosine and sine.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fel_explorer.app.views.modes.analysis import mode_names, mode_values
from fel_explorer.data.frame_values import columns, frame_values, has_values, label, torsions
from fel_explorer.errors import FelError
from fel_explorer.plots.colours import (
    Scale,
    categorical_scale,
    cyclic_scale,
    diverging_scale,
    sequential_scale,
    state_colours,
)

FREE_ENERGY = "free energy"
ERROR = "error of the free energy"
MAX_TRAJECTORIES = 20  # more are coloured by a sequential scale


def choices(session, observables: Iterable[str] = ()) -> dict[str, list[str]]:
    """Everything to colour by, {group: names}; ``observables`` are those that may not be columns yet."""
    dataset, result = session.dataset, session.result
    groups = {"Landscape": [FREE_ENERGY, ERROR]}
    if result is not None and result.state is not None:
        groups["Landscape"].append("state")
    if result is not None and result.membership is not None:
        groups["Landscape"].append("membership entropy")
        groups["Memberships"] = [f"membership {state + 1}" for state in result.states()]
    groups["Slow modes"] = mode_names(result, dataset)
    groups |= frame_choices(dataset, observables)
    return {group: names for group, names in groups.items() if names}


def frame_choices(dataset, observables: Iterable[str] = ()) -> dict[str, list[str]]:
    """Values of the frames that need no model, {group: names}."""
    angles, observed = torsions(dataset), list(observables)
    others = [name for name in columns(dataset) if name not in (*angles, *observed)]
    return {
        "Torsions": angles,
        "Observables": observed,
        "Frames": ["time", "trajectory", *others],
        "Features": [str(name) for name in dataset["feature"].values],
    }


def column(session, name: str) -> np.ndarray:
    """Values of ``name`` for every frame, (frame,) float32; "free energy" and its error belong to a map.

    Raises
    ------
    FelError
        If the session has nothing of that name.
    """
    dataset, result = session.dataset, session.result
    if result is not None and result.membership is not None and name.startswith("membership"):
        return _membership(result.membership, name)
    if result is not None and result.state is not None and name == "state":
        return result.state.astype(np.float32)
    if name in mode_names(result, dataset):
        return mode_values(result, dataset, name)
    if not has_values(dataset, name):
        raise FelError(
            f"'{name}' is not a quantity to colour by.",
            f"There are {', '.join(n for names in choices(session).values() for n in names[:6])}, ...",
            "Choose one of these.",
        )
    return frame_values(dataset, name)


def colouring(session, name: str, *, dark: bool = False) -> tuple[np.ndarray, Scale]:
    """Values (frame,) to draw, and their scale.  Frames of states too rare to show are NaN."""
    values = column(session, name)
    if name == "state":
        return _states(session, values, dark)
    if name == "trajectory" and values.max() < MAX_TRAJECTORIES:
        numbers = range(int(values.max()) + 1)
        return values, categorical_scale(
            name, state_colours(numbers, dark=dark), [str(n + 1) for n in numbers]
        )
    if name in mode_names(session.result, session.dataset):
        return values, diverging_scale(f"{name} (standard deviations)", values, dark=dark)
    title = label(session.dataset, name)
    if name in torsions(session.dataset):
        return values, cyclic_scale(title)
    limits = (0.0, 1.0) if name.startswith("membership ") and name != "membership entropy" else None
    return values, sequential_scale(title, values, dark=dark, limits=limits)


def _states(session, values, dark):
    shown = session.result.states()
    colours = session.result.colours(shown, dark=dark)
    code = np.full(int(values.max()) + 1, np.nan, np.float32)
    code[shown] = np.arange(len(shown))
    names = [session.state_name(state) for state in shown]
    return code[values.astype(np.int64)], categorical_scale("state", colours, names)


def _membership(membership, name):
    if name == "membership entropy":
        return -np.sum(membership * np.log(np.maximum(membership, 1e-30)), axis=1)
    return membership[:, int(name.removeprefix("membership ")) - 1]
