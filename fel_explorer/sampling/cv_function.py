"""The CV of a fitted method as a differentiable function of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fel_explorer.errors import FelError
from fel_explorer.methods import model_file
from fel_explorer.methods.base import Method

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor


def map_of(method: Method, device: str | torch.device = "cpu") -> Callable[[Tensor], Tensor]:
    """The function of a fitted method from features (frame, feature) to CV (frame, cv), differentiable.

    It computes on ``device``: a method that was trained on another one is copied.

    Raises
    ------
    FelError
        If the method is not fitted, or its embedding is not one function.
    """
    method._check_fitted()
    if type(method)._transform is Method._transform:
        raise FelError(
            f"The map of a {type(method).__name__} is not one smooth function: its states have their own.",
            "Simulations are driven along one CV.",
            "Take a method that has one, such as IDM with the lag time of the level.",
        )
    return model_file.copy_on(method, device)._transform
