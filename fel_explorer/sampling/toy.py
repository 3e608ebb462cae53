"""Umbrella windows on analytic systems: all walkers of all windows in one batch of Langevin dynamics."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fel_explorer.methods.base import Method
from fel_explorer.sampling.features import map_of
from fel_explorer.sampling.rounds import Plan
from fel_explorer.sampling.windows import Windows
from fel_explorer.systems import dynamics
from fel_explorer.systems.potential import Potential
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import threads
from fel_explorer.training.progress import Progress

CHUNKS = 20  # of a run: between two, progress is told and a checkpoint may be written


def cv_of(method: Method, system: Potential, dimension: int) -> Callable[[Tensor], Tensor]:
    """The CV (...) of points (..., dim), differentiable."""
    transform = map_of(method)

    def cv(x):
        features = system.features(system.wrap(x))[1].float()
        return transform(features)[..., dimension].to(x.dtype)

    return cv


def run_windows(
    method: Method,
    system: Potential,
    windows: Windows,
    starts: np.ndarray,
    *,
    plan: Plan,
    integration: dynamics.Options,
    seed: int,
    callback,
    checkpoint: Checkpoint | None,
    message: str,
) -> Tensor:
    """Positions (window, walker, frame, dim) of biased second-order dynamics.

    ``starts`` (window, walker, dim).  A cancelled run returns the frames done so far, at least one chunk.
    """
    n_windows, n_walkers, dim = starts.shape
    centre, stiffness = (
        torch.as_tensor(values).repeat_interleave(n_walkers)
        for values in (windows.centres, windows.stiffness)
    )
    cv = cv_of(method, system, plan.dimension)
    x = torch.as_tensor(starts).reshape(-1, dim).double()
    with torch.no_grad():
        before = cv(x)
    generator = torch.Generator().manual_seed(seed)
    state = (checkpoint.load(torch.device("cpu")) if checkpoint else None) or {"x": x, "done": []}
    if "generator" in state:
        generator.set_state(state["generator"])
    parts = _parts(plan)
    progress = _Pace(parts, len(state["done"]), message)
    with threads(1):
        for index in range(len(state["done"]), len(parts)):
            share = min(1.0, (index + 1) / max(plan.n_steered, 1))
            frames, velocities = dynamics.run(
                biased_gradient(cv, system, before + share * (centre - before), stiffness),
                state["x"],
                kT=system.kT,
                n_frames=parts[index],
                options=integration,
                walls=system.walls,
                generator=generator,
                velocity=state.get("velocity"),
            )
            state = {"x": frames[:, -1], "velocity": velocities[:, -1], "done": [*state["done"], frames]}
            if checkpoint and (checkpoint.due() or index + 1 == len(parts)):
                checkpoint.save(state | {"generator": generator.get_state()})
            if callback is not None and callback(progress.after(index)):
                break
    return torch.cat(state["done"], dim=1).reshape(n_windows, n_walkers, -1, dim)


class _Pace:
    """Progress of a run in parts of different length, of which some were done before."""

    def __init__(self, parts: list[int], n_done: int, message: str):
        self._parts, self._first, self._message, self._started = parts, n_done, message, time.monotonic()

    def after(self, index: int) -> Progress:
        """What to tell after part ``index``."""
        each = (time.monotonic() - self._started) / sum(self._parts[self._first : index + 1])
        eta = each * sum(self._parts[index + 1 :])
        return Progress(index + 1, len(self._parts), eta=eta, message=self._message)


def _parts(plan: Plan) -> list[int]:
    """Frames of each part of a run: one while the restraints move, then `CHUNKS` equal ones."""
    rest = plan.n_frames - plan.n_steered
    return [1] * plan.n_steered + [len(part) for part in np.array_split(np.arange(rest), min(CHUNKS, rest))]


def biased_gradient(cv, system: Potential, centre: Tensor, stiffness: Tensor) -> Callable[[Tensor], Tensor]:
    """Gradient of U(x) + k / 2 (xi(x) - centre)^2; each walker has its centre and its k, both (walker,)."""

    def gradient(x):
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            bias = 0.5 * (stiffness * (cv(point) - centre).square()).sum()
            (slope,) = torch.autograd.grad(bias, point)
        return system.gradient(x) + slope

    return gradient
