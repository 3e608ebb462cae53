"""`torch.cuda` and `torch.backends.mps` of the simulated device: presence, generators, streams, graphs."""

import itertools
from contextlib import contextmanager

import torch

Generator = torch.Generator
STATES = {}  # state of a device's generator as its bytes: CUDA keeps a seed and an offset, 16 bytes
SERIAL = itertools.count()


class _IsGenerator(type(Generator)):
    def __instancecheck__(cls, instance):
        return isinstance(instance, Generator)


def generator_class(world):
    """`torch.Generator` that knows the simulated device too."""

    class SimulatedGenerator(Generator, metaclass=_IsGenerator):
        def __new__(cls, device="cpu"):
            device = world.device(device)
            if device.type == "cpu":
                return Generator()
            self = super().__new__(cls)
            self._device = device
            return self

        def __init__(self, device="cpu"):
            pass

        @property
        def device(self):
            return self._device

        def get_state(self):
            return _encode(super().get_state())

        def set_state(self, state):
            super().set_state(_decode(state))
            return self

    return SimulatedGenerator


def _encode(state):
    key = torch.tensor([0x5EED, next(SERIAL)]).view(torch.uint8)
    STATES[bytes(key.tolist())] = state
    return key


def _decode(state):
    if state.device.type != "cpu" or state.dtype != torch.uint8:
        raise TypeError("RNG state must be a torch.ByteTensor")
    if len(state) != 16:
        raise RuntimeError("RNG state is wrong size")
    return STATES[bytes(state.tolist())]


class Stream:
    def __init__(self, device=None, priority=0, **kwargs):
        self.device = device

    def wait_stream(self, stream):
        pass

    wait_event = wait_stream

    def record_event(self, event=None):
        return event or Event()

    def synchronize(self):
        Event.world.wait("Stream.synchronize")

    def query(self):
        return True


class Event:
    world = None

    def __init__(self, enable_timing=False, blocking=False, **kwargs):
        pass

    def record(self, stream=None):
        pass

    def wait(self, stream=None):
        pass

    def query(self):
        return True

    def synchronize(self):
        self.world.wait("Event.synchronize")


def graph_class(world):
    class SimulatedGraph:
        """A CUDA graph: operators are recorded once and run again on the same memory.

        Recording computes nothing, as on the real device: afterwards all memory is as it was before.
        """

        def __init__(self, keep_graph=False):
            self._operators, self._generators, self._done = [], [], False
            self._before, self._new = {}, set()

        def register_generator_state(self, generator):
            self._generators.append(generator)

        def check_generator(self, generator):
            if not any(generator is known for known in self._generators):
                raise RuntimeError(
                    "Attempt to increase offset for a CUDA generator not in capture mode: "
                    "register_generator_state was not called"
                )

        def capture_begin(self, pool=None, capture_error_mode="global"):
            world.capture = self
            self._states = [Generator.get_state(generator) for generator in self._generators]

        def capture_end(self):
            world.capture, self._done = None, True
            for generator, state in zip(self._generators, self._states, strict=True):
                Generator.set_state(generator, state)
            with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
                for storage, values in self._before.values():
                    storage.copy_(values)
            self._before = {}

        def keep(self, tensors):
            """Keep the memory that an operator may write to, to restore it."""
            for storage in (tensor.untyped_storage() for tensor in tensors):
                if storage._cdata not in self._before and storage._cdata not in self._new:
                    self._before[storage._cdata] = storage, storage.clone()

        def append(self, func, args, kwargs, out):
            from devices import flat, tag_of

            def frozen(value):  # the graph holds the value that a CPU number had
                if isinstance(value, (list, tuple)):
                    return type(value)(map(frozen, value))
                known = isinstance(value, torch.Tensor) and tag_of(value) is not None
                if known and tag_of(value).type == "cpu":
                    return value.clone()
                # a view of its own: C++ reshapes tensors in place
                return value.detach() if isinstance(value, torch.Tensor) else value

            given = {t.untyped_storage()._cdata for t in flat([*args, *kwargs.values()])}
            self._new |= {t.untyped_storage()._cdata for t in flat([out])} - given
            if torch.Tag.inplace_view in func.tags:
                return
            values = {name: frozen(value) for name, value in kwargs.items()}
            self._operators.append((func, tuple(map(frozen, args)), values, frozen(out)))

        def replay(self):
            assert self._done, "Called CUDAGraph::replay without a preceding successful capture."
            with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch(), torch.no_grad():
                for func, args, kwargs, out in self._operators:
                    _write(out, func(*args, **kwargs))

        def reset(self):
            self._operators = []

        def pool(self):
            return (0, 0)

    return SimulatedGraph


def _write(out, new):
    if isinstance(out, (list, tuple)):
        for one, fresh in zip(out, new, strict=True):
            _write(one, fresh)
    elif (
        isinstance(out, torch.Tensor) and out.untyped_storage().data_ptr() != new.untyped_storage().data_ptr()
    ):
        out.detach().copy_(new)


@contextmanager
def _stream(stream):
    yield


def cuda_patches(world):
    """(owner, name, value) of all that is replaced in torch."""

    @contextmanager
    def graph(cuda_graph, pool=None, stream=None, capture_error_mode="global"):
        world.wait("torch.cuda.graph")
        cuda_graph.capture_begin(pool, capture_error_mode)
        try:
            yield
        finally:
            cuda_graph.capture_end()

    default = generator_class(world)("cuda").manual_seed(0)
    Event.world = world
    cuda = torch.cuda
    values = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "_lazy_init": lambda: None,
        "device_count": lambda: world.n_devices,
        "current_device": lambda: 0,
        "synchronize": lambda device=None: world.wait("torch.cuda.synchronize"),
        "get_device_name": lambda device=None: "simulated device",
        "get_device_capability": lambda device=None: (9, 0),
        "mem_get_info": lambda device=None: (world.free_memory, world.free_memory),
        "memory_allocated": lambda device=None: 0,
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "empty_cache": lambda: None,
        "manual_seed": lambda seed: default.manual_seed(seed),
        "manual_seed_all": lambda seed: default.manual_seed(seed),
        "get_rng_state": lambda device="cuda": default.get_state(),
        "set_rng_state": lambda state, device="cuda": default.set_state(state),
        "Stream": Stream,
        "Event": Event,
        "stream": _stream,
        "device": _stream,
        "current_stream": lambda device=None: Stream(),
        "default_stream": lambda device=None: Stream(),
        "CUDAGraph": graph_class(world),
        "graph": graph,
        "is_current_stream_capturing": lambda: world.capture is not None,
    }
    return [(cuda, name, value) for name, value in values.items()] + [
        (torch, "Generator", generator_class(world))
    ]


def mps_patches(world):
    return [
        (torch.backends.mps, "is_available", lambda: True),
        (torch.backends.mps, "is_built", lambda: True),
        (torch, "Generator", generator_class(world)),
    ]
