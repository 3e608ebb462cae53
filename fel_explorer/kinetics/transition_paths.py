"""Transition path theory between sets of states, by deeptime, with intervals.

Of all that happens in equilibrium only the reactive pieces count: those that leave the source and reach the
target before coming back.

Source: W. E and E. Vanden-Eijnden, J. Stat. Phys. 123, 503 (2006), doi:10.1007/s10955-005-9003-9; P. Metzner,
C. Schuette and E. Vanden-Eijnden, Multiscale Model. Simul. 7, 1192 (2009), doi:10.1137/070699500.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.markov import bayesian_models, markov_model, resampled_models
from fel_explorer.kinetics.series import split
from fel_explorer.resampling import N_DRAWS

MAX_PATHWAYS = 1000  # of a sample, among which the listed ones are looked up
UNCERTAINTIES = ("bootstrap", "bayesian")


def transition_paths(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    source: int | Sequence[int],
    target: int | Sequence[int],
    lag_time: float,
    *,
    time_step: float | None = None,
    fraction: float = 0.9,
    max_pathways: int = 10,
    uncertainty: str = "bootstrap",
    n_samples: int = N_DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Transition path theory: committors, fluxes, first passage time and main pathways between two sets.

    Frame weights are not used.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.
    source, target
        A state or a list of states each, without a common one.
    lag_time
        Of the Markov model, in the data's time unit.
    time_step
        Time between frames; read from the result's coordinates by default.
    fraction, max_pathways
        Pathways are listed, strongest first, until they carry this fraction of the flux or are this many.
    uncertainty
        ``"bootstrap"`` resamples trajectories or blocks of them (`markov.resampled_models`); ``"bayesian"``
        samples transition matrices given the counts (`markov.bayesian_models`): narrower where the states
        are not Markovian at this lag, because it takes the model for true.
    n_samples
        Bootstrap or posterior samples for the intervals; 0 for none.
    confidence, seed
        Of the intervals; the seed of draws and samples.

    Returns
    -------
    Dataset
        ``committor`` (state,): the probability to reach the target before the source; ``backward_committor``
        (state,): to have come from the source last; ``stationary_distribution`` (state,); ``net_flux``
        (from, to) in transitions per unit of time; ``pathway`` (path, step) states, -1 after the target;
        ``pathway_flux``, ``pathway_fraction`` (path,) of the total flux; scalars ``total_flux`` and
        ``mean_first_passage_time`` (unit of time).  Each number has a ``NAME_lower`` and ``NAME_upper``, nan
        where fewer than nine in ten samples define it, such as where few samples connect the states.
        ``state``, ``from`` and ``to`` are the states of the largest connected set.

    Raises
    ------
    FelError
        If source or target is empty, they have a state in common, one is not in the connected set, or
        ``uncertainty`` is unknown.
    """
    if uncertainty not in UNCERTAINTIES:
        valid = f"{' and '.join(UNCERTAINTIES)} are known."
        raise FelError(f"uncertainty={uncertainty!r}.", valid, "Take uncertainty='bootstrap'.")
    parts, step = split(states, time_step)
    model = markov_model(states, lag_time, time_step=time_step)
    names = np.asarray(model.count_model.state_symbols)
    a, b = _members(names, source, target, lag_time)
    lag = model.lagtime * step
    flux = model.reactive_flux(a, b)
    paths, _ = flux.pathways(fraction=fraction, maxiter=max_pathways)
    paths = [tuple(names[np.asarray(path)].tolist()) for path in paths]
    values = _quantities(model, names, names[a], names[b], paths, lag)
    dims = _dims()
    columns = {name: (dims[name], value) for name, value in values.items()}
    if n_samples:
        samples, limits = _sampled(parts, model.lagtime, uncertainty, n_samples, confidence, seed)
        samples = [_quantities(one, names, names[a], names[b], paths, lag) for one in samples]
        for name in values:
            lower, upper = limits([sample[name] for sample in samples])
            columns |= {f"{name}_lower": (dims[name], lower), f"{name}_upper": (dims[name], upper)}
    table = np.full((len(paths), max(map(len, paths))), -1)
    for row, path in zip(table, paths, strict=True):
        row[: len(path)] = path
    return xr.Dataset(
        {**columns, "pathway": (("path", "step"), table)},
        coords={"state": names, "from": names, "to": names},
        attrs={
            "lag_time": lag_time,
            "source": names[a].tolist(),
            "target": names[b].tolist(),
            "uncertainty": uncertainty,
        },
    )


def _dims():
    state, path = ("state",), ("path",)
    return {
        "committor": state,
        "backward_committor": state,
        "stationary_distribution": state,
        "net_flux": ("from", "to"),
        "pathway_flux": path,
        "pathway_fraction": path,
        "total_flux": (),
        "mean_first_passage_time": (),
    }


def _quantities(model, names, source, target, paths, lag) -> dict[str, np.ndarray]:
    """The results of `transition_paths` for one model, nan for states that it lacks; None gives nan only."""
    n = len(names)
    shapes = {"state": n, "from": n, "to": n, "path": len(paths)}
    values = {name: np.full([shapes[d] for d in dims], np.nan) for name, dims in _dims().items()}
    symbols = np.asarray(model.count_model.state_symbols) if model is not None else np.zeros(0, int)
    if not np.isin([*source, *target], symbols).all():
        return values
    flux = model.reactive_flux(np.searchsorted(symbols, source), np.searchsorted(symbols, target))
    kept = np.isin(symbols, names)
    where = np.searchsorted(names, symbols[kept])
    values["committor"][where] = flux.forward_committor[kept]
    values["backward_committor"][where] = flux.backward_committor[kept]
    values["stationary_distribution"][:] = 0.0  # a state that was not drawn
    values["stationary_distribution"][where] = model.stationary_distribution[kept]
    values["net_flux"][:] = 0.0
    values["net_flux"][np.ix_(where, where)] = flux.net_flux[np.ix_(kept, kept)] / lag
    found, capacities = flux.pathways(fraction=1.0, maxiter=MAX_PATHWAYS)
    strength = {
        tuple(symbols[np.asarray(path)].tolist()): capacity
        for path, capacity in zip(found, capacities, strict=True)
    }
    values["pathway_flux"][:] = [strength.get(path, 0.0) / lag for path in paths]
    values["pathway_fraction"][:] = values["pathway_flux"] * lag / flux.total_flux
    values["total_flux"][...] = flux.total_flux / lag
    values["mean_first_passage_time"][...] = flux.mfpt * lag
    return values


def _sampled(parts, lag, uncertainty, n_samples, confidence, seed):
    """Models, and the function that makes limits of their values (sample, ...)."""
    if uncertainty == "bootstrap":
        draws, models = resampled_models(parts, lag, n_samples, seed)
        return models, lambda values: draws.interval(values, confidence)
    tail = 100 * (1 - confidence) / 2
    models = bayesian_models(parts, lag, n_samples, seed)
    return models, lambda values: np.percentile(values, [tail, 100 - tail], axis=0)


def _members(names, source, target, lag_time):
    """Indices of source and target in the connected set ``names``."""
    source, target = np.unique(source), np.unique(target)
    shared = np.intersect1d(source, target)
    if not len(source) or not len(target) or len(shared):
        raise FelError(
            f"Source {source.tolist()} and target {target.tolist()}.",
            "Both hold at least one state, and no state is in both.",
        )
    missing = np.setdiff1d(np.concatenate([source, target]), names)
    if len(missing):
        raise FelError(
            f"State(s) {', '.join(map(str, missing))} not in the connected set at lag {lag_time:g}.",
            f"Visited back and forth are {', '.join(map(str, names))}.",
            "Choose among these, or take a shorter lag or more data.",
        )
    return np.searchsorted(names, source), np.searchsorted(names, target)
