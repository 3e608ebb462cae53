"""View of a session's map: positions of the frames along two axes, and their free energy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import xarray as xr

from fel_explorer import free_energy
from fel_explorer.app.session.session import Point, Session
from fel_explorer.app.session.tree_nodes import short_name
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.nearest_frame import NearestFrame
from fel_explorer.app.views.simulate.trail import trail
from fel_explorer.free_energy.density import SMOOTHING
from fel_explorer.free_energy.estimator import MIN_FRAMES, FreeEnergy
from fel_explorer.free_energy.grid import PERIOD, axis_limits, margin_of
from fel_explorer.plots.arrangement import MANY_NAMES, names_apart
from fel_explorer.plots.binning import Binned, bin_frames
from fel_explorer.plots.colours import Scale, sequential_scale
from fel_explorer.plots.energy_units import KT, EnergyUnit
from fel_explorer.plots.landscape_data import Landscape

FREE_ENERGY = colouring.FREE_ENERGY  # as the y axis: the profile along x
ERROR = colouring.ERROR
ENOUGH = 5_000  # frames of a state for its median
MARGIN = 0.07  # fraction of the data's span around them, and all of the surface; a torsion has none
PRINTED_NAMES = (450, 310)  # pixels of a map on the screen where names are as large as on a printed one


@dataclass(frozen=True, eq=False)
class MapView:
    """Positions of all frames on the map.

    Attributes
    ----------
    xy
        (frame, 2) positions.
    axes
        Names of the two axes; the second is "free energy" where the map is a profile along the first.
    labels
        The axes' labels, with units.
    limits
        ((left, right), (bottom, top)) that show everything.
    surface
        Free energy in ``unit`` over the axes, (y, x), or (x,) for a profile.
    unit
        Of the free energies.
    weights, trajectory, grid
        Of the frames, and how they are counted: what `error` is made from.
    """

    xy: np.ndarray
    axes: tuple[str, str]
    labels: tuple[str, str]
    limits: tuple[tuple[float, float], tuple[float, float]]
    surface: xr.DataArray
    unit: EnergyUnit = KT
    weights: np.ndarray | None = None
    trajectory: np.ndarray | None = None
    grid: dict = field(default_factory=dict)
    _binned: dict = field(default_factory=dict)
    _numbers: dict = field(default_factory=dict)

    @property
    def is_profile(self) -> bool:
        return self.axes[1] == FREE_ENERGY

    @cached_property
    def free_energy(self) -> np.ndarray:
        """(frame,) in `unit`."""
        return free_energy.at_points(self.surface, self._cvs)

    @property
    def _cvs(self):
        return self.xy[:, :1] if self.is_profile else self.xy

    @cached_property
    def error(self) -> xr.DataArray | None:
        """Standard error of the surface in `unit`; None where there are too few frames."""
        estimate = self.estimate()
        return None if estimate is None else estimate.error

    def estimate(self) -> FreeEnergy | None:
        """The surface in `unit` with its error; None where there are too few frames."""
        if len(self.xy) < MIN_FRAMES:
            return None
        return free_energy.estimate(self._cvs, self.weights, self.trajectory, kT=self.unit.kT, **self.grid)

    @cached_property
    def frame_error(self) -> np.ndarray:
        """(frame,) the standard error where each frame lies, NaN where it is not known."""
        if self.error is None:
            return np.full(len(self.xy), np.nan, np.float32)
        return free_energy.at_points(self.error, self._cvs)

    @cached_property
    def nearest(self) -> NearestFrame:
        return NearestFrame(self._cvs)

    def binned(self, x_range, y_range, shape: tuple[int, int]) -> Binned:
        """The frames in the pixels of a window, None for all along an axis; the last window's are kept."""
        window = tuple(w or limit for w, limit in zip((x_range, y_range), self.limits, strict=True))
        key = (*window, shape)
        if key not in self._binned:
            self._binned.clear()
            self._binned[key] = bin_frames(self.xy, *window, shape)
        return self._binned[key]

    def state_places(self, result) -> dict[int, tuple[float, float]]:
        """Where to write the names of populated states, the largest first: at a frame near the median.

        Of a state with many frames every n-th is looked at.
        """
        places = {}
        frames = {state: np.flatnonzero(result.state == state) for state in result.states()} if result else {}
        for state in sorted(frames, key=lambda state: -len(frames[state])):
            own = self.xy[frames[state][:: max(1, len(frames[state]) // ENOUGH)]]
            middle = np.median(own, axis=0)
            x, y = own[np.sum((own - middle) ** 2, axis=1).argmin()]
            places[state] = (float(x), float(y))
        return places

    def landscape(
        self, session: Session, colour_by: str, values: np.ndarray, scale: Scale, places, *, contours: bool
    ) -> Landscape:
        """The drawing: this view, coloured by ``values``, with the session's selection, point and frame.

        ``places`` are those of `state_places`.
        """
        result = session.result
        has_states = result is not None and result.state is not None
        return Landscape(
            xy=self.xy,
            values=values,
            scale=scale,
            surface=self.surface,
            picture=self._picture(colour_by),
            free_energy=self.free_energy,
            state=self._state_numbers(result.state) if has_states else None,
            selected=session.selection.mask,
            labels=self.labels,
            limits=self.limits,
            names=_names_on_the_map({session.state_name(state): place for state, place in places.items()}),
            state_names={state + 1: session.state_name(state) for state in places},
            clicked=self.place_of(session, session.point) if session.point is not None else None,
            current=tuple(self.xy[min(session.frame, len(self.xy) - 1)].tolist()),
            contours=contours,
            unit=self.unit,
            error=self.error if colour_by == ERROR and self.is_profile else None,
            **self._way(session),
            **trail(session, self.axes, self.xy, self.limits),
        )

    def _state_numbers(self, state: np.ndarray) -> np.ndarray:
        """Numbers of the states from 1; kept, so that what is drawn of them is."""
        if self._numbers.get("of") is not state:
            self._numbers.update(of=state, numbers=state + 1)
        return self._numbers["numbers"]

    def _picture(self, colour_by: str) -> xr.DataArray | None:
        """The surface as an image, where the frames are coloured by it."""
        if self.is_profile or colour_by not in (FREE_ENERGY, ERROR):
            return None
        return self.surface if colour_by == FREE_ENERGY else self.error

    def _way(self, session: Session) -> dict:
        """The session's path, where it runs over this map."""
        anchors, path = session.path_anchors, session.path
        if anchors is None or anchors.axes != self.axes:
            return {}
        if path is None or path.anchors != anchors:
            return {"anchors": anchors.anchors}
        image = tuple(path.curve.points[min(session.image, path.n_images - 1)].tolist())
        return {"anchors": anchors.anchors, "path": path.pieces, "image": image}

    def point_at(self, session: Session, x: float, y: float) -> Point:
        """The clicked point, with its nearest frame on this map."""
        clicked = np.array([x] if self.is_profile else [x, y])
        frame, distance, off_manifold = self.nearest.find(clicked)
        result = session.result
        if result is None:
            return Point("", clicked, frame, distance, off_manifold)
        position = np.array(result.embedding[frame], float)
        shown = [name for name in self.axes if name in result.cv_names]
        if len(shown) < len(clicked):  # an axis is not a CV: the point stands for its frame
            return Point(result.label, position, frame, 0.0, False)
        for name, value in zip(shown, clicked, strict=True):
            position[result.cv_names.index(name)] = value
        return Point(result.label, position, frame, distance, off_manifold)

    def place_of(self, session: Session, point: Point) -> tuple[float, float]:
        """Where a clicked point lies on this map: at its position along its CVs, else at its frame."""
        x, y = (float(value) for value in self.xy[point.frame])
        result = session.result
        if result is None or point.model != result.label:
            return x, y
        place = [
            float(point.position[result.cv_names.index(name)]) if name in result.cv_names else value
            for name, value in zip(self.axes, (x, y), strict=True)
        ]
        return place[0], place[1]


def coloured(view: MapView, session: Session, name: str, *, dark=False) -> tuple[np.ndarray, Scale]:
    """Values of the frames (frame,) to colour ``view`` by, and their scale."""
    if name == FREE_ENERGY:
        limits = (0.0, float(np.nanmax(view.surface)))
        return view.free_energy, sequential_scale(view.unit.label, view.free_energy, dark=dark, limits=limits)
    if name == ERROR:
        top = 0.0 if view.error is None else float(np.nanmax(view.error, initial=0.0))
        title = f"error of the {view.unit.label}"
        return view.frame_error, sequential_scale(
            title, view.frame_error, dark=dark, limits=(0.0, top or 1.0)
        )
    return colouring.colouring(session, name, dark=dark)


def axis_choices(session: Session, observables=()) -> dict[str, list[str]]:
    """Everything that can be an axis of the map, {group: names}; ``observables`` as for colours."""
    groups = {"Learned": session.result.cv_names} if session.result is not None else {}
    groups |= colouring.frame_choices(session.dataset, observables)
    return {group: names for group, names in groups.items() if names}


def default_axes(session: Session) -> tuple[str, str]:
    """The model's first two CVs; before any model phi and psi, two torsions, or two features."""
    if session.result is not None:
        names = session.result.cv_names
    else:
        names = colouring.torsions(session.dataset)
        phi, psi = ([n for n in names if n.startswith(kind)] for kind in ("phi", "psi"))
        if phi and psi:
            return phi[0], psi[0]
        if len(names) < 2:
            names = [str(name) for name in session.dataset["feature"].values[:2]]
    return names[0], names[1] if len(names) > 1 else FREE_ENERGY


def make_view(
    session: Session,
    axes: tuple[str, str],
    *,
    weighted: bool = False,
    unit: EnergyUnit = KT,
    smoothing: float = SMOOTHING,
) -> MapView:
    """Place the frames of the session along ``axes`` and estimate the free energy there.

    ``weighted`` uses the dataset's frame weights, where it has them; ``smoothing`` is the kernel's width in
    bins.
    """
    weights = session.dataset["weight"].values if weighted and "weight" in session.dataset else None
    angles = colouring.torsions(session.dataset)
    x, periodic_x = _axis(session, axes[0]), axes[0] in angles
    bins = free_energy.default_bins(len(x))
    labels = [colouring.label(session.dataset, name) for name in axes]
    grid = {"bins": bins, "smoothing": smoothing}
    if axes[1] == FREE_ENERGY:
        grid["periodic"] = periodic_x
        surface = free_energy.free_energy_profile(x, weights, **grid) * unit.kT
        y, periodic_y, labels[1] = free_energy.at_points(surface, x[:, None]), False, unit.label
    else:
        y, periodic_y = _axis(session, axes[1]), axes[1] in angles
        grid["periodic"] = (periodic_x, periodic_y)
        surface = free_energy.free_energy_surface(np.column_stack([x, y]), weights, **grid) * unit.kT
    limits = tuple(
        PERIOD
        if periodic
        else axis_limits(values[np.isfinite(values)], margin=max(MARGIN, margin_of(bins, smoothing)))
        for values, periodic in ((x, periodic_x), (y, periodic_y))
    )
    trajectory = session.dataset["trajectory"].values
    xy = np.column_stack([x, y])
    return MapView(xy, tuple(axes), tuple(labels), limits, surface, unit, weights, trajectory, grid)


def _names_on_the_map(names: dict) -> dict:
    """``names`` {name: place} shortened; of many states that have no name but a number that number."""
    if len(names) <= MANY_NAMES:
        return {short_name(name): place for name, place in names.items()}
    return {name.removeprefix("state "): place for name, place in names.items()}


def same_frames(old, new) -> bool:
    """Whether two datasets differ at most in columns."""
    return old is not None and new is not None and data_of(old, "features") is data_of(new, "features")


def data_of(dataset, name):
    """The array behind a variable, or None."""
    return dataset[name].data if name in dataset.variables else None


def shown_axes(session: Session) -> tuple[str, str]:
    """The axes of the session's map; the default where it has none, or they are gone."""
    names = {name for group in axis_choices(session).values() for name in group} | {FREE_ENERGY}
    return session.axes if set(session.axes) <= names else default_axes(session)


def _axis(session, name):
    if session.result is not None and name in session.result.cv_names:
        return session.result.embedding[:, session.result.cv_names.index(name)]
    return colouring.column(session, name)


def with_names_apart(landscape: Landscape, window=(None, None), size=PRINTED_NAMES) -> Landscape:
    """Names moved where they would lie on one another in a ``window`` of ``size`` screen pixels, or None."""
    limits = [shown or whole for shown, whole in zip(window, landscape.limits, strict=True)]
    size = (size[0] or 600, size[1] or 400)
    return replace(landscape, names=names_apart(landscape.names, limits, size))
