"""Every method, trained on a simulated CUDA device and on the CPU with the same seed."""

import warnings

import pytest
from devices import SimulatedDevice
from small_methods import METHODS, small, walks_dataset


@pytest.fixture
def cuda():
    with SimulatedDevice() as device:
        yield device


@pytest.fixture(scope="session")
def data():
    return walks_dataset()


@pytest.fixture(scope="session")
def on_cuda(data):
    with SimulatedDevice(), warnings.catch_warnings():
        return {name: small(name).fit(data, device="cuda") for name in METHODS}


@pytest.fixture(scope="session")
def on_cpu(data):
    return {name: small(name).fit(data, device="cpu") for name in METHODS}
