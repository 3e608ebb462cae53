"""Positions and labels of axis ticks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTER, LINE = 7.5, 15  # pixels of the words at a tick


def log_ticks(limits: Sequence[float]) -> list[tuple[float, str]]:
    """Decades between the logarithms ``limits``, with 2 and 5 of each where there are less than two."""
    low, high = limits
    steps = (1, 2, 5) if high - low < 2 else (1,)
    values = [
        step * 10.0**power for power in range(int(np.floor(low)), int(np.ceil(high)) + 1) for step in steps
    ]
    return [
        (float(np.log10(v)), f"{v:,.6g}" if v < 1e6 else f"{v:.0e}")
        for v in values
        if low <= np.log10(v) <= high
    ]


def linear_ticks(limits: Sequence[float]) -> list[tuple[float, str]]:
    """Some five round numbers between ``limits``."""
    span = limits[1] - limits[0]
    power = 10.0 ** np.floor(np.log10(span / 5))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(span / (factor * power) - 5))
    first, last = int(np.ceil(limits[0] / step)), int(np.floor(limits[1] / step))
    return [(n * step, f"{n * step:.6g}") for n in range(first, last + 1)]


def readable_ticks(
    ticks: Sequence[tuple[float, str]], limits: Sequence[float], pixels: float, *, upright: bool = False
) -> list[tuple[float, str]]:
    """Every n-th of ``ticks``, so many that their words don't touch on an axis of so many ``pixels``.

    ``upright`` is an axis along y, where words stand above one another.
    """
    scale = pixels / (limits[1] - limits[0])
    sizes = [LINE if upright else LETTER * (len(text) + 1) for _, text in ticks]
    for step in (1, 2, 5, 10, 20, 50):
        kept = list(zip(ticks, sizes, strict=True))[::step]
        gaps = [abs(b[0] - a[0]) * scale - (m + n) / 2 for (a, m), (b, n) in pairwise(kept)]
        if min(gaps, default=0) >= 0:
            break
    return [tick for tick, _ in kept] if ticks else []
