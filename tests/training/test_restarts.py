"""Restarts judged early: which one goes on, that it is as if it had been the only one, and resuming."""

import itertools

import pytest
import torch
from torch import nn

from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import Loop, Losses, Settings
from fel_explorer.training.restarts import train_best_restart

N_STEPS, TRIAL = 40, 10
HEIGHTS = (3.0, 1.0, 2.0)  # of the losses of the restarts: the second is best


def starter(callback=None, checkpoint=None):
    """The loop of each restart: a noisy parabola whose bottom is at its height."""

    def start(restart):
        module = nn.Linear(1, 1)
        nn.init.constant_(module.weight, 5.0)
        nn.init.zeros_(module.bias)
        generator = torch.Generator().manual_seed(restart)

        def losses(step):
            x = torch.randn(8, 1, generator=generator)
            return Losses(module.weight.square().sum() + HEIGHTS[restart] + 0.1 * module(x).mean())

        return Loop(
            module,
            losses,
            Settings(N_STEPS, learning_rate=0.3),
            generator,
            callback=callback,
            checkpoint=checkpoint,
            steps_before=restart * TRIAL,
            steps_in_all=N_STEPS + 2 * TRIAL,
        )

    return start


def train(callback=None, checkpoint=None):
    return train_best_restart(
        starter(callback, checkpoint),
        lambda history: float(history["loss"][-1]),
        n_restarts=3,
        trial=TRIAL,
        device=torch.device("cpu"),
        checkpoint=checkpoint,
    )


def test_the_best_goes_on_as_if_it_had_been_the_only_one():
    alone = starter()(1)
    expected = alone.run()
    loop, history = train()
    assert history.identical(expected) and history.sizes["step"] == N_STEPS
    assert torch.equal(loop.module.weight, alone.module.weight)


def test_progress_counts_all_trials(monkeypatch):
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    seen = []
    train(seen.append)
    assert [p.step for p in seen] == list(range(1, N_STEPS + 2 * TRIAL + 1))
    assert {p.n_steps for p in seen} == {N_STEPS + 2 * TRIAL}


@pytest.mark.parametrize("stop", [4, TRIAL, TRIAL + 3, 2 * TRIAL + 5, 3 * TRIAL, 3 * TRIAL + 7])
def test_a_stopped_run_resumes_to_the_same_numbers(stop, tmp_path, monkeypatch):
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    loop, history = train()
    train(lambda progress: progress.step >= stop, Checkpoint(tmp_path, {}))
    counted = itertools.count()
    resumed, again = train(lambda progress: next(counted) < 0, Checkpoint(tmp_path, {}))
    assert again.identical(history) and torch.equal(resumed.module.weight, loop.module.weight)
    assert next(counted) == N_STEPS + 2 * TRIAL - stop


def test_a_callback_ends_all_and_leaves_the_best_so_far(monkeypatch):
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    loop, history = train(lambda progress: progress.step >= 2 * TRIAL + 5)
    assert history.sizes["step"] == TRIAL
    expected = starter()(1)
    expected.run(until=TRIAL)
    assert torch.equal(loop.module.weight, expected.module.weight)
