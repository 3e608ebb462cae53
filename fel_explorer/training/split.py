"""Validation data that do not leak: whole trajectories, or blocks apart from the training data by a gap."""

from __future__ import annotations

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.training.pairs import segments_of


def split(lengths, fraction: float, gap: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Segments for training and for validation, each (segment, 2): first frame and end.

    Parameters
    ----------
    lengths
        Frames of each trajectory.
    fraction
        Share of the frames held out, 0 < fraction < 1.
    gap
        Frames, at least the lag, left out between training and validation frames of one trajectory.

    Notes
    -----
    With enough trajectories whole ones are held out, else one block of each long enough; never single
    frames at random, whose neighbours in time would be in the training set.
    """
    lengths = np.asarray(lengths, np.int64)
    if not 0 < fraction < 1:
        raise FelError(f"A validation share of {fraction}.", "It is above 0 and below 1.")
    random = np.random.default_rng(seed)
    usable = np.flatnonzero(lengths > gap)
    target = fraction * lengths.sum()
    held_out, frames = [], 0
    for trajectory in random.permutation(usable):
        if frames + lengths[trajectory] <= 1.2 * target:
            held_out.append(trajectory)
            frames += lengths[trajectory]
    segments = segments_of(lengths)
    if frames >= 0.8 * target and len(held_out) < len(usable):
        mask = np.isin(np.arange(len(lengths)), held_out)
        return segments[~mask], segments[mask]
    return _split_blocks(segments, fraction, gap, random)


def _split_blocks(segments, fraction, gap, random):
    training, validation = [], []
    for first, end in segments:
        size = round(fraction * (end - first))
        if size <= gap or end - first - size <= 2 * gap:
            training.append((first, end))
            continue
        start = random.integers(first, end - size + 1)
        validation.append((start, start + size))
        training += [(first, start - gap), (start + size + gap, end)]
    if not validation:
        longest = int((segments[:, 1] - segments[:, 0]).max())
        raise FelError(
            f"Holding out {fraction:.0%} of trajectories of at most {longest} frames, a gap of {gap} apart.",
            "The held-out block must be longer than the lag.",
            "Take a shorter lag_time, longer trajectories or validation_fraction=0.",
        )
    return np.array([s for s in training if s[1] > s[0]]), np.array(validation)
