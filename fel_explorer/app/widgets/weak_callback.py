"""Callbacks for libraries that keep them for ever, which must not keep the page alive."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import MethodType


def weak_callback(method: MethodType) -> Callable:
    """A function that calls ``method`` while its object is alive, and does not keep it alive."""
    reference = weakref.WeakMethod(method)

    def call(*arguments):
        alive = reference()
        return None if alive is None else alive(*arguments)

    return call
