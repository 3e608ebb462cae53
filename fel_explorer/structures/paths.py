"""Paths on a landscape: from anchor to anchor, straight, along observed frames, or by least free energy.

Positions may be angles in degrees, whose axes have a period.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import scipy  # its parts are imported when they are used
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from fel_explorer.errors import FelError
from fel_explorer.free_energy import FreeEnergy, path_barrier
from fel_explorer.structures.embedding import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from fel_explorer.structures.embedding import Embedding

KINDS = ("minimum free energy", "straight", "nearest frames", "graph")
STEPS = [(1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2)]  # and their opposites
HIGHEST = 200.0  # kT; beyond it exp(F) makes no difference
GRAPH_FRAMES = 4_000
NEIGHBOURS = 12


@dataclass(frozen=True, eq=False)
class Path:
    """Images along a path, in order.

    Attributes
    ----------
    kind
        One of `KINDS`.
    points
        (image, cv) positions; for "nearest frames" and "graph" those of the frames.
    frames
        (image,) dataset index of the observed frame nearest to each.
    distances
        (image,) distance of that frame, in units of the spread (standard deviation) of each variable.
    length
        (image,) arc length from the start, in the same units.
    """

    kind: str
    points: np.ndarray
    frames: np.ndarray
    distances: np.ndarray
    length: np.ndarray


class Space:
    """Positions of all frames, scaled by their spread, with the periods of their axes."""

    def __init__(self, positions: ArrayLike, periods: Sequence[float | None] | None = None) -> None:
        self.positions = np.asarray(positions, float)
        if self.positions.ndim != 2 or len(self.positions) < 2:
            raise FelError(f"Positions of shape {self.positions.shape}.", "(frame, cv), two frames at least.")
        n_dims = self.positions.shape[1]
        self.periods = np.array([p or np.inf for p in (periods or [None] * n_dims)])
        spread = self.positions.std(0)
        self.scale = np.where(spread > 0, spread, 1.0)
        box = np.where(np.isfinite(self.periods), self.periods / self.scale, 0.0)
        self._box = box if box.any() else None
        self._tree = cKDTree(self._inside(self.positions), boxsize=self._box, balanced_tree=False)

    def step(self, start: np.ndarray, end: ArrayLike) -> np.ndarray:
        """From ``start`` to ``end``, along the shorter arc."""
        step = np.asarray(end, float) - start
        finite = np.isfinite(self.periods)
        step[..., finite] -= self.periods[finite] * np.round(step[..., finite] / self.periods[finite])
        return step

    def unwrap(self, points: ArrayLike) -> np.ndarray:
        """``points`` without jumps across the ends of a period."""
        points = np.asarray(points, float)
        return np.vstack([points[:1], points[0] + np.cumsum(self.step(points[:-1], points[1:]), axis=0)])

    def wrap(self, points: ArrayLike) -> np.ndarray:
        """``points`` in the first period, that is centred on 0."""
        points = np.array(points, float)
        finite = np.isfinite(self.periods)
        half = self.periods[finite] / 2
        points[..., finite] = (points[..., finite] + half) % (2 * half) - half
        return points

    def length(self, points: np.ndarray) -> np.ndarray:
        """Arc length (point,) in units of the spread."""
        steps = np.linalg.norm(self.step(points[:-1], points[1:]) / self.scale, axis=1)
        return np.append(0.0, np.cumsum(steps))

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance and index of the nearest frame to each of ``points``."""
        return self._tree.query(self._inside(points))

    def neighbours(self, frames: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and places of the ``k`` nearest of ``frames`` to each of them, itself the first."""
        points = self._inside(self.positions[frames])
        return cKDTree(points, boxsize=self._box).query(points, k=k)

    def _inside(self, points):
        """Scaled, and within the box that the tree knows."""
        points = np.asarray(points, float) / self.scale
        if self._box is None:
            return points
        finite = self._box > 0
        points[..., finite] %= self._box[finite]
        points[..., finite] = np.where(points[..., finite] >= self._box[finite], 0.0, points[..., finite])
        return points


def path(
    method: Embedding | np.ndarray,
    data: xr.Dataset,
    anchors: ArrayLike,
    kind: str = KINDS[0],
    *,
    n_images: int = 40,
    free_energy: xr.DataArray | None = None,
    periods: Sequence[float | None] | None = None,
    seed: int = 0,
) -> Path:
    """A path through ``anchors`` in the embedding of a fitted method.

    ``method`` may be an array (frame, cv) that holds the embedding of ``data``; ``periods`` are those of its
    axes, None for one without.  For the rest see `find_path`.
    """
    positions = embed(method, data)
    return find_path(
        Space(positions, periods), anchors, kind, n_images=n_images, free_energy=free_energy, seed=seed
    )


def find_path(
    space: Space,
    anchors: ArrayLike,
    kind: str = KINDS[0],
    *,
    n_images: int = 40,
    free_energy: xr.DataArray | None = None,
    seed: int = 0,
) -> Path:
    """A path through ``anchors`` in their order.

    Parameters
    ----------
    space
        Positions of the frames.
    anchors
        (anchor, cv), two or more.
    kind
        "minimum free energy": where exp(F) integrated along the path is least, which is the path of largest
        flux (S. Huo and J. E. Straub, J. Chem. Phys. 107, 5000 (1997), doi:10.1063/1.474863), on the grid of
        ``free_energy``;
        "straight": straight lines; "nearest frames": the observed frames nearest to the straight lines;
        "graph": observed frames by short hops, the shortest path in squared distances over nearest
        neighbours among a sample of frames.
    n_images
        Images of a "minimum free energy" or "straight" path, and at most for the others.
    free_energy
        (y, x) surface in kT with NaN where nothing was seen, as `free_energy_surface` makes it.
    seed
        Of the sample of "graph".

    Raises
    ------
    FelError
        If there are less than two anchors, no such kind, no surface where one is needed, or no path through.
    """
    anchors = np.atleast_2d(np.asarray(anchors, float))
    n_dims = space.positions.shape[1]
    if anchors.ndim != 2 or len(anchors) < 2 or anchors.shape[1] != n_dims:
        raise FelError(
            f"Anchors of shape {anchors.shape}.",
            f"A path needs two anchors or more, with {n_dims} coordinates each.",
            "Click on the map where the path shall start and end.",
        )
    if kind == "minimum free energy":
        points = _least_free_energy(space, anchors, free_energy, n_images)
    elif kind == "graph":
        points = space.positions[_hops(space, anchors, seed)]
    elif kind in ("straight", "nearest frames"):
        points = _resample(space, space.unwrap(anchors), n_images)
    else:
        raise FelError(f"kind={kind!r}.", f"Kinds are {', '.join(KINDS)}.")
    if kind in ("nearest frames", "graph"):
        _, frames = space.nearest(points)
        frames = frames[np.append(True, np.diff(frames) != 0)]
        points = space.positions[frames]
    distances, frames = space.nearest(points)
    return Path(kind, space.wrap(points), frames, distances, space.length(points))


def _resample(space, points, n_images):
    """``n_images`` at equal arc lengths along ``points``, which have no jumps."""
    length = space.length(points)
    keep = np.append(True, np.diff(length) > 0)
    if keep.sum() < 2:
        raise FelError("All anchors are at one place.", remedy="Set anchors apart.")
    places = np.linspace(0.0, length[-1], n_images)
    return scipy.interpolate.interp1d(length[keep], points[keep], axis=0)(
        np.minimum(places, length[keep][-1])
    )


# ---- minimum free energy


def _least_free_energy(space, anchors, surface, n_images):
    if surface is None or surface.ndim != 2 or anchors.shape[1] != 2:
        raise FelError(
            "A path of minimum free energy without a surface over two variables.",
            remedy="Show the map along two axes, or choose another kind of path.",
        )
    axes = [surface[name].values for name in ("x", "y")]
    graph = _grid_graph(space, surface, axes)
    nodes = [_known_cell(surface, axes, space.wrap(anchor)) for anchor in anchors]
    columns = surface.shape[1]
    legs = []
    for start, end in pairwise(nodes):
        cells = _shortest(graph, start, end, "No frames connect two anchors on this map.")
        legs.append(np.column_stack([axes[0][cells % columns], axes[1][cells // columns]]))
    points = space.unwrap(np.vstack([legs[0], *(leg[1:] for leg in legs[1:])]))
    if len(points) > 2:  # the corners of the grid are not those of the valley
        ends = points[0].copy(), points[-1].copy()
        points = gaussian_filter1d(points, 1.5, axis=0, mode="nearest")
        points[0], points[-1] = ends
    if len(points) == 1:
        points = space.unwrap(anchors)
    return _resample(space, points, n_images)


def _grid_graph(space, surface, axes) -> csr_matrix:
    """Known cells joined to the 16 around them; a hop costs its length times exp(F) at its middle."""
    values = np.minimum(surface.values, HIGHEST)
    rows, columns = values.shape
    cost = np.exp(values - np.nanmin(values))
    spacing = [float(axis[1] - axis[0]) / s for axis, s in zip(axes, space.scale, strict=True)]
    y, x = np.indices(values.shape)
    sources, targets, costs = [], [], []
    for dx, dy in STEPS:
        to_x, to_y = x + dx, y + dy
        inside = np.ones(values.shape, bool)
        for to, n, period in ((to_x, columns, space.periods[0]), (to_y, rows, space.periods[1])):
            if np.isfinite(period):
                to %= n
            else:
                inside &= (to >= 0) & (to < n)
        source = np.flatnonzero(inside.ravel())
        target = (to_y * columns + to_x).ravel()[source]
        hop = np.hypot(dx * spacing[0], dy * spacing[1])
        price = 0.5 * (cost.ravel()[source] + cost.ravel()[target]) * hop
        good = np.isfinite(price)
        sources.append(source[good])
        targets.append(target[good])
        costs.append(price[good])
    n = values.size
    rows, columns, prices = map(np.concatenate, (sources, targets, costs))
    return coo_matrix((prices, (rows, columns)), shape=(n, n)).tocsr()


def _known_cell(surface, axes, place) -> int:
    """The flat index of the known cell nearest to ``place`` (x, y)."""
    steps = [axis[1] - axis[0] for axis in axes]
    x, y = np.meshgrid(*axes)
    away = ((x - place[0]) / steps[0]) ** 2 + ((y - place[1]) / steps[1]) ** 2
    away[~np.isfinite(surface.values)] = np.inf
    return int(away.argmin())


def _shortest(graph, start, end, lost) -> np.ndarray:
    distance, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    if not np.isfinite(distance[end]):
        raise FelError(lost, remedy="Move the anchors, or choose a straight path.")
    nodes = [end]
    while nodes[-1] != start:
        nodes.append(int(before[nodes[-1]]))
    return np.array(nodes[::-1])


# ---- hops between frames


def _hops(space, anchors, seed) -> np.ndarray:
    """Frames of the shortest path in squared distances between the frames nearest to the anchors."""
    _, ends = space.nearest(anchors)
    n_frames = len(space.positions)
    rng = np.random.default_rng(seed)
    sample = rng.choice(n_frames, min(GRAPH_FRAMES, n_frames), replace=False)
    sample = np.unique(np.append(sample, ends))
    away, others = space.neighbours(sample, min(NEIGHBOURS + 1, len(sample)))
    here = np.repeat(np.arange(len(sample)), others.shape[1] - 1)
    price = np.maximum(away[:, 1:].ravel() ** 2, 1e-12)
    graph = coo_matrix((price, (here, others[:, 1:].ravel())), shape=(len(sample),) * 2).tocsr()
    graph = graph.maximum(graph.T)
    places = np.searchsorted(sample, ends)
    legs = [
        _shortest(graph, a, b, "No chain of similar frames connects two anchors.")
        for a, b in pairwise(places)
    ]
    return sample[np.concatenate([legs[0], *(leg[1:] for leg in legs[1:])])]


# ---- what a path says


def barriers(free_energy: np.ndarray) -> tuple[float, float, int]:
    """Height of the highest of ``free_energy`` (image,) above the start and above the end, and its index."""
    highest = path_barrier(FreeEnergy.without_error(free_energy))
    return highest.left, highest.right, highest.index


def profile_table(path: Path, free_energy: ArrayLike, error: ArrayLike | None = None) -> xr.Dataset:
    """The path as a table over ``image``: length, free energy and its error (kT), frame, distance to it."""
    known = {} if error is None else {"error_kT": np.asarray(error, float)}
    columns = {
        "length": path.length,
        "free_energy_kT": np.asarray(free_energy, float),
        **known,
        "frame": path.frames,
        "distance": path.distances,
    }
    points = {f"cv_{i + 1}": path.points[:, i] for i in range(path.points.shape[1])}
    return xr.Dataset({name: ("image", values) for name, values in (columns | points).items()})
