"""Plugins: other packages that add methods, featurizers and observables through entry points.

A package names them in its ``pyproject.toml``::

    [project.entry-points."fel_explorer.methods"]
    my_cv = "my_package.cv"

The entry point is a module that registers what it defines by the decorators ``@register``,
``@register_featurizer``, ``@register_kind`` or ``@register_observable``.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from fel_explorer.errors import FelError

METHODS = "fel_explorer.methods"
FEATURIZERS = "fel_explorer.featurizers"
OBSERVABLES = "fel_explorer.observables"

_lock = threading.RLock()
_loaded: set[str] = set()


class PluginWarning(UserWarning):
    """A plugin that could not be loaded; everything else works."""


def load_plugins(group: str) -> None:
    """Load the entry points of ``group``, once in a process.

    Parameters
    ----------
    group
        `METHODS`, `FEATURIZERS` or `OBSERVABLES`.

    Warns
    -----
    PluginWarning
        For each entry point that raises; it names the entry point, its package and the error.
    """
    with _lock:
        if group in _loaded:
            return
        _loaded.add(group)  # first, because a plugin may ask for the registry while it is imported
        for entry in sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value)):
            try:
                entry.load()
            except Exception as error:  # whatever it is, it must not stop the other plugins
                warnings.warn(_describe(entry, error), PluginWarning, stacklevel=2)


def check_unique(new: Callable, known: Callable | None, name: str) -> None:
    """Refuse to register ``new`` under a ``name`` that a class or function of another place has.

    The same one may be registered again, as when a module is reloaded.

    Raises
    ------
    FelError
        If ``known``, which has the name, is defined elsewhere.
    """
    if known is None or (known.__module__, known.__qualname__) == (new.__module__, new.__qualname__):
        return
    raise FelError(
        f"{new.__module__} registers a second '{name}'.",
        f"{known.__module__} has registered this name.",
        "Give it another name.",
    )


def _describe(entry: EntryPoint, error: Exception) -> str:
    package = "an unknown package" if entry.dist is None else f"the package {entry.dist.name}"
    return (
        f"The plugin '{entry.name}' ({entry.value}) of {package} can't be used: "
        f"{type(error).__name__}: {error}. Update or uninstall that package."
    )
