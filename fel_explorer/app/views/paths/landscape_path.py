"""Paths of a session: from anchors on its map to free energies and structures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer.app.session.selection import PathAnchors
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.view import make_view
from fel_explorer.errors import FelError
from fel_explorer.free_energy import Barrier, FreeEnergy, at_points, nearest_minimum, path_barrier
from fel_explorer.structures import reconstruct, superpose
from fel_explorer.structures.paths import KINDS, Path, Space, find_path, profile_table
from fel_explorer.structures.soundness import LONG_BOND

RIPPLES = (0.5, 0.25, 0.1)  # kT; basins between which the barrier is lower are one
SHOWN = {"observed": "observed frames", "decoded": "decoded by the model"}


@dataclass(frozen=True, eq=False)
class LandscapePath:
    """A path and what is known along it.

    Attributes
    ----------
    anchors, curve
        The anchors as they were set, and the images.
    through
        Positions (x, y) that the path runs through: the anchors, of which the ends may be moved to minima.
    labels
        The axes' labels.
    profile
        Free energy (image,) in kT on the map, with its error.
    periods
        Of the two axes, None without one.
    """

    anchors: PathAnchors
    curve: Path
    labels: tuple[str, str]
    profile: FreeEnergy
    periods: tuple[float | None, float | None]
    through: tuple[tuple[float, float], ...] = ()

    @property
    def moved(self) -> tuple[bool, bool]:
        """Whether the start and the end are minima instead of the anchors."""
        pairs = [(self.through[i], self.anchors.anchors[i]) for i in (0, -1)]
        return tuple(place != anchor for place, anchor in pairs)

    @property
    def n_images(self) -> int:
        return len(self.curve.points)

    @cached_property
    def pieces(self) -> tuple[np.ndarray, ...]:
        """Places to draw, split where the path crosses the end of a period."""
        return unbroken(self.curve.points, self.periods)

    @property
    def free_energy(self) -> np.ndarray:
        """(image,) kT."""
        return self.profile.values.values

    @property
    def error(self) -> np.ndarray:
        """(image,) standard error in kT as on the map, NaN where it is not known."""
        return self.profile.error.values

    @cached_property
    def barrier(self) -> Barrier:
        """The highest image, and its heights above the start and above the end (kT)."""
        return path_barrier(self.profile)

    def table(self) -> xr.Dataset:
        """Length, free energy with its error, frame and position of each image."""
        names = dict(zip(("cv_1", "cv_2"), self.anchors.axes, strict=True))
        return profile_table(self.curve, self.free_energy, self.error).rename(names)


def unbroken(points, periods) -> tuple[np.ndarray, ...]:
    """``points`` (point, 2) in pieces without a step of more than half a period."""
    steps = np.abs(np.diff(points, axis=0))
    jumps = np.zeros(len(steps), bool)
    for column, period in zip(steps.T, periods, strict=True):
        if period:
            jumps |= column > period / 2
    return tuple(np.split(points, np.flatnonzero(jumps) + 1))


def periods_of(session: Session, axes) -> tuple[float | None, float | None]:
    """360 for axes that are torsions."""
    angles = colouring.torsions(session.dataset)
    return tuple(360.0 if name in angles else None for name in axes)


def find_landscape_path(
    session: Session, kind: str = KINDS[0], *, weighted: bool = True, to_minima: bool = True
) -> LandscapePath | None:
    """The path through the session's anchors; None while there are less than two.

    ``to_minima`` moves both ends to the minima of their basins, if these are two.

    Raises
    ------
    FelError
        If the axes are gone, or nothing connects the anchors.
    """
    anchors = session.path_anchors
    if anchors is None or len(anchors.anchors) < 2:
        return None
    view = make_view(session, anchors.axes, weighted=weighted)
    if view.is_profile:
        raise FelError(
            "A path on a profile.", "Paths run over two axes.", "Choose another y axis than the free energy."
        )
    periods = periods_of(session, anchors.axes)
    through = _with_ends_in_minima(view.surface, anchors.anchors, periods) if to_minima else anchors.anchors
    curve = find_path(Space(view.xy, periods), through, kind, free_energy=view.surface)
    estimate = view.estimate()
    if estimate is None:
        profile = FreeEnergy.without_error(at_points(view.surface, curve.points))
    else:
        profile = estimate.at(curve.points)
    return LandscapePath(anchors, curve, view.labels, profile, periods, through)


def _with_ends_in_minima(surface, anchors, periods) -> tuple[tuple[float, float], ...]:
    """``anchors`` with first and last moved to the minima of their basins; as they are where it is one."""
    periodic = [period is not None for period in periods]
    for ripple in RIPPLES:
        start, end = (nearest_minimum(surface, anchors[i], periodic=periodic, ripple=ripple) for i in (0, -1))
        if start != end:
            return (start, *anchors[1:-1], end)
    return tuple(anchors)


def can_decode(session: Session, path: LandscapePath) -> str:
    """Why the path's images can't be decoded; '' if they can."""
    result = session.result
    if result is None or not set(path.anchors.axes) <= set(result.cv_names):
        return "The path does not run over the model's CVs."
    if not result.method.has_decoder:
        return f"{result.label} has no decoder."
    return ""


def images(session: Session, path: LandscapePath, shown: str, reference) -> mdtraj.Trajectory:
    """The structures along the path, each aligned to the one before it.

    ``shown`` is one of `SHOWN`; ``reference`` is what the first is aligned to.

    Raises
    ------
    FelError
        If the images are to be decoded and can't be.
    """
    whole = superpose(session.trajectories.frames(path.curve.frames), reference)
    if shown == "observed":
        return whole
    if why := can_decode(session, path):
        raise FelError(why, remedy="Show the observed frames.")
    result = session.result
    places = np.array(result.embedding[path.curve.frames], float)
    for i, name in enumerate(path.anchors.axes):
        places[:, result.cv_names.index(name)] = path.curve.points[:, i]
    features = result.method.inverse_transform(places)
    made = [
        reconstruct(row, session.dataset.attrs, nearest=frame)
        for row, frame in zip(np.asarray(features), whole.xyz, strict=True)
    ]
    topology = made[0].trajectory(whole.topology).topology
    return mdtraj.Trajectory(np.stack([one.xyz for one in made]).astype(np.float32), topology)


def verdict(check: xr.Dataset, image: int) -> str:
    """In words whether an image is sound, from `structures.soundness`."""
    error, clashes = float(check["bond_error"][image]), int(check["clashes"][image])
    faults = [f"a bond off by {error:.3f} nm"] if error > LONG_BOND else []
    faults += [f"{clashes} clash{'es' if clashes > 1 else ''}"] if clashes else []
    return "no bond errors, no clashes" if not faults else " and ".join(faults)
