"""Umbrella windows: centres, stiffness, and overlap of neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

STIFFNESS = 4.0  # kT / spacing^2: a window alone spreads over half the distance to its neighbour
ENOUGH_OVERLAP = 0.03  # between neighbours (Klimovich et al. 2015, doi:10.1007/s10822-015-9840-9)
TAIL = 0.001  # fraction of the frames beyond the outermost windows, on either side


@dataclass(frozen=True)
class Windows:
    """Harmonic restraints k / 2 (xi - centre)^2 of one collective variable.

    Attributes
    ----------
    centres
        (window,) ascending, in units of the CV.
    stiffness
        (window,) k, in energy / CV^2.
    kT
        Of the simulation.
    """

    centres: np.ndarray
    stiffness: np.ndarray
    kT: float

    def __len__(self) -> int:
        return len(self.centres)

    def take(self, order: Sequence[int] | np.ndarray) -> Windows:
        """Some of the windows, or all of them in another order."""
        return Windows(self.centres[order], self.stiffness[order], self.kT)

    def join(self, others: Windows) -> Windows:
        """Join these windows and the others, not sorted."""
        return Windows(
            np.concatenate([self.centres, others.centres]),
            np.concatenate([self.stiffness, others.stiffness]),
            self.kT,
        )

    def reduced(self, cv: ArrayLike) -> np.ndarray:
        """Energies (window, frame) of frames (frame,) in every window, in kT."""
        away = np.asarray(cv, float)[None, :] - self.centres[:, None]
        return self.stiffness[:, None] * away**2 / (2 * self.kT)


def place_windows(
    cv: ArrayLike, *, kT: float, n_windows: int = 32, stiffness: float | None = None
) -> Windows:
    """Windows at equal distances over the range of ``cv`` (frame,), values seen in data.

    Parameters
    ----------
    kT
        In the energy unit of the simulation.
    stiffness
        In energy / CV^2; default 4 kT / distance^2, stiff enough to hold on slopes of a few kT a window and
        soft enough to overlap on flat ground.
    """
    low, high = np.quantile(np.asarray(cv, float), [TAIL, 1 - TAIL])
    if n_windows < 2 or not high > low:
        raise FelError(
            f"{n_windows} windows between {low:g} and {high:g}.",
            "At least two windows and a CV that changes are needed.",
        )
    if stiffness is not None and not stiffness > 0:
        raise FelError(f"stiffness={stiffness!r}.", "It is positive, in energy / CV^2.")
    centres = np.linspace(low, high, n_windows)
    spacing = centres[1] - centres[0]
    k = STIFFNESS * kT / spacing**2 if stiffness is None else stiffness
    return Windows(centres, np.full(n_windows, float(k)), float(kT))


def starting_frames(cv: ArrayLike, windows: Windows, n_walkers: int, seed: int = 0) -> np.ndarray:
    """Frames (window, walker) to start from: drawn among those of the data nearest to each centre."""
    cv, random = np.asarray(cv, float), np.random.default_rng(seed)
    near = max(4 * n_walkers, 10)
    order = [np.argsort(np.abs(cv - centre), kind="stable")[:near] for centre in windows.centres]
    return np.stack([random.choice(frames, n_walkers, replace=len(frames) < n_walkers) for frames in order])


def gaps(overlap: np.ndarray, centres: np.ndarray) -> list[tuple[float, float, float]]:
    """Neighbours that overlap too little: (centre, centre, overlap)."""
    pairs = zip(centres[:-1], centres[1:], np.diagonal(overlap, 1), strict=True)
    return [(float(a), float(b), float(o)) for a, b, o in pairs if o < ENOUGH_OVERLAP]


def windows_between(weak: list[tuple[float, float, float]], windows: Windows) -> Windows:
    """A window in the middle of each of the `gaps` ``weak`` of ``windows``.

    As stiff as its halved distance asks for and as its softer neighbour is at least: a soft window on a
    barrier would hold walkers on either side of it, which don't mix.
    """
    low, high = np.array([gap[:2] for gap in weak], float).T
    left = np.searchsorted(windows.centres, low)
    softer = np.minimum(windows.stiffness[left], windows.stiffness[left + 1])
    stiffness = np.maximum(STIFFNESS * windows.kT / ((high - low) / 2) ** 2, softer)
    return Windows((low + high) / 2, stiffness, windows.kT)
