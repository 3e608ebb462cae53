"""Figures of the kinetics panel, and the tables behind them."""

from __future__ import annotations

import weakref

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.app.session.result import Result
from fel_explorer.app.views.kinetics.analysis import Kinetics
from fel_explorer.app.views.states.evidence import populations
from fel_explorer.data.schema import frame_weights
from fel_explorer.free_energy import free_energy_surface
from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots.chapman_kolmogorov import MAX_STATES, plot_ck_test
from fel_explorer.plots.network import Network, plot_network
from fel_explorer.plots.quantities import time_text
from fel_explorer.plots.timescales import plot_implied_timescales, plot_spectrum

VIEWS = {
    "network": "Network",
    "timescales": "Time scales",
    "ck_test": "CK test",
    "spectrum": "Spectrum",
    "pathways": "Pathways",
}
PARTS = {"network": "rates", "timescales": "timescales", "ck_test": "ck_test", "spectrum": "spectrum"}
FORM_WORDS = {
    "calibrated": "memberships taken as probabilities",
    "correlations": "correlations of the memberships over time",
    "printed": "memberships taken as states",
}
UNDERLAY_FRAMES = 100_000  # that the grey landscape is counted from
UNDERLAY_BINS = 90


def part_of(view: str, kinetics: Kinetics | None) -> xr.Dataset | None:
    """Part of the analysis that a view shows."""
    return None if kinetics is None else getattr(kinetics, PARTS[view])


def draw_view(view: str, session, kinetics: Kinetics, *, shape=(720, 420), selected=None, dark=False):
    """The `Sheet` of a view whose part is known; ``selected`` is a state to point out."""
    part, result, unit = part_of(view, kinetics), kinetics.result, session.dataset.attrs["time_unit"]
    if view == "network":
        network = make_network(session, kinetics)
        colours = result.colours(network.states, dark=dark)
        return plot_network.sheet(network, shape=shape, selected=selected, colours=colours, dark=dark)
    if view == "timescales":
        return plot_implied_timescales.sheet(part, time_unit=unit, lag_time=kinetics.lag_time, dark=dark)
    if view == "ck_test":
        states = tested_states(part, result, selected)
        names = {state: session.state_name(state) for state in states}
        colours = result.colours(states, dark=dark)
        return plot_ck_test.sheet(part, names, states=states, colours=colours, time_unit=unit, dark=dark)
    return plot_spectrum.sheet(part, time_unit=unit, dark=dark)


def tested_states(test: xr.Dataset, result: Result, selected: int | None) -> list[int]:
    """The five most populated states of the test, the selected one among them."""
    known = [int(state) for state in test["from"].values]
    frames = np.bincount(result.state, minlength=max(known) + 1)
    ranked = sorted(known, key=lambda state: (state != selected, -frames[state]))
    return sorted(ranked[:MAX_STATES])


def view_table(view: str, session, kinetics: Kinetics) -> pd.DataFrame:
    """The numbers behind a view."""
    if view == "network":
        return make_network(session, kinetics).arrows().drop(columns=["i", "j"])
    return part_of(view, kinetics).to_dataframe().reset_index()


def make_network(session, kinetics: Kinetics) -> Network:
    """States at their most typical frames along the first two CVs, on a line where there is only one."""
    return state_ground(session, kinetics, kinetics.rates["to"].values, kinetics.rates)


def form_words(attrs: dict, unit: str) -> str:
    """Text on the form of the rates and their check of calibration, from the attrs of rates."""
    calibrated, invariant = (
        time_text(attrs[f"slow_time_{name}"], unit)
        if np.isfinite(attrs[f"slow_time_{name}"])
        else "not resolved"
        for name in ("calibrated", "invariant")
    )
    times = f"slowest time scale {calibrated} with memberships as probabilities, {invariant} by correlations"
    return f"Rates from {FORM_WORDS[attrs['form']]}. Memberships are {attrs['calibration']}: {times}."


def state_ground(session, found, states, rates: xr.Dataset | None = None) -> Network:
    """States at their most typical frames over the free energy, kept for as long as ``found`` lives.

    ``found`` is what the states are drawn for: an object with a ``result``.
    """
    if found not in _grounds:
        _grounds[found] = _ground(found.result, states, frame_weights(session.dataset))
    return Network(
        names=[session.state_name(state) for state in _grounds[found]["states"]],
        rates=rates,
        time_unit=session.dataset.attrs["time_unit"],
        **_grounds[found],
    )


def _ground(result, states, weights):
    """Everything of a network that only depends on the frames; they may be many, so it is kept."""
    states = [int(state) for state in states]
    xy, flat = result.embedding[:, :2].astype(float), result.embedding.shape[1] == 1
    labels = (*result.cv_names, "")[:2]
    if flat:
        xy = np.column_stack([xy, np.zeros(len(xy))])
    some = np.random.default_rng(0).permutation(len(xy))[:UNDERLAY_FRAMES]
    return {
        "states": states,
        "places": np.array([_typical(xy[result.state == state]) for state in states]),
        "populations": populations(result, weights)[states],
        "surface": None if flat else free_energy_surface(xy[some], weights[some], bins=UNDERLAY_BINS),
        "limits": (axis_limits(xy[:, 0], 0.06), (-1.0, 1.0) if flat else axis_limits(xy[:, 1], 0.06)),
        "labels": labels,
    }


def _typical(xy):
    """The frame nearest to the median of ``xy`` (frame, 2)."""
    return xy[np.sum((xy - np.median(xy, axis=0)) ** 2, axis=1).argmin()]


_grounds: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
