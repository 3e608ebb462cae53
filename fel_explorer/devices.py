"""Choice of the device to compute on."""

from __future__ import annotations

import torch

from fel_explorer.errors import FelError


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """``"auto"`` is CUDA when there is one, else the CPU; anything else is what torch accepts."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise FelError(f"device={device!r}.", "Devices are 'auto', 'cpu', 'cuda', 'cuda:0', ...") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise FelError(f"device='{device}'.", "This machine has no CUDA device.", "Take device='cpu'.")
    return device
