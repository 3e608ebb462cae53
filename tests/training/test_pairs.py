"""Lag pairs against what they must be, counted by NumPy."""

import numpy as np
import pytest
import torch

from fel_explorer.errors import FelError
from fel_explorer.training.pairs import Batch, LagPairs, pair_starts, segments_of
from fel_explorer.training.seeding import Landmarks, expand_batch, farthest_points, whitening

LENGTHS = [7, 1, 3, 20, 4]


def numbered(lengths):
    """Features that say which trajectory and time a frame is."""
    rows = [(trajectory, time) for trajectory, n in enumerate(lengths) for time in range(n)]
    return torch.tensor(rows, dtype=torch.float32)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(n, **options):
    lag = options.pop("lag", 3)
    pairs = LagPairs(numbered(LENGTHS), pair_starts(segments_of(LENGTHS), lag), lag, **options)
    batch = pairs.draw(n, generator())
    earlier, later = batch.halves(batch.frames)
    return earlier.numpy(), later.numpy(), batch.weight.numpy()


@pytest.mark.parametrize("exact", [True, False])
def test_pairs_stay_within_a_trajectory_and_the_lag(exact):
    earlier, later, _ = draw(5000, exact=exact)
    assert (earlier[:, 0] == later[:, 0]).all()
    offsets = (later - earlier)[:, 1]
    assert set(offsets) == ({3.0} if exact else {1.0, 2.0, 3.0})


def test_every_possible_pair_is_drawn_equally_often():
    earlier, later, _ = draw(100_000)
    pairs, counts = np.unique(np.c_[earlier, later], axis=0, return_counts=True)
    n_starts = (7 - 3) + (20 - 3) + (4 - 3)
    assert len(pairs) == 3 * n_starts
    expected = 100_000 / len(pairs)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_both_ways_are_every_pair_and_its_mirror_image():
    cells = np.r_[np.zeros(sum(LENGTHS) - 4, int), np.ones(4, int)]  # the last trajectory is a cell
    weights = np.arange(1.0, 1 + sum(LENGTHS))
    starts = pair_starts(segments_of(LENGTHS), 3)
    rows = numbered(LENGTHS).numpy()
    pairs = LagPairs(numbered(LENGTHS), starts, 3, exact=True, both_ways=True, cells=cells, weights=weights)
    batch = pairs.draw(20_000, generator(), cell_share=0.5, unbias=0.0)
    first, second = (side.numpy() for side in batch.halves(batch.frames))
    found = {(*a, *b): w for a, b, w in zip(first, second, batch.weight.numpy(), strict=True)}
    expected = {}
    for start in starts:
        a, b, w = rows[start], rows[start + 3], weights[start] / weights[starts].mean()
        expected |= {(*a, *b): w, (*b, *a): w}
    assert found.keys() == expected.keys()
    assert all(found[pair] == pytest.approx(w, rel=1e-6) for pair, w in expected.items())
    last = (first[:, 0] == 4).mean()
    assert last == pytest.approx(0.5 / len(starts) + 0.25, abs=0.02)


def test_frame_weights_become_pair_weights_with_mean_one():
    weights = np.arange(1.0, 1 + sum(LENGTHS))
    starts = pair_starts(segments_of(LENGTHS), 3)
    earlier, _, weight = draw(2000, weights=weights)
    first = dict(enumerate(np.cumsum([0, *LENGTHS[:-1]])))
    frame = np.array([first[int(trajectory)] + int(time) for trajectory, time in earlier])
    np.testing.assert_allclose(weight, weights[frame] / weights[starts].mean(), rtol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_cells_are_seen_evenly_and_importance_weights_undo_the_bias(share):
    n = 4000
    x = np.zeros(n, int)
    x[:40] = 1  # a cell with 1 % of the frames
    features = torch.tensor(x, dtype=torch.float32)[:, None]
    pairs = LagPairs(features, np.arange(n - 1), 1, cells=x)
    batch = pairs.draw(200_000, generator(), cell_share=share)
    rare = batch.frames[:200_000, 0].numpy() == 1
    assert rare.mean() == pytest.approx((1 - share) * 0.01 + share * 0.5, abs=0.005)
    weight = batch.weight.numpy()
    assert weight.max() <= 1 / (1 - share) + 1e-6
    assert weight[rare].sum() / weight.sum() == pytest.approx(40 / (n - 1), rel=0.05)
    assert weight.mean() == pytest.approx(1.0, abs=0.01)
    biased = pairs.draw(1000, generator(), cell_share=share, unbias=0.0)
    assert (biased.weight == 1).all()
    half = pairs.draw(1000, generator(), cell_share=share, unbias=0.5)
    torch.testing.assert_close(half.weight**2, pairs.draw(1000, generator(), cell_share=share).weight)


def test_without_a_cell_share_cells_change_nothing():
    cells = np.random.default_rng(0).integers(0, 3, sum(LENGTHS))
    earlier, _, weight = draw(50_000, cells=cells)
    _, counts = np.unique(earlier, axis=0, return_counts=True)
    assert (weight == 1).all() and counts.max() < 1.15 * counts.min()


def test_a_lag_longer_than_every_stretch_says_so():
    with pytest.raises(FelError, match="lag of 20 frames"):
        pair_starts(segments_of(LENGTHS), 20)


def test_the_same_seed_draws_the_same_pairs():
    np.testing.assert_array_equal(draw(100)[0], draw(100)[0])


def test_farthest_points_match_a_plain_numpy_search():
    points = np.random.default_rng(0).normal(size=(300, 3))
    chosen = [0]
    for _ in range(9):
        distances = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(distances.argmax()))
    assert farthest_points(torch.from_numpy(points), 10).tolist() == chosen


def test_farthest_points_stop_when_all_points_are_taken():
    points = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    assert len(farthest_points(points, 4)) == 2


def test_a_rare_cluster_gets_landmarks_of_its_own():
    random = np.random.default_rng(0)
    rare = np.arange(2000) < 20
    points = random.normal(size=(2000, 4)) * 0.3 + np.where(rare[:, None], 3.0, 0.0)
    points = torch.tensor(points / points.std(axis=0), dtype=torch.float32)
    cells = Landmarks(points, 20).cell_of(points, block=333)
    assert not set(cells[rare]) & set(cells[~rare])


@pytest.mark.parametrize("seed", range(3))
def test_a_seeding_set_is_expanded_by_the_points_farthest_from_it(seed):
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.normal(size=(60, 3)).astype(np.float32))
    y = torch.arange(60.0)[:, None].expand(60, 3)
    pool = Batch(torch.cat([x, y]), torch.rand(60))
    batch = expand_batch(pool, 20, 8)
    points, chosen = (x @ whitening(x)).numpy(), list(range(8))
    while len(chosen) < 20:  # by all distances
        distances = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1)
        chosen.append(int(distances.argmax()))
    earlier, later = batch.halves(batch.frames)
    torch.testing.assert_close(earlier, x[chosen])
    assert later[:, 0].int().tolist() == chosen  # pairs stay together
    torch.testing.assert_close(batch.weight, pool.weight[chosen])


def test_an_expanded_batch_holds_rare_regions():
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(size=(990, 2)), 12 + random.normal(size=(10, 2))])
    x = torch.from_numpy(random.permutation(x).astype(np.float32))
    batch = expand_batch(Batch(torch.cat([x, x]), torch.ones(1000)), 250, 125)
    assert (batch.frames[:250, 0] > 6).sum() >= 9  # of ten; a random quarter has two or three
