"""Two processes of torchrun train like one."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fel_explorer as fel

STEPS = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    random = np.random.default_rng(0)
    pieces = [
        np.sin(np.arange(n)[:, None] / [9, 5, 3]) + 0.5 * random.normal(size=(n, 3)) for n in (400, 300)
    ]
    weights = [random.exponential(size=len(piece)) for piece in pieces]
    path = tmp_path_factory.mktemp("ranks") / "data.zarr"
    fel.save_dataset(fel.as_dataset(pieces, weights=weights), path)
    return path


def train(method, data, output, *options, n_processes):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(n_processes)]
    command = [sys.executable, *launcher[: 0 if n_processes == 1 else None]]
    command += ["-m", "fel_explorer.cli", "train", method, str(data), "-o", str(output), "--lag_time", "1"]
    command += ["--n_steps", str(STEPS), "--batch_size", "64", "--hidden", "8"]
    command += ["--learning_rate", "0.01", "--validation_fraction", "0", "--device", "cpu", *options]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    return done


@pytest.mark.parametrize(
    "method, options", [("VAMPNet", ["--n_states", "3", "--no-reversible"]), ("SRV", ["--n_networks", "1"])]
)
def test_two_processes_have_the_losses_and_the_model_of_one(method, options, data, tmp_path):
    models = []
    for n_processes in (1, 2):
        output = tmp_path / f"{n_processes}.fel"
        done = train(method, data, output, *options, n_processes=n_processes)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(f"{output}: {method}") == 1  # written by one of them
        models.append(fel.load_model(output))
    one, two = (model.history["loss"].values for model in models)
    assert len(one) == STEPS and abs(one[-1] - one[0]) > 0.01  # it learned something
    np.testing.assert_allclose(two, one, rtol=1e-4)
    np.testing.assert_allclose(models[1].implied_timescales_, models[0].implied_timescales_, rtol=1e-3)


def test_a_method_that_needs_whole_batches_is_refused(data, tmp_path):
    done = train("Autoencoder", data, tmp_path / "a.fel", n_processes=2)
    assert done.returncode != 0
    assert "Autoencoder on 2 processes of torchrun." in done.stderr and "SRV, VAMPNet" in done.stderr
