"""From eigenvalues to times."""

from __future__ import annotations

import numpy as np


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
