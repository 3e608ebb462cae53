"""Shooting: short trajectories from the transition region, labelled by the basin in which they end."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.systems.embedded import EmbeddedPotential
from fel_explorer.systems.potential import Potential

STEPS = 1000  # of a shot


def near_saddles(system: Potential, n_points: int, *, reach: float, seed: int = 0) -> torch.Tensor:
    """Points (n_points, dim) of the transition region: around each saddle in turn.

    Along the unstable direction they are uniform within ``reach`` (the system's length unit) of the saddle,
    across it thermal; in dimensions that the energy does not depend on they are uniform.

    Raises
    ------
    FelError
        For less than one point, a reach that is not positive, or a system without saddles.
    """
    if n_points < 1 or not reach > 0 or not len(system.saddles):
        raise FelError(
            f"{n_points} points within {reach} of {len(system.saddles)} saddles.",
            "At least one point, a positive reach and a saddle are needed.",
        )
    generator = torch.Generator().manual_seed(seed)
    saddles = system.saddles
    energy: Callable[[torch.Tensor], torch.Tensor] = system.energy
    if isinstance(system, EmbeddedPotential):
        saddles, energy = system.plane_saddles, system.plane_energy
    points = torch.empty(n_points, saddles.shape[1], dtype=torch.float64)
    for index, saddle in enumerate(saddles):
        mine = points[index :: len(saddles)]
        values, directions = torch.linalg.eigh(torch.autograd.functional.hessian(energy, saddle))
        along = reach * (2 * torch.rand((len(mine), 1), generator=generator, dtype=torch.float64) - 1)
        # where it is flat across, no farther than along
        width = (system.kT / values[1:].clamp(min=1e-12)).sqrt().clamp(max=reach)
        across = width * torch.randn((len(mine), len(width)), generator=generator, dtype=torch.float64)
        mine[:] = saddle + torch.cat([along, across], dim=1) @ directions.T
    return system.lift_randomly(points, generator) if isinstance(system, EmbeddedPotential) else points


def shoot(
    system: Potential,
    starts: Tensor | ArrayLike,
    *,
    n_steps: int = STEPS,
    stride: int = 10,
    core: float | None = 5.0,
    seed: int = 0,
    device: str = "auto",
) -> xr.Dataset:
    """Trajectories of second-order Langevin dynamics from ``starts`` with random velocities.

    Parameters
    ----------
    starts
        (shot, dim), such as `near_saddles`.
    n_steps
        Steps of each at most; long enough to settle in a basin, short enough not to leave it.
    core
        A trajectory ends when its energy comes within so many kT of the minimum of its basin; None: it goes
        on for all steps.

    Returns
    -------
    Dataset as of `Potential.simulate`, a trajectory a shot, where ``basin`` (frame) is the one in which the
    trajectory ends: close to a transition state the same place can bear several labels.

    Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143, section II
    C.
    """
    starts = np.asarray(starts, float)
    data = system.simulate(
        n_steps,
        len(starts),
        stride=stride,
        dynamics="langevin",
        start=starts,
        seed=seed,
        basins=False,
        device=device,
    )
    last = data["position"].values.reshape(len(starts), -1, system.dim)[:, -1]
    label = system.basin(last).numpy()[:, None]
    energy = data["energy"].values.reshape(len(starts), -1)
    data["basin"] = ("frame", np.broadcast_to(label, energy.shape).ravel())
    if core is not None:
        floor = system.energy(system.minima).numpy()[label]
        arrived = np.cumsum(energy - floor < core * system.kT, axis=1)
        data = data.isel(frame=np.flatnonzero(np.cumsum(arrived, axis=1).ravel() <= 1))
    data.attrs["simulation"] = json.dumps({**json.loads(data.attrs["simulation"]), "labels": "end"})
    return data
