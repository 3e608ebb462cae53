"""Layout of nodes, arrows and labels on the screen, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MARGINS = (90, 70)  # screen pixels of a plot that its axes and their labels take
BEND = 0.16  # of an arrow's length: both directions are seen
MAX_BEND = 34  # pixels
GAP = 46  # between the rims of two nodes, for arrows to be seen
ROUNDS = 200
LETTER, LINE = 7, 18  # size of a letter of a label
NAME_LETTER, NAME_LINE = 8, 26  # of a name on the map, which has a ground
NAME_MARGIN = 6  # between a name and the edge of its ground, and some room to the next
MANY_NAMES = 12  # more are written smaller
SMALL_LETTER, SMALL_LINE, SMALL_MARGIN = 7, 20, 5
NAMES_COVER = 0.25  # of the map at most


class Canvas:
    """Data coordinates to screen pixels and back, for a plot of ``shape`` pixels between ``limits``."""

    def __init__(self, limits: Sequence[Sequence[float]], shape: Sequence[int]) -> None:
        self.origin = np.array([limits[0][0], limits[1][0]])
        self.size = np.maximum(np.subtract(shape, MARGINS), 50)
        self.scale = self.size / (np.array([limits[0][1], limits[1][1]]) - self.origin)

    def pixels(self, xy: ArrayLike) -> np.ndarray:
        return (np.asarray(xy, float) - self.origin) * self.scale

    def data(self, pixels: ArrayLike) -> np.ndarray:
        return np.asarray(pixels) / self.scale + self.origin


def spread(places: ArrayLike, sizes: ArrayLike, frame: ArrayLike) -> np.ndarray:
    """``places`` (node, 2) moved apart where nodes of diameters ``sizes`` would touch, within ``frame``."""
    places, radii = np.array(places, float), np.asarray(sizes) / 2
    if len(places) < 2:
        return places
    least = radii[:, None] + radii[None] + min(GAP, np.min(frame) / (2 * len(places)))
    np.fill_diagonal(least, 0)
    # where nodes lie on one another the direction is a matter of choice
    places += 0.1 * np.column_stack([np.cos(np.arange(len(places))), np.sin(np.arange(len(places)))])
    room = np.maximum(np.asarray(frame) - radii[:, None], radii[:, None] + 1)
    for _ in range(ROUNDS):
        apart = places[:, None] - places[None]
        distance = np.linalg.norm(apart, axis=2) + np.eye(len(places))
        push = np.maximum(least - distance, 0) / distance
        np.fill_diagonal(push, 0)
        if not (push > 1e-3).any():
            break
        places = places + 0.25 * (push[:, :, None] * apart).sum(axis=1)
        places = np.clip(places, radii[:, None], room)
    return places


def arrow(
    start: np.ndarray, end: np.ndarray, radii: Sequence[float], width: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An arrow bent to the left from ``start`` to ``end``, cut at the ``radii`` of both nodes.

    Returns
    -------
    shaft, head, curve
        (point, 2) from rim to foot, (3, 2) tip and wings, (point, 2) the whole curve for labels.
    """
    across = np.array([start[1] - end[1], end[0] - start[0]])
    bend = min(BEND, MAX_BEND / max(float(np.linalg.norm(across)), 1.0))
    control = (start + end) / 2 + 2 * bend * across
    t = np.linspace(0, 1, 121)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    outside = np.linalg.norm(curve - start, axis=1) > radii[0] + 2
    outside &= np.linalg.norm(curve - end, axis=1) > radii[1] + 2
    inner = np.flatnonzero(outside)
    if len(inner) < 3:  # the nodes touch: a bare head between them
        inner = np.array([58, 60, 62])
    size, tip = 7 + 1.6 * width, curve[inner[-1]]
    before = inner[np.linalg.norm(curve[inner] - tip, axis=1) >= size]
    base = before[-1] if len(before) else inner[0]
    along = (tip - curve[base]) / (np.linalg.norm(tip - curve[base]) or 1.0)
    foot, normal = tip - size * along, np.array([-along[1], along[0]])
    wings = np.array([tip, foot + 0.5 * size * normal, foot - 0.5 * size * normal])
    return np.vstack([curve[inner[0] : base + 1], foot]), wings, curve


class Labels:
    """Places for labels that cover neither nodes nor each other."""

    def __init__(self, places: np.ndarray, sizes: np.ndarray) -> None:
        self._boxes = [(x, y, size / 2, size / 2) for (x, y), size in zip(places, sizes, strict=True)]

    def take(self, place: Sequence[float] | np.ndarray, text: str) -> None:
        """Reserve ``place`` for ``text``."""
        self._boxes.append((*place, LETTER * len(text) / 2 + 2, LINE / 2))

    def find(self, curve: np.ndarray, text: str) -> np.ndarray | None:
        """A free place for ``text`` on ``curve``, as near its middle as can be; None if there is none."""
        for part in (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73):
            place = curve[round(part * (len(curve) - 1))]
            x, y = place
            if self._is_free(x, y, LETTER * len(text) / 2, LINE / 2):
                self.take(place, text)
                return place
        return None

    def _is_free(self, x, y, half_width, half_height):
        return not any(
            abs(x - a) < half_width + w and abs(y - b) < half_height + h for a, b, w, h in self._boxes
        )


def names_apart(names: dict, limits: ArrayLike, size: Sequence[float]) -> dict:
    """``names`` {name: (x, y)} moved to the nearest free places where they would lie on one another.

    ``limits`` are those of the window, ``size`` its width and height in screen pixels.  The first names stay;
    of a crowd the last are left out: those without a free place nearby, and those that would hide the map.
    """
    limits = np.asarray(limits, float)
    scale = np.asarray(size) / np.diff(limits, axis=1).ravel()
    low, high = limits.T * scale
    boxes: list[tuple[float, float, float]] = []
    usual, small = (NAME_LETTER, NAME_LINE, NAME_MARGIN), (SMALL_LETTER, SMALL_LINE, SMALL_MARGIN)
    letter, line, margin = small if len(names) > MANY_NAMES else usual
    placed, tall, room = {}, line / 2, NAMES_COVER * size[0] * size[1]
    for name, place in names.items():
        half, pixels = letter * len(name) / 2 + margin, np.asarray(place) * scale
        shown = bool((low <= pixels).all() and (pixels <= high).all())  # others stay outside of the window
        room -= 2 * half * line
        if boxes and room < 0:
            break
        for across, up in _steps(half, line):
            x, y = pixels[0] + across, pixels[1] + up
            inside = low[0] + half <= x <= high[0] - half and low[1] + tall <= y <= high[1] - tall
            inside |= across == up == 0 and not shown
            if inside and not any(abs(x - a) < half + w and abs(y - b) < line for a, b, w in boxes):
                boxes.append((x, y, half))
                placed[name] = place if across == up == 0 else (x / scale[0], y / scale[1])
                break
    return placed


def _steps(half, line):
    """Pixels (across, up) by which a name may be moved, the nearest first."""
    steps = [(half * i / 4, line * j / 4) for i in range(-12, 13) for j in range(-16, 17)]
    return sorted(steps, key=lambda step: step[0] ** 2 + step[1] ** 2)
