"""Barriers of free-energy profiles, with errors of the height as a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are used

from fel_explorer.errors import FelError
from fel_explorer.free_energy.estimator import FreeEnergy

MIN_BARRIER = 1.0  # kT


@dataclass(frozen=True)
class Barrier:
    """A maximum of a profile, and its height above the lowest point on either side.

    Attributes
    ----------
    index, position
        Which bin it is, and where along the variable; along a path the position is the index.
    left, right
        Heights above the lowest point on the left and on the right.
    left_error, right_error
        Their standard errors; NaN where they are not known.
    """

    index: int
    position: float
    left: float
    right: float
    left_error: float = float("nan")
    right_error: float = float("nan")


def barrier(profile: FreeEnergy, between: tuple[float, float]) -> tuple[float, float]:
    """Height and standard error of the barrier of a profile between two values of its variable.

    The height is that of the highest bin between the two above the lowest bin on the side of ``between[0]``.

    Raises
    ------
    FelError
        If fewer than three bins with data lie between the two.
    """
    x, f = _axis(profile), profile.values.values
    inside = (x >= min(between)) & (x <= max(between)) & np.isfinite(f)
    if inside.sum() < 3:
        raise FelError(
            f"between={between} holds {int(inside.sum())} bins.",
            "Three are needed at least.",
            "Take values further apart, or more bins.",
        )
    top = np.flatnonzero(inside)[f[inside].argmax()]
    side = (x < x[top]) if between[0] < between[1] else (x > x[top])
    floor = np.flatnonzero(side)[np.nanargmin(f[side])]
    return profile.difference(floor, top)


def barriers(profile: FreeEnergy, minimum: float = MIN_BARRIER) -> list[Barrier]:
    """All barriers of a profile whose prominence is at least ``minimum``, from left to right.

    Each height is that above the lowest point up to the next barrier.
    """
    x, f = _axis(profile), profile.values.values
    known = np.flatnonzero(np.isfinite(f))
    tops = scipy.signal.find_peaks(f[known], prominence=minimum)[0]
    ends = [0, *tops, len(known)]
    return [
        _barrier(profile, x, known[top], _lowest(f, known[left:top]), _lowest(f, known[top:right]))
        for left, top, right in zip(ends[:-2], tops, ends[2:], strict=True)
    ]


def path_barrier(profile: FreeEnergy) -> Barrier:
    """Highest image of the free energy along a path (image,), above its start and above its end."""
    f = profile.values.values
    top = int(np.nanargmax(f))
    return _barrier(profile, np.arange(len(f)), top, 0, len(f) - 1)


def _barrier(profile, x, top, left, right) -> Barrier:
    (a, a_error), (b, b_error) = profile.difference(left, top), profile.difference(right, top)
    return Barrier(int(top), float(x[top]), a, b, a_error, b_error)


def _axis(profile: FreeEnergy) -> np.ndarray:
    (name,) = profile.values.dims
    return profile.values[name].values


def _lowest(f, bins) -> int:
    return int(bins[f[bins].argmin()])
