"""Methods that learn collective variables and states: a file or a folder each.

Modules are imported when a name is first used; ``base.py`` says how to add a method.
"""

from __future__ import annotations

import importlib
import pkgutil

from fel_explorer.plugins import METHODS, load_plugins

_FUNCTIONS = {
    "Method": "base",
    "certify": "assessment.certificate",
    "compare_choices": "idm.choices",
    "compare_propagators": "latent_simulator.propagator_comparison",
    "cross_validate": "assessment.cross_validation",
    "fit_many": "fitting",
    "late_rates": "koopman.timescales",
    "level_sets": "assessment.level_sets",
    "list_methods": "registry",
    "load_model": "base",
    "mode_spectrum": "koopman.timescales",
    "propose_starts": "latent_simulator.propagator_comparison",
    "register": "registry",
    "scan_lag_times": "idm.lag_scan",
    "sensitivity": "assessment.feature_sensitivity",
}


def load_all() -> None:
    """Import every module of this package and all plugins, so that every method is registered."""
    for module in pkgutil.walk_packages(__path__, prefix=f"{__name__}."):
        importlib.import_module(module.name)
    load_plugins(METHODS)


def __getattr__(name: str):
    if name not in _FUNCTIONS and not name[0].isupper():  # a dunder, or a module that is being imported
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    models = importlib.import_module(f"{__name__}.registry").list_models()
    if name in models:
        return models[name]
    raise AttributeError(
        f"module '{__name__}' has no attribute '{name}'; models: {', '.join(sorted(models))}"
    )


def __dir__() -> list[str]:
    return sorted({*_FUNCTIONS, "load_all", *importlib.import_module(f"{__name__}.registry").list_models()})
