"""Where a simulation is on the map."""

from __future__ import annotations

import numpy as np

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.simulate.simulation import Simulation, shown_simulation
from fel_explorer.free_energy.grid import PERIOD

LENGTH = 20  # frames behind the current one


def trail(session: Session, axes, xy, limits) -> dict:
    """``trail`` and ``walker`` of a `Landscape`: the last steps of the simulation, and where it is.

    Parameters
    ----------
    axes, xy, limits
        Of the map, as `map_view.MapView` has them.
    """
    simulation = shown_simulation(session)
    if simulation is None:
        return {}
    last = min(session.step, simulation.n_frames - 1)
    first = max(simulation.trajectory_at(last)[0], last - LENGTH)
    points = places(simulation, session.shown, axes, xy, slice(first, last + 1))
    return {"trail": segments(points, limits), "walker": tuple(points[-1].tolist())}


def places(simulation: Simulation, result, axes, xy, frames: slice) -> np.ndarray:
    """Where frames of a simulation lie along ``axes`` (frame, 2); along no CVs, where the nearest data do."""
    points = np.array(xy[simulation.nearest[frames]], float)
    latents = simulation.latents["features"].values[frames]
    for column, name in enumerate(axes):
        if name in result.cv_names:
            points[:, column] = latents[:, result.cv_names.index(name)]
    return points


def segments(points, limits) -> np.ndarray:
    """The steps between ``points`` as (segment, 2, 2), without those that cross the ends of a period."""
    pairs = np.stack([points[:-1], points[1:]], axis=1)
    steps = np.abs(pairs[:, 1] - pairs[:, 0])
    inside = np.ones(len(pairs), bool)
    for column, limit in enumerate(limits):
        if limit == PERIOD:
            inside &= steps[:, column] <= (PERIOD[1] - PERIOD[0]) / 2
    return pairs[inside]
