"""Kinds of features from outside the package, for processes that compute them."""

from __future__ import annotations

import importlib.util
import sys

from fel_explorer.errors import FelError
from fel_explorer.features.kind_base import list_kinds


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
            if spec is None or spec.loader is None:
                raise FelError(
                    f"The kinds of features in '{file}' can't be imported.", "They are in a Python file."
                )
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
