"""Old names of functions and classes: they still work for two minor versions, with a warning."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def deprecated(name: str, replacement: Function, *, since: str, removal: str) -> Function:
    """The function or class ``replacement`` under its old name, which warns at each call.

    Parameters
    ----------
    name
        The old name, as users write it: "fel.kinetics.old_name".
    replacement
        What it is called now.
    since, removal
        Versions: the first with the new name, and the first without the old one.

    Examples
    --------
    >>> old_sum = deprecated("old_sum", sum, since="0.2", removal="0.4")
    """
    module = inspect.getmodule(replacement)
    new = f"{module.__name__}.{replacement.__name__}" if module else replacement.__name__

    @functools.wraps(replacement)
    def old(*args, **options):
        warnings.warn(
            f"{name} is called {new} since version {since} and goes away in {removal}.",
            FutureWarning,
            stacklevel=2,
        )
        return replacement(*args, **options)

    old.__name__ = old.__qualname__ = name.rsplit(".", 1)[-1]
    return old  # type: ignore[return-value]
