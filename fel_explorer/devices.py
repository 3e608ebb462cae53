"""Choice of the device to compute on."""

from __future__ import annotations

import torch

from fel_explorer.errors import FelError

VALID = "Devices are 'auto', 'cpu', 'cuda', 'cuda:0', ..."


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device to compute on.

    Parameters
    ----------
    device
        "auto": CUDA when there is one, else the CPU; "cpu", "cuda", "cuda:1", ...

    Raises
    ------
    FelError
        For what is not a device, is not on this machine, or does not compute in float64, which covariances
        and eigenvalues need: Apple's "mps".
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise FelError(f"device={device!r}.", VALID) from error
    if device.type == "mps":
        raise FelError("device='mps'.", f"It does not compute in float64. {VALID}", "Take device='cpu'.")
    if device.type not in ("cpu", "cuda"):
        raise FelError(f"device='{device}'.", VALID, "Take device='cpu'.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise FelError(
            f"device='{device}'.",
            f"This machine has {torch.cuda.device_count() or 'no'} CUDA devices.",
            f"Choose one of {available_devices()}.",
        )
    return device


def available_devices() -> list[str]:
    """'auto', 'cpu' and every CUDA device of this machine."""
    return ["auto", "cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
