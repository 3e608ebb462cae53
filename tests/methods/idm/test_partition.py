"""Partitions of largest I_beta against brute force, and the evidence for their states."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from chains import markov_chain

from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.discrete import Criteria, coarse_partitions, find_states
from fel_explorer.methods.idm.evidence import BlockCounts, measure_evidence, prune
from fel_explorer.methods.idm.microstates import PairCounts
from fel_explorer.methods.idm.partition import (
    aggregate,
    information,
    merge_gains,
    merge_parts,
    move_gains,
    move_microstates,
    optimise,
)
from fel_explorer.resampling import Blocks


def brute(joint, beta):
    """I_beta, Eq. 2, by loops."""
    p, total = joint.sum(1), 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            if joint[i, j] > 0:
                total += joint[i, j] * np.log(joint[i, j] / (p[i] * p[j]) ** beta)
    return total


def random_joint(n, seed):
    """Joint matrix of microstates scattered in a plane, near ones exchanging more."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    joint = np.exp(-3 * np.square(x[:, None] - x).sum(-1)) * random.exponential(size=(n, 1))
    joint += joint.T
    return joint / joint.sum()


def partitions(n):
    """All partitions of n items, as labels."""

    def extend(labels, k):
        if len(labels) == n:
            yield np.array(labels)
            return
        for label in range(k + 1):
            yield from extend([*labels, label], max(k, label + 1))

    yield from extend([], 0)


@pytest.mark.parametrize("beta", [0.6, 0.9, 1.0])
def test_information_is_equation_2(beta):
    joint = random_joint(6, 0)
    assert information(joint, beta) == pytest.approx(brute(joint, beta), abs=1e-12)
    ours = float(objective.information(torch.from_numpy(joint), beta))
    assert information(joint, beta) == pytest.approx(ours, abs=1e-6)


def test_exhaustive_search_finds_nothing_better():
    for seed in range(4):
        joint = random_joint(8, seed)
        best = max(information(aggregate(joint, labels), 0.9) for labels in partitions(8))
        found = optimise(joint, np.arange(8), 0.9)
        assert information(aggregate(joint, found), 0.9) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("beta", [0.7, 0.9])
def test_every_increment_is_the_difference_by_brute_force(beta):
    joint = random_joint(9, 5)
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3])
    parts, rows = aggregate(joint, labels), joint @ np.eye(4)[labels]
    gains = move_gains(rows, joint.diagonal(), labels, parts, beta)
    for microstate in range(9):
        for part in range(4):
            moved = labels.copy()
            moved[microstate] = part
            member = np.eye(4)[moved]
            difference = brute(member.T @ joint @ member, beta) - brute(parts, beta)
            assert gains[microstate, part] == pytest.approx(difference, abs=1e-12)
    merges = merge_gains(parts, beta)
    for i in range(4):
        for j in set(range(4)) - {i}:
            merged = np.unique(np.where(labels == j, i, labels), return_inverse=True)[1]
            difference = brute(aggregate(joint, merged), beta) - brute(parts, beta)
            assert merges[i, j] == pytest.approx(difference, abs=1e-12)


def test_incremental_merging_is_merging_anew():
    joint = random_joint(15, 3)
    labels = np.arange(15)
    while True:
        parts = aggregate(joint, labels)
        gains = merge_gains(parts, 0.9)
        i, j = np.unravel_index(gains.argmax(), gains.shape)
        if gains[i, j] <= 0:
            break
        labels = np.unique(np.where(labels == max(i, j), min(i, j), labels), return_inverse=True)[1]
    found = merge_parts(joint, 0.9)
    np.testing.assert_array_equal(labels[:, None] == labels, found[:, None] == found)


def test_merging_goes_on_to_the_number_that_is_allowed():
    joint = random_joint(12, 0)
    assert merge_parts(joint, 0.9, 2).max() + 1 == 2


def test_moves_empty_parts_that_gain_nothing_and_never_lose():
    joint = random_joint(30, 7)
    for seed in range(10):
        labels = np.random.default_rng(seed).integers(0, 8, 30)
        labels = np.unique(labels, return_inverse=True)[1]
        moved = move_microstates(joint, labels, 0.9)
        before, after = (information(aggregate(joint, parts), 0.9) for parts in (labels, moved))
        assert after >= before
        gains = move_gains(
            joint @ np.eye(moved.max() + 1)[moved], joint.diagonal(), moved, aggregate(joint, moved), 0.9
        )
        assert gains.max() < 1e-9


# ---- evidence


@pytest.fixture(scope="module")
def three_states():
    """A chain of three states, one of them rare, in two trajectories."""
    matrix = np.array([[0.98, 0.019, 0.001], [0.03, 0.97, 0.0], [0.02, 0.0, 0.98]])
    return np.concatenate([markov_chain(matrix, 15_000, seed=1), markov_chain(matrix, 5_000, seed=2)])


LENGTHS = np.array([15_000, 5_000])


def measured(states, lag=5):
    blocks = Blocks.of_lengths(LENGTHS, min_length=lag)
    pairs, n = PairCounts(LENGTHS), int(states.max()) + 1
    counts = pairs.joint_of_blocks(states, n, lag, blocks.of_frame())
    return BlockCounts(counts, blocks.pair_sums(states, n, lag).sum(0), lag, blocks.draw(300))


def test_gains_and_their_errors_are_those_of_a_bootstrap_by_hand(three_states):
    counted, beta = measured(three_states), 0.9
    counts, draws = counted.pairs, counted.draws
    evidence = measure_evidence(counted, beta)

    def lost(table, i):
        table = table / table.sum()
        labels = [
            np.unique(np.where(np.arange(3) == i, j, np.arange(3)), return_inverse=True)[1] for j in range(3)
        ]
        merged = [brute(aggregate(table, labels[j]), beta) for j in range(3) if j != i]
        return brute(table, beta) - np.array(merged)

    samples = [np.tensordot(times, counts, 1) for times in draws.counts]
    for i in range(3):
        of_all = lost(counts.sum(0), i)
        assert evidence.gain[i] == pytest.approx(of_all.min(), abs=1e-12)
        gains = [lost(table, i)[of_all.argmin()] for table in samples]
        n = len(draws.blocks)
        assert evidence.error[i] == pytest.approx(np.std(gains, ddof=1) * np.sqrt(n / (n - 1)), rel=1e-9)


def test_visits_are_entries_at_the_resolution_of_the_lag():
    """Visits longer than the lag count one, and shorter ones their fraction of it."""
    states = np.zeros(1000, int)
    states[100:140] = states[300:350] = 1
    states[600:602] = 1
    exact = Blocks.of_lengths([1000]).pair_sums(states, 2, 10).sum(0)
    blocks = Blocks.of_lengths([1000], min_length=10)
    counts = PairCounts([1000]).joint_of_blocks(states, 2, 10, blocks.of_frame())
    visits = measure_evidence(BlockCounts(counts, exact, 10, blocks.draw(10)), 0.9).visits
    np.testing.assert_allclose(visits, 2.2)


def test_memory_is_the_excess_of_staying_over_chance():
    matrix = np.array([[0.9, 0.1], [0.3, 0.7]])  # second eigenvalue 0.6
    states = markov_chain(matrix, 50_000)
    blocks = Blocks.of_lengths([50_000])
    counts = PairCounts([50_000]).joint_of_blocks(states, 2, 1, blocks.of_frame())
    counted = BlockCounts(counts, np.zeros((2, 2)), 1, blocks.draw(5))
    memory = measure_evidence(counted, 0.9).memory
    np.testing.assert_allclose(memory, 0.6, atol=0.02)


def test_a_state_without_evidence_joins_its_neighbour(three_states):
    """A coin that is tossed in each frame gives no state, nor does a place that was visited once."""
    split = three_states.copy()
    coin = np.random.default_rng(0).random(len(split)) < 0.5
    split[(three_states == 1) & coin] = 3
    split[7_000:7_030] = 4
    limits = {"min_evidence": 1.5, "min_visits": 5.0}
    labels = prune(measured(split), 0.9, **limits)
    assert len(np.unique(labels)) == 3 and labels[1] == labels[3] and labels[4] in labels[:3]
    assert len(np.unique(prune(measured(three_states), 0.9, **limits))) == 3
    assert len(np.unique(prune(measured(three_states), 0.9, min_evidence=1.5, min_visits=1e6))) == 1
    rare = prune(measured(three_states), 0.9, **limits, min_population=0.2)
    assert len(np.unique(rare)) == 2 and rare[0] == rare[2]


def test_frames_on_a_barrier_are_not_a_state():
    """Frames that may be of either state raise the objective as a class of their own, but have no memory."""
    states = markov_chain(np.array([[0.98, 0.02], [0.02, 0.98]]), 20_000, seed=4)
    unclear = np.random.default_rng(0).random(20_000) < 0.05
    wrong = np.random.default_rng(1).integers(0, 2, 20_000)
    labels = np.where(unclear, 2 + wrong, states)  # two microstates that tell nothing of the state
    joint = PairCounts([20_000]).joint(labels, 4, 2)
    apart = information(aggregate(joint, np.array([0, 1, 2, 2])), 0.9)
    assert apart > max(information(aggregate(joint, np.array([0, 1, i, i])), 0.9) for i in (0, 1))
    found = find_states(PairCounts([20_000]), labels, [np.arange(4)], 2, Criteria())
    assert len(found) == 2 and found.labels[0] != found.labels[1]


def test_a_state_without_pairs_joins_the_other():
    """Its frames are the last of the trajectory, from which no pair starts."""
    states = np.zeros(1000, int)
    states[-2:] = 1
    blocks = Blocks.of_lengths([1000])
    pairs = np.zeros((len(blocks), 2, 2))
    pairs[:, 0, 0] = 50.0
    counts = BlockCounts(pairs, np.array([[998.0, 2.0], [0.0, 0.0]]), 2, blocks.draw(10))
    assert prune(counts, 0.9, min_evidence=1.5, min_visits=0.0).tolist() == [0, 0]


@pytest.mark.parametrize("n_empty", [0, 1, 9])
def test_an_error_that_draws_without_pairs_leave_unknown_is_no_evidence(n_empty):
    """Most blocks are shorter than the lag: draws of these alone are left out, many leave no evidence."""
    blocks = Blocks.of_lengths([100] * 10)
    pairs = np.zeros((10, 2, 2))
    pairs[n_empty:] = (
        np.array([[40.0, 2.0], [2.0, 40.0]]) + np.eye(2) * np.arange(10 - n_empty)[:, None, None]
    )
    counts = BlockCounts(pairs, np.array([[400.0, 20.0], [20.0, 400.0]]), 1, blocks.draw(200))
    with np.errstate(all="raise"):
        evidence = measure_evidence(counts, 0.9)
        labels = prune(counts, 0.9, min_evidence=1.5, min_visits=0.0)
    known = n_empty < 9
    assert (evidence.gain > 0).all() and (np.isfinite(evidence.error) == known).all()
    assert len(np.unique(labels)) == (2 if known else 1)


def test_states_of_microstates_are_those_of_the_chain(three_states):
    """Ten microstates per state, in random order, are put together."""
    random = np.random.default_rng(3)
    order = random.permutation(30)
    labels = order[three_states * 10 + random.integers(0, 10, len(three_states))]
    centres = np.argsort(order)[:, None] + random.normal(scale=20, size=(30, 2))
    found = find_states(PairCounts(LENGTHS), labels, coarse_partitions(centres), 5, Criteria())
    expected = np.bincount(three_states) / len(three_states)
    np.testing.assert_allclose(found.population, np.sort(expected)[::-1], atol=0.01)
    assert len(found) == 3 and (np.diff(found.population) <= 0).all()
    for state in range(3):
        assert len(np.unique(found.labels[order[10 * state : 10 * state + 10]])) == 1
    np.testing.assert_allclose(found.memberships.sum(1), 1.0)
    assert (found.memberships.argmax(1) == found.labels).all()
    limited = find_states(PairCounts(LENGTHS), labels, coarse_partitions(centres), 5, Criteria(n_max=2))
    assert len(limited) == 2


def test_lifetimes_are_frames_per_visit(three_states):
    found = find_states(PairCounts(LENGTHS), three_states, [np.arange(3)], 1, Criteria())
    n_frames, visits = np.bincount(three_states), np.zeros(3)
    for part in np.split(three_states, LENGTHS.cumsum()[:-1]):
        for before, after in pairwise(part):
            if before != after:
                visits[[before, after]] += 0.5
    order = np.argsort(-n_frames)
    np.testing.assert_allclose(found.lifetime, (n_frames / visits)[order])
