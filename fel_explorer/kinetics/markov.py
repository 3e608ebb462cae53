"""Markov state models of hard states and the tests of them, by deeptime."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import lag_frames, split


def markov_model(states, lag_time: float, *, time_step: float | None = None):
    """Reversible maximum-likelihood Markov model of ``states`` (frame,) at ``lag_time``.

    Returns
    -------
    deeptime.markov.msm.MarkovStateModel
        Over the largest connected set of states; its lag is in frames.
    """
    parts, step = split(states, time_step)
    return _estimate(parts, lag_frames(lag_time, step, max(map(len, parts))))


def _estimate(parts, lag):
    from deeptime.markov import TransitionCountEstimator
    from deeptime.markov.msm import MaximumLikelihoodMSM

    parts = [np.ascontiguousarray(part, dtype=np.int32) for part in parts if len(part) > lag]
    counts = TransitionCountEstimator(lag, "sliding").fit_fetch(parts).submodel_largest()
    if counts.n_states < 2:
        raise FelError(
            "The states are not connected: no two are visited back and forth at this lag.",
            "A Markov model needs at least two states with transitions both ways.",
            "Take a shorter lag or more data.",
        )
    return MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)


def _resample(parts, rng):
    return [parts[i] for i in rng.integers(len(parts), size=len(parts))]


def implied_timescales(
    states,
    lag_times,
    *,
    n_timescales: int = 3,
    n_bootstraps: int = 20,
    time_step: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Implied time scales t_i = -tau / ln lambda_i at several lags, with intervals over trajectories.

    Parameters
    ----------
    states
        ``predict(data)``'s result or a list of int arrays (frame,).
    lag_times
        In the data's time unit.  Where t_i no longer changes with the lag, the states are Markovian.

    Returns
    -------
    Dataset (lag_time, process) with ``timescale``, ``lower``, ``upper``; nan where a process doesn't exist.
    """
    parts, step = split(states, time_step)
    rng = np.random.default_rng(seed)
    lags = [lag_frames(lag, step, max(map(len, parts))) for lag in lag_times]
    shape = (len(lags), n_timescales)
    values, low, high = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    tail = 100 * (1 - confidence) / 2
    for row, lag in enumerate(lags):
        values[row] = _timescales(parts, lag, n_timescales) * step
        draws = [_timescales(_resample(parts, rng), lag, n_timescales) * step for _ in range(n_bootstraps)]
        for process in range(n_timescales):
            column = [draw[process] for draw in draws if np.isfinite(draw[process])]
            if column:
                low[row, process], high[row, process] = np.percentile(column, [tail, 100 - tail])
    dims = ("lag_time", "process")
    return xr.Dataset(
        {"timescale": (dims, values), "lower": (dims, low), "upper": (dims, high)},
        coords={"lag_time": np.asarray(lag_times, float), "process": np.arange(1, n_timescales + 1)},
    )


def _timescales(parts, lag, n):
    """In frames; nan for processes that the model lacks or that decay within a frame."""
    padded = np.full(n, np.nan)
    try:
        model = _estimate(parts, lag)
        found = model.timescales(min(n, model.n_states - 1))
    except FelError:
        return padded  # a bootstrap draw without transitions
    padded[: len(found)] = found[:n]
    return padded


def ck_test(
    states,
    lag_time: float,
    *,
    multiples=(1, 2, 4, 8),
    n_bootstraps: int = 20,
    time_step: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Chapman-Kolmogorov test: P(tau)^n against P(n tau) estimated from the data.

    Returns
    -------
    Dataset (multiple, from, to) with ``predicted``, ``estimated``, ``lower``, ``upper`` (of the estimate),
    over the states of the largest connected set, and attrs ``worst``: the largest |predicted - estimated|.
    """
    parts, step = split(states, time_step)
    longest = max(map(len, parts))
    lag = lag_frames(lag_time, step, longest)
    multiples = [n for n in multiples if n * lag < longest]
    model = _estimate(parts, lag)
    names = model.count_model.state_symbols
    rng = np.random.default_rng(seed)
    predicted, estimated, low, high = [], [], [], []
    tail = 100 * (1 - confidence) / 2
    for n in multiples:
        predicted.append(np.linalg.matrix_power(model.transition_matrix, n))
        estimated.append(_on(names, parts, n * lag))
        draws = [_on(names, _resample(parts, rng), n * lag) for _ in range(n_bootstraps)]
        bounds = np.nanpercentile(draws, [tail, 100 - tail], axis=0) if draws else np.full((2, 1, 1), np.nan)
        low.append(np.broadcast_to(bounds[0], estimated[-1].shape))
        high.append(np.broadcast_to(bounds[1], estimated[-1].shape))
    dims = ("multiple", "from", "to")
    result = xr.Dataset(
        {
            "predicted": (dims, np.array(predicted)),
            "estimated": (dims, np.array(estimated)),
            "lower": (dims, np.array(low)),
            "upper": (dims, np.array(high)),
        },
        coords={"multiple": list(multiples), "from": names, "to": names},
    )
    worst = float(np.nanmax(np.abs(result["predicted"] - result["estimated"])))
    return result.assign_attrs(lag_time=lag_time, worst=worst)


def _on(names, parts, lag):
    """Transition matrix over the states ``names``; rows of states that a draw never visits are nan."""
    matrix = np.full((len(names), len(names)), np.nan)
    try:
        model = _estimate(parts, lag)
    except FelError:
        return matrix
    symbols = model.count_model.state_symbols
    kept = np.isin(symbols, names)
    where = np.searchsorted(names, symbols[kept])
    matrix[where] = 0.0
    matrix[np.ix_(where, where)] = model.transition_matrix[np.ix_(kept, kept)]
    return matrix
