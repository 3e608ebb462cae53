"""Training steps captured in CUDA graphs, on a simulated device whose graphs run recorded operators again."""

import logging

import numpy as np
import pytest
import torch
from small_methods import small

import fel_explorer as fel
from fel_explorer.training import cuda_graph
from fel_explorer.training.loop import Loop, Losses, Settings

CAPTURED = ["VAMPNet", "SRV", "Autoencoder", "Eigenfunctions"]
EAGER = ["SPIB", "MultitaskCV", "IDM"]


@pytest.fixture
def log(caplog, monkeypatch):
    """What is said of graphs, which are tried in the shortest training."""
    monkeypatch.setattr(cuda_graph, "MIN_STEPS", 1)
    caplog.set_level(logging.INFO, logger=cuda_graph.__name__)
    return caplog


def fit(name, data, **options):
    return small(name, n_steps=30, validation_fraction=0.0).fit(data, device="cuda", **options)


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_steps_give_the_history_of_eager_ones(name, data, cuda, log, monkeypatch):
    captured = fit(name, data)
    assert "are captured in a CUDA graph" in log.text and "not captured" not in log.text
    monkeypatch.setattr(cuda_graph, "MIN_STEPS", 10_000)
    eager = fit(name, data)
    for column in eager.history:
        np.testing.assert_allclose(captured.history[column], eager.history[column], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(captured.transform(data), eager.transform(data), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", EAGER)
def test_schedules_in_the_losses_keep_steps_eager_and_change_nothing(name, data, cuda, log, monkeypatch):
    tried = small(name).fit(data, device="cuda")
    assert "not captured in a CUDA graph: its losses depend on the number of the step" in log.text
    monkeypatch.setattr(cuda_graph, "MIN_STEPS", 10_000)
    plain = small(name).fit(data, device="cuda")
    np.testing.assert_array_equal(tried.transform(data), plain.transform(data))


class Task:
    """Regression of noise from noise, with faults to choose."""

    def __init__(self, fault=""):
        self.fault, self.calls = fault, 0
        self.network = torch.nn.Linear(3, 1).to("cuda")
        with torch.no_grad():
            self.network.weight.fill_(0.5)
            self.network.bias.fill_(0.0)
        self.generator = torch.Generator("cuda").manual_seed(1)

    def losses(self, step):
        self.calls += 1
        x = torch.randn(8, 3, device="cuda", generator=self.generator)
        loss = (self.network(x) - x.sum(1, keepdim=True)).square().mean()
        if self.fault == "wait":
            loss = loss * float(loss.detach() > 0)
        if self.fault == "host":
            loss = loss * (1.0 + 0.1 * self.calls)
        if self.fault == "generator":
            loss = loss + torch.rand(
                (), device="cuda", generator=torch.Generator("cuda").manual_seed(self.calls)
            )
        return Losses(loss, None, {"twice": 2 * loss.detach()})

    def loop(self, n_steps=40):
        settings = Settings(n_steps, learning_rate=0.01, rate=lambda step: 1.0 / (1 + step))
        return Loop(self.network, self.losses, settings, self.generator)


def test_python_is_not_called_in_captured_steps_and_the_learning_rate_is_refilled(cuda, log, monkeypatch):
    task = Task()
    captured = task.loop().run()
    assert task.calls == cuda_graph.WARM_UP + cuda_graph.CHECKED + 1
    monkeypatch.setattr(cuda_graph, "MIN_STEPS", 10_000)
    eager = Task().loop().run()
    for name in ("loss", "twice"):
        np.testing.assert_allclose(captured[name], eager[name], rtol=1e-5)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wait", "not permitted when stream is capturing"),
        ("host", "differ from those of eager steps at step 1"),
        ("generator", "register_generator_state"),
    ],
)
def test_what_a_graph_cannot_hold_falls_back_to_eager_steps(fault, reason, cuda, log):
    task = Task(fault)
    history = task.loop().run()
    assert "not captured in a CUDA graph" in log.text and reason in log.text
    assert np.isfinite(history["loss"]).all() and history.sizes["step"] == 40


def test_a_trial_leaves_everything_as_it_was(cuda, log):
    task = Task("host")
    loop = task.loop()
    before = [tensor.clone() for tensor in loop.tensors()], task.generator.get_state()
    expected = torch.rand(3, device="cuda", generator=task.generator).tolist()
    task.generator.set_state(before[1])
    assert cuda_graph.capture_if_same(loop, 1000) is None
    for tensor, was in zip(loop.tensors(), before[0], strict=False):
        assert torch.equal(tensor, was)
    assert not any(tensor.any() for tensor in loop.tensors()[len(before[0]) :])
    assert torch.rand(3, device="cuda", generator=task.generator).tolist() == expected


def test_a_step_number_may_be_passed_on_but_not_used():
    step = cuda_graph.UnusedStep(3)
    for use in (lambda: step + 1, lambda: 2 * step, lambda: step // 2, lambda: step == 3, lambda: step < 5):
        with pytest.raises(cuda_graph.StepIsUsed):
            use()
    with pytest.raises(cuda_graph.StepIsUsed):
        bool(step)


def test_a_training_on_the_cpu_or_of_few_steps_tries_no_graph(data, cuda, caplog):
    caplog.set_level(logging.INFO, logger=cuda_graph.__name__)
    fit("VAMPNet", data)
    small("VAMPNet").fit(data, device="cpu")
    assert "graph" not in caplog.text


def test_a_resumed_fit_is_captured_too(data, cuda, log, tmp_path):
    whole = fit("VAMPNet", data)
    fit("VAMPNet", data, callback=lambda progress: progress.step >= 1, checkpoint_dir=tmp_path)
    resumed = fit("VAMPNet", data, checkpoint_dir=tmp_path)
    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], rtol=1e-4)
    assert fel.VAMPNet is type(resumed)
