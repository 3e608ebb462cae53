"""Umbrella windows on analytic systems: all walkers of all windows in one batch of Langevin dynamics."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fel_explorer.methods.base import Method
from fel_explorer.sampling.features import map_of
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
    dimension: int,
    n_frames: int,
    options: dynamics.Options,
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
    gradient = biased_gradient(cv_of(method, system, dimension), system, centre, stiffness)
    generator = torch.Generator().manual_seed(seed)
    x, velocity, done = torch.as_tensor(starts).reshape(-1, dim).double(), None, []
    saved = checkpoint.load(torch.device("cpu")) if checkpoint else None
    if saved:
        x, velocity, done = saved["x"], saved["velocity"], list(saved["done"])
        generator.set_state(saved["generator"])
    sizes = [len(part) for part in np.array_split(np.arange(n_frames), min(CHUNKS, n_frames))]
    started, first = time.monotonic(), len(done)
    with threads(1):
        while len(done) < len(sizes):
            frames, velocities = dynamics.run(
                gradient,
                x,
                kT=system.kT,
                n_frames=sizes[len(done)],
                options=options,
                walls=system.walls,
                generator=generator,
                velocity=velocity,
            )
            x, velocity = frames[:, -1], velocities[:, -1]
            done.append(frames)
            if checkpoint and (checkpoint.due() or len(done) == len(sizes)):
                checkpoint.save(
                    {"x": x, "velocity": velocity, "done": done, "generator": generator.get_state()}
                )
            eta = (time.monotonic() - started) / (len(done) - first) * (len(sizes) - len(done))
            progress = Progress(len(done), len(sizes), eta=eta, message=message)
            if callback is not None and callback(progress):
                break
    return torch.cat(done, dim=1).reshape(n_windows, n_walkers, -1, dim)


def biased_gradient(cv, system: Potential, centre: Tensor, stiffness: Tensor) -> Callable[[Tensor], Tensor]:
    """Gradient of U(x) + k / 2 (xi(x) - centre)^2; each walker has its centre and its k, both (walker,)."""

    def gradient(x):
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            bias = 0.5 * (stiffness * (cv(point) - centre).square()).sum()
            (slope,) = torch.autograd.grad(bias, point)
        return system.gradient(x) + slope

    return gradient
