"""Differences between free energies of the same variables."""

from __future__ import annotations

import numpy as np


def aligned_rms(first: np.ndarray, second: np.ndarray) -> float:
    """RMS difference of two free energies (...) where both are known, shifted to agree on average.

    NaN where no cell is known in both.
    """
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return float("nan")
    difference = (first - second)[both]
    return float(np.sqrt(np.mean((difference - difference.mean()) ** 2)))
