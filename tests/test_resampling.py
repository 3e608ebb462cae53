"""Block bootstrap against brute force, textbook formulas and the true error of an AR(1) process."""

import numpy as np
import pytest
from scipy.signal import lfilter

from fel_explorer.errors import FelError
from fel_explorer.resampling import Blocks


def ar1(n_frames, correlation_time, n_series, seed=0):
    """Stationary AR(1) processes (series, frame) of variance 1."""
    a = np.exp(-1 / correlation_time)
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(n_series, 1))
    noise = np.sqrt(1 - a * a) * rng.normal(size=(n_series, n_frames))
    return lfilter([1], [1, -a], noise, axis=1, zi=a * start)[0]


def brute_pairs(cell, lengths, lag, n):
    counts = np.zeros((n, n))
    for part in np.split(cell, np.cumsum(lengths)[:-1]):
        for now, later in zip(part, part[lag:], strict=False):
            counts[now, later] += 1
    return counts


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([50] * 30, 30),  # enough trajectories: whole ones
        ([50] * 10, 10),
        ([50] * 9, 27),
        ([1000], 20),
        ([90_000, *[500] * 19], 20 + 18),  # twenty trajectories, but nearly all of the data is in one
    ],
)
def test_trajectories_stay_whole_where_there_are_enough(lengths, expected):
    blocks = Blocks.of_lengths(lengths, n_blocks=20)
    assert len(blocks) == expected
    assert (blocks.start[1:] == blocks.stop[:-1]).all() and blocks.n_frames == sum(lengths)
    assert set(np.cumsum(lengths)) <= set(blocks.stop)  # no block reaches over the end of a trajectory


def test_blocks_have_at_least_the_length_asked_for():
    blocks = Blocks.of_lengths([1000, 30], n_blocks=20, min_length=100)
    assert np.diff(np.r_[blocks.start, 1030]).tolist() == [100] * 10 + [30]


def test_blocks_of_trajectory_indices_are_those_of_the_lengths():
    lengths = [70, 30, 55]
    blocks = Blocks.of_frames(np.repeat([4, 2, 9], lengths))
    np.testing.assert_array_equal(blocks.start, Blocks.of_lengths(lengths).start)
    np.testing.assert_array_equal(blocks.lengths, lengths)


@pytest.mark.parametrize(
    ("lengths", "options"), [([], {}), ([5, 0], {}), ([5], {"n_blocks": 1}), ([5], {"min_length": 0})]
)
def test_impossible_blocks_are_refused(lengths, options):
    with pytest.raises(FelError, match=r"at least"):
        Blocks.of_lengths(lengths, **options)


def test_sums_of_all_blocks_are_the_histogram_and_the_pair_counts_of_the_data():
    rng = np.random.default_rng(1)
    lengths, lag = [40, 3, 100], 5
    cell, weights = rng.integers(0, 4, 143), rng.random(143)
    blocks = Blocks.of_lengths(lengths)
    np.testing.assert_allclose(blocks.sums(cell, 4, weights).sum(0), np.bincount(cell, weights))
    np.testing.assert_array_equal(blocks.pair_sums(cell, 4, lag).sum(0), brute_pairs(cell, lengths, lag, 4))


def test_frames_in_no_cell_are_left_out():
    cell = np.array([0, -1, 1, 1, -1, 0])
    blocks = Blocks.of_lengths([6], n_blocks=2)
    np.testing.assert_array_equal(blocks.sums(cell, 2), [[1, 1], [1, 1]])
    assert blocks.pair_sums(cell, 2, 1).sum() == 1


def test_draws_give_the_same_by_sums_frame_counts_and_segments():
    rng = np.random.default_rng(2)
    cell = rng.integers(0, 3, 100)
    blocks = Blocks.of_lengths([60, 40])
    draws = blocks.draw(7, seed=3)
    by_sums = draws.sums(blocks.sums(cell, 3))
    by_frames = [np.bincount(cell, counts, 3) for counts in draws.frame_counts()]
    by_segments = [np.bincount(np.concatenate(parts), minlength=3) for parts in draws.segments(cell)]
    np.testing.assert_array_equal(by_sums, by_frames)
    np.testing.assert_array_equal(by_sums, by_segments)
    assert (draws.counts.sum(axis=1) == len(blocks)).all()


def test_no_pair_is_made_of_two_drawn_blocks():
    # a cycle 0 1 2 0 1 2 ... has pairs i -> i + 1 only; joined blocks would make others
    cell = np.arange(100) % 3
    blocks = Blocks.of_lengths([100], n_blocks=14)
    draws = blocks.draw(50)
    allowed = np.roll(np.eye(3), 1, axis=1).astype(bool)
    assert (draws.sums(blocks.pair_sums(cell, 3, 1))[:, ~allowed] == 0).all()
    for parts in draws.segments(cell):
        assert all((np.diff(part) % 3 == 1).all() for part in parts)
        assert sum(map(len, parts)) == pytest.approx(100, abs=14)


def test_strata_are_drawn_among_themselves():
    blocks = Blocks.of_lengths([10] * 30)
    draws = blocks.draw(40, stratum=np.repeat(["a", "b", "c"], [12, 8, 10]))
    totals = [draws.counts[:, first:end].sum(1) for first, end in ((0, 12), (12, 20), (20, 30))]
    np.testing.assert_array_equal(totals, np.repeat([[12], [8], [10]], 40, axis=1))


def test_standard_error_of_a_mean_over_equal_blocks_is_the_textbook_formula():
    x = np.random.default_rng(4).normal(size=200)
    blocks = Blocks.of_lengths([200], n_blocks=20)
    sums = np.array([part.sum() for part in blocks.segments(x)])
    draws = blocks.draw(20_000)
    means = sums / 10
    expected = means.std(ddof=1) / np.sqrt(20)
    assert draws.standard_error(draws.sums(sums) / 200) == pytest.approx(expected, rel=0.02)


def test_intervals_cover_the_mean_of_a_correlated_process_as_often_as_they_say():
    # AR(1): 0.945 with blocks of 20 correlation times; blocks of 2 show why they must be long
    assert coverage(ar1(4000, 10, 2000)) == pytest.approx(0.95, abs=0.015)
    assert coverage(ar1(400, 10, 600)) < 0.9


def coverage(series):
    """Fraction of series (series, frame) of mean 0 whose 95 % interval of the mean, of 20 blocks, holds 0."""
    covered = 0
    blocks = Blocks.of_lengths([series.shape[1]])
    for seed, x in enumerate(series):
        draws = blocks.draw(200, seed=seed)
        lower, upper = draws.interval(draws.sums([part.sum() for part in blocks.segments(x)]))
        covered += lower <= 0 <= upper
    return covered / len(series)


def test_standard_error_is_that_of_a_correlated_process():
    series = ar1(4000, 10, 400, seed=1)
    blocks = Blocks.of_lengths([4000])
    sums = np.stack([part.sum(axis=0) for part in blocks.segments(series.T)])  # (block, series)
    draws = blocks.draw(200)
    errors = draws.standard_error(draws.sums(sums) / 4000)
    a = np.exp(-1 / 10)
    exact = np.sqrt((1 + a) / (1 - a) / 4000)  # of a long series of variance 1
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(exact, rel=0.06)
    assert exact > 4 * np.sqrt(1 / 4000)  # what counting frames as independent would claim


def test_few_blocks_widen_the_interval_as_students_distribution_does():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(400):
        blocks = Blocks.of_lengths([1] * 5, n_blocks=5)
        x = rng.normal(size=5)
        draws = blocks.draw(400, seed=seed)
        lower, upper = draws.interval(draws.sums(x) / 5)
        covered += lower <= 0 <= upper
    assert covered / 400 >= 0.88  # 2000 repeats: 0.915, and 0.83 by plain percentiles


def test_one_block_has_no_error():
    draws = Blocks.of_lengths([30], min_length=20).draw(10)
    assert np.isnan(draws.standard_error(np.zeros((10, 2)))).all()
    assert np.isnan(draws.interval(np.zeros((10, 2)))).all()


def test_a_statistic_that_is_often_undefined_has_no_error():
    draws = Blocks.of_lengths([100]).draw(20)
    samples = np.random.default_rng(6).normal(size=(20, 2))
    samples[0] = -np.inf
    samples[1:3, 1] = np.nan
    error = draws.standard_error(samples)
    assert error[0] == pytest.approx(samples[1:, 0].std(ddof=1) * np.sqrt(20 / 19))
    assert np.isnan(error[1])
    assert np.isfinite(draws.interval(samples)).tolist() == [[True, False]] * 2


def test_wrong_shapes_are_refused():
    blocks = Blocks.of_lengths([10])
    with pytest.raises(FelError, match="for 10 frames"):
        blocks.sums(np.zeros(9, int), 2)
    with pytest.raises(FelError, match="One per draw"):
        blocks.draw(5).standard_error(np.zeros(4))
    with pytest.raises(FelError, match="per frame"):
        Blocks.of_frames(np.zeros((3, 2)))
