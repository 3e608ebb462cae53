"""Calls of job functions as data, so that another process can make them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from fel_explorer.app.jobs.job import Report

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
ShouldStop = Callable[[], bool]

_functions: dict[tuple[str, str], Callable] = {}


@dataclass(frozen=True, eq=False)
class Call(Generic[R]):
    """A job: ``function(report, should_stop, *args, **kwargs)``, where the function stands in a module.

    Called like any job, ``call(report, should_stop)``, it runs in this process.  `workers.WorkerPool` runs
    it in another one.

    Attributes
    ----------
    finish
        Applied to the result in the process of the page; None leaves it as it is.
    whole
        Whether it is one task, which a cluster gets as a whole; others give out their parts as tasks.
    """

    function: Callable[..., R]
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    finish: Callable[[Any], Any] | None = None
    whole: bool = False

    def __call__(self, report: Report, should_stop: ShouldStop) -> R:
        return self.finished(self.function(report, should_stop, *self.args, **self.kwargs))

    def finished(self, result: Any) -> Any:
        """``result`` of the function as the page takes it."""
        return result if self.finish is None else self.finish(result)


def whole_job(
    function: Callable[Concatenate[Report, ShouldStop, P], R],
) -> Callable[P, Call[R]]:
    """`process_job` for calls that are one task, such as a training."""
    return process_job(function, whole=True)


def process_job(
    function: Callable[Concatenate[Report, ShouldStop, P], R], *, whole: bool = False
) -> Callable[P, Call[R]]:
    """Decorator of a job function: calling it with all but the first two arguments gives its `Call`.

    The function must stand in a module, and its arguments and result must be data: models, datasets, results,
    trajectories, arrays, paths and plain values.  It must not change its arguments.
    """

    _functions[named(function)] = function

    @functools.wraps(function)
    def make_call(*args: P.args, **kwargs: P.kwargs) -> Call[R]:
        return Call(function, args, kwargs, whole=whole)

    return make_call


def named(function: Callable) -> tuple[str, str]:
    """Module and name by which `found` finds a function under `process_job` again."""
    return function.__module__, function.__qualname__


def found(module: str, name: str) -> Callable:
    """The function under `process_job` of that module and name."""
    importlib.import_module(module)
    return _functions[module, name]
