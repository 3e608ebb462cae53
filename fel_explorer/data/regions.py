"""Regions drawn on a map: tests whether points lie inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def in_polygon(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether each point of ``xy`` (frame, 2) lies in ``polygon`` (vertex, 2), by the even-odd rule.

    Only points within the polygon's box are tested, against its edges sorted into horizontal bands, so that
    a point meets few edges.
    """
    polygon = np.asarray(polygon, float)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    candidates = np.flatnonzero(in_box(xy, (*low, *high)))
    mask = np.zeros(len(xy), bool)
    if len(polygon) < 3 or low[1] == high[1]:
        return mask
    start, end = polygon, np.roll(polygon, -1, axis=0)
    n_bands = min(len(polygon), 64)
    height = (high[1] - low[1]) / n_bands
    y = xy[candidates, 1]
    band = np.minimum(((y - low[1]) / height).astype(np.int64), n_bands - 1)
    order = np.argsort(band, kind="stable")
    bounds = np.searchsorted(band[order], np.arange(n_bands + 1))
    lower, upper = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    for i in range(n_bands):
        members = candidates[order[bounds[i] : bounds[i + 1]]]
        slack = 1e-9 * height
        edges = (upper >= low[1] + i * height - slack) & (lower <= low[1] + (i + 1) * height + slack)
        mask[members] = _crossings_odd(xy[members], start[edges], end[edges])
    return mask


def in_box(xy: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    """Whether each point lies in the box ``bounds`` = (left, bottom, right, top)."""
    left, bottom, right, top = bounds
    x, y = xy[:, 0], xy[:, 1]
    return (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


def _crossings_odd(xy, start, end):
    """Whether a ray from each point to the right crosses an odd number of the edges."""
    x, y = xy[:, 0].astype(float), xy[:, 1].astype(float)
    odd = np.zeros(len(xy), bool)
    for (x0, y0), (x1, y1) in zip(start, end, strict=True):
        if y0 == y1:
            continue
        odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd
