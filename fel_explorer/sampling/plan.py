"""Settings of umbrella sampling."""

from __future__ import annotations

from dataclasses import dataclass

from fel_explorer.errors import FelError


class SamplingStopped(FelError):
    """The callback asked to stop before a window ended; nothing was kept."""


@dataclass(frozen=True)
class Plan:
    """How windows are sampled; see `umbrella`."""

    dimension: int
    n_walkers: int
    n_steps: int
    stride: int
    discard: float
    time_step: float | None
    seed: int
    n_processes: int
    device: str = "cpu"

    @property
    def n_frames(self) -> int:
        return self.n_steps // self.stride

    @property
    def n_steered(self) -> int:
        """Frames, the first of those that are left out, in which the restraint goes from start to centre."""
        return int(self.discard * self.n_frames) // 2
