"""Featurizers from what users write: names with options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from inspect import signature
from typing import Any, TypeAlias, TypeGuard

from fel_explorer.errors import FelError
from fel_explorer.features.featurizer_base import (
    MAX_FEATURES,
    Featurizer,
    list_featurizers,
    register_featurizer,
)

__all__ = ["MAX_FEATURES", "Featurizer", "list_featurizers", "make_featurizers", "register_featurizer"]
FeaturizerSpec: TypeAlias = str | tuple[str, dict] | dict[str, Any] | Featurizer


def make_featurizers(specs: FeaturizerSpec | Sequence[FeaturizerSpec]) -> list[Featurizer]:
    """Featurizers of one spec or a list of them.

    A spec is a name, with options as in ``"distances:selection=name CA"`` (a colon before each), or
    ``(name, options)``, ``{"name": ..., "options": {...}}`` or a `Featurizer`.
    """
    if isinstance(specs, str | dict | Featurizer) or _is_pair(specs):
        specs = [specs]
    made = [_make(spec) for spec in specs]
    if not made:
        raise FelError("No featurizer was given.", f"There are {', '.join(sorted(list_featurizers()))}.")
    return made


def _is_pair(spec) -> TypeGuard[tuple[str, dict]]:
    return (
        isinstance(spec, tuple | list)
        and len(spec) == 2
        and isinstance(spec[1], dict)
        and "name" not in spec[1]
    )


def _read(spec: str) -> tuple[str, dict]:
    """Name and options of "name:option=value:option=value"; a value is JSON, or else text."""
    name, *given = spec.split(":")
    options = {}
    for one in given:
        option, equals, value = one.partition("=")
        if not equals:
            raise FelError(
                f"'{one}' in the featurizer '{spec}'.",
                "Options are written as name:option=value:option=value.",
            )
        try:
            options[option.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[option.strip()] = value.strip()
    return name.strip(), options


def _make(spec) -> Featurizer:
    if isinstance(spec, Featurizer):
        return spec
    if isinstance(spec, str):
        name, options = _read(spec)
    elif _is_pair(spec):
        name, options = spec
    elif isinstance(spec, dict) and "name" in spec:
        name, options = spec["name"], spec.get("options") or {}
    else:
        raise FelError(
            f"The featurizer {spec!r} is not understood.",
            "Give a name, (name, options), {'name': ..., 'options': {...}} or a Featurizer.",
        )
    registry = list_featurizers()
    if name not in registry:
        raise FelError(f"There is no featurizer '{name}'.", f"There are {', '.join(sorted(registry))}.")
    known = set(signature(registry[name]).parameters)
    if unknown := set(options) - known:
        raise FelError(
            f"{name} has no option '{sorted(unknown)[0]}'.",
            f"Its options are {', '.join(sorted(known)) or 'none'}.",
        )
    return registry[name](**options)
