"""The whole training step as one CUDA graph: one launch instead of some hundred.

Steps of small networks spend most of their time in launching kernels.  A graph records the kernels of a step,
batch, gradients and optimizer included, and launches them at once, always on the same memory.  It holds the
numbers that Python computed when it was recorded, so that it serves only steps in which these stay: no
schedule in the losses, no data that are read in between.  Before a training begins the graph is tried: unless
it gives the values of `CHECKED` eager steps, the training is eager, and the log says why.

Written by the rules of `torch.cuda.CUDAGraph` (warm-up on a side stream, static memory, an optimizer that is
capturable, generators that are registered); checked on a simulated device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)
WARM_UP = 3  # steps, so that libraries and the optimizer allocate what they keep
CHECKED = 20
MIN_STEPS = 500  # of a training; fewer are done before a graph has paid
TOLERANCE = 1e-4  # relative: sums of a GPU come in any order


class Trained(Protocol):
    """What is captured: a `training.loop.Loop`."""

    generator: torch.Generator

    @property
    def step(self) -> int: ...
    def compute(self, step: int) -> Tensor: ...
    def set_rate(self, step: int) -> None: ...
    def tensors(self) -> list[Tensor]: ...


class StepIsUsed(Exception):
    """The losses depend on the number of the step."""


def _used(*_: Any) -> Any:
    raise StepIsUsed


class UnusedStep(int):
    """A step's number that may be passed on but not computed with."""

    __hash__ = int.__hash__
    __index__ = __int__ = __float__ = __bool__ = _used
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _used
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = _used
    __pow__ = __rpow__ = _used


class CapturedStep:
    """A recorded step; its input is the learning rate, which `Trained.set_rate` writes to its place."""

    def __init__(self, compute: Callable[[], Tensor], generator: torch.Generator) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._graph.register_generator_state(generator)
        # other threads, such as those of a page, may use the device meanwhile
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._row = compute()

    def replay(self) -> Tensor:
        """Do the step; returns its values (value,), to be copied before the next."""
        self._graph.replay()
        return self._row


def capture_if_same(loop: Trained, n_steps: int) -> CapturedStep | None:
    """The step of ``loop`` as a graph; None where an eager step has to serve, which is logged.

    Afterwards parameters, optimizer and generator are as they were before.

    Parameters
    ----------
    loop
        On a CUDA device; its ``compute`` is called with an `UnusedStep`.
    n_steps
        Steps to be done.
    """
    if n_steps < MIN_STEPS:
        return None
    device = loop.tensors()[0].device
    start = _State(loop)
    with torch.cuda.device(device):
        try:
            captured, reason = _trial(loop, device)
        except StepIsUsed:
            captured, reason = None, "its losses depend on the number of the step"
        except RuntimeError as error:  # what CUDA does not capture
            captured, reason = None, str(error).partition("\n")[0]
        start.restore()
    if captured is None:
        LOG.info("Training steps are not captured in a CUDA graph: %s.", reason)
    else:
        LOG.info("Training steps are captured in a CUDA graph.")
    return captured


def _trial(loop: Trained, device: torch.device) -> tuple[CapturedStep | None, str]:
    step = UnusedStep(loop.step)
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            loop.compute(step)
    torch.cuda.current_stream(device).wait_stream(side)
    warm = _State(loop)
    eager = _values(loop, lambda: loop.compute(step))
    warm.restore()
    captured = CapturedStep(lambda: loop.compute(step), loop.generator)
    graphed = _values(loop, captured.replay)
    if torch.allclose(eager, graphed, rtol=TOLERANCE, atol=TOLERANCE * 1e-2, equal_nan=True):
        return captured, ""
    first = int((~torch.isclose(eager, graphed, rtol=TOLERANCE, equal_nan=True)).any(1).nonzero()[0])
    return None, f"its values differ from those of eager steps at step {first + 1}"


def _values(loop: Trained, advance: Callable[[], Tensor]) -> Tensor:
    """Values (step, value) of `CHECKED` steps, each with the learning rate of its number."""
    rows, first = [], int(loop.step)
    for number in range(first, first + CHECKED):
        loop.set_rate(number)
        rows.append(advance().clone())
    return torch.stack(rows)


class _State:
    """What a step changes, to go back to it in the same memory."""

    def __init__(self, loop: Trained) -> None:
        self._loop = loop
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in loop.tensors()]
        self._generator = loop.generator.get_state()

    @torch.no_grad()
    def restore(self) -> None:
        known = set()
        for tensor, values in self._tensors:
            tensor.copy_(values)
            known.add(tensor.data_ptr())
        for tensor in self._loop.tensors():
            if tensor.data_ptr() not in known:
                tensor.zero_()  # the optimizer's, made since: it begins with zeros
        self._loop.generator.set_state(self._generator)
