"""Microstates and counts of pairs against deeptime and brute force."""

import deeptime
import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.methods.idm import microstates
from fel_explorer.methods.idm.microstates import PairCounts, find_microstates, kinetic_map, nearest
from fel_explorer.training.data import Scaling


def walks(lengths=(700, 400, 3), seed=0):
    """Three mixed autoregressive processes with memories of 50, 10 and 2 frames."""
    random, decay = np.random.default_rng(seed), np.exp(-1 / np.array([50.0, 10.0, 2.0]))
    mixing, parts = random.normal(size=(3, 5)), []
    for n in lengths:
        x = np.zeros((n, 3))
        for i in range(1, n):
            x[i] = decay * x[i - 1] + np.sqrt(1 - decay**2) * random.normal(size=3)
        parts.append(x @ mixing + 5.0)
    return parts


@pytest.mark.parametrize("rows", [65_536, 37])
def test_coordinates_are_the_kinetic_map_of_deeptime(rows, monkeypatch):
    monkeypatch.setattr(schema, "rows_per_block", lambda n_features: rows)
    parts, lag = walks(), 5
    dataset = fel.as_dataset(parts)
    scaling = Scaling.of(dataset)
    matrix = kinetic_map(dataset, scaling, lag, 3).numpy()
    ours = ((np.concatenate(parts) - scaling.mean.numpy()) / scaling.scale.numpy()) @ matrix
    model = deeptime.decomposition.TICA(lagtime=lag, scaling="kinetic_map", dim=3).fit_fetch(
        [part for part in parts if len(part) > lag]
    )
    theirs = model.transform(np.concatenate(parts))
    theirs, ours = theirs - theirs.mean(0), ours - ours.mean(0)
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours * signs, theirs, atol=2e-3)


def test_frame_weights_act_like_repeated_frames():
    x = walks((300,))[0]
    weight = np.random.default_rng(1).integers(1, 3, 300)
    weighted = fel.as_dataset([x]).assign(weight=("frame", weight.astype(float)))
    scaling = Scaling.of(weighted)
    ours = kinetic_map(weighted, scaling, 2, 3)
    y = ((x - scaling.mean.numpy()) / scaling.scale.numpy())[:, None]
    pairs = np.repeat(np.arange(298), weight[:298])
    single = [np.concatenate([y[i], y[i + 1], y[i + 2]]) for i in pairs]
    repeated = fel.as_dataset([part[[0, 2]] for part in single])
    identity = Scaling(torch.zeros(5), torch.ones(5), torch.ones(5, dtype=torch.bool))
    theirs = kinetic_map(repeated, identity, 1, 3)
    np.testing.assert_allclose(ours.abs(), theirs.abs(), atol=1e-4)


def test_frames_belong_to_their_nearest_centre():
    dataset = fel.as_dataset(walks())
    found = find_microstates(dataset, 2, n_microstates=20)
    assert found.labels.dtype == np.int32 and set(found.labels) == set(range(len(found)))
    np.testing.assert_array_equal(found.assign(dataset["features"].values), found.labels)
    points, centres = np.random.default_rng(0).normal(size=(2, 50, 3)).astype(np.float32)
    distance = np.square(points[:, None] - centres).sum(-1)
    np.testing.assert_array_equal(
        nearest(torch.from_numpy(points), torch.from_numpy(centres)), distance.argmin(1)
    )


def test_few_distinct_frames_make_few_microstates():
    x = np.repeat([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 200, axis=0)
    assert len(find_microstates(fel.as_dataset([x]), 1, n_microstates=50)) == 3


def test_blocks_give_the_same_microstates_as_the_whole(monkeypatch):
    dataset = fel.as_dataset(walks())
    whole = find_microstates(dataset, 2, n_microstates=20)
    monkeypatch.setattr(schema, "rows_per_block", lambda n_features: 50)
    parts = find_microstates(dataset, 2, n_microstates=20)
    assert (whole.labels == parts.labels).mean() > 0.99


# ---- pairs


def test_pairs_stay_in_their_trajectory_and_within_the_lag():
    lengths = [50, 7, 30]
    first, later = PairCounts(lengths, seed=1).pairs(8)
    trajectory = np.repeat(np.arange(3), lengths)
    np.testing.assert_array_equal(trajectory[first], trajectory[later])
    assert (later - first).min() == 1 and (later - first).max() == 8
    np.testing.assert_array_equal(first, np.r_[np.arange(42), 57 + np.arange(22)])


def test_the_joint_matrix_is_the_mean_over_all_offsets():
    states, lag = np.random.default_rng(0).integers(0, 3, 60_000).cumsum() // 20 % 3, 12
    expected = np.zeros((3, 3))
    for offset in range(1, lag + 1):
        np.add.at(expected, (states[: len(states) - lag], states[offset : len(states) - lag + offset]), 1)
    expected = (expected + expected.T) / (2 * expected.sum())
    joint = PairCounts([60_000]).joint(states, 3, lag)
    np.testing.assert_allclose(joint, expected, atol=0.004)
    np.testing.assert_allclose(joint, joint.T)
    assert joint.sum() == pytest.approx(1.0)


def test_weights_count_pairs_by_their_earlier_frame():
    states, weights = np.array([0, 1, 1, 0]), np.array([1.0, 2.0, 4.0, 8.0])
    joint = PairCounts([4], weights).joint(states, 2, 1)
    np.testing.assert_allclose(joint, np.array([[0, 5], [5, 4]]) / 14)


def test_counts_of_blocks_sum_to_those_of_all():
    random = np.random.default_rng(0)
    states, block = random.integers(0, 4, 500), np.repeat(np.arange(5), 100)
    pairs = PairCounts([300, 200], random.random(500))
    counts = pairs.joint_of_blocks(states, 4, 6, block)
    np.testing.assert_allclose(counts.sum(0) / counts.sum(), pairs.joint(states, 4, 6))


def test_the_same_lag_gives_the_same_pairs():
    assert microstates.LAG_DIVISOR > 1
    np.testing.assert_array_equal(PairCounts([100], seed=3).pairs(7), PairCounts([100], seed=3).pairs(7))
