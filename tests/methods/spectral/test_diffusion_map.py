"""Diffusion maps against curves whose Laplacian is known, and against the definition."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.spectral import diffusion_map


def test_a_segment_has_cosines_and_their_eigenvalues():
    s = np.linspace(0, 1, 600)
    method = fel.DiffusionMap(n_dims=3, epsilon=0.02, diffusion_time=0).fit(s[:, None])
    k, length = np.arange(1, 4), 1 / s.std()  # features are standardised
    np.testing.assert_allclose(method.eigenvalues_, np.exp(-0.02 * (k * np.pi / length) ** 2 / 4), rtol=2e-3)
    embedding = method.transform(s[:, None]).values
    correlation = [np.corrcoef(z, np.cos(np.pi * n * s))[0, 1] for z, n in zip(embedding.T, k, strict=True)]
    np.testing.assert_allclose(np.abs(correlation), 1.0, atol=3e-3)
    np.testing.assert_allclose(embedding.std(axis=0), 1.0, atol=0.02)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_circle_has_fourier_modes_whatever_its_density_at_alpha_1_only(alpha):
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 6000)
    angle = angle[random.random(6000) < 0.55 + 0.45 * np.cos(angle)][
        :1000
    ]  # ten times as dense at 0 as at pi
    x = np.c_[np.cos(angle), np.sin(angle)]
    method = fel.DiffusionMap(alpha=alpha, epsilon=0.3, diffusion_time=0).fit(x)
    even = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    z = method.transform(np.c_[np.cos(even), np.sin(even)]).values
    fourier = np.c_[np.ones(400), np.cos(even), np.sin(even)]
    error = z - fourier @ np.linalg.lstsq(fourier, z, rcond=None)[0]
    share = (error**2).mean() / z.var()
    assert share < 0.01 if alpha else share > 0.05


def test_the_modes_are_those_of_the_walk_as_defined():
    random = np.random.default_rng(1)
    x, weight, alpha, epsilon = random.normal(size=(40, 3)), random.exponential(size=40), 0.5, 2.0
    squared = ((x[:, None] - x) ** 2).sum(-1)
    k = np.exp(-squared / epsilon)
    q = (k * weight).sum(1)
    k = k / np.outer(q, q) ** alpha
    walk = k * weight / (k * weight).sum(1, keepdims=True)
    expected = np.sort(np.linalg.eigvals(walk).real)[::-1][1:4]
    values, functions, bias = diffusion_map.diffusion_modes(
        torch.from_numpy(squared), torch.from_numpy(weight), epsilon=epsilon, alpha=alpha, n=3
    )
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    np.testing.assert_allclose(walk @ functions.numpy(), functions.numpy() * expected, atol=1e-9)
    steps = torch.softmax(bias - torch.from_numpy(squared) / epsilon, dim=1)
    np.testing.assert_allclose(steps, walk, rtol=1e-9)


@pytest.mark.parametrize("time", [0.0, 1.0, 2.5])
def test_the_extension_agrees_with_the_landmarks_and_axes_are_scaled_by_time(time):
    x = np.random.default_rng(2).normal(size=(200, 2)) * [3, 1]
    method = fel.DiffusionMap(n_dims=3, diffusion_time=time).fit(x)
    z = method.transform(x).values
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    squared = torch.from_numpy(((scaled[:, None] - scaled) ** 2).sum(-1))
    values, functions, _ = diffusion_map.diffusion_modes(
        squared, torch.full((200,), 1 / 200, dtype=torch.float64), epsilon=method.epsilon_, alpha=1.0, n=3
    )
    np.testing.assert_allclose(z, functions.numpy() * values.numpy() ** time, atol=1e-3)


def test_a_weight_counts_like_that_many_frames():
    random = np.random.default_rng(3)
    x = random.normal(size=(120, 2))
    times = random.integers(1, 4, 120)
    repeated = fel.DiffusionMap(epsilon=1.0).fit(np.repeat(x, times, axis=0))
    scale = np.repeat(x, times, axis=0).std(axis=0)
    squared = (((x[:, None] - x) / scale) ** 2).sum(-1)
    values, functions, _ = diffusion_map.diffusion_modes(
        torch.from_numpy(squared), torch.from_numpy(times / times.sum()), epsilon=1.0, alpha=1.0, n=2
    )
    np.testing.assert_allclose(repeated.eigenvalues_, values, rtol=1e-4)
    np.testing.assert_allclose(repeated.transform(x).values, functions * values, atol=1e-3)


def test_the_kernel_width_is_where_the_slope_is_steepest_and_twice_it_is_the_dimension():
    random = np.random.default_rng(4)
    squared = torch.from_numpy(((p := random.uniform(size=(300, 2)))[:, None] - p) ** 2).sum(-1)
    weight = torch.full((300,), 1 / 300, dtype=torch.float64)
    width = diffusion_map.kernel_width(squared, weight)

    def log_sum(log_epsilon):
        return float(torch.exp(-squared / np.exp(log_epsilon)).sum().log())

    grid = np.log(width) + np.linspace(-3, 3, 61)
    slopes = [(log_sum(e + 0.01) - log_sum(e - 0.01)) / 0.02 for e in grid]
    assert abs(grid[np.argmax(slopes)] - np.log(width)) < 0.11
    assert 2 * max(slopes) == pytest.approx(2, abs=0.4)


def test_frames_far_from_all_landmarks_stay_finite():
    x = np.random.default_rng(5).normal(size=(100, 2))
    method = fel.DiffusionMap(epsilon=0.1).fit(x)
    assert np.isfinite(method.transform(np.array([[1e4, -1e4], [50.0, 0.0]]))).all()


def test_landmarks_bound_the_cost_and_approximate_all_frames():
    random = np.random.default_rng(6)
    angle = random.uniform(0, 2 * np.pi, 3000)
    x = np.c_[np.cos(angle), np.sin(angle)]
    method = fel.DiffusionMap(n_landmarks=300, epsilon=0.3, diffusion_time=0).fit(x)
    assert len(method._landmarks) == 300
    fourier = np.c_[np.ones(3000), x]
    z = method.transform(x).values
    error = z - fourier @ np.linalg.lstsq(fourier, z, rcond=None)[0]
    assert (error**2).mean() / z.var() < 0.02


def test_what_cannot_be_found_is_refused():
    x = np.random.default_rng(7).normal(size=(30, 2))
    with pytest.raises(FelError, match="At most 28"):
        fel.DiffusionMap(n_dims=29).fit(x)
    with pytest.raises(FelError, match="smaller epsilon"):
        fel.DiffusionMap(n_dims=20, epsilon=1e4).fit(x)
