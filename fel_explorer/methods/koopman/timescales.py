"""Time scales from eigenvalues."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from fel_explorer.methods.base import Method

ERRORS = 2.0  # standard errors in an interval
SPECTRUM = 12  # modes in a spectrum, where more modes than are kept cost nothing
STEPS = "steps"  # time of a random walk that knows no other


class TimeScales(NamedTuple):
    """Time scales of a fitted method.

    Attributes
    ----------
    values
        (process,) slowest first; there may be more than the embedding has dimensions.
    unit
        Their unit: the data's time unit, or "steps" of a random walk that is blind to time.
    rate_errors
        (process,) standard errors of the rates 1 / values; None where they are not known.
    """

    values: np.ndarray
    unit: str
    rate_errors: np.ndarray | None = None


def implied_timescales(eigenvalues: ArrayLike, lag_time: float) -> np.ndarray:
    """t_i = -tau / ln |lambda_i|, longest first, in the unit of ``lag_time``, without the stationary process.

    Parameters
    ----------
    eigenvalues
        Of a transition matrix at ``lag_time``; the largest, 1, is left out.
    """
    values = np.sort(np.abs(np.asarray(eigenvalues)))[::-1][1:]
    with np.errstate(divide="ignore"):
        return -lag_time / np.log(np.clip(values, 0.0, 1.0 - 1e-12))


def mode_spectrum(method: Method) -> xr.Dataset:
    """The time scales of a fitted method with modes, as `plots.plot_modes` takes them.

    Returns
    -------
    Dataset over ``process``, from 1, slowest first: ``timescale`` in the data's time unit, ``lower`` and
    ``upper``, two standard errors of the rate away where the method estimates them (`Eigenfunctions`), else
    NaN; attrs ``time_unit``.  Modes that the method finds beyond its dimensions are included.  Of a
    `DiffusionMap`, which is blind to time, the unit is the step of its random walk.

    Raises
    ------
    FelError
        If the method has no time scales or is not fitted.
    """
    times, unit, rate_errors = method.timescales()
    errors = ERRORS * (np.full(len(times), np.nan) if rate_errors is None else rate_errors)
    with np.errstate(divide="ignore"):
        rates = 1.0 / times
        upper = np.where(rates > errors, 1.0 / np.maximum(rates - errors, 0.0), np.inf)
    upper = np.where(np.isnan(errors), np.nan, upper)
    columns = {"timescale": times, "lower": 1.0 / (rates + errors), "upper": upper}
    return xr.Dataset(
        {name: ("process", values) for name, values in columns.items()},
        coords={"process": np.arange(1, len(times) + 1)},
        attrs={"time_unit": unit},
    )


def late_rates(method: Method, fraction: float = 0.2) -> xr.Dataset:
    """Mean and standard deviation of the rates over the last steps of the training of `Eigenfunctions`.

    W. Zhang [zhang2024slides] gives eigenvalues and errors so (over the last 4000 of 20,000 steps): the
    spread is that of batches, and says nothing of the sampling of the data; ``eigenvalue_errors_`` does.

    Returns
    -------
    Dataset over ``process``, from 1: ``rate`` and ``spread`` in inverse time units.

    Raises
    ------
    FelError
        If the method's history holds no rates.
    """
    names = [str(name) for name in method.history if str(name).startswith("rate_")]
    if not names or not 0 < fraction <= 1:
        raise FelError(
            f"The last {fraction:g} of the steps of {type(method).__name__}, which hold {len(names)} rates.",
            "A fraction above 0 and up to 1 is taken of the history of a fitted Eigenfunctions.",
        )
    n_steps = method.history.sizes["step"]
    last = method.history.isel(step=slice(n_steps - max(1, round(fraction * n_steps)), None))
    return xr.Dataset(
        {
            "rate": ("process", [float(last[name].mean()) for name in names]),
            "spread": ("process", [float(last[name].std()) for name in names]),
        },
        coords={"process": np.arange(1, len(names) + 1)},
    )
