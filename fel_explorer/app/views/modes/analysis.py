"""Slow modes of a result: their time scales, and their values at the frames.

The modes of TICA, SRV, Eigenfunctions and DiffusionMap are the axes of their embedding;
those of a method with states are the eigenfunctions of the Koopman model of its memberships.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.app.session.result import MicrostateLevels, Result
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import mode_spectrum
from fel_explorer.methods.koopman.of_functions import koopman_model, mode_functions, standardise
from fel_explorer.methods.koopman.timescales import implied_timescales

_kept: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Modes:
    """The slow modes of a result.

    Attributes
    ----------
    spectrum
        ``timescale``, ``lower``, ``upper`` over ``process``, slowest first; attrs ``time_unit``.
    lag_time
        What is faster is not resolved; None where the method has no lag.
    functions
        (frame, mode) float32 of mean 0 and variance 1; fewer than time scales where the method kept fewer.
    """

    spectrum: xr.Dataset
    lag_time: float | None
    functions: np.ndarray

    @property
    def n_maps(self) -> int:
        return self.functions.shape[1]

    @property
    def names(self) -> list[str]:
        """ "mode 1", ...: those that are known for each frame."""
        return [f"mode {i + 1}" for i in range(self.n_maps)]

    @property
    def time_unit(self) -> str:
        return self.spectrum.attrs["time_unit"]


def modes_of(result: Result | None, dataset: xr.Dataset) -> Modes:
    """The modes of a result, kept for as long as it lives.

    Raises
    ------
    FelError
        If it has none.
    """
    if result is None:
        raise FelError("Nothing is trained yet.", remedy="Train a method, such as SRV or TICA.")
    if result not in _kept:
        try:
            _kept[result] = _found(result, dataset)
        except FelError as error:
            _kept[result] = error
    if isinstance(_kept[result], FelError):
        raise _kept[result].with_traceback(None)
    return _kept[result]


def known_modes(result: Result | None, dataset: xr.Dataset) -> Modes | None:
    """`modes_of`, or None where the result has none."""
    try:
        return modes_of(result, dataset)
    except FelError:
        return None


def mode_names(result: Result | None, dataset: xr.Dataset) -> list[str]:
    """Names of the modes that can colour the map; [] where the result has none."""
    modes = known_modes(result, dataset)
    return [] if modes is None else modes.names


def mode_values(result: Result, dataset: xr.Dataset, name: str) -> np.ndarray:
    """Mode "mode 2" of each frame, (frame,) float32."""
    return modes_of(result, dataset).functions[:, int(name.removeprefix("mode ")) - 1]


def _found(result, dataset):
    if result.method.has_modes:
        return _axes(result, dataset)
    if result.membership is None or not result.lag_time:
        raise FelError(
            f"{type(result.method).__name__} has no time scales.",
            "TICA, SRV, Eigenfunctions and DiffusionMap find modes; IDM and VAMPNet have those of states.",
            "Train one of these on the same features.",
        )
    return _of_memberships(result, dataset)


def _axes(result, dataset):
    spectrum = mode_spectrum(result.method)
    return Modes(spectrum, result.lag_time, standardise(result.embedding, schema.frame_weights(dataset)))


def _of_memberships(result, dataset):
    states = result.states()
    if len(states) < 2:
        raise FelError(
            f"{result.label} has {len(states)} populated state.",
            "Modes are exchanges between two states or more.",
            "Train with a shorter lag.",
        )
    weights, labels = schema.frame_weights(dataset), None
    memberships = result.membership
    if isinstance(result.levels, MicrostateLevels):  # a slider steps through them: fewer rows than frames
        labels, memberships = result.levels.microstates, result.levels.memberships(result.level)
        weights = np.bincount(labels, weights, len(memberships))
    memberships = np.asarray(memberships[:, states], np.float32)
    model = koopman_model(memberships, dataset, result.lag_time, labels=labels)
    times = implied_timescales([1.0, *model.singular_values.numpy()], result.lag_time)
    unknown = np.full(len(times), np.nan)
    columns = {"timescale": times, "lower": unknown, "upper": unknown}
    spectrum = xr.Dataset(
        {name: ("process", values) for name, values in columns.items()},
        attrs={"time_unit": dataset.attrs["time_unit"]},
    )
    functions = mode_functions(memberships, model, weights)
    return Modes(spectrum, result.lag_time, functions if labels is None else functions.take(labels, axis=0))
