"""Python script of what the page shows, which runs as printed."""

from __future__ import annotations

import numpy as np

from fel_explorer.app.codegen.data import data_code, has_structures, model_code, text, variable
from fel_explorer.app.codegen.positions import Scope, landscape_lines
from fel_explorer.app.codegen.selection import edit_lines, has_known_edits, selection_lines
from fel_explorer.app.codegen.structures import path_code, pins_code, representatives_code, simulator_code
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import BOOTSTRAPS, default_lag, lag_times
from fel_explorer.app.views.map.view import FREE_ENERGY, shown_axes
from fel_explorer.app.views.simulate.simulation import shown_simulator
from fel_explorer.app.views.states.evidence import selected_state


def sections(session: Session) -> dict[str, str]:
    """``{title: code}`` of what is loaded and shown; each runs after those above it."""
    if session.dataset is None:
        return {}
    parts = {"Data and features": data_code(session)}
    result = session.shown
    if result is None:
        parts["Map"] = map_code(session, None)
    else:
        parts |= _model_sections(session, result)
    if session.path is not None and (code := path_code(session)):
        parts["Path"] = code
    if session.selection.count:
        parts["Selected frames"] = selection_code(session)
        if has_structures(session):
            parts["Structures of the selected frames"] = representatives_code(session)
    if session.pinned and has_structures(session):
        parts["Pinned structures"] = pins_code(session)
    return parts


def _model_sections(session: Session, result: Result) -> dict[str, str]:
    """Sections on the shown model."""
    name = variable(result.label)
    parts = {"Model": model_code(result), "Map": map_code(session, result)}
    if result.state is not None:
        parts["States"] = states_code(session, result, name)
        parts["Kinetics"] = kinetics_code(session, result)
    trained = shown_simulator(session)
    if trained is not None and (has_structures(session) or not trained.has_decoder):
        parts["Simulator"] = simulator_code(session, name)
    return parts


def script(session: Session) -> str:
    """All sections as one script."""
    return "\n".join(f"# {title}\n{code}" for title, code in sections(session).items())


def map_code(session: Session, result: Result | None) -> str:
    """The free energy along the axes of the map."""
    axes = shown_axes(session)
    lines = landscape_lines(Scope(session, result), axes)
    if result is not None:
        lines.insert(0, f"cvs = {variable(result.label)}.transform(data).values  # (frame, cv)")
    on_profile = axes[1] == FREE_ENERGY
    names = "" if axes[0] == "CV 1" else f", xlabel={axes[0]!r}"
    names += "" if on_profile or axes[1] == "CV 2" else f", ylabel={axes[1]!r}"
    plot = f"plot_profile(profile{names})" if on_profile else f"plot_free_energy(surface{names})"
    return text(*lines, f'fel.plots.save(fel.plots.{plot}, "free-energy.svg")')


def states_code(session: Session, result: Result, name: str) -> str:
    """States as the user named, merged and split them, their lifetimes, and the survival curve of one."""
    level = "" if result.tree is None else f", level={result.level}"
    chosen = selected_state(session)
    state = int(np.bincount(result.state).argmax()) if chosen is None else chosen
    names = {one: session.state_name(one) for one in sorted({*result.states(), state})}
    unit = session.dataset.attrs["time_unit"]
    weights = ', weights=data["weight"].values' if "weight" in session.dataset else ""
    numbers = '(float(life[n]) for n in ("mean_lifetime", "lower", "upper"))'
    return text(
        f"states = {name}.predict(data{level})  # (frame,)",
        f"memberships = {name}.predict_proba(data{level})  # (frame, state)",
        *edit_lines(Scope(session, result)),
        f"names = {names!r}",
        f"lifetimes = fel.kinetics.lifetimes(states{weights})",
        "print(lifetimes.to_dataframe())",
        f"life = lifetimes.sel(state={state})",
        f"curve = fel.kinetics.survival(fel.kinetics.dwells(states).of({state}))",
        f'shown = fel.plots.Survival(names[{state}], "{result.colours([state])[state]}", curve, *{numbers})',
        f'fel.plots.save(fel.plots.plot_survival([shown], time_unit="{unit}"), "survival.svg")',
    )


def kinetics_code(session: Session, result: Result) -> str:
    """Rates of the master equation, implied time scales and the Chapman-Kolmogorov test."""
    lag = default_lag(result, session.dataset)
    lags = lag_times(lag, session.dataset)
    n_timescales = int(np.clip(len(np.unique(result.state)) - 1, 1, 5))
    return text(
        f"rates = fel.kinetics.CoarseMasterEquation(lag_time={lag!r}, n_bootstraps={BOOTSTRAPS})",
        "print(rates.fit(memberships).to_dataset())",
        f"timescales = fel.kinetics.implied_timescales(states, {lags}, n_timescales={n_timescales})",
        'fel.plots.save(fel.plots.plot_implied_timescales(timescales), "timescales.svg")',
        f"test = fel.kinetics.ck_test(states, {lag!r})",
        'fel.plots.save(fel.plots.plot_ck_test(test, names), "ck-test.svg")',
    )


def selection_code(session: Session) -> str:
    """The selected frames: a state, or what was done to select them."""
    result = session.shown
    states = result.state if result is not None and has_known_edits(result) else None
    state = selected_state(session) if states is not None else None
    if state is not None:
        return text(f"frames = np.flatnonzero(states.values == {state})")
    scope = Scope(session, result, states)
    return text(*selection_lines(scope, session.selection), "frames = np.flatnonzero(selected)")
