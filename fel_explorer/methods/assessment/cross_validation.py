"""Cross-validated VAMP scores: which lag, features, size or method keeps the slow dynamics of other data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from fel_explorer import parallel
from fel_explorer.data import schema
from fel_explorer.data.blocks import feature_blocks, is_stored
from fel_explorer.data.moments import LaggedCovariance, accumulate, weights_of
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.progress import Callback, Progress
from fel_explorer.training.split import folds

FUNCTIONS = {"embedding": "transform", "memberships": "predict_proba"}
TICKS = 1000  # of progress in each fit


def cross_validate(
    method: Method,
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray] | Mapping[str, xr.Dataset],
    *,
    n_folds: int = 5,
    score: str = "VAMP-2",
    parameter: str | None = None,
    values: Sequence = (),
    lag_time: float | None = None,
    of: str = "embedding",
    device: str = "auto",
    callback: Callback | None = None,
) -> xr.Dataset:
    """Fit ``method`` on all folds but one and score it on that one, for each fold and parameter value.

    Parameters
    ----------
    method
        Any method with an embedding; its hyperparameters are used, not what it was fitted to.
    X
        Dataset, arrays, or {name: dataset} with other features of the same frames, to choose features by.
    n_folds
        Folds of whole trajectories; where there are too few, of contiguous blocks a lag apart.
    score
        "VAMP-2", "VAMP-1" or any other "VAMP-r" with a number r >= 1: 1 + the sum of the singular values to
        the power r that the space of the functions has on the test data.  "VAMP-E": how well the training
        data's Koopman model of the functions predicts the test data, which counts wrong values in the right
        space against the method too.
    parameter, values
        A hyperparameter and what to try for it, such as ``"lag_time", [10.0, 20.0]``.
    lag_time
        Lag of the score, in the data's time unit; default that of the method.  Scores of different lags or
        numbers of functions can't be compared: to choose a lag fix this one, or look at ``timescale``.
    of
        "embedding", or "memberships" of a method with states.
    callback
        Gets `Progress` over all fits; returns True to stop: what was not scored is NaN.

    Returns
    -------
    Dataset with ``score`` and ``train_score`` (value, fold), ``timescale`` (value, fold, process) of the
    functions on the test data (NaN where there are fewer), and ``mean`` and ``error`` (value): mean score
    over the folds and its standard error.  The dimension "value" bears the name of the parameter, or is
    "features"; with both there are two, without either none.

    Raises
    ------
    FelError
        For an unknown score or parameter, data that differ in their frames, or folds not longer than the lag.

    Notes
    -----
    Source: H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y, Eqs. 30 and 33.

    Examples
    --------
    >>> data = fel.as_dataset(np.random.default_rng(0).normal(size=(500, 3)))
    >>> table = fel.methods.cross_validate(fel.TICA(lag_time=1.0), data, parameter="n_dims", values=[1, 2, 3])
    >>> table["score"].sizes
    Frozen({'n_dims': 3, 'fold': 5})
    """
    _check(method, score, of, parameter, values)
    datasets = _datasets(X)
    trials = [
        Trial.of(method, name, parameter, value, lag_time)
        for name, value in product(datasets, values if parameter else [None])
    ]
    first = next(iter(datasets.values()))
    gap = max(schema.lag_in_frames(first, lag) for trial in trials for lag in trial.lags)
    parts = folds(schema.trajectory_lengths(first), n_folds, gap)
    if parallel.scheduler() is not None:
        shared = datasets, trials, parts, (score, of, device)
        tasks = list(product(range(len(trials)), range(n_folds)))
        title = f"Validating {type(method).__name__}"
        results = parallel.map_tasks(_evaluate, tasks, shared=shared, callback=callback, message=title)
        return _result(method, results, datasets, parameter, values, n_folds, score, of)
    watch, results = Watch(callback, len(trials) * n_folds), []
    for trial, (k, segments) in product(trials, enumerate(parts)):
        if watch.stopped:
            break
        halves = [segment_dataset(datasets[trial.features], part) for part in segments]
        title = f"Validating {trial.name}, fold {k + 1} of {n_folds}"
        results.append(trial.evaluate(*halves, score, of, device=device, callback=watch.next(title)))
    if watch.stopped:
        results.pop()
    return _result(method, results, datasets, parameter, values, n_folds, score, of)


def _evaluate(shared, task):
    """Scores and time scales of one trial and fold, anywhere."""
    datasets, trials, parts, (score, of, device) = shared
    trial, fold = trials[task[0]], task[1]
    own = replace(trial, method=type(trial.method)(**trial.method.hyperparameters()))
    halves = [segment_dataset(datasets[trial.features], part) for part in parts[fold]]
    return own.evaluate(*halves, score, of, device=device, callback=lambda progress: parallel.should_stop())


def _result(method, results, datasets, parameter, values, n_folds, score, of) -> xr.Dataset:
    """The result of `cross_validate` from those of trials and folds."""
    first = next(iter(datasets.values()))
    dims: dict[str, list] = {} if "" in datasets else {"features": list(datasets)}
    if parameter:
        dims[parameter] = [v if isinstance(v, int | float | str) else str(v) for v in values]
    attrs = {"method": type(method).__name__, "kind": score, "of": of}
    return _table(results, dims, n_folds).assign_attrs(attrs, time_unit=first.attrs["time_unit"])


@dataclass(frozen=True)
class Trial:
    """A method with one choice of parameter and features, and the lag at which it is scored."""

    name: str
    features: str
    method: Method
    lag_time: float

    @classmethod
    def of(
        cls, method: Method, features: str, parameter: str | None, value: Any, lag_time: float | None
    ) -> Trial:
        """A method like ``method``, but for one parameter."""
        changed = {parameter: value} if parameter else {}
        method = type(method)(**(method.hyperparameters() | changed))
        lag = lag_time or (method.lag_time if method.needs_lag else 0)
        if not lag:
            raise FelError(
                f"{type(method).__name__} has no lag to be scored at.",
                remedy="Give lag_time=..., in the data's time unit.",
            )
        name = [f"{parameter} {value}"] * bool(parameter) + [features] * bool(features)
        return cls(", ".join(name) or type(method).__name__, features, method, lag)

    @property
    def lags(self) -> list[float]:
        """Every lag at which frames are compared."""
        return [self.lag_time, *self.method.lags]

    def evaluate(
        self, training: xr.Dataset, test: xr.Dataset, score: str, of: str, **options: Any
    ) -> tuple[float, float, np.ndarray]:
        """Score on the test and on the training data, and time scales (process,) on the test data."""
        self.method.fit(training, **options)
        functions = getattr(self.method, FUNCTIONS[of])
        own, other = (self._covariances(functions, data) for data in (training, test))
        sigma = vamp.koopman(other).singular_values.numpy()
        if score == "VAMP-E":
            model = vamp.koopman(own)
            held_out, seen = (float(vamp.vamp_e(model, covariances)) for covariances in (other, own))
        else:
            trained = vamp.koopman(own).singular_values.numpy()
            held_out, seen = (1.0 + float((s ** exponent(score)).sum()) for s in (sigma, trained))
        return held_out, seen, implied_timescales([1.0, *sigma], self.lag_time)

    def _covariances(self, functions, dataset):
        lag = schema.lag_in_frames(dataset, self.lag_time)
        found = LaggedCovariance(
            schema.trajectory_lengths(dataset),
            lag,
            weights=weights_of(dataset),
            reversible=self.method.reversible,
        )
        accumulate(((start, functions(block).values) for start, block in feature_blocks(dataset)), found)
        return vamp.Covariances.from_arrays(found.result())


class Watch:
    """Progress over many fits."""

    def __init__(self, callback: Callback | None, n_fits: int) -> None:
        self.callback, self.n_fits, self.done, self.stopped = callback, n_fits, -1, False
        self._began = time.monotonic()

    def next(self, title: str) -> Callback | None:
        """The callback of the next fit, which is announced as ``title``."""
        self.done += 1
        if self.callback is None:
            return None
        callback = self.callback
        self._report(callback, 0.0, {}, title)
        return lambda progress: self._report(
            callback, progress.step / progress.n_steps, progress.losses, title
        )

    def _report(self, callback: Callback, fraction, losses, title) -> bool:
        done, everything = self.done + fraction, self.n_fits
        eta = (time.monotonic() - self._began) / done * (everything - done) if done else float("nan")
        step = round(TICKS * done)
        if callback(Progress(step, TICKS * everything, losses, eta, title)):
            self.stopped = True
        return self.stopped


def segment_dataset(dataset: xr.Dataset, segments: np.ndarray) -> xr.Dataset:
    """The frames of ``segments`` (segment, 2), each a trajectory of its own."""
    lengths = segments[:, 1] - segments[:, 0]
    if is_stored(dataset):  # slices, which stay on disk
        slices = [dataset.isel(frame=slice(*segment)) for segment in segments.tolist()]
        exact: Any = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "override"}
        part = xr.concat(slices, "frame", **exact)
    else:
        part = dataset.isel(frame=np.concatenate([np.arange(first, end) for first, end in segments]))
    return part.assign_coords(
        trajectory=("frame", np.repeat(np.arange(len(lengths)), lengths)),
        frame_in_trajectory=("frame", np.concatenate([np.arange(n) for n in lengths])),
    )


def exponent(score: str) -> float:
    """r of "VAMP-r"."""
    kind, _, number = score.partition("-")
    try:
        r = float(number) if kind == "VAMP" else 0.0
    except ValueError:
        r = 0.0
    if not 1 <= r < np.inf:
        raise FelError(f"score={score!r}.", "Scores are VAMP-1, VAMP-2, VAMP-r with r >= 1, and VAMP-E.")
    return r


def _check(method, score, of, parameter, values):
    if score != "VAMP-E":
        exponent(score)
    if of not in FUNCTIONS or (of == "memberships" and not method.has_states):
        raise FelError(
            f"of={of!r} with {type(method).__name__}.",
            "It is 'embedding', or 'memberships' of a method with states.",
        )
    names = method.hyperparameter_names()
    if parameter is not None and (parameter not in names or not len(values)):
        raise FelError(
            f"parameter={parameter!r} with {len(values)} values for {type(method).__name__}.",
            f"Its parameters are {', '.join(names)}; at least one value is tried.",
        )


def _datasets(X) -> dict[str, xr.Dataset]:
    """{name of the features: dataset}, all of the same frames."""
    if not isinstance(X, Mapping) or isinstance(X, xr.Dataset):
        return {"": schema.as_dataset(X)}
    datasets = {str(name): schema.as_dataset(data) for name, data in X.items()}
    frames = {
        name: (schema.time_step(data), *schema.trajectory_lengths(data)) for name, data in datasets.items()
    }
    if len(set(frames.values())) != 1:
        listed = ", ".join(f"{name}: {sum(f[1:])} frames of {f[0]:g}" for name, f in frames.items())
        raise FelError(
            f"The features belong to different frames ({listed or 'none were given'}).",
            "Features are compared on the same trajectories.",
        )
    return datasets


def _table(results, dims: dict, n_folds: int) -> xr.Dataset:
    """Result of `cross_validate` from (score, training score, time scales) of each trial and fold."""
    shape = *map(len, dims.values()), n_folds
    done = [(i, found) for i, found in enumerate(results) if found is not parallel.NOT_DONE]
    n_processes = max((len(times) for _, (*_, times) in done), default=0)
    scores = np.full((2, int(np.prod(shape))), np.nan)
    times = np.full((scores.shape[1], n_processes), np.nan)
    for i, (score, trained, found) in done:
        scores[:, i], times[i, : len(found)] = (score, trained), found
    names = [*dims, "fold"]
    table = xr.Dataset(
        {
            "score": (names, scores[0].reshape(shape)),
            "train_score": (names, scores[1].reshape(shape)),
            "timescale": ([*names, "process"], times.reshape(*shape, n_processes)),
        },
        coords=dims | {"fold": np.arange(1, n_folds + 1), "process": np.arange(1, n_processes + 1)},
    )
    table["mean"] = table["score"].mean("fold")
    table["error"] = table["score"].std("fold", ddof=1) / np.sqrt(table["score"].count("fold"))
    return table
