"""Transition path theory between sets of states, by deeptime.

Of all that happens in equilibrium only the reactive pieces count: those that leave the source and reach the
target before coming back (W. E and E. Vanden-Eijnden, J. Stat. Phys. 123, 503 (2006),
doi:10.1007/s10955-005-9003-9; P. Metzner, C. Schuette and E. Vanden-Eijnden, Multiscale Model. Simul. 7, 1192
(2009), doi:10.1137/070699500).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.markov import markov_model
from fel_explorer.kinetics.series import split


def transition_paths(
    states,
    source,
    target,
    lag_time: float,
    *,
    time_step: float | None = None,
    fraction: float = 0.9,
    max_pathways: int = 10,
) -> xr.Dataset:
    """How the states go from ``source`` to ``target``: committors, fluxes, first passage time, main pathways.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.
    source, target
        A state or a list of states each; they share none.
    lag_time
        Of the Markov model, in the data's time unit.
    time_step
        Time between frames; read from the result's coordinates by default.
    fraction, max_pathways
        Pathways are listed, strongest first, until they carry this share of the flux or are this many.

    Returns
    -------
    Dataset
        ``committor`` (state,): the probability to reach the target before the source; ``backward_committor``
        (state,): to have come from the source last; ``stationary_distribution`` (state,); ``net_flux``
        (from, to) in transitions per unit of time; ``pathway`` (path, step) states, -1 after the target;
        ``pathway_flux``, ``pathway_share`` (path,); scalars ``total_flux`` and ``mean_first_passage_time``
        (unit of time).  ``state``, ``from`` and ``to`` are the states of the largest connected set.

    Raises
    ------
    FelError
        If source or target is empty, they share a state, or one is not in the connected set.
    """
    _, step = split(states, time_step)
    model = markov_model(states, lag_time, time_step=time_step)
    names = np.asarray(model.count_model.state_symbols)
    a, b = _members(names, source, target, lag_time)
    flux = model.reactive_flux(a, b)
    lag = model.lagtime * step
    paths, capacities = flux.pathways(fraction=fraction, maxiter=max_pathways)
    table = np.full((len(paths), max(map(len, paths))), -1)
    for row, path in zip(table, paths, strict=True):
        row[: len(path)] = names[np.asarray(path)]
    capacities = np.asarray(capacities)
    return xr.Dataset(
        {
            "committor": ("state", flux.forward_committor),
            "backward_committor": ("state", flux.backward_committor),
            "stationary_distribution": ("state", model.stationary_distribution),
            "net_flux": (("from", "to"), flux.net_flux / lag),
            "pathway": (("path", "step"), table),
            "pathway_flux": ("path", capacities / lag),
            "pathway_share": ("path", capacities / flux.total_flux),
            "total_flux": flux.total_flux / lag,
            "mean_first_passage_time": flux.mfpt * lag,
        },
        coords={"state": names, "from": names, "to": names},
        attrs={"lag_time": lag_time, "source": names[a].tolist(), "target": names[b].tolist()},
    )


def _members(names, source, target, lag_time):
    """Indices of source and target in the connected set ``names``."""
    source, target = np.unique(source), np.unique(target)
    shared = np.intersect1d(source, target)
    if not len(source) or not len(target) or len(shared):
        raise FelError(
            f"Source {source.tolist()} and target {target.tolist()}.",
            "Both hold at least one state, and they share none.",
        )
    missing = np.setdiff1d(np.concatenate([source, target]), names)
    if len(missing):
        raise FelError(
            f"State(s) {', '.join(map(str, missing))} not in the connected set at lag {lag_time:g}.",
            f"Visited back and forth are {', '.join(map(str, names))}.",
            "Choose among these, or take a shorter lag or more data.",
        )
    return np.searchsorted(names, source), np.searchsorted(names, target)
