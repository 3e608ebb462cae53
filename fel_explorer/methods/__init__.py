"""One file a method.  Classes and modules are imported when first used; ``base.py`` says how to add one."""

from __future__ import annotations

import importlib
import pkgutil

_FUNCTIONS = {
    "Method": "base",
    "cross_validate": "cross_validation",
    "late_rates": "timescales",
    "level_sets": "levels",
    "list_methods": "base",
    "load_model": "model_file",
    "mode_spectrum": "timescales",
    "register": "base",
    "sensitivity": "feature_sensitivity",
}


def load_all() -> None:
    """Import every module of this package, so that every method is registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def __getattr__(name: str):
    if name not in _FUNCTIONS and not name[0].isupper():  # a dunder, or a module that is being imported
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    models = importlib.import_module(f"{__name__}.base").list_models()
    if name in models:
        return models[name]
    raise AttributeError(
        f"module '{__name__}' has no attribute '{name}'; models: {', '.join(sorted(models))}"
    )


def __dir__() -> list[str]:
    return sorted({*_FUNCTIONS, "load_all", *importlib.import_module(f"{__name__}.base").list_models()})
