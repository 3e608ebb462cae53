"""From eigenvalues to times."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError

ERRORS = 2.0  # standard errors in an interval


def implied_timescales(eigenvalues, lag_time: float) -> np.ndarray:
    """t_i = -tau / ln |lambda_i|, longest first, in the unit of ``lag_time``, without the stationary process.

    Parameters
    ----------
    eigenvalues
        Of a transition matrix at ``lag_time``; the largest, 1, is left out.
    """
    values = np.sort(np.abs(np.asarray(eigenvalues)))[::-1][1:]
    with np.errstate(divide="ignore"):
        return -lag_time / np.log(np.clip(values, 0.0, 1.0 - 1e-12))


def mode_spectrum(method) -> xr.Dataset:
    """The time scales of a fitted method with modes, as `plots.plot_modes` takes them.

    Returns
    -------
    Dataset over ``process``, from 1, slowest first: ``timescale`` in the data's time unit, ``lower`` and
    ``upper``, two standard errors of the rate away where the method tells them (`Eigenfunctions`), else NaN;
    attrs ``time_unit``.

    Raises
    ------
    FelError
        If the method has no time scales or is not fitted.
    """
    times = getattr(method, "implied_timescales_", None)
    if times is None:
        raise FelError(
            f"This {type(method).__name__} has no time scales.",
            "Fitted TICA, SRV, VAMPNet and Eigenfunctions have.",
        )
    times = np.asarray(times, float)
    errors = ERRORS * np.asarray(getattr(method, "eigenvalue_errors_", np.full(len(times), np.nan)), float)
    with np.errstate(divide="ignore"):
        rates = 1.0 / times
        upper = np.where(rates > errors, 1.0 / np.maximum(rates - errors, 0.0), np.inf)
    upper = np.where(np.isnan(errors), np.nan, upper)
    columns = {"timescale": times, "lower": 1.0 / (rates + errors), "upper": upper}
    return xr.Dataset(
        {name: ("process", values) for name, values in columns.items()},
        coords={"process": np.arange(1, len(times) + 1)},
        attrs={"time_unit": method.time_unit_},
    )
