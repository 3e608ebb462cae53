"""The registry of methods, and of the other models that files may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fel_explorer.plugins import check_unique

if TYPE_CHECKING:
    from fel_explorer.methods.base import Method, Model

M = TypeVar("M", bound="Model")
N = TypeVar("N", bound="Method")

_models: dict[str, type[Model]] = {}
_registry: dict[str, type[Method]] = {}


def register_model(cls: type[M]) -> type[M]:
    """Class decorator: model files may hold this class, by its name.

    Raises
    ------
    FelError
        If another class has the name.
    """
    check_unique(cls, _models.get(cls.__name__), cls.__name__)
    _models[cls.__name__] = cls
    return cls


def register(cls: type[N]) -> type[N]:
    """Class decorator: put a method into the registry under its class name."""
    register_model(cls)
    _registry[cls.__name__] = cls
    return cls


def list_methods() -> dict[str, type[Method]]:
    """All registered methods, those of plugins too, {name: class}."""
    import fel_explorer.methods

    fel_explorer.methods.load_all()
    return dict(_registry)


def list_models() -> dict[str, type[Model]]:
    """All classes that model files may hold, {name: class}: the methods, and parts that are not methods."""
    list_methods()
    return dict(_models)
