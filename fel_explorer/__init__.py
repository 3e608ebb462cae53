"""Explore the free-energy landscapes of molecular simulations.  ``import fel_explorer as fel``."""

import lazy_loader

__version__ = "0.2.0"

# Lazy, because torch, mdtraj and panel each take a second to import and few uses need all three.
_getattr, _dir, _names = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str):
    """Look up a submodule or function, or else a registered model: ``fel.TICA``, those of plugins too."""
    if name == "__all__":
        return __dir__()
    if name in _names or not name[0].isupper():
        return _getattr(name)
    from fel_explorer.methods.registry import list_models

    models = list_models()
    if name not in models:
        raise AttributeError(
            f"module 'fel_explorer' has no attribute '{name}'; models: {', '.join(sorted(models))}"
        )
    return models[name]


def __dir__() -> list[str]:
    from fel_explorer.methods.registry import list_models

    return sorted({*_dir(), *list_models()})
