"""A simulated device: CUDA (or MPS) on a machine without one, to test that code keeps devices apart.

All tensors are computed on the CPU with real values.  The storage of each carries the device on which it
pretends to lie.  A function mode answers for the Python interface of torch (``device=...``, ``.to``,
``.device``, ``numpy``); a dispatch mode below it sees every operator, those of the backward pass too, passes
the devices on, and raises what the real device raises.  It counts where the host would wait for the device.

    with SimulatedDevice() as device:
        model.fit(data, device="cuda")
    device.waits  # [Wait(what="item", where="training/loop.py:190"), ...]

Not simulated: rounding, order of sums, memory limits, and errors of asynchronous kernels.
"""

import sys
import threading
from collections import namedtuple
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from device_api import cuda_patches, mps_patches
from device_rules import NO_FLOAT64, check_devices, check_support, reason_to_wait
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

CPU = torch.device("cpu")
ATTRIBUTE = "_simulated_device"
UNKNOWN = "unknown"  # made within C++ without a tensor to tell the device: may meet any
Wait = namedtuple("Wait", "what where")


def storage_of(tensor):
    """Storage of a tensor, also of one inside `torch.func` transforms; None where it has none."""
    with torch._C.DisableTorchFunction():
        while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            tensor = torch._C._functorch.get_unwrapped(tensor)
        try:
            return tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # meta, sparse
            return None


def tag_of(tensor):
    """Simulated device of a tensor; None where it is not known."""
    tag = getattr(storage_of(tensor), ATTRIBUTE, CPU)
    return None if tag is UNKNOWN else tag


def set_tag(tensor, device):
    setattr(storage_of(tensor), ATTRIBUTE, device)
    return tensor


def flat(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from flat(value)


class Transfer(torch.autograd.Function):
    """Copy to another device; its gradient is copied back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, world, source, target):
        return set_tag(x.clone(), target)

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.world, ctx.source, ctx.target = inputs

    @staticmethod
    def backward(ctx, gradient):
        return ctx.world.move(gradient, ctx.source, False), None, None, None


class Operators(TorchDispatchMode):
    """Passes devices from operator to operator, with the rules of the real ones."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    @classmethod
    def is_infra_mode(cls):
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            tensors = [*flat(args), *flat(kwargs.values())]
            if func is torch.ops.aten.equal.default:  # C++ compares constants by it, which come as numbers
                args = tuple(map(torch.as_tensor, args))
                tensors = args
            if any(isinstance(t, FakeTensor) for t in tensors):
                return func(*args, **kwargs)
            device = self._device(func, args, tensors)
            if device is not None and device.type != "cpu":
                check_support(func, args, kwargs, device)
                if device.type == "cuda" and func.overloadpacket is torch.ops.aten.linalg_lstsq:
                    args, kwargs = self._only_gels(args, kwargs)
                if why := reason_to_wait(func, args, tag_of):
                    self.world.wait(why)
                if func.overloadpacket is torch.ops.aten.copy_ and not self._asynchronous(args, kwargs):
                    self.world.wait("copy between host and device")
            if self.world.capture is not None and func._schema.is_mutable:
                self.world.capture.keep(tensors)
            out = func(*args, **kwargs)
            self._mark(out, tensors, device)
            self.world.record(func, args, kwargs, out, device)
            return out

    def _device(self, func, args, tensors):
        check_devices(func, args, tensors, tag_of)
        tags = [tag_of(t) for t in tensors]
        known = [tag for tag in tags if tag is not None]
        if not tensors:
            return self.world.factory  # None: within C++
        if func.overloadpacket in (torch.ops.aten.copy_, *COPIES_TO_FIRST):
            return next((tag for tag in known if tag.type != "cpu"), CPU)
        return next((tag for tag in known if tag.type != "cpu"), known[0] if known else None)

    def _asynchronous(self, args, kwargs):
        if tag_of(args[0]) == tag_of(args[1]):
            return True
        non_blocking = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
        return non_blocking and self.world.is_pinned(args[1])

    def _mark(self, out, tensors, device):
        before = {id(storage_of(t)) for t in tensors}
        for tensor in flat(out if isinstance(out, (list, tuple)) else [out]):
            storage = storage_of(tensor)
            if id(storage) not in before:
                setattr(storage, ATTRIBUTE, UNKNOWN if device is None else device)
        if device is not None:
            for tensor in tensors:
                if tag_of(tensor) is None and tensor.dim():
                    set_tag(tensor, device)

    def _only_gels(self, args, kwargs):
        driver = kwargs.get("driver")
        if driver not in (None, "gels"):
            raise RuntimeError(
                f"torch.linalg.lstsq: `driver` other than `gels` is not supported on CUDA: {driver}"
            )
        return args, {**kwargs, "driver": "gels"}


COPIES_TO_FIRST = (torch.ops.aten._foreach_copy_,)


class Functions(TorchFunctionMode):
    """Answers for the Python interface: where tensors are made, moved and read."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    def __torch_function__(self, func, types, args=(), kwargs=None):
        handler = HANDLERS.get(func)
        if handler is not None:
            return handler(self.world, *args, **(kwargs or {}))
        return self.world.call(func, args, dict(kwargs or {}))


class SimulatedDevice:
    """Context in which one or several devices of ``kind`` exist.

    Attributes
    ----------
    waits
        Where the host waited for the device: what for, and the line of the package.
    """

    def __init__(self, kind="cuda", n_devices=1, free_memory=8 * 2**30):
        self.kind, self.n_devices, self.free_memory = kind, n_devices, free_memory
        self.waits = []
        self.capture = None  # the graph that records
        self._local = threading.local()
        self._pending = []  # copies to the host that are under way

    # ---- context

    def __enter__(self):
        self._stack = ExitStack()
        patches = cuda_patches(self) if self.kind == "cuda" else mps_patches(self)
        for target, name, value in patches:
            self._stack.enter_context(mock.patch.object(target, name, value))
        registry = (0, _location_of, self._restore)
        torch.serialization._package_registry.insert(0, registry)
        self._stack.callback(torch.serialization._package_registry.remove, registry)
        self._stack.enter_context(mock.patch.object(threading.Thread, "run", self._threaded()))
        self._stack.enter_context(mock.patch.object(torch.autograd, "_engine_run_backward", self._backward()))
        for owner, name in ((torch.export, "export"), (torch.jit, "trace")):
            without_modes = self._exporting(getattr(owner, name))
            self._stack.enter_context(mock.patch.object(owner, name, without_modes))
        grouping = torch._C._group_tensors_by_device_and_dtype
        patch = mock.patch.object(torch._C, "_group_tensors_by_device_and_dtype", _grouping(grouping))
        self._stack.enter_context(patch)
        self._stack.enter_context(self.modes())
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _exporting(self, export):
        """`torch.export.export` and the like without the modes: what they export must be on the CPU."""

        def without_modes(module, *args, **kwargs):
            for name, tensor in module.state_dict().items():
                if (tag_of(tensor) or CPU).type != "cpu":
                    raise RuntimeError(
                        f"The exported '{name}' is on {tag_of(tensor)}, and runs nowhere else."
                    )
            with _disable_current_modes(), _without_function_modes():
                return export(module, *args, **kwargs)

        return without_modes

    @contextmanager
    def modes(self):
        with Operators(self), Functions(self):
            yield

    def _threaded(self):
        run, world = threading.Thread.run, self

        def run_with_modes(thread):
            with world.modes():
                run(thread)

        return run_with_modes

    def _backward(self):
        """The backward pass with the function mode, which torch takes away before it."""
        backward, world = torch.autograd._engine_run_backward, self

        def with_mode(*args, **kwargs):
            factory, world.factory = world.factory, None
            try:
                with Functions(world):
                    return backward(*args, **kwargs)
            finally:
                world.factory = factory

        return with_mode

    def _restore(self, storage, location):
        if not location.startswith(self.kind):
            return None
        setattr(storage, ATTRIBUTE, self.device(location))
        return storage

    # ---- devices

    def device(self, given):
        """A device with its number; an error where there is none such."""
        given = torch.device(given) if not isinstance(given, int) else torch.device(self.kind, given)
        if given.type == "cpu" or given.type == "meta":
            return CPU if given.type == "cpu" else given
        if given.type != self.kind:
            raise RuntimeError(f"PyTorch is not linked with support for {given.type} devices")
        if (given.index or 0) >= self.n_devices:
            raise RuntimeError("CUDA error: invalid device ordinal")
        return torch.device(given.type, given.index or 0)

    @property
    def factory(self):
        return getattr(self._local, "factory", None)

    @factory.setter
    def factory(self, device):
        self._local.factory = device

    # ---- calls

    def call(self, func, args, kwargs):
        """Call a function of torch with its device taken out, and mark what it makes."""
        device = kwargs.get("device")
        if device is not None:
            device = kwargs["device"] = self.device(device)
            if device.type == "meta":
                return func(*args, **kwargs)
            kwargs["device"] = CPU
        tensors = [*flat(args), *flat(kwargs.values())]
        self._check_generator(args, kwargs, device, tensors)
        pinned = bool(kwargs.get("pin_memory")) and bool(kwargs.pop("pin_memory"))
        self._check_tracing(device, tensors)
        if device is not None and device.type == "mps" and kwargs.get("dtype") == torch.float64:
            raise TypeError(NO_FLOAT64)
        outer, self.factory = self.factory, device or (None if tensors else CPU)
        try:
            out = func(*args, **kwargs)
        finally:
            self.factory = outer
        if device is not None and isinstance(out, torch.Tensor):
            set_tag(out, device)
        if pinned:
            storage_of(out)._pinned = True
        return out

    def _check_generator(self, args, kwargs, device, tensors):
        generator = next((g for g in (*args, *kwargs.values()) if isinstance(g, torch._C.Generator)), None)
        if generator is None:
            return
        if device is None:
            device = (tag_of(tensors[0]) if tensors else None) or CPU
        if generator.device.type != device.type:
            raise RuntimeError(
                f"Expected a '{device.type}' device type for generator but found '{generator.device.type}'"
            )
        if self.capture is not None and device.type == "cuda":
            self.capture.check_generator(generator)

    def _check_tracing(self, device, tensors):
        if get_proxy_mode() is None:
            return
        for tag in [device, *map(tag_of, tensors)]:
            if tag is not None and tag.type != "cpu":
                raise RuntimeError(f"The traced graph would hold {tag}, and run nowhere else.")

    # ---- copies

    def move(self, x, target, non_blocking, dtype=None, copy=False, memory_format=None):
        """``Tensor.to``."""
        source, target = tag_of(x) or CPU, self.device(target)
        kept = {} if memory_format is None else {"memory_format": memory_format}
        if target.type == "mps" and (dtype or x.dtype) == torch.float64:
            raise TypeError(NO_FLOAT64)
        if target == source:
            return x.to(dtype or x.dtype, copy=copy, **kept)
        self._check_tracing(target, [x])
        pinned = self.is_pinned(x)
        if not non_blocking or (target.type != "cpu" and not pinned and not non_blocking):
            self.wait(f"copy from {source} to {target}")
        if dtype is not None:
            x = x.to(dtype)
        if x.requires_grad or torch._C._functorch.is_functorch_wrapped_tensor(x):
            out = Transfer.apply(x, self, source, target)
        else:
            out = set_tag(x.clone(**kept), target)
        if non_blocking and target.type == "cpu":
            self._leave_pending(out)
        return out

    def is_pinned(self, x):
        return getattr(storage_of(x), "_pinned", False)

    def _leave_pending(self, out):
        """The host sees nothing of the values before it waits."""
        if out.is_floating_point():
            self._pending.append((out.detach(), out.detach().clone()))
            out.detach().fill_(float("nan"))

    # ---- waiting and graphs

    def wait(self, what):
        """The host waits for the device."""
        if self.capture is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({what})")
        self.waits.append(Wait(what, _line_of_package()))
        pending, self._pending = self._pending, []
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            for out, values in pending:
                out.copy_(values)

    def record(self, func, args, kwargs, out, device):
        """Keep the operator for the graph that is captured."""
        if self.capture is not None and device is not None and device.type == "cuda":
            self.capture.append(func, args, kwargs, out)


def _line_of_package():
    """Innermost line of fel_explorer on the stack."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if "/fel_explorer/" in path:
            return f"{path.rpartition('/fel_explorer/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _location_of(storage):
    tag = getattr(storage, ATTRIBUTE, CPU)
    return None if tag is UNKNOWN or tag.type == "cpu" else str(tag)


@contextmanager
def _without_function_modes():
    modes = [torch.overrides._pop_mode() for _ in range(torch._C._len_torch_function_stack())]
    try:
        yield
    finally:
        for mode in reversed(modes):
            torch.overrides._push_mode(mode)


def _grouping(group):
    """The function by which optimizers group tensors, by simulated devices."""

    def by_simulated_device(lists, with_indices=False):
        found = {}
        for (_, dtype), (members, indices) in group(lists, True).items():
            for place in range(len(indices)):
                row = [None if not column else column[place] for column in members]
                device = tag_of(next(t for t in row if t is not None)) or CPU
                columns, numbers = found.setdefault((device, dtype), ([[] for _ in members], []))
                for column, tensor, kept in zip(columns, row, members, strict=True):
                    if kept:
                        column.append(tensor)
                numbers.append(indices[place])
        return found

    return by_simulated_device


# ---- answers for single functions of torch


def _to(world, x, *args, **kwargs):
    copy = kwargs.pop("copy", False)
    if (args and isinstance(args[0], torch.Tensor)) or "other" in kwargs:
        other = kwargs.pop("other", None) if "other" in kwargs else args[0]
        return world.move(x, tag_of(other) or CPU, False, other.dtype, copy)
    if len(args) > 3 or (args and isinstance(args[0], torch.dtype) and len(args) > 2):
        copy, args = args[-1], args[:-1]
    device, dtype, non_blocking, memory_format = torch._C._nn._parse_to(*args, **kwargs)
    device = (tag_of(x) or CPU) if device is None else device
    return world.move(x, device, non_blocking, dtype, copy, memory_format)


def _numpy(world, x, *args, force=False, **kwargs):
    tag = tag_of(x) or CPU
    if tag.type != "cpu":
        if not force:
            raise TypeError(
                f"can't convert {tag} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
                "host memory first."
            )
        x = world.move(x.detach(), CPU, False)
    return x.numpy(*args, force=force, **kwargs)


def _array(world, x, dtype=None):
    array = _numpy(world, x)
    return array if dtype is None else array.astype(dtype, copy=False)


def _tolist(world, x):
    if (tag_of(x) or CPU).type != "cpu":
        world.wait("tolist")
    return x.tolist()


def _make(function):
    """Of `torch.tensor` and its like: made on the host, then copied."""

    def make(world, data, *args, device=None, pin_memory=False, **kwargs):
        own = tag_of(data) if isinstance(data, torch.Tensor) else None
        if function is torch.as_tensor and args:
            kwargs["dtype"], *rest = args
            device, args = (rest[0] if rest else device), ()
        target = own or CPU if device is None else world.device(device)
        if function is torch.as_tensor and own is not None:
            return world.move(data, target, False, kwargs.get("dtype"))
        outer, world.factory = world.factory, CPU
        try:
            made = function(data, *args, **kwargs)
        finally:
            world.factory = outer
        if pin_memory:
            storage_of(made)._pinned = True
        if own is not None:
            set_tag(made, own)
        if target == (own or CPU):
            return made
        moved = world.move(made.detach(), target, False)
        return moved.requires_grad_(made.requires_grad)

    return make


def _new_tensor(world, x, data, **kwargs):
    kwargs = {"dtype": x.dtype, "device": tag_of(x) or CPU} | kwargs
    return _make(torch.tensor)(world, data, **kwargs)


def _set_grad(world, x, gradient):
    if gradient is not None and tag_of(gradient) not in (None, tag_of(x)):
        raise RuntimeError("assigned grad has data located on a different device")
    return torch.Tensor.grad.__set__(x, gradient)


def _deepcopy(world, x, memo):
    return set_tag(torch.Tensor.__deepcopy__(x, memo), tag_of(x) or CPU)


def _pin(world, x, *args):
    if (tag_of(x) or CPU).type != "cpu":
        raise RuntimeError("cannot pin a tensor of a device: only dense CPU tensors can be pinned")
    out = x.clone()
    storage_of(out)._pinned = True
    return out


def _get_index(world, x, index):
    if (tag_of(x) or CPU).type != "cpu" and _has_list(index):
        world.wait("index by a list")
    return world.call(torch.Tensor.__getitem__, (x, index), {})


def _has_list(index):
    return any(isinstance(i, list) for i in (index if isinstance(index, tuple) else (index,)))


def _flag(kind):
    return lambda world, x: (tag_of(x) or CPU).type == kind


HANDLERS = {
    torch.Tensor.to: _to,
    torch.Tensor.cpu: lambda world, x, memory_format=None: world.move(x, CPU, False),
    torch.Tensor.cuda: lambda world, x, device=None, non_blocking=False: world.move(
        x, "cuda" if device is None else device, non_blocking
    ),
    torch.Tensor.numpy: _numpy,
    torch.Tensor.__array__: _array,
    torch.Tensor.tolist: _tolist,
    torch.Tensor.device.__get__: lambda world, x: tag_of(x) or CPU,
    torch.Tensor.is_cuda.__get__: _flag("cuda"),
    torch.Tensor.is_mps.__get__: _flag("mps"),
    torch.Tensor.is_cpu.__get__: _flag("cpu"),
    torch.Tensor.get_device: lambda world, x: -1 if (tag_of(x) or CPU).type == "cpu" else tag_of(x).index,
    torch.Tensor.grad.__set__: _set_grad,
    torch.Tensor.__deepcopy__: _deepcopy,
    torch.Tensor.pin_memory: _pin,
    torch.Tensor.is_pinned: lambda world, x, *args: world.is_pinned(x),
    torch.Tensor.record_stream: lambda world, x, stream: None,
    torch.Tensor.__getitem__: _get_index,
    torch.Tensor.new_tensor: _new_tensor,
    torch.as_tensor: _make(torch.as_tensor),
    torch.tensor: _make(torch.tensor),
    torch.asarray: _make(torch.asarray),
}
