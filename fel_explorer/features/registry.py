"""The kinds and featurizers that come with the package, loaded when they are first listed."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from functools import cache

from fel_explorer.features import kinds as package
from fel_explorer.features.featurizer_base import Featurizer
from fel_explorer.features.featurizer_base import registry as featurizers
from fel_explorer.features.kind_base import FeatureKind, kinds


def list_kinds() -> dict[str, FeatureKind]:
    """All registered kinds of features, {name: object}."""
    load_kinds()
    return dict(kinds)


def list_featurizers() -> dict[str, type[Featurizer]]:
    """All registered featurizers, {name: class}."""
    load_kinds()
    return dict(featurizers)


@cache
def load_kinds() -> None:
    """Import every module of `fel_explorer.features.kinds`, which registers its kinds and featurizers."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def outside_sources() -> dict[str, str]:
    """{module: file} of the kinds from outside the package, for `load_sources` in another process.

    Those of the main script are left out: a spawned process runs it again.
    """
    sources = {}
    for kind in list_kinds().values():
        module = type(kind).__module__
        if module != "__main__" and not module.startswith("fel_explorer."):
            sources[module] = type(kind).compute.__code__.co_filename
    return sources


def load_sources(sources: dict[str, str]) -> None:
    """Import modules that are not imported yet from their files, so that their kinds are registered."""
    for name, file in sources.items():
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, file)
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
