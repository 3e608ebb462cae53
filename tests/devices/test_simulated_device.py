"""The simulated device against what real CUDA and MPS do, by torch's documentation and its errors there."""

import copy
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from devices import SimulatedDevice
from torch.fx.experimental.proxy_tensor import make_fx


@pytest.fixture
def cuda():
    with SimulatedDevice() as device:
        yield device


def ones(*shape, **options):
    return torch.ones(*shape, device="cuda", **options)


ON_CUDA = {
    "an operator on CUDA tensors": lambda: ones(3) * 2 + ones(3),
    "a 0-dimensional CPU tensor in pointwise operators": lambda: ones(3) * torch.tensor(2.0),
    "a 0-dimensional CPU tensor in where": lambda: torch.where(ones(3) > 0, ones(3), torch.tensor(0.0)),
    "a 0-dimensional CPU tensor in masked_fill": lambda: ones(3).masked_fill(ones(3) > 0, torch.tensor(2.0)),
    "like": lambda: torch.randn_like(ones(3)),
    "new_zeros": lambda: ones(3).new_zeros(2),
    "a view": lambda: ones(3, 2)[1:].T,
    "out of a list": lambda: torch.stack([ones(3), ones(3)]),
    "to": lambda: torch.zeros(3).to("cuda:0"),
    "to of another tensor": lambda: torch.zeros(3).to(ones(1)),
    "cuda": lambda: torch.zeros(3).cuda(),
    "to of a dtype stays": lambda: ones(3).to(torch.float64),
    "as_tensor of an array": lambda: torch.as_tensor(np.ones(3), device="cuda"),
    "as_tensor of a CUDA tensor stays": lambda: torch.as_tensor(ones(2)),
    "writing CPU values into a slice": lambda: ones(3).index_copy_(0, ones(1).long(), ones(1)),
    "a CPU index": lambda: ones(3)[torch.tensor([0, 1])],
    "a module": lambda: torch.nn.Linear(3, 2).to("cuda")(ones(1, 3)),
    "a deep copy": lambda: copy.deepcopy(ones(3)),
    "a deep copy of a module": lambda: copy.deepcopy(torch.nn.BatchNorm1d(3).to("cuda")).running_mean,
    "a generator of the device": lambda: torch.randn(
        3, device="cuda", generator=torch.Generator("cuda").manual_seed(0)
    ),
    "vmap of grad": lambda: torch.func.vmap(torch.func.grad(lambda x: (x**2).sum()))(ones(3, 2)),
    "a Jacobian": lambda: torch.func.jacrev(lambda x: x**2 + torch.zeros(3, device=x.device))(ones(3)),
    "least squares": lambda: torch.linalg.lstsq(torch.eye(3, device="cuda"), ones(3, 1)).solution,
    "cross entropy": lambda: torch.nn.functional.cross_entropy(ones(3, 2), ones(3).long()),
}
ON_CPU = {
    "cpu": lambda: ones(3).cpu(),
    "to": lambda: ones(3).to("cpu"),
    "an operator on the CPU": lambda: torch.ones(3) + 1,
    "tensor of a list": lambda: torch.tensor([1.0, 2.0]),
    "from_numpy": lambda: torch.from_numpy(np.ones(3)) * 2,
    "zeros_like with a device": lambda: torch.zeros_like(ones(3), device="cpu"),
    "state of a generator": lambda: torch.Generator("cuda").get_state(),
}
MIXED = "Expected all tensors to be on the same device"
REFUSED = {
    "vectors of two devices": (lambda: ones(3) + torch.ones(3), RuntimeError, MIXED),
    "a matrix product": (lambda: ones(3, 3) @ torch.ones(3, 3), RuntimeError, MIXED),
    "a product with a 0-dimensional CPU tensor": (
        lambda: torch.stack([ones(()), torch.ones(())]),
        RuntimeError,
        MIXED,
    ),
    "gather by a CPU index": (
        lambda: ones(3).gather(0, torch.zeros(1, dtype=torch.long)),
        RuntimeError,
        MIXED,
    ),
    "a CUDA index of a CPU tensor": (
        lambda: torch.ones(3)[ones(1).long()],
        RuntimeError,
        "indices should be",
    ),
    "a module on the CPU": (lambda: torch.nn.Linear(3, 2)(ones(1, 3)), RuntimeError, MIXED),
    "a target on the CPU": (
        lambda: torch.nn.functional.mse_loss(ones(3), torch.ones(3)),
        RuntimeError,
        MIXED,
    ),
    "cat": (lambda: torch.cat([ones(3), torch.ones(3)]), RuntimeError, MIXED),
    "numpy": (lambda: ones(3).numpy(), TypeError, "can't convert cuda:0 device type tensor to numpy"),
    "asarray": (lambda: np.asarray(ones(3)), TypeError, "can't convert cuda:0"),
    "a NumPy function": (lambda: np.sum(np.array([ones(3)])), TypeError, "can't convert cuda:0|only"),
    "a CPU generator": (
        lambda: torch.randn(3, device="cuda", generator=torch.Generator()),
        RuntimeError,
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ),
    "a CUDA generator on the CPU": (
        lambda: torch.randn(3, generator=torch.Generator("cuda")),
        RuntimeError,
        "Expected a 'cpu' device type for generator but found 'cuda'",
    ),
    "a CPU generator in place": (
        lambda: ones(3).normal_(generator=torch.Generator()),
        RuntimeError,
        "for generator",
    ),
    "the state of a CPU generator": (
        lambda: torch.Generator("cuda").set_state(torch.Generator().get_state()),
        RuntimeError,
        "RNG state is wrong size",
    ),
    "the state of a CUDA generator": (
        lambda: torch.Generator().set_state(torch.Generator("cuda").get_state()),
        RuntimeError,
        "state",
    ),
    "a state on the device": (
        lambda: torch.Generator("cuda").set_state(torch.Generator("cuda").get_state().cuda()),
        TypeError,
        "must be a torch.ByteTensor",
    ),
    "a driver of lstsq": (
        lambda: torch.linalg.lstsq(ones(3, 3), ones(3, 1), driver="gelsd"),
        RuntimeError,
        "other than `gels` is not supported",
    ),
    "a product of integers": (lambda: ones(2, 2).long() @ ones(2, 2).long(), RuntimeError, "not implemented"),
    "a histogram": (lambda: torch.histogram(ones(3), 2), NotImplementedError, "CUDA"),
    "a gradient of another device": (
        lambda: setattr(ones(3, requires_grad=True), "grad", torch.ones(3)),
        RuntimeError,
        "different device",
    ),
    "a device that is not there": (lambda: torch.ones(3, device="cuda:3"), RuntimeError, "invalid device"),
    "pinning a CUDA tensor": (lambda: ones(3).pin_memory(), RuntimeError, "cannot pin"),
    "tracing": (lambda: make_fx(lambda x: (x.cuda() * 2).cpu())(torch.ones(3)), RuntimeError, "traced graph"),
}
WAITS = {
    "item": (lambda x: x.sum().item(), 1),
    "float": (lambda x: float(x.sum()), 1),
    "int": (lambda x: int(x.sum()), 1),
    "bool": (lambda x: bool((x > 0).all()), 1),
    "if": (lambda x: 1 if x.sum() > 0 else 2, 1),
    "format": (lambda x: f"{x.sum():.3f}", 1),
    "cpu": (lambda x: x.cpu(), 1),
    "tolist": (lambda x: x.tolist(), 1),
    "nonzero": (lambda x: x.nonzero(), 1),
    "boolean mask": (lambda x: x[x > 0], 1),
    "where of one argument": (lambda x: torch.where(x > 0), 1),
    "unique": (lambda x: x.unique(), 1),
    "allclose": (lambda x: torch.allclose(x, x), 1),
    "equal": (lambda x: torch.equal(x, x), 1),
    "writing a tensor by a mask": (lambda x: x.__setitem__(x > 0, x * 2), 1),
    "tensor of a number": (lambda x: torch.tensor(1.0, device="cuda"), 1),
    "copy to the device": (lambda x: torch.ones(3).to("cuda"), 1),
    "writing host values": (lambda x: x.__setitem__(slice(0, 2), torch.ones(2)), 1),
    "a list as an index": (lambda x: x[[0, 1]], 2),  # the list is checked, and copied
    "synchronize": (lambda x: torch.cuda.synchronize(), 1),
    "eigh": (lambda x: torch.linalg.eigh(torch.eye(2, device="cuda")), 1),
    "inverse": (lambda x: torch.linalg.inv(torch.eye(2, device="cuda")), 1),
    "a slice bounded by a tensor": (lambda x: x[: x.sum().long()], 1),
    "writing a number by a mask": (lambda x: x.__setitem__(x > 0, 0.0), 0),
    "where": (lambda x: torch.where(x > 0, x, 0.0), 0),
    "full": (lambda x: torch.full((3,), 2.0, device="cuda"), 0),
    "arithmetic": (lambda x: (x * 2 + 1).sum(), 0),
    "an integer index": (lambda x: x[1], 0),
    "index by a tensor": (lambda x: x[torch.arange(2, device="cuda")], 0),
    "a copy that does not block": (lambda x: torch.ones(3).pin_memory().to("cuda", non_blocking=True), 0),
    "inverse without a check": (lambda x: torch.linalg.inv_ex(torch.eye(2, device="cuda")), 0),
    "shape": (lambda x: (len(x), x.shape, x.numel()), 0),
    "random numbers": (lambda x: torch.rand(3, device="cuda", generator=torch.Generator("cuda")), 0),
}


@pytest.mark.parametrize("name", ON_CUDA)
def test_results_lie_on_cuda(cuda, name):
    result = ON_CUDA[name]()
    assert result.device == torch.device("cuda", 0) and result.is_cuda and not result.is_cpu


@pytest.mark.parametrize("name", ON_CPU)
def test_results_lie_on_the_cpu(cuda, name):
    result = ON_CPU[name]()
    assert result.device == torch.device("cpu") and not result.is_cuda
    assert result.numpy().size


@pytest.mark.parametrize("name", REFUSED)
def test_what_cuda_refuses_raises(cuda, name):
    program, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        program()


@pytest.mark.parametrize("name", WAITS)
def test_waits_for_the_device_are_counted(cuda, name):
    program, expected = WAITS[name]
    x = torch.ones(3, device="cuda")
    before = len(cuda.waits)
    program(x)
    found = len(cuda.waits) - before
    assert found == expected or (expected > 1 and found >= 1), cuda.waits[before:]


def test_values_are_those_of_the_cpu(cuda):
    torch.manual_seed(0)
    x = torch.randn(5, 3)
    np.testing.assert_array_equal((x.cuda() @ x.cuda().T).cpu().numpy(), (x @ x.T).numpy())


def test_a_training_step_waits_for_nothing_and_gradients_lie_with_their_parameters(cuda):
    network = torch.nn.Linear(3, 2).to("cuda")
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    before = len(cuda.waits)
    network(ones(4, 3)).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
    optimizer.step()
    assert len(cuda.waits) == before
    assert {p.grad.device.type for p in network.parameters()} == {"cuda"}
    assert optimizer.state[network.weight]["step"].device.type == "cuda"


def test_a_gradient_goes_back_through_a_copy(cuda):
    x = torch.ones(2, requires_grad=True)
    (x.cuda() ** 2).sum().backward()
    assert x.grad.device.type == "cpu"
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 2.0])


def test_devices_are_checked_in_the_backward_pass(cuda):
    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient + torch.ones(3)

    x = ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=MIXED):
        Careless.apply(x).sum().backward()


def test_files_keep_the_device_and_open_elsewhere_only_when_mapped():
    file = io.BytesIO()
    with SimulatedDevice():
        torch.save({"x": ones(3)}, file)
        file.seek(0)
        assert torch.load(file, weights_only=True)["x"].is_cuda
        file.seek(0)
        assert torch.load(file, weights_only=True, map_location="cpu")["x"].is_cpu
    file.seek(0)
    with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
        torch.load(file, weights_only=True)
    file.seek(0)
    assert torch.load(file, weights_only=True, map_location="cpu")["x"].tolist() == [1, 1, 1]


def test_a_generator_returns_to_its_state(cuda):
    generator = torch.Generator("cuda").manual_seed(3)
    state = generator.get_state()
    assert state.shape == (16,) and generator.device == torch.device("cuda", 0)
    first = torch.rand(3, device="cuda", generator=generator).tolist()
    assert torch.rand(3, device="cuda", generator=generator).tolist() != first
    generator.set_state(state)
    assert torch.rand(3, device="cuda", generator=generator).tolist() == first


def test_other_threads_see_the_device(cuda):
    found = []
    thread = threading.Thread(target=lambda: found.append(ones(2).device.type))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        found.append(pool.submit(lambda: (ones(2) + 1).device.type).result())
    assert found == ["cuda", "cuda"]
    assert not torch.ones(1).is_cuda


def test_an_asynchronous_copy_to_the_host_is_there_after_a_wait(cuda):
    out = ones(3).to("cpu", non_blocking=True)
    assert out.isnan().all()
    torch.cuda.synchronize()
    assert out.tolist() == [1, 1, 1]


def test_nothing_is_left_of_the_device_outside():
    with SimulatedDevice():
        assert torch.cuda.is_available() and torch.cuda.device_count() == 1
        x = ones(2)
    assert not torch.cuda.is_available()
    assert x.device.type == "cpu" and type(torch.Generator()) is torch.Generator
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(2, device="cuda")


def test_mps_knows_no_float64():
    with SimulatedDevice("mps"):
        assert torch.backends.mps.is_available() and not torch.cuda.is_available()
        x = torch.ones(3, device="mps")
        assert (x * 2).device.type == "mps"
        for program in (
            x.double,
            lambda: torch.zeros(3, dtype=torch.float64, device="mps"),
            lambda: torch.from_numpy(np.ones(3)).to("mps"),
        ):
            with pytest.raises(TypeError, match="doesn't support float64"):
                program()


# ---- graphs


def captured(program):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program()
    return graph


def test_a_graph_runs_again_on_the_same_memory(cuda):
    x, y = ones(3), ones(3)

    def program():
        y.copy_((x * 2).cos() + y)

    graph = captured(program)
    assert y.tolist() == [1, 1, 1]  # recording computes nothing
    x.fill_(0.5)
    y.fill_(0.0)
    graph.replay()
    graph.replay()
    np.testing.assert_allclose(y.cpu().numpy(), 2 * np.cos(1.0))


def test_a_graph_holds_the_numbers_of_its_capture(cuda):
    x, factor = ones(3), [2.0]
    out = torch.zeros(3, device="cuda")
    graph = captured(lambda: out.copy_(x * factor[0]))
    factor[0] = 5.0
    graph.replay()
    assert out.tolist() == [2, 2, 2]


def test_a_captured_step_trains(cuda):
    """As the eager step does, gradients and optimizer included."""
    losses = {}
    for mode in ("eager", "graph"):
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1).to("cuda")
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True, capturable=True)
        x, loss = ones(4, 3), torch.zeros((), device="cuda")

        def step(network=network, optimizer=optimizer, x=x, loss=loss):
            optimizer.zero_grad()
            value = network(x).square().mean()
            value.backward()
            optimizer.step()
            loss.copy_(value.detach())

        step()
        advance = captured(step).replay if mode == "graph" else step
        losses[mode] = []
        for _ in range(5):
            advance()
            losses[mode].append(loss.item())
    np.testing.assert_allclose(losses["graph"], losses["eager"], rtol=1e-6)


def test_a_graph_must_know_its_generators(cuda):
    generator, out = torch.Generator("cuda").manual_seed(0), torch.zeros(3, device="cuda")

    def program():
        out.copy_(torch.rand(3, device="cuda", generator=generator))

    with pytest.raises(RuntimeError, match="register_generator_state"):
        captured(program)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        program()
    graph.replay()
    first = out.tolist()
    graph.replay()
    assert out.tolist() != first


@pytest.mark.parametrize("name", ["item", "boolean mask", "tensor of a number", "cpu", "eigh"])
def test_waiting_within_a_capture_is_refused(cuda, name):
    x = ones(3)
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        captured(lambda: WAITS[name][0](x))
