"""Many fits to the same data: sweeps of a hyperparameter, and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer import parallel
from fel_explorer.data import schema
from fel_explorer.methods.base import Method
from fel_explorer.progress import Callback


def fit_many(
    methods: Sequence[Method],
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    *,
    device: str = "auto",
    callback: Callback | None = None,
) -> list[Method | None]:
    """Fit each of several methods to ``X``, where `fel.set_scheduler` says.

    Parameters
    ----------
    methods
        Unfitted, such as one method with several values of a hyperparameter or several seeds.
    callback
        Called with a `Progress` after each fit and several times a second; returning True stops all fits.

    Returns
    -------
    The fitted methods, in order; None for those that were stopped.  They are new objects.

    Raises
    ------
    FelError
        If a fit raises one, or workers are lost again and again.

    Examples
    --------
    >>> data = fel.as_dataset(np.random.default_rng(0).normal(size=(500, 3)))
    >>> fitted = fel.methods.fit_many([fel.TICA(lag_time=lag) for lag in (1.0, 2.0)], data)
    >>> [method.lag_time for method in fitted]
    [1.0, 2.0]
    """
    results = parallel.map_tasks(
        _fit,
        list(methods),
        shared=(schema.as_dataset(X), device),
        callback=callback,
        message=f"Fitting {len(methods)} methods",
    )
    return [None if method is parallel.NOT_DONE else method for method in results]


def _fit(shared, method: Method) -> Method:
    dataset, device = shared
    fresh = type(method)(**method.hyperparameters())
    return fresh.fit(dataset, device=device, callback=lambda progress: parallel.should_stop())
