"""Torsions and distances whose values set states apart, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.data.frame_values import frame_values, torsions

MAX_FRAMES = 5_000
APART = 1.5  # pooled standard deviations between two means
TURNS = 36  # bins of 10 degrees
OVERLAP = 0.7  # total variation distance of two distributions of an angle, at least
RANKS = 2  # differences that are kept, the clearest first


class Differences:
    """Torsions and distances of a dataset, to compare in states."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self.every = max(1, dataset.sizes["frame"] // MAX_FRAMES)
        few = dataset.isel(frame=slice(None, None, self.every))
        self.angles = torsions(few)
        turns = [np.floor((frame_values(few, name) + 180) * TURNS / 360) for name in self.angles]
        self.turns = [one.astype(int) % TURNS for one in turns]
        names = [str(name) for name in few["feature"].values]
        columns = [i for i, name in enumerate(names) if name.startswith("d ") and name.count(" ") == 2]
        self.pairs = [" to ".join(names[i].split(" ")[1:]) for i in columns]
        values = few["features"].values.take(columns, axis=1).astype(float)
        self.distances = values - values.mean(0)

    def of(self, states: np.ndarray, n_states: int, names: Sequence[str]) -> list[list[str]]:
        """For each rank what sets each state apart from those of the same name; "" where nothing does.

        Parameters
        ----------
        states
            (frame,) int state of each frame of the dataset.
        names
            (state,).

        Returns
        -------
        list of list of str
            (rank)(state,) such as "psi ALA2 near 150°" or "ACE1-O to NME3-N short", the clearest first.
        """
        few = states[:: self.every]
        counts = np.bincount(few, minlength=n_states)
        bins = [
            np.bincount(few * TURNS + one, minlength=n_states * TURNS).reshape(n_states, -1)
            for one in self.turns
        ]
        inside = np.eye(n_states)[few].T
        sums, squares = inside @ self.distances, inside @ self.distances**2
        found: list[list[str]] = []
        for state in range(n_states):
            alike = [other for other in range(n_states) if other != state and names[other] == names[state]]
            sets = ([state], alike)
            if min(counts[one].sum() for one in sets) < 2:
                found.append([])
                continue
            angles = [self._of_angle(i, *(bins[i][one].sum(0) for one in sets)) for i in range(len(bins))]
            moments = [_moments(counts[one].sum(), sums[one].sum(0), squares[one].sum(0)) for one in sets]
            texts = [text for _, text in sorted(filter(None, angles), reverse=True)]
            found.append(texts or self._of_distances(*moments))
        return [[one[rank] if rank < len(one) else "" for one in found] for rank in range(RANKS)]

    def _of_angle(self, i, own, rest):
        """(distance of the distributions, text); None where they overlap."""
        distance = np.abs(own / own.sum() - rest / rest.sum()).sum() / 2
        if distance < OVERLAP:
            return None
        middle = np.radians((np.arange(TURNS) + 0.5) * 360 / TURNS - 180)
        mean = np.degrees(np.angle(own @ np.exp(1j * middle)))
        return distance, f"{self.angles[i]} near {10 * round(mean / 10)}°"

    def _of_distances(self, own, rest):
        """Texts, the clearest first."""
        if not self.pairs:
            return []
        spread = np.sqrt((own[1] + rest[1]) / 2)
        apart = np.where(spread > 0, (own[0] - rest[0]) / np.maximum(spread, 1e-12), 0.0)
        order = np.argsort(-np.abs(apart))[:RANKS]
        return [
            f"{self.pairs[i]} {'long' if apart[i] > 0 else 'short'}" for i in order if abs(apart[i]) >= APART
        ]


def _moments(n, total, squares):
    """Mean and variance of values from their sums."""
    mean = total / n
    return mean, np.maximum(squares / n - mean**2, 0.0)
