"""Values that change over a run: plain functions of the step, so that a resumed run needs no state."""

from __future__ import annotations

import math


def linear(step: int, n_steps: int, start: float, end: float, fraction: float = 1.0) -> float:
    """From ``start`` to ``end`` over the first ``fraction`` of the steps, then ``end``."""
    span = fraction * n_steps
    return end if step >= span else start + (end - start) * step / span


def cosine(step: int, n_steps: int, end: float = 0.0, fraction: float = 1.0) -> float:
    """Factor that is 1, then falls as a half cosine to ``end`` over the last ``fraction`` of the steps."""
    progress = (step - (1.0 - fraction) * n_steps) / max(fraction * n_steps, 1)
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))
