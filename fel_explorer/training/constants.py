"""Constants of training steps, made once on the device: making one in each step would wait for it."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


@functools.lru_cache(maxsize=128)
def device_constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """``values`` as a tensor (value,), the same at each call: it is not to be written to."""
    return torch.tensor(values, dtype=dtype, device=device)
