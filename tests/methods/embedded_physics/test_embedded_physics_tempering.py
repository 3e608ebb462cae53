"""Estimators of the tempering against Gaussians, for which everything is known."""

import math

import numpy as np
import pytest
import torch

from fel_explorer.methods.embedded_physics import tempering
from fel_explorer.methods.embedded_physics.samples import Memory

N = 200_000


def samples(beta=0.4, sigma=1.9):
    """x ~ N(0, sigma^2), u = x^2 / 2 and ln of pi_beta / q."""
    x = sigma * torch.randn(N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_q = -0.5 * (x / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)
    energy = x**2 / 2
    return energy, -beta * energy - log_q


def log_z(beta):
    return 0.5 * math.log(2 * math.pi / beta)


def test_partition_functions_are_those_of_a_gaussian():
    energy, log_weights = samples()
    assert tempering.log_mean_weight(log_weights) == pytest.approx(log_z(0.4), abs=5e-3)
    ratio = tempering.log_partition_ratio(energy, log_weights, 0.1)
    assert ratio == pytest.approx(log_z(0.5) - log_z(0.4), abs=5e-3)


def test_the_relative_increase_is_that_of_the_divergence():
    def divergence(beta, sigma):  # of N(0, sigma^2) from N(0, 1 / beta)
        return 0.5 * (beta * sigma**2 - 1 - math.log(beta * sigma**2))

    energy, log_weights = samples(0.4, 2.4)
    c = tempering.relative_increase(energy, log_weights, log_z(0.4), 0.1)
    before, after = divergence(0.4, 2.4), divergence(0.5, 2.4)
    assert c == pytest.approx((after - before) / before, rel=0.03)


def test_beta_rises_by_the_largest_step_that_the_growth_allows():
    energy, log_weights = samples(0.4, 2.4)

    def growth(step):
        return tempering.relative_increase(energy, log_weights, log_z(0.4), step)

    limit = growth(0.05)
    beta = tempering.next_beta(0.4, energy, log_weights, log_z(0.4), largest_increase=limit, largest_step=0.3)
    step = beta - 0.4
    tried = 0.3 * 0.6 ** np.arange(10)
    assert step == pytest.approx(max(s for s in tried if growth(s) <= limit))
    # no limit: the largest step, but never past the target
    options = {"largest_increase": math.inf, "largest_step": 0.3}
    assert tempering.next_beta(0.4, energy, log_weights, 0.0, **options) == pytest.approx(0.7)
    assert tempering.next_beta(0.9, energy, log_weights, 0.0, **options) == 1.0


def test_effective_sample_sizes():
    assert float(
        tempering.effective_sample_size(torch.full((7,), -900.0, dtype=torch.float64))
    ) == pytest.approx(7.0)
    one = torch.tensor([0.0, -torch.inf, -torch.inf])
    assert float(tempering.effective_sample_size(one)) == pytest.approx(1.0)
    weights = torch.tensor([1.0, 2.0, 3.0])
    assert float(tempering.effective_sample_size(weights.log())) == pytest.approx(36 / 14)


def test_truncated_weights_let_none_count_for_all():
    log_weights = torch.zeros(100, dtype=torch.float64)
    torch.testing.assert_close(tempering.truncated_weights(log_weights), torch.full_like(log_weights, 0.01))
    log_weights[3] = 50.0
    weights = tempering.truncated_weights(log_weights)
    assert float(weights.sum()) == pytest.approx(1.0) and int(weights.argmax()) == 3
    _, log_weights = samples()  # no weight here is that large: nothing changes
    torch.testing.assert_close(tempering.truncated_weights(log_weights), torch.softmax(log_weights, 0))


def remembered(n, dim=1, seed=0):
    """Samples of N(0, 2^2), for which u = x^2 / 2, and what `Memory.add` takes of them."""
    y = 2.0 * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    log_q = (-(y**2) / 8 - math.log(2.0) - 0.5 * math.log(2 * math.pi)).sum(1)
    return y, (y**2).sum(1) / 2, torch.full((n,), 0.3, dtype=torch.float64), log_q


def test_remembered_samples_are_chosen_as_if_drawn_from_the_target():
    memory = Memory(40_000, 1, "cpu", torch.float64)
    for seed in range(2):
        memory.add(*remembered(20_000, seed=seed))
    generator = torch.Generator().manual_seed(2)
    for beta in (0.5, 1.0):
        assert float(memory.choose(40_000, beta, generator).var()) == pytest.approx(1 / beta, rel=0.04)
        estimate = tempering.log_mean_weight(memory.log_weights(beta))
        assert estimate == pytest.approx(log_z(beta) - 0.3, abs=0.02)


def test_memory_keeps_the_last_samples_and_goes_on_from_its_state():
    memory = Memory(30, 2, "cpu", torch.float64)
    parts = [remembered(12, 2, seed) for seed in range(4)]
    memory.add(*parts[0])
    assert len(memory) == 12
    for part in parts[1:]:
        memory.add(*part)
    assert len(memory) == 30
    last = torch.cat([part[0] for part in parts])[-30:]
    assert {tuple(row) for row in memory.y.tolist()} == {tuple(row) for row in last.tolist()}
    other = Memory(30, 2, "cpu", torch.float64)
    other.load({name: tensor.clone() for name, tensor in memory.state().items()})
    for each in (memory, other):
        each.add(*remembered(5, 2, 9))
    torch.testing.assert_close(other.y, memory.y)
    torch.testing.assert_close(other.log_weights(0.7), memory.log_weights(0.7))


def test_gradients_are_shortened_to_a_multiple_of_their_mean_and_infinite_ones_left_out():
    gradients = torch.tensor([[3.0, 4.0], [0.0, 1.0], [torch.inf, 0.0], [torch.nan, 1.0]])
    clipped = tempering.clipped_gradients(gradients, 1.2)  # the mean norm is 3
    torch.testing.assert_close(clipped[0], torch.tensor([3.0, 4.0]) * 3.6 / 5)
    torch.testing.assert_close(clipped[1], gradients[1])
    assert (clipped[2:] == 0).all()


def test_temperatures_fall_geometrically_and_are_held():
    betas = [tempering.staged_beta(p, 0.05, 0.45, hold=0.5) for p in (0.0, 0.25, 0.5, 0.9)]
    assert betas == pytest.approx([0.05, 0.15, 0.45, 0.45])


def test_coverage_is_the_weight_that_is_no_rarer_than_a_tenth():
    log_target = torch.tensor([0.0, 0.0, 0.0])
    log_q = torch.log(torch.tensor([2.0, 0.11, 0.09]))
    assert tempering.coverage(log_target, log_q, torch.tensor([5.0, 3.0, 2.0]), 10.0) == pytest.approx(0.8)
