"""Scaled features, on the device and in blocks from disk."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.data import blocks
from fel_explorer.errors import FelError
from fel_explorer.training import windows
from fel_explorer.training.data import Frames, Scaling, fingerprint
from fel_explorer.training.pairs import segments_of

CPU = torch.device("cpu")


@pytest.fixture
def features():
    return np.random.default_rng(0).normal([5, -300, 0.1], [1, 20, 0.01], (1000, 3)).astype(np.float32)


def test_scaling_is_numpys_mean_and_deviation_whatever_the_blocks(features, monkeypatch):
    monkeypatch.setattr(blocks, "READ_BYTES", 4 * 3 * 77)
    scaling = Scaling.of(fel.as_dataset(features))
    np.testing.assert_allclose(scaling.mean, features.mean(axis=0, dtype=float), rtol=1e-5)
    np.testing.assert_allclose(scaling.scale, features.std(axis=0, dtype=float), rtol=1e-5)


def test_inverse_undoes_the_scaling_and_restores_constant_features(features):
    features[:, 1] = 7.25
    with pytest.warns(UserWarning, match="1 of 3 features are constant and ignored: x1"):
        scaling = Scaling.of(fel.as_dataset(features))
    values = scaling(torch.from_numpy(features))
    assert values.shape == (1000, 2)
    np.testing.assert_allclose(scaling.inverse(values), features, rtol=1e-5)


def test_constant_features_alone_are_refused():
    with pytest.raises(FelError, match="All 2 features are constant"):
        Scaling.of(fel.as_dataset(np.full((50, 2), 3.3)))


def test_features_over_the_budget_go_to_a_file_and_read_the_same(features):
    dataset = fel.as_dataset(features)
    scaling = Scaling.of(dataset)
    resident = Frames(dataset, scaling, CPU)
    stored = Frames(dataset, scaling, CPU, budget=100)
    assert resident.resident and not stored.resident
    index = np.array([3, 999, 0])
    np.testing.assert_array_equal(resident.take(index), stored.take(index))
    stored.close()


def test_windows_give_valid_pairs_cover_all_frames_and_depend_on_the_step_alone(monkeypatch):
    monkeypatch.setattr(windows, "BLOCK_FRAMES", 16)
    monkeypatch.setattr(windows, "STEPS", 1)
    lengths = [150, 60, 3]
    frame = np.arange(sum(lengths), dtype=np.float32)
    trajectory = np.repeat(np.arange(3.0), lengths)
    dataset = fel.as_dataset(np.c_[frame, trajectory])
    identity = Scaling(torch.zeros(2), torch.ones(2), torch.ones(2, dtype=torch.bool))
    frames = Frames(dataset, identity, CPU, budget=0)
    bytes_of_3_blocks = 3 * 4 * 2 * (16 + 5)
    weights = frame + 1.0
    source = windows.pair_source(frames, segments_of(lengths), 5, weights=weights, budget=bytes_of_3_blocks)
    again = windows.pair_source(frames, segments_of(lengths), 5, weights=weights, budget=bytes_of_3_blocks)
    seen = set()
    for step in range(60):
        batch = source.at(step).draw(200, torch.Generator().manual_seed(step))
        earlier, later = batch.halves(batch.frames)
        offset = later[:, 0] - earlier[:, 0]
        assert ((offset >= 1) & (offset <= 5)).all() and (earlier[:, 1] == later[:, 1]).all()
        seen |= set(earlier[:, 0].int().tolist())
    assert seen == {*range(145), *range(150, 205)}
    np.testing.assert_array_equal(again.at(59).features, source.at(59).features)
    frames.close()


def test_the_fingerprint_tells_data_apart(features):
    changed = features.copy()
    changed[500] += 1e-3
    some = fingerprint(fel.as_dataset(features))
    assert some == fingerprint(fel.as_dataset(features.copy()))
    assert some != fingerprint(fel.as_dataset(features[:-1]))
    assert some != fingerprint(fel.as_dataset(features * 1.001))
    assert some != fingerprint(fel.as_dataset(features, time_step=2.0))
