"""Guard of the repairs: each is used only with the versions of the library that it was written for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version

from packaging.requirements import Requirement

log = logging.getLogger("fel_explorer.workarounds")


def is_for(requirement: str) -> bool:
    """Whether the installed version of a library satisfies ``requirement``, e.g. "bokeh>=3.9,<3.10"."""
    wanted = Requirement(requirement)
    return wanted.specifier.contains(version(wanted.name), prereleases=True)


def only_for(*requirements: str) -> Callable:
    """Function decorator: with other versions than ``requirements`` do nothing, and say so in the log."""

    def decorate(function):
        @wraps(function)
        def guarded(*arguments, **options):
            unmet = [requirement for requirement in requirements if not is_for(requirement)]
            if not unmet:
                return function(*arguments, **options)
            if not guarded.logged:
                guarded.logged = True
                found = ", ".join(f"{name} {version(name)}" for name in (Requirement(r).name for r in unmet))
                log.warning(
                    "%s.%s is for %s; it is not used with %s.",
                    function.__module__,
                    function.__name__,
                    ", ".join(unmet),
                    found,
                )
            return None

        guarded.logged = False
        guarded.requirements = requirements
        return guarded

    return decorate
