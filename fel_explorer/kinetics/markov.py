"""Markov state models of hard states and the tests of them, by deeptime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Num

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import lag_frames, split
from fel_explorer.resampling import N_DRAWS, Blocks

if TYPE_CHECKING:
    from deeptime.markov.msm import MarkovStateModel

    from fel_explorer.resampling import Bootstrap

MAX_COUNTS = 2**22  # count matrices kept at once, in elements


def markov_model(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    lag_time: float,
    *,
    time_step: float | None = None,
) -> MarkovStateModel:
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

    parts = [np.ascontiguousarray(part, dtype=np.int32) for part in parts if len(part) > lag]
    return _model(TransitionCountEstimator(lag, "sliding").fit_fetch(parts))


def _model(counts):
    """Reversible maximum-likelihood model of a deeptime count model, over its largest connected set."""
    from deeptime.markov.msm import MaximumLikelihoodMSM

    counts = counts.submodel_largest()
    if counts.n_states < 2:
        raise FelError(
            "The states are not connected: no two are visited back and forth at this lag.",
            "A Markov model needs at least two states with transitions both ways.",
            "Take a shorter lag or more data.",
        )
    return MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)


def resampled_models(
    parts: Sequence[Num[np.ndarray, "_"]], lag: int, n_bootstraps: int, seed: int = 0
) -> tuple[Bootstrap, Iterable[MarkovStateModel | None]]:
    """Markov models of bootstrap samples of the data.

    Pairs of frames at the lag are resampled by the blocks of `fel_explorer.resampling` that hold their first
    frames: whole trajectories, or segments of them where there are few trajectories.

    Parameters
    ----------
    parts
        States (frame,) of each trajectory.
    lag
        In frames.

    Returns
    -------
    draws, models
        The `Bootstrap`, and an iterator over its deeptime models, None where a draw is not connected;
        ``count_model.state_symbols`` are numbers of states.
    """
    blocks = Blocks.of_lengths([len(part) for part in parts], min_length=lag)
    draws = blocks.draw(n_bootstraps, seed=seed)
    return draws, (_model_or_none(counts, lag) for counts in _drawn_counts(draws, np.concatenate(parts), lag))


def bayesian_models(parts: Sequence[Num[np.ndarray, "_"]], lag: int, n_samples: int, seed: int = 0) -> list:
    """Reversible Markov models sampled from their posterior given the counts, by deeptime's Gibbs sampler.

    Counts of pairs at the lag are divided by the lag (deeptime's "sliding-effective"), because pairs that
    overlap in time are not independent (Trendelkamp-Schroer, Wu, Paul and Noe, J. Chem. Phys. 143, 174101
    (2015), doi:10.1063/1.4934536).

    Parameters
    ----------
    parts
        States (frame,) of each trajectory.
    lag
        In frames.

    Returns
    -------
    deeptime models over the largest connected set.
    """
    from deeptime.markov import TransitionCountEstimator
    from deeptime.markov.msm import MarkovStateModel, MaximumLikelihoodMSM
    from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

    parts = [np.ascontiguousarray(part, dtype=np.int32) for part in parts if len(part) > lag]
    counts = TransitionCountEstimator(lag, "sliding-effective").fit_fetch(parts).submodel_largest()
    likeliest = MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)
    # as deeptime's BayesianMSM, which takes no seed
    sampler = TransitionMatrixSampler(
        likeliest.count_model.count_matrix,
        reversible=True,
        P0=likeliest.transition_matrix,
        n_steps=max(int(np.sqrt(counts.n_states_full)), 1),
        seed=seed,
    )
    draws = (sampler.sample(return_statdist=True) for _ in range(n_samples))
    return [
        MarkovStateModel(
            matrix, stationary_distribution=population, reversible=True, count_model=likeliest.count_model
        )
        for matrix, population in draws
    ]


def _drawn_counts(draws, states, lag):
    """Count matrix (state, state) of each draw."""
    n = max(int(states.max()) + 1, 1)
    if max(len(draws), len(draws.blocks)) * n**2 <= MAX_COUNTS:
        yield from draws.sums(draws.blocks.pair_sums(states, n, lag))
        return
    first, block = draws.blocks.pairs(lag)
    used = (states[first] >= 0) & (states[first + lag] >= 0)
    pair, block = (states[first] * n + states[first + lag])[used], block[used]
    for counts in draws.counts:
        yield np.bincount(pair, counts[block], minlength=n**2).reshape(n, n)


def _model_or_none(counts, lag):
    from deeptime.markov import TransitionCountModel

    try:
        return _model(TransitionCountModel(counts, counting_mode="sliding", lagtime=lag))
    except FelError:
        return None  # a draw without transitions


def implied_timescales(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    lag_times: Sequence[float] | np.ndarray,
    *,
    n_timescales: int = 3,
    n_bootstraps: int = N_DRAWS,
    time_step: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Implied time scales t_i = -tau / ln lambda_i at several lags, with bootstrap intervals.

    Frame weights are not used.

    Parameters
    ----------
    states
        ``predict(data)``'s result or a list of int arrays (frame,).
    lag_times
        In the data's time unit.  Where t_i no longer changes with the lag, the states are Markovian.
    n_bootstraps
        Draws for the intervals, see `resampled_models`; 0 for none.

    Returns
    -------
    Dataset (lag_time, process) with ``timescale``, ``lower``, ``upper``; nan where a process doesn't exist.
    Intervals assume that blocks are longer than the slowest process; from one trajectory that visits each
    state a few times only they are too narrow.
    """
    parts, step = split(states, time_step)
    lags = [lag_frames(lag, step, max(map(len, parts))) for lag in lag_times]
    shape = (len(lags), n_timescales)
    values, low, high = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    for row, lag in enumerate(lags):
        values[row] = _timescales(_estimate_or_none(parts, lag), n_timescales) * step
        if n_bootstraps:
            draws, models = resampled_models(parts, lag, n_bootstraps, seed)
            samples = [_timescales(model, n_timescales) * step for model in models]
            low[row], high[row] = draws.interval(samples, confidence)
    dims = ("lag_time", "process")
    return xr.Dataset(
        {"timescale": (dims, values), "lower": (dims, low), "upper": (dims, high)},
        coords={"lag_time": np.asarray(lag_times, float), "process": np.arange(1, n_timescales + 1)},
    )


def _estimate_or_none(parts, lag):
    try:
        return _estimate(parts, lag)
    except FelError:
        return None


def _timescales(model, n):
    """(n,) in frames; nan for processes that the model lacks or that decay within a frame."""
    padded = np.full(n, np.nan)
    if model is not None:
        found = model.timescales(min(n, model.n_states - 1))
        padded[: len(found)] = found[:n]
    return padded


def ck_test(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    lag_time: float,
    *,
    multiples: Sequence[int] = (1, 2, 4, 8),
    n_bootstraps: int = N_DRAWS,
    time_step: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Chapman-Kolmogorov test: P(tau)^n against P(n tau) estimated from the data.

    Frame weights are not used.

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
    predicted, estimated, low, high = [], [], [], []
    for n in multiples:
        predicted.append(np.linalg.matrix_power(model.transition_matrix, n))
        estimated.append(_on(names, _estimate_or_none(parts, n * lag)))
        bounds: np.ndarray | tuple[np.ndarray, np.ndarray] = np.full((2, *estimated[-1].shape), np.nan)
        if n_bootstraps:
            draws, models = resampled_models(parts, n * lag, n_bootstraps, seed)
            bounds = draws.interval([_on(names, drawn) for drawn in models], confidence)
        low.append(bounds[0])
        high.append(bounds[1])
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


def _on(names, model):
    """Transition matrix over the states ``names``; rows of states that a draw never visits are nan."""
    matrix = np.full((len(names), len(names)), np.nan)
    if model is None:
        return matrix
    symbols = model.count_model.state_symbols
    kept = np.isin(symbols, names)
    where = np.searchsorted(names, symbols[kept])
    matrix[where] = 0.0
    matrix[np.ix_(where, where)] = model.transition_matrix[np.ix_(kept, kept)]
    return matrix
