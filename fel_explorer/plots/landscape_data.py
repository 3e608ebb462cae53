"""What a map shows: frames, their colours, free energies, states and marks; plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from fel_explorer.plots.colours import Scale, sequential_scale
from fel_explorer.plots.energy_units import KT, EnergyUnit


@dataclass(frozen=True, eq=False)
class Landscape:
    """Everything that `plot_landscape` and the live map draw.

    Attributes
    ----------
    xy
        (frame, 2) positions.
    values, scale
        (frame,) what colours the frames, and how; frames whose value is NaN stay grey.
    surface
        Free energy in ``unit``: (y, x), or (x,) where the map is a profile.
    picture
        What is drawn in place of frames while nothing is selected, such as the surface, (y, x); or None.
    free_energy
        (frame,) in ``unit``, for the hover tool.
    state
        (frame,) int numbers of states from 1, for the hover tool, or None.
    selected
        (frame,) bool.
    labels
        Labels of the axes.
    limits
        ((left, right), (bottom, top)) that show everything.
    names
        {name of a state: its place (x, y)}.
    state_names
        Names of all states, by their number in ``state``, for the hover tool.
    clicked, current
        Places of the clicked point and of the current frame.
    contours
        Whether to draw lines of equal free energy.
    unit
        Of the free energies.
    error
        (x,) standard error of a profile, in ``unit``, drawn as lines on both sides.
    path, anchors
        Places (image, 2) along a path in pieces that don't cross the ends of a period, and of its anchors.
    image
        Place of the current image of the path.
    trail, walker
        Last steps (segment, 2, 2) of a simulation, oldest first, and where it is.
    """

    xy: np.ndarray
    values: np.ndarray
    scale: Scale
    surface: xr.DataArray
    picture: xr.DataArray | None
    free_energy: np.ndarray
    state: np.ndarray | None
    selected: np.ndarray
    labels: tuple[str, str]
    limits: tuple[tuple[float, float], tuple[float, float]]
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
    state_names: dict[int, str] = field(default_factory=dict)
    clicked: tuple[float, float] | None = None
    current: tuple[float, float] | None = None
    contours: bool = True
    unit: EnergyUnit = KT
    error: xr.DataArray | None = None
    path: tuple = ()
    anchors: tuple = ()
    image: tuple[float, float] | None = None
    trail: tuple | np.ndarray = ()
    walker: tuple[float, float] | None = None


NO_LANDSCAPE = Landscape(
    xy=np.zeros((0, 2)),
    values=np.zeros(0),
    scale=sequential_scale("", np.zeros(0)),
    surface=xr.DataArray(np.full((2, 2), np.nan), dims=("y", "x"), coords={"y": [0, 1], "x": [0, 1]}),
    picture=None,
    free_energy=np.zeros(0),
    state=None,
    selected=np.zeros(0, bool),
    labels=("", ""),
    limits=((0.0, 1.0), (0.0, 1.0)),
    contours=False,
)


def description(landscape: Landscape) -> str:
    """Description of the map for a screen reader."""
    x, y = landscape.labels
    n, selected = len(landscape.xy), int(landscape.selected.sum())
    parts = [f"Map of {n:,} frames along {x} and {y}", f"coloured by {landscape.scale.label}"]
    parts += [f"{selected:,} selected"] if selected else []
    parts += [f"states {', '.join(landscape.names)}"] if landscape.names else []
    return "; ".join(parts) + "."
