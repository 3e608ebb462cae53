"""Progress reports of a running job to its callback."""

from __future__ import annotations

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
