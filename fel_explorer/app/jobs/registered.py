"""Modules of other packages, scripts and notebooks that have registered methods, features or observables."""

from __future__ import annotations

import importlib
from collections.abc import Iterable


def registered_modules() -> list[str]:
    """Names of the modules, apart from this package, in whose registries something of theirs is."""
    from fel_explorer.features import list_featurizers
    from fel_explorer.features.kind_base import list_kinds
    from fel_explorer.methods.registry import list_models
    from fel_explorer.structures.observation import list_observables
    from fel_explorer.systems import list_systems

    classes = [*list_models().values(), *list_featurizers().values(), *list_systems().values()]
    classes += [type(kind) for kind in list_kinds().values()]
    functions = [observable.function for observable in list_observables().values()]
    modules = {thing.__module__ for thing in (*classes, *functions)}
    own = __name__.split(".")[0]
    return sorted(name for name in modules if name.split(".")[0] != own)


def import_modules(names: Iterable[str]) -> None:
    """Import modules, which registers what they define."""
    for name in names:
        importlib.import_module(name)
