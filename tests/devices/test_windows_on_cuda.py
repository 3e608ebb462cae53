"""Features that do not fit the device: windows of blocks that a thread reads ahead, from pinned memory."""

import threading

import numpy as np
import pytest
import torch
from devices import SimulatedDevice
from small_methods import METHODS, outputs, small

import fel_explorer as fel
from fel_explorer.training import windows
from fel_explorer.training.data import Frames, Scaling
from fel_explorer.training.pairs import segments_of
from fel_explorer.training.windows import WindowedSource, pair_source

STEPPED = [name for name in sorted(METHODS) if "n_steps" in METHODS[name].hyperparameter_names()]


@pytest.fixture
def small_cuda(monkeypatch):
    """A device on which nothing fits, with windows of a few frames."""
    monkeypatch.setattr(windows, "BLOCK_FRAMES", 16)
    monkeypatch.setattr(windows, "STEPS", 3)
    with SimulatedDevice(free_memory=3000) as device:
        yield device


@pytest.mark.parametrize("name", STEPPED)
def test_methods_train_from_windows(name, data, small_cuda):
    method = small(name).fit(data, device="cuda")
    for values in outputs(method, data):
        assert np.isfinite(values).all()


@pytest.fixture
def source(data, small_cuda):
    """A function that makes sources of pairs over files, which are deleted in the end."""
    made = []

    def make():
        frames = Frames(data, Scaling.of(data), torch.device("cuda"))
        assert not frames.resident
        made.append(pair_source(frames, segments_of([150, 80, 2]), 2, exact=True, seed=3))
        return made[-1]

    yield make
    for one in made:
        one._thread.shutdown()
        one.frames.close()


def test_windows_come_from_pinned_memory_without_a_wait(source, small_cuda):
    windowed = source()
    assert isinstance(windowed, WindowedSource)
    first = windowed.at(0)
    assert first.features.device.type == "cuda"
    copies = [wait for wait in small_cuda.waits if "training/windows.py" in wait.where]
    assert not copies
    assert windowed.frames.gather(np.array([0, 3])).is_pinned()


def test_windows_are_those_of_a_source_that_reads_none_ahead(source):
    ahead, fresh = source(), source()
    for step in range(0, 30, 3):
        expected = fresh._on_device(*fresh._read(step // 3))
        found = ahead.at(step)
        assert torch.equal(found.features, expected.features) and torch.equal(found.starts, expected.starts)
        assert ahead.at(step + 2) is found


def test_the_next_window_is_read_by_another_thread_while_this_one_serves(source, monkeypatch):
    readers, read = [], WindowedSource._read

    def reading(self, window):
        readers.append((window, threading.current_thread() is threading.main_thread()))
        return read(self, window)

    monkeypatch.setattr(WindowedSource, "_read", reading)
    windowed = source()
    windowed.at(0)
    windowed._next[1].result()
    assert readers == [(0, False), (1, False)]
    windowed.at(3)
    windowed._next[1].result()
    assert readers == [(0, False), (1, False), (2, False)]


def test_a_resumed_run_begins_in_the_middle(source):
    assert torch.equal(source().at(13).features, source().at(12).features)


def test_a_fault_of_the_reader_reaches_the_training(source):
    windowed = source()
    windowed.at(0)
    windowed._next[1].result()
    windowed.frames.close()
    windowed._next = None
    with pytest.raises((IndexError, fel.errors.FelError)):
        windowed.at(9)
