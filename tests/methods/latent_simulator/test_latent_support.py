"""Where data are, against a plain search in numpy and points whose place is known."""

import numpy as np
import pytest
import torch
from spectra import relaxing

from fel_explorer.methods.latent_simulator.latent_support import FAR, N_CELLS, Support, cells_of
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator


def ring(n, seed):
    random = np.random.default_rng(seed)
    angle, radius = random.uniform(0, 2 * np.pi, n), 1 + 0.02 * random.normal(size=n)
    return torch.from_numpy((radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32))


@pytest.fixture(scope="module")
def frames():
    return ring(4000, 0)


@pytest.fixture(scope="module")
def support(frames):
    return Support(frames, frames.min(0).values, frames.max(0).values)


@pytest.mark.parametrize("by_tree", [True, False])
def test_points_off_the_data_go_to_the_nearest_frame(frames, by_tree, monkeypatch):
    support = Support(frames, frames.min(0).values, frames.max(0).values)
    monkeypatch.setattr(
        "fel_explorer.methods.latent_simulator.latent_support.BLOCK", 50 * len(frames)
    )  # three blocks
    if not by_tree:
        support._tree = None  # as on a device
    points = torch.rand(130, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    clipped, outside = support.clip(points)
    distances = np.linalg.norm(points.numpy()[:, None] - frames.numpy()[None], axis=2)
    far = distances.min(axis=1) > support.reach
    assert 5 < far.sum() < 130
    expected = np.where(far[:, None], frames.numpy()[distances.argmin(axis=1)], points.numpy())
    np.testing.assert_array_equal(clipped, expected)
    np.testing.assert_array_equal(outside, far)


def test_points_like_the_data_stay_where_they_are(support):
    points = ring(50_000, 1).clamp(support.low, support.high)
    clipped, outside = support.clip(points)
    assert float(outside.float().mean()) < 2 * FAR
    np.testing.assert_array_equal(clipped[~outside], points[~outside])


def test_the_end_of_the_range_is_the_end_of_the_data(frames):
    support = Support(frames, torch.tensor([-2.0, -2.0]), torch.tensor([0.99, 2.0]))
    clipped, outside = support.clip(torch.tensor([[1.005, 0.0], [0.985, 0.0]]))
    np.testing.assert_allclose(clipped, [[0.99, 0.0], [0.985, 0.0]])
    assert outside.tolist() == [True, False]


def test_simulations_stay_on_a_ring_that_few_kernels_blur():
    angle = 2.5 * np.tanh(relaxing([60], 6000)[:, 0])
    radius = 1 + 0.02 * np.random.default_rng(2).normal(size=len(angle))
    data = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    propagator = MixtureDensityPropagator(
        lag_time=5.0, n_steps=30, n_kernels=2, hidden=[16], batch_size=512
    ).fit(data, device="cpu")
    simulated = propagator.simulate(60, 100, device="cpu")
    reached = np.abs(np.linalg.norm(simulated["features"], axis=1) - 1)
    assert reached.max() < 0.15
    assert 0.05 < simulated.attrs["clipped"] < 1


def test_rare_places_have_cells_of_their_own():
    random = np.random.default_rng(3)
    values = np.concatenate([random.normal(size=(9900, 2)), random.normal(size=(100, 2)) / 3 + 12])
    values = torch.from_numpy(random.permutation(values).astype(np.float32))
    cells = cells_of(values[:5000], values, 0)
    rare = (values > 6).all(1).numpy()
    assert set(cells[rare]).isdisjoint(cells[~rare])
    assert len(set(cells)) > 0.9 * N_CELLS and cells.max() < N_CELLS
    assert len(set(cells[rare])) / len(set(cells)) > 1.5 * rare.mean()
    few = torch.tensor([[0.0], [1.0], [5.0]]).repeat(9, 1)
    np.testing.assert_array_equal(cells_of(few, few, 0), [0, 1, 2] * 9)
