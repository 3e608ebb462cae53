"""Progress reports of a running job to its callback."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """One report of a running fit or featurization.

    Attributes
    ----------
    step, n_steps
        Steps done and steps in all.
    losses
        Every term of the loss at this step, by name; empty where there is none.
    eta
        Estimated seconds until the end.
    message
        What is being done, for people ("training IDM, restart 2 of 3").
    """

    step: int
    n_steps: int
    losses: dict[str, float] = field(default_factory=dict)
    eta: float = float("nan")
    message: str = ""


Callback = Callable[[Progress], bool | None]
"""Called with each `Progress`; returning True asks the job to stop and keep what it has."""


class SteadyTimeLeft:
    """A time left that runs like a clock: estimates pull it slowly, and it does not rise.

    It rises only where an estimate is more than twice of what is shown, and then by degrees.
    """

    SLOWNESS = 0.2  # of the time left: within that an estimate takes over
    LEAST = 2.0  # seconds
    WRONG = 2.0  # times what is shown

    def __init__(self) -> None:
        self._shown, self._at = math.nan, math.nan

    def __call__(self, estimate: float, now: float) -> float:
        """The seconds to show for an estimate of the seconds left at the time ``now``; nan while unknown."""
        if not math.isfinite(estimate):
            return self._shown if math.isnan(self._shown) else self._move(self._shown - now + self._at, now)
        if math.isnan(self._shown):
            self._shown, self._at = estimate, now
            return estimate
        return self._move(estimate, now)

    def _move(self, estimate, now):
        shown, passed = self._shown, max(now - self._at, 0.0)
        slow = max(self.LEAST, self.SLOWNESS * shown)
        counted = shown - passed
        moved = counted + (estimate - counted) * (1 - math.exp(-passed / slow))
        if estimate <= self.WRONG * shown:
            moved = min(moved, shown)
        self._shown, self._at = max(moved, 0.0), now
        return self._shown
