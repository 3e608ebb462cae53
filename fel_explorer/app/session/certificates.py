"""Certificates of the models of all pages: each is kept for as long as its model lives."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.methods import Method

if TYPE_CHECKING:
    from fel_explorer.app.session.result import Result
    from fel_explorer.methods.assessment.certificate import Certificate

_kept: weakref.WeakKeyDictionary[Method, Certificate] = weakref.WeakKeyDictionary()


def known_certificate(result: Result) -> Certificate | None:
    """The latest certificate of a result's method, if there is one."""
    return _kept.get(result.method)


def keep_certificate(result: Result, certificate: Certificate) -> None:
    """Take ``certificate`` as that of a result's method, in the place of an older one."""
    _kept[result.method] = certificate


def known_measure(result: Result, key: str, field: str = "value") -> float:
    """A measure of a result's certificate, or another number of it (its "error"); NaN where there is none."""
    found = known_certificate(result)
    measures = () if found is None else found.measures
    return next((float(getattr(m, field)) for m in measures if m.key == key), np.nan)
