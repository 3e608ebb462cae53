"""Frames sorted into the pixels of a window.

Plain counting in NumPy, not datashader: 200,000 frames take some 10 ms, without the seconds of compilation
that datashader takes at its first use.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

BLOCK = 2**18  # frames sorted at once


@dataclass(frozen=True, eq=False)
class Pixels:
    """Frames counted into pixels.

    ``values`` (y, x) float32, NaN where empty; ``frame`` (y, x) int32, one frame of each pixel, -1 where
    empty; ``bounds`` (left, bottom, right, top).
    """

    values: np.ndarray
    frame: np.ndarray
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Binned:
    """Frames sorted into the pixels of a window: what stays when only their colours or the selection change.

    ``frames`` (n,) indices of the frames inside, ascending; ``pixel`` (n,) flat index of the pixel of each;
    ``shape`` pixels along (x, y); ``bounds`` (left, bottom, right, top); ``kept`` holds what was computed of
    all of them.
    """

    frames: np.ndarray
    pixel: np.ndarray
    shape: tuple[int, int]
    bounds: tuple[float, float, float, float]
    kept: dict = field(default_factory=dict)

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the window."""
        return self.shape[0] * self.shape[1]

    def chosen(self, *masks: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Frames and pixels of those inside that are in all ``masks`` (frame,) bool; None holds all."""
        frames, pixel = self.frames, self.pixel
        for mask in masks:
            if mask is not None:
                here = mask if len(frames) == len(mask) else mask[frames]
                frames, pixel = frames[here], pixel[here]
        return frames, pixel

    def counts(self, pixel: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Number of ``pixel`` entries, or sum of their ``weights``, in each pixel, (y, x) float32."""
        found = np.bincount(pixel, weights, minlength=self.n_pixels)
        return found.astype(np.float32).reshape(self.shape[::-1])

    def all_counts(self) -> np.ndarray:
        """Number of frames in each pixel, (y, x) float32; counted once."""
        if "counts" not in self.kept:
            self.kept["counts"] = self.counts(self.pixel)
        return self.kept["counts"]

    def fill(
        self, values: np.ndarray | None = None, kind: str = "sequential", chosen: np.ndarray | None = None
    ) -> Pixels:
        """Pixels with their common value, as `rasterize`; ``chosen`` (frame,) bool leaves others out."""
        frames, pixel = self.chosen(chosen, None if values is None else np.isfinite(values))
        counts = np.bincount(pixel, minlength=self.n_pixels)
        summary = counts if values is None else _summaries[kind](pixel, values[frames], counts)
        image = np.where(counts > 0, summary, np.nan).astype(np.float32)
        frame = np.full(self.n_pixels, -1, np.int32)
        frame[pixel] = frames
        rows = self.shape[::-1]
        return Pixels(image.reshape(rows), frame.reshape(rows), self.bounds)


def bin_frames(
    xy: np.ndarray, x_range: tuple[float, float], y_range: tuple[float, float], shape: tuple[int, int]
) -> Binned:
    """Sort the frames at ``xy`` (frame, 2) into the pixels of a window; those outside it are left out."""
    found, pixels = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(xy), BLOCK):  # temporary arrays of all frames would not fit the caches
        block = np.asarray(xy[start : start + BLOCK])
        x = (block[:, 0] - x_range[0]) * (shape[0] / (x_range[1] - x_range[0]))
        y = (block[:, 1] - y_range[0]) * (shape[1] / (y_range[1] - y_range[0]))
        frames = np.flatnonzero((x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1]))
        if len(frames) < len(block):
            x, y = x[frames], y[frames]
        found.append(frames + start)
        pixels.append(y.astype(np.int64) * shape[0] + x.astype(np.int64))
    bounds = x_range[0], y_range[0], x_range[1], y_range[1]
    return Binned(np.concatenate(found), np.concatenate(pixels), shape, bounds)


def rasterize(
    xy: np.ndarray,
    values: np.ndarray | None = None,
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    shape: tuple[int, int],
    kind: str = "sequential",
) -> Pixels:
    """Count frames into pixels.

    Parameters
    ----------
    xy
        (frame, 2) positions.
    values
        (frame,) what is shown, NaN for frames to leave out; None counts the frames.
    x_range, y_range
        The shown window; frames outside it are left out.
    shape
        Pixels along (x, y).
    kind
        "sequential": mean; "cyclic": mean direction of angles in degrees; "categorical": the most frequent.
    """
    return bin_frames(xy, x_range, y_range, shape).fill(values, kind)


def _mean(flat, values, counts):
    return np.bincount(flat, values, minlength=len(counts)) / np.maximum(counts, 1)


def _mean_direction(flat, values, counts):
    angle = np.deg2rad(values)
    total = [np.bincount(flat, part, minlength=len(counts)) for part in (np.sin(angle), np.cos(angle))]
    return np.rad2deg(np.arctan2(*total))


def _most_frequent(flat, values, counts):
    categories = values.astype(np.int64)
    n = int(categories.max(initial=0)) + 1
    pairs, occurrences = np.unique(flat * n + categories, return_counts=True)
    order = np.argsort(occurrences, kind="stable")
    winner = np.zeros(len(counts))
    winner[pairs[order] // n] = pairs[order] % n  # the most frequent is written last
    return winner


_summaries = {"sequential": _mean, "cyclic": _mean_direction, "categorical": _most_frequent}
