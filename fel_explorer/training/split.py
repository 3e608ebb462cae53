"""Validation data that do not leak: whole trajectories, or blocks apart from the training data by a gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.training.pairs import segments_of


def split(
    lengths: Sequence[int] | np.ndarray, fraction: float, gap: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Segments for training and for validation, each (segment, 2): first frame and end.

    Parameters
    ----------
    lengths
        Frames of each trajectory.
    fraction
        Fraction of the frames held out, 0 < fraction < 1.
    gap
        Frames, at least the lag, left out between training and validation frames of one trajectory.

    Notes
    -----
    With enough trajectories whole ones are held out, else one block of each long enough; never single
    frames at random, whose neighbours in time would be in the training set.
    """
    lengths = np.asarray(lengths, np.int64)
    if not 0 < fraction < 1:
        raise FelError(f"A validation fraction of {fraction}.", "It must be above 0 and below 1.")
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


def folds(
    lengths: Sequence[int] | np.ndarray, n_folds: int, gap: int, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training, test) segments of each fold of a cross-validation, each (segment, 2): first frame and end.

    Parameters
    ----------
    lengths
        Frames of each trajectory.
    n_folds
        At least 2; each frame that is tested is tested once.
    gap
        Frames, at least the lag, left out between training and test frames of one trajectory.
    seed
        Of the order in which trajectories of equal length are dealt.

    Notes
    -----
    Whole trajectories are held out where that makes folds of similar size.  Otherwise each trajectory is cut
    into ``n_folds`` contiguous blocks, and a fold tests one block of each; a trajectory whose blocks would
    not be longer than the gap is in every fold's training data.

    Raises
    ------
    FelError
        If there are less than two folds, or the data are too short for them.
    """
    lengths = np.asarray(lengths, np.int64)
    if n_folds < 2:
        raise FelError(f"n_folds={n_folds}.", "There are at least two folds.")
    segments, held_out = segments_of(lengths), _deal(lengths, n_folds, gap, seed)
    if held_out is not None:
        return [(segments[held_out != k], segments[held_out == k]) for k in range(n_folds)]
    parts = [_block(segments, n_folds, k, gap) for k in range(n_folds)]
    if not all((training[:, 1] - training[:, 0] > gap).any() and len(test) for training, test in parts):
        raise FelError(
            f"{n_folds} folds of {len(lengths)} trajectories of at most {lengths.max()} frames, {gap} apart.",
            "A block of a fold must be longer than the lag.",
            "Take a shorter lag_time, fewer folds or longer trajectories.",
        )
    return parts


def _deal(lengths, n_folds, gap, seed):
    """Fold (trajectory,) that tests each trajectory: longest first to the smallest; None where that fails."""
    frames = np.zeros(n_folds, np.int64)
    fold = np.empty(len(lengths), int)
    order = np.random.default_rng(seed).permutation(len(lengths))
    for trajectory in order[np.argsort(-lengths[order], kind="stable")]:
        fold[trajectory] = frames.argmin()
        frames[fold[trajectory]] += lengths[trajectory]
    longest = [lengths[fold == k].max(initial=0) for k in range(n_folds)]
    return fold if min(longest) > gap and frames.max() <= 1.5 * frames.mean() else None


def _block(segments, n_folds, k, gap):
    """Segments with the ``k``-th block of each trajectory as test data."""
    training, test = [], []
    for first, end in segments:
        edges = first + (end - first) * np.arange(n_folds + 1) // n_folds
        start, stop = edges[k], edges[k + 1]
        if np.diff(edges).min() <= gap:
            training.append((first, end))
            continue
        test.append((start, stop))
        training += [s for s in ((first, start - gap), (stop + gap, end)) if s[1] > s[0]]
    return np.array(training).reshape(-1, 2), np.array(test).reshape(-1, 2)
