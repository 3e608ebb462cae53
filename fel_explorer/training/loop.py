"""The loop that trains every network of the package."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.progress import Callback, Progress
from fel_explorer.training import clipping, cuda_graph, ranks
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.random import restore

REPORT_INTERVAL = 0.1  # seconds between two callbacks


@dataclass(frozen=True)
class Losses:
    """What one step computes.

    ``main`` + ``auxiliary`` is minimised; they are apart because adaptive clipping bounds the gradient of the
    first by that of the second.  ``report`` holds 0-dimensional tensors or numbers for the history, the
    same names at each step.
    """

    main: Tensor
    auxiliary: Tensor | None = None
    report: Mapping[str, Tensor | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    clip
        "norm": the whole gradient to ``max_norm``.  "adaptive": first the gradient of the main loss to the
        norm of the auxiliary's, then "norm".
    rate
        Factor on ``learning_rate`` by step.
    validate_every, patience
        Steps between two validations; steps without a better one after which training stops and goes back to
        the best weights (0: never).  Counted from ``patient_from`` on, when schedules have ended.
    min_improvement
        Decrease of the validation below which it does not count as better.
    optimizer
        "adam" or "rmsprop".  Both leave parameters alone that the loss of a step does not reach.
    """

    n_steps: int
    learning_rate: float = 1e-3
    clip: str = "norm"
    max_norm: float = 1.0
    rate: Callable[[int], float] = lambda step: 1.0
    validate_every: int = 100
    patience: int = 0
    patient_from: int = 0
    min_improvement: float = 0.0
    message: str = ""
    optimizer: str = "adam"


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Run torch's CPU work on ``n`` threads within the block; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Loop:
    """Train ``module`` on ``losses(step)``.

    Parameters
    ----------
    module
        Its parameters are trained, in place.
    losses
        Called with the step, 0-based; draws its batch from ``generator``.
    generator
        The source of all randomness of a step; its state is part of a checkpoint.
    validate
        Optional: a figure of merit on held-out data, lower is better.
    callback
        Gets a `Progress` after the first and the last step and every `REPORT_INTERVAL` seconds between; only
        then does the loop wait for the device.  Returning True ends the training.
    checkpoint
        Saved every `checkpoint.INTERVAL` seconds and at the end.
    steps_before, steps_in_all
        For progress, when this loop is one of several (restarts).
    """

    def __init__(
        self,
        module: nn.Module,
        losses: Callable[[int], Losses],
        settings: Settings,
        generator: torch.Generator,
        *,
        validate: Callable[[], float] | None = None,
        callback: Callback | None = None,
        checkpoint: Checkpoint | None = None,
        steps_before: int = 0,
        steps_in_all: int | None = None,
    ) -> None:
        self.module, self.losses, self.settings, self.generator = module, losses, settings, generator
        self.validate, self.callback, self.checkpoint = validate, callback, checkpoint
        self.steps_before, self.steps_in_all = steps_before, steps_in_all or settings.n_steps
        self.step = 0  # steps done
        self.cancelled = False
        self.stopped_early = False
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._optimizer: torch.optim.Optimizer
        self._rate: Tensor | None = None  # the learning rate on the device, where a graph may read it
        if settings.optimizer == "adam":
            device = self._parameters[0].device
            if device.type == "cuda":
                self._rate = torch.full((), settings.learning_rate, device=device)
            rate = settings.learning_rate if self._rate is None else self._rate
            self._optimizer = torch.optim.Adam(
                self._parameters, lr=rate, fused=True, capturable=self._rate is not None
            )
        else:
            self._optimizer = torch.optim.RMSprop(self._parameters, lr=settings.learning_rate)
        self._graph: cuda_graph.CapturedStep | None = None
        self._names: list[str] = []
        self._records: Tensor | None = None  # (step, name), on the device
        self._validations: list[tuple[int, float]] = []
        self._best: dict[str, Tensor] | None = None

    def run(self, until: int | None = None) -> xr.Dataset:
        """Train to the end, or to step ``until``, from where another `run` goes on; returns the history."""
        self._started, self._first, self._reported = time.monotonic(), self.step, float("-inf")
        stop = self.settings.n_steps if until is None else min(until, self.settings.n_steps)
        if self._graph is None and self._rate is not None and ranks.n_ranks() == 1:
            self._graph = cuda_graph.capture_if_same(self, stop - self.step)
        while self.step < stop and not (self.cancelled or self.stopped_early):
            self._advance()
            if self.validate and self.step % self.settings.validate_every == 0:
                self._validate(self.validate)
            self._report()
            if self.checkpoint and self.checkpoint.due():
                self.checkpoint.save(self.state_dict())
        if self.checkpoint:
            self.checkpoint.save(self.state_dict())
        over = self.cancelled or self.stopped_early or self.step == self.settings.n_steps
        if over and self._best is not None and self.settings.patience:
            self.module.load_state_dict(self._best)
        return self.history()

    def _advance(self) -> None:
        self.set_rate(self.step)
        row = self.compute(self.step) if self._graph is None else self._graph.replay()
        if self._records is None:
            self._records = torch.full((self.settings.n_steps, len(row)), float("nan"), device=row.device)
        self._records[self.step] = row
        self.step += 1

    def set_rate(self, step: int) -> None:
        """Set the learning rate of a step."""
        rate = self.settings.learning_rate * self.settings.rate(step)
        if self._rate is None:
            self._optimizer.param_groups[0]["lr"] = rate
        else:
            self._rate.fill_(rate)

    def compute(self, step: int) -> Tensor:
        """Compute losses and gradients, change the parameters, and return the values of the history."""
        settings = self.settings
        losses = self.losses(step)
        if settings.clip == "adaptive" and losses.auxiliary is not None:
            clipping.adaptive_backward(losses.main, losses.auxiliary, self._parameters)
        else:
            self._optimizer.zero_grad()
            total = losses.main if losses.auxiliary is None else losses.main + losses.auxiliary
            total.backward()
            ranks.sum_gradients(self._parameters)
        clipping.clip_norm(self._parameters, settings.max_norm)
        self._optimizer.step()
        return self._row(losses)

    def _row(self, losses: Losses) -> Tensor:
        values = {"loss": losses.main.detach(), **losses.report}
        device, self._names = losses.main.device, list(values)
        row = [v if isinstance(v, Tensor) else torch.full((), v, device=device) for v in values.values()]
        return torch.stack([v.detach().to(torch.float32) for v in row])

    def tensors(self) -> list[Tensor]:
        """What a step changes: parameters, buffers, and the state of the optimizer once it has one."""
        states = [t for state in self._optimizer.state.values() for t in state.values()]
        return [*self.module.state_dict().values(), *(t for t in states if isinstance(t, Tensor))]

    def _validate(self, validate: Callable[[], float]) -> None:
        value = float(validate())
        self._validations.append((self.step, value))
        counted = [(v, s) for s, v in self._validations if s >= self.settings.patient_from]
        if not counted or not self.settings.patience:
            return
        _, best_step = min(counted)
        if best_step == self.step:
            self._best = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        reference, improved = float("inf"), self.step
        for value, step in counted:
            if value < reference - self.settings.min_improvement:
                reference, improved = value, step
        self.stopped_early = self.step - improved >= self.settings.patience

    def _report(self) -> None:
        now = time.monotonic()
        last = self.step == self.settings.n_steps or self.stopped_early
        if self.callback is None and not last:
            return
        if now - self._reported < REPORT_INTERVAL and not last:
            return
        self._reported = now
        assert self._records is not None  # a step was done
        values = dict(zip(self._names, self._records[self.step - 1].tolist(), strict=True))
        if not np.isfinite(values["loss"]):
            raise FelError(
                f"The loss is {values['loss']} at step {self.step}: the training diverged.",
                remedy="Take a smaller learning_rate, or look for extreme values in the features.",
            )
        if self._validations:
            values["validation"] = self._validations[-1][1]
        done, n_steps = self.steps_before + self.step, self.steps_in_all
        eta = (now - self._started) / (self.step - self._first) * (n_steps - done)
        progress = Progress(done, n_steps, values, eta, self.settings.message)
        self.cancelled = self.callback is not None and bool(self.callback(progress))

    def history(self) -> xr.Dataset:
        """Every term over the steps done so far."""
        records = np.zeros((0, len(self._names)))
        if self._records is not None:
            records = self._records[: self.step].cpu().numpy()
        terms: dict[str, tuple[str, np.ndarray]] = {
            name: ("step", records[:, i].copy()) for i, name in enumerate(self._names)
        }
        if self._validations:
            column = np.full(self.step, np.nan, np.float32)
            for step, value in self._validations:
                column[step - 1] = value
            terms["validation"] = ("step", column)
        return xr.Dataset(terms, coords={"step": np.arange(1, self.step + 1)})

    def state_dict(self) -> dict:
        """Everything a resumed run needs for the same numbers."""
        return {
            "step": self.step,
            "module": self.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "names": self._names,
            "records": self._records,
            "validations": [list(v) for v in self._validations],
            "best": self._best,
            "stopped_early": self.stopped_early,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self.step, self._names, self._records = state["step"], state["names"], state["records"]
        self.module.load_state_dict(state["module"])
        own = {name: self._optimizer.param_groups[0].get(name) for name in ("lr", "capturable")}
        self._optimizer.load_state_dict(state["optimizer"])  # which may be of another kind of device
        self._optimizer.param_groups[0].update({k: v for k, v in own.items() if v is not None})
        restore(self.generator, state["generator"])
        self._validations = [tuple(v) for v in state["validations"]]
        self._best, self.stopped_early = state["best"], state["stopped_early"]


def to_columns(history: xr.Dataset) -> dict[str, Tensor]:
    """A history as tensors, which a checkpoint can hold."""
    return {str(name): torch.from_numpy(np.array(values)) for name, values in history.variables.items()}


def from_columns(columns: dict[str, Tensor]) -> xr.Dataset:
    """The history of which `to_columns` made ``columns``."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in columns.items()}
    step = arrays.pop("step")
    return xr.Dataset({name: ("step", values) for name, values in arrays.items()}, coords={"step": step})
