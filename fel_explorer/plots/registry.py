"""The registry of plots: each brings an example of its own, so that generic tests draw every one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Draw = TypeVar("Draw", bound=Callable[..., Any])


@dataclass(frozen=True)
class Plot:
    """A registered plot: its function and one that calls it with seeded example data."""

    name: str
    draw: Callable
    example: Callable


_plots: dict[str, Plot] = {}


def register(example: Callable) -> Callable[[Draw], Draw]:
    """Function decorator: register a plot together with ``example(draw, rng, **theme)``, which draws it."""

    def decorate(draw: Draw) -> Draw:
        name = draw.__name__.removeprefix("plot_")
        _plots[name] = Plot(name, draw, lambda **theme: example(draw, np.random.default_rng(0), **theme))
        return draw

    return decorate


def list_plots() -> dict[str, Plot]:
    """All registered plots, {name: Plot}."""
    import fel_explorer.plots as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(_plots)
