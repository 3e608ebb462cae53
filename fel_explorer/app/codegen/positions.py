"""Python code for positions of frames along CVs, torsions and columns, and their free energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fel_explorer.app.codegen.data import features_of_model, model_code, variable
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.view import FREE_ENERGY
from fel_explorer.data.frame_values import frame_values, has_values
from fel_explorer.free_energy import default_bins

DEFAULTS = {"bins": 150, "periodic": (False, False)}  # of `fel.plots.free_energy_surface`


@dataclass(frozen=True, eq=False)
class Scope:
    """Variables of the code above: the shown result's ``cvs``, and ``states`` (frame,) as they are there."""

    session: Session
    result: Result | None = None
    states: np.ndarray | None = None


class Places(NamedTuple):
    """Positions (frame, axis), the expression for them, and the lines that it needs."""

    positions: np.ndarray
    expression: str
    lines: list[str]


def positions_code(scope: Scope, model: str, axes) -> Places | None:
    """Positions of the frames along ``axes``, which may be CVs of ``model``; None if an axis is gone."""
    session, result = scope.session, scope.session.results.get(model)
    cv_names = result.cv_names if result is not None else []
    if not all(name in cv_names or has_values(session.dataset, name) for name in axes):
        return None
    learned = [name in cv_names for name in axes]
    lines, cvs = [], "cvs"
    if any(learned) and (scope.result is None or model != scope.result.label):
        cvs, features = f"{variable(model)}_cvs", features_of_model(session, model)
        if features is None:
            return None
        data, lines = features
        lines += [
            *model_code(result, data).splitlines(),
            f"{cvs} = {variable(model)}.transform({data}).values",
        ]
    places = [cv_names.index(name) if own else None for name, own in zip(axes, learned, strict=True)]
    positions = np.column_stack(
        [
            result.embedding[:, place] if own else frame_values(session.dataset, name)
            for name, own, place in zip(axes, learned, places, strict=True)
        ]
    )
    if all(learned):
        whole = places == list(range(len(cv_names)))
        return Places(positions, cvs if whole else f"{cvs}[:, {places}]", lines)
    if not any(learned):
        return Places(positions, f"fel.data.values_of(data, {', '.join(map(repr, axes))})", lines)
    parts = [
        f"{cvs}[:, {place}]" if own else f"fel.data.values_of(data, {name!r})"
        for name, own, place in zip(axes, learned, places, strict=True)
    ]
    return Places(positions, f"np.column_stack([{', '.join(parts)}])", lines)


def landscape_lines(scope: Scope, axes) -> list[str]:
    """``xy`` and the ``surface`` of the map along ``axes``, or ``x`` and the ``profile``; kT."""
    session = scope.session
    on_profile = axes[1] == FREE_ENERGY
    found = positions_code(scope, session.active, axes[:1] if on_profile else axes)
    if found is None:
        return []
    weights = ', data["weight"].values' if "weight" in session.dataset else ""
    periodic = tuple(period is not None for period in periods(session, axes))
    options = {"bins": default_bins(len(found.positions)), "periodic": periodic}
    given = "".join(
        f", {name}={value[0] if on_profile and name == 'periodic' else value}"
        for name, value in options.items()
        if value != DEFAULTS[name]
    )
    if on_profile:
        return [
            *found.lines,
            f"x = {found.expression}[:, 0]",
            f"profile = fel.plots.free_energy_profile(x{weights}{given})  # kT",
        ]
    return [
        *found.lines,
        f"xy = {found.expression}  # (frame, 2)",
        f"surface = fel.plots.free_energy_surface(xy{weights}{given})  # kT",
    ]


def periods(session: Session, axes) -> list[float | None]:
    """360 for axes that are torsions."""
    angles = colouring.torsions(session.dataset)
    return [360.0 if name in angles else None for name in axes]
