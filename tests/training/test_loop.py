"""The loop: what it minimises, clips, records, reports, stops and resumes."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fel_explorer.errors import FelError
from fel_explorer.training import clipping, schedules
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import Loop, Losses, Settings, threads

X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 3.0


def regression(n_steps=300, *, loop_class=Loop, losses=None, settings=None, **options):
    torch.manual_seed(0)
    module = nn.Linear(3, 1)
    generator = torch.Generator().manual_seed(1)

    def squared_error(step):
        index = torch.randint(len(X), (64,), generator=generator)
        error = (module(X[index]) - Y[index]).square().mean()
        return Losses(error, None, {"step_number": float(step)})

    settings = settings or Settings(n_steps, learning_rate=0.05, max_norm=1e9)
    return loop_class(module, losses(module) if losses else squared_error, settings, generator, **options)


def test_it_finds_the_least_squares_solution():
    loop = regression(400)
    loop.run()
    np.testing.assert_allclose(loop.module.weight.detach()[0], [1.0, -2.0, 0.5], atol=1e-2)
    np.testing.assert_allclose(loop.module.bias.detach(), [3.0], atol=1e-2)


def test_the_history_has_a_row_a_step():
    history = regression(50).run()
    np.testing.assert_array_equal(history["step"], np.arange(1, 51))
    np.testing.assert_array_equal(history["step_number"], np.arange(50))
    assert history["loss"][-1] < history["loss"][0]


def test_progress_counts_up_and_the_last_report_is_the_last_step():
    seen = []
    regression(20, callback=seen.append, steps_before=20, steps_in_all=60).run()
    assert [p.step for p in seen] == sorted({p.step for p in seen})
    assert seen[0].step == 21 and seen[-1].step == 40 and seen[-1].n_steps == 60
    assert seen[0].losses["loss"] > 0 and np.isfinite(seen[0].eta) and seen[0].eta > 0


def test_a_callback_that_returns_true_stops_and_keeps_the_work():
    loop = regression(10_000, callback=lambda progress: True)
    history = loop.run()
    assert loop.cancelled and history.sizes["step"] == 1


def test_a_diverging_training_says_so():
    def losses(module):
        return lambda step: Losses(module.weight.sum() * float("nan"))

    with pytest.raises(FelError, match="diverged"):
        regression(5, losses=losses).run()


def test_early_stopping_goes_back_to_the_best_weights():
    """The validation error is smallest at step 40 by construction."""
    loop = None
    weights = {}

    def validate():
        weights[loop.step] = loop.module.weight.detach().clone()
        return abs(loop.step - 40.0)

    settings = Settings(500, learning_rate=0.05, validate_every=10, patience=30)
    loop = regression(settings=settings, validate=validate)
    history = loop.run()
    assert loop.stopped_early and history.sizes["step"] == 70
    torch.testing.assert_close(loop.module.weight.detach(), weights[40])
    assert np.isfinite(history["validation"]).sum() == 7


def test_norm_clipping_matches_its_definition():
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    clipping.clip_norm([parameter], 1.0)
    np.testing.assert_allclose(parameter.grad, [0.6, 0.8], atol=1e-5)


@pytest.mark.parametrize("size", [0.1, 10.0])
def test_adaptive_clipping_bounds_the_main_gradient_by_the_auxiliary_one(size):
    shared, own = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor(5.0))
    main = size * (shared[0] * 3 + shared[1] * 4)  # gradient size * (3, 4)
    auxiliary = shared[0] * own  # gradient (5, 0) on shared, 1 on own
    clipping.adaptive_backward(main, auxiliary, [shared, own])
    factor = min(1.0, 5.0 / (5.0 * size))
    np.testing.assert_allclose(shared.grad, [5 + factor * size * 3, factor * size * 4], rtol=1e-5)
    assert own.grad == 1.0


def test_schedules_hit_their_ends():
    assert [schedules.linear(s, 100, 1.5, 0.9, 0.5) for s in (0, 25, 50, 99)] == pytest.approx(
        [1.5, 1.2, 0.9, 0.9]
    )
    assert [schedules.cosine(s, 100, 0.1, 0.5) for s in (0, 50, 75, 100)] == pytest.approx([1, 1, 0.55, 0.1])


def test_the_rate_schedule_scales_the_step():
    """Adam's first step is the learning rate, whatever the gradient."""
    settings = Settings(1, learning_rate=0.1, rate=lambda step: 0.25)
    loop = regression(settings=settings)
    before = loop.module.weight.detach().clone()
    loop.run()
    np.testing.assert_allclose((loop.module.weight - before).detach().abs(), 0.025, rtol=1e-3)


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_saved_loop_goes_on_to_the_same_numbers(tmp_path):
    whole = regression(60)
    history = whole.run()
    first = regression(60, callback=lambda progress: progress.step >= 1)
    first.run()
    checkpoint = Checkpoint(tmp_path, {"n": 60})
    checkpoint.context = {"restart": 2}
    checkpoint.save(first.state_dict())
    second = regression(60)
    reader = Checkpoint(tmp_path, {"n": 60})
    second.load_state_dict(reader.load(torch.device("cpu")))
    assert reader.context == {"restart": 2} and 0 < second.step < 60
    assert second.run().identical(history)
    assert torch.equal(second.module.weight, whole.module.weight)


def test_a_full_disk_ends_neither_the_fit_nor_the_checkpoint_before(tmp_path, monkeypatch, caplog):
    checkpoint = Checkpoint(tmp_path, {"n": 60})
    checkpoint.save({"step": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        loop = regression(60, checkpoint=checkpoint)
        loop.run()
        checkpoint.save({"step": 3})
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # once
    assert "the disk is full. The fit goes on" in caplog.text
    assert len(loop.history()["step"]) > 0 and [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert checkpoint.load(torch.device("cpu")) == {"step": 1}
    checkpoint.save({"step": 4})
    assert checkpoint.load(torch.device("cpu")) == {"step": 4}


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    Checkpoint(tmp_path, {"seed": 0, "lag_time": 1.0}).save({})
    with pytest.raises(FelError, match="another fit: seed differ"):
        Checkpoint(tmp_path, {"seed": 1, "lag_time": 1.0}).load(torch.device("cpu"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(FelError, match="is not a checkpoint"):
        Checkpoint(tmp_path, {}).load(torch.device("cpu"))


def test_a_pickle_in_place_of_a_checkpoint_runs_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"config": {}, "context": {}, "state": Trap()}, tmp_path / "checkpoint.pt")
    with pytest.raises(FelError, match="is not a checkpoint"):
        Checkpoint(tmp_path, {}).load(torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FelError, match="cannot be made"):
        Checkpoint(tmp_path / "file" / "folder", {})


KILLED_FIT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from test_loop import fit

from fel_explorer.training import checkpoint

checkpoint.INTERVAL = 0.1


def slow_after_a_while(progress):
    if progress.step > 30:
        time.sleep(0.2)


fit(sys.argv[2], slow_after_a_while)
"""


def fit(folder, callback=None):
    import fel_explorer as fel

    data = np.cumsum(np.random.default_rng(0).normal(size=(500, 3)), axis=0)
    model = fel.IDM(lag_time=2.0, n_states=4, hidden=[8], n_steps=300, batch_size=32)
    return model.fit(data, device="cpu", checkpoint_dir=folder, callback=callback)


def test_a_fit_killed_with_sigkill_resumes_to_bit_identical_weights(tmp_path):
    command = [sys.executable, "-c", KILLED_FIT, str(Path(__file__).parent), str(tmp_path)]
    process = subprocess.Popen(command)
    saved, deadline = tmp_path / "checkpoint.pt", time.monotonic() + 60
    while not saved.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < torch.load(saved, weights_only=True)["state"]["step"] < 300
    resumed, unbroken = fit(tmp_path), fit(None)
    assert resumed.history.identical(unbroken.history)
    expected = unbroken._get_arrays()
    for name, array in resumed._get_arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
