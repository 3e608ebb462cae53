"""The checker of shapes while tests run: annotations of arrays are checked at each call, others by mypy."""

import inspect
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray


def checked(function):
    """``function`` checks arguments and results that are annotated as arrays, by beartype."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=_arrays_only(p.annotation)) for p in signature.parameters.values()]
    result = _arrays_only(signature.return_annotation)
    kept = {p.name: p.annotation for p in parameters if p.annotation is not Any}
    if result is not Any:
        kept["return"] = result
    if not kept:
        return function
    function.__annotations__ = kept
    function.__signature__ = signature.replace(parameters=parameters, return_annotation=result)
    return beartype(function)


def _arrays_only(annotation):
    return annotation if _has_array(annotation) else Any


def _has_array(annotation) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return True
    return any(_has_array(part) for part in get_args(annotation))
