"""Validation data share no neighbourhood in time with training data."""

import numpy as np
import pytest

from fel_explorer.errors import FelError
from fel_explorer.training.pairs import segments_of
from fel_explorer.training.split import folds, split


def frames(segments):
    return np.concatenate([np.arange(first, end) for first, end in segments])


def test_whole_trajectories_are_held_out_when_there_are_enough():
    lengths = [100] * 10
    training, validation = split(lengths, 0.2, gap=5)
    assert len(validation) == 2 and len(training) == 8
    together = np.sort(np.concatenate([frames(training), frames(validation)]))
    np.testing.assert_array_equal(together, np.arange(1000))


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_a_single_trajectory_are_a_gap_apart(seed):
    training, validation = split([1000], 0.2, gap=30, seed=seed)
    held_out, rest = frames(validation), frames(training)
    assert len(held_out) == 200
    assert np.abs(held_out[:, None] - rest[None, :]).min() > 30
    assert len(rest) >= 1000 - 200 - 2 * 30


def test_too_short_trajectories_say_so():
    with pytest.raises(FelError, match="Take a shorter lag_time"):
        split([50, 40], 0.2, gap=30)


def test_a_split_is_within_the_trajectories():
    lengths = [300, 20, 500]
    training, validation = split(lengths, 0.3, gap=10, seed=3)
    for first, end in [*training, *validation]:
        assert any(a <= first < end <= b for a, b in segments_of(lengths))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_a_share_outside_0_to_1_is_refused(fraction):
    with pytest.raises(FelError, match="above 0 and below 1"):
        split([100], fraction, gap=1)


def test_every_frame_is_tested_once_by_whole_trajectories():
    lengths = [100, 90, 110, 100, 20, 95]
    parts = folds(lengths, 3, gap=5)
    tested = np.concatenate([frames(test) for _, test in parts])
    np.testing.assert_array_equal(np.sort(tested), np.arange(sum(lengths)))
    for training, test in parts:
        together = np.sort(np.concatenate([frames(training), frames(test)]))
        np.testing.assert_array_equal(together, np.arange(sum(lengths)))
        assert len(frames(test)) < 1.5 * sum(lengths) / 3


@pytest.mark.parametrize("lengths", [[1000], [800, 900, 15], [5000, 100, 100, 100]])
def test_too_few_or_too_unlike_trajectories_are_cut_into_blocks_a_gap_apart(lengths):
    parts = folds(lengths, 4, gap=20)
    tested = np.concatenate([frames(test) for _, test in parts])
    long = np.concatenate(
        [np.arange(a, b) for a, b in segments_of(lengths) if b - a > 100 or len(lengths) == 4]
    )
    assert len(np.unique(tested)) == len(tested) and set(tested) == set(long)
    for training, test in parts:
        held_out, rest = frames(test), frames(training)
        for first, end in segments_of(lengths):
            own, others = (x[(x >= first) & (x < end)] for x in (held_out, rest))
            if len(own) and len(others):
                assert np.abs(own[:, None] - others[None, :]).min() > 20


def test_folds_that_can_not_be_say_so():
    with pytest.raises(FelError, match="fewer folds"):
        folds([50, 40], 5, gap=30)
    with pytest.raises(FelError, match="at least two"):
        folds([50, 40], 1, gap=3)
