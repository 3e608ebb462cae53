"""Umbrella windows on analytic systems: all walkers of all windows in one batch of Langevin dynamics.

Neighbouring windows exchange walkers by Metropolis' rule (Y. Sugita, A. Kitao and Y. Okamoto, J. Chem. Phys.
113, 6042 (2000), doi:10.1063/1.1308516): where a CV takes one value in two places with a barrier between,
walkers get around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fel_explorer.methods.base import Method
from fel_explorer.progress import Progress
from fel_explorer.sampling.cv_function import map_of
from fel_explorer.sampling.plan import Plan
from fel_explorer.sampling.windows import Windows
from fel_explorer.systems import dynamics
from fel_explorer.systems.potential import Potential
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import threads
from fel_explorer.training.random import restore

if TYPE_CHECKING:
    from fel_explorer.progress import Callback

PARTS = 100  # of a run: after each, walkers are exchanged, progress is reported, a checkpoint may be written


def cv_of(
    method: Method, system: Potential, dimension: int, device: str = "cpu"
) -> Callable[[Tensor], Tensor]:
    """The CV (...) of points (..., dim), differentiable."""
    transform = map_of(method, device)

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
    callback: Callback | None,
    checkpoint: Checkpoint | None,
    message: str,
) -> Tensor:
    """Positions (window, walker, frame, dim) of biased second-order dynamics.

    ``starts`` (window, walker, dim).  A cancelled run returns the frames done so far, at least one part.
    """
    n_windows, n_walkers, dim = starts.shape
    centre, stiffness = (
        torch.as_tensor(np.repeat(values, n_walkers), device=plan.device)
        for values in (windows.centres, windows.stiffness)
    )
    cv = cv_of(method, system, plan.dimension, plan.device)
    x = torch.as_tensor(starts, device=plan.device).reshape(-1, dim).double()
    with torch.no_grad():
        before = cv(x)
    generator = torch.Generator(plan.device).manual_seed(seed)
    state = (checkpoint.load(torch.device(plan.device)) if checkpoint else None) or {"x": x, "done": []}
    state["done"] = [frames.cpu() for frames in state["done"]]
    if "generator" in state:
        restore(generator, state["generator"])
    parts = _parts(plan)
    progress = _Pace(parts, len(state["done"]), message)
    with threads(1):
        for index in range(len(state["done"]), len(parts)):
            fraction = min(1.0, (index + 1) / max(plan.n_steered, 1))
            frames, velocities = dynamics.run(
                biased_gradient(cv, system, before + fraction * (centre - before), stiffness),
                state["x"],
                kT=system.kT,
                n_frames=parts[index],
                options=integration,
                walls=system.walls,
                generator=generator,
                velocity=state.get("velocity"),
            )
            assert velocities is not None  # the dynamics are of second order
            frames = frames.cpu()  # the last of them go on on the device
            last, velocity = (v[:, -1].to(plan.device) for v in (frames, velocities))
            order = torch.arange(len(centre), device=plan.device)
            if fraction == 1.0:
                with torch.no_grad():
                    value = cv(last).reshape(n_windows, n_walkers)
                order = exchange(value, windows, first=index % 2, generator=generator)
            state = {"x": last[order], "velocity": velocity[order]} | {"done": [*state["done"], frames]}
            stopped = callback is not None and callback(progress.after(index))
            if checkpoint and (stopped or checkpoint.due() or index + 1 == len(parts)):
                checkpoint.save(state | {"generator": generator.get_state()})
            if stopped:
                break
    return torch.cat(state["done"], dim=1).reshape(n_windows, n_walkers, -1, dim)


class _Pace:
    """Progress of a run in parts of different length, of which some were done before."""

    def __init__(self, parts: list[int], n_done: int, message: str):
        self._parts, self._first, self._message, self._started = parts, n_done, message, time.monotonic()

    def after(self, index: int) -> Progress:
        """Progress after part ``index``."""
        each = (time.monotonic() - self._started) / sum(self._parts[self._first : index + 1])
        eta = each * sum(self._parts[index + 1 :])
        return Progress(index + 1, len(self._parts), eta=eta, message=self._message)


def _parts(plan: Plan) -> list[int]:
    """Frames of each part of a run: one while the restraints move, then `PARTS` equal ones."""
    rest = plan.n_frames - plan.n_steered
    return [1] * plan.n_steered + [len(part) for part in np.array_split(np.arange(rest), min(PARTS, rest))]


def exchange(value: Tensor, windows: Windows, *, first: int, generator: torch.Generator) -> Tensor:
    """Which walker goes on in the place of each, as indices (window * walker,).

    ``value`` (window, walker) is their CV.  Windows ``first`` and the next, the two after them, and so on,
    try to swap walkers of the same number.
    """
    n_windows, n_walkers = value.shape
    device = value.device
    left = torch.arange(n_windows - 1, device=device)[first::2]
    centre, stiffness = (
        torch.as_tensor(v, device=device)[:, None] for v in (windows.centres, windows.stiffness)
    )

    def bias(window, of):
        return 0.5 * stiffness[window] * (value[of] - centre[window]).square()

    gain = bias(left, left) + bias(left + 1, left + 1) - bias(left, left + 1) - bias(left + 1, left)
    uniform = torch.rand(gain.shape, generator=generator, dtype=gain.dtype, device=device)
    swapped = uniform < (gain / windows.kT).exp()
    place = torch.arange(n_windows * n_walkers, device=device).reshape(n_windows, n_walkers)
    order = place.clone()
    order[left] = torch.where(swapped, place[left + 1], place[left])
    order[left + 1] = torch.where(swapped, place[left], place[left + 1])
    return order.flatten()


def biased_gradient(
    cv: Callable[[Tensor], Tensor], system: Potential, centre: Tensor, stiffness: Tensor
) -> Callable[[Tensor], Tensor]:
    """Gradient of U(x) + k / 2 (xi(x) - centre)^2; each walker has its centre and its k, both (walker,)."""

    def gradient(x):
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            bias = 0.5 * (stiffness * (cv(point) - centre).square()).sum()
            (slope,) = torch.autograd.grad(bias, point)
        return system.gradient(x) + slope

    return gradient
