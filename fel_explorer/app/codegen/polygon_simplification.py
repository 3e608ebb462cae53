"""Regions drawn by hand with fewer vertices and shorter numbers, which hold the same frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fel_explorer.app.session.selection_origin import Region

DIGITS = range(2, 9)  # of the region's extent along each axis
SAMPLE = 20_000  # frames


def simplify_region(region: Region, xy: np.ndarray) -> Region:
    """A region of few vertices and short numbers that holds the same of the points ``xy`` (frame, 2)."""
    inside = region.holds(xy)
    vertices = np.array(region.vertices, float)
    if region.shape == "lasso":
        vertices = simplify_polygon(vertices, xy)
    few = slice(None, None, max(1, len(xy) // SAMPLE))  # most roundings already fail with these
    for digits in DIGITS:
        made = replace(region, vertices=_rounded(vertices, digits))
        if all(np.array_equal(made.holds(xy[part]), inside[part]) for part in (few, slice(None))):
            return made
    return replace(region, vertices=tuple(map(tuple, vertices.tolist())))


def simplify_polygon(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """``polygon`` (vertex, 2) without vertices that no point of ``xy`` (frame, 2) needs.

    A vertex left out changes, by the even-odd rule, what is inside by the triangle with its two neighbours,
    and thus nothing where that holds no point.  The smallest triangles go first, never two neighbours at
    once, so that the outline keeps its shape as long as it can.
    """
    near = xy[np.all((xy >= polygon.min(axis=0)) & (xy <= polygon.max(axis=0)), axis=1)].astype(float)
    near = near[np.argsort(near[:, 0], kind="stable")]
    kept, shrunk = polygon, True
    while shrunk and len(kept) > 3:
        before, after = np.roll(kept, 1, axis=0), np.roll(kept, -1, axis=0)
        area = np.abs(_cross(kept - before, after - before))
        stays = np.ones(len(kept), bool)
        for i in np.argsort(area, kind="stable"):
            neighbours = stays[i - 1] and stays[(i + 1) % len(kept)]
            if neighbours and stays.sum() > 3 and not _holds_any(near, before[i], kept[i], after[i]):
                stays[i] = False
        shrunk, kept = not stays.all(), kept[stays]
    return kept


def _holds_any(points, *corners) -> bool:
    """Whether one of ``points``, sorted by x, lies in a triangle or on its border."""
    corners = np.array(corners)
    (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
    first, last = np.searchsorted(points[:, 0], left, "left"), np.searchsorted(points[:, 0], right, "right")
    points = points[first:last]
    points = points[(points[:, 1] >= low) & (points[:, 1] <= high)]
    sides = [_cross(b - a, points - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return bool((np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)).any())


def _cross(one, other):
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _rounded(vertices, digits) -> tuple[tuple[float, float], ...]:
    """With ``digits`` digits of the extent along each axis."""
    extent = np.ptp(vertices, axis=0)
    places = [int(digits - 1 - np.floor(np.log10(one))) if one > 0 else digits for one in extent]
    columns = [np.round(column, n) + 0.0 for column, n in zip(vertices.T, places, strict=True)]
    return tuple(zip(*(column.tolist() for column in columns), strict=True))
