"""Basins of attraction by steepest descent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

ROUNDS, STEPS = 200, 20  # a point exactly on a saddle never arrives


def descend(
    gradient: Callable[[Tensor], Tensor],
    x: Tensor,
    minima: Tensor,
    *,
    rate: float,
    longest: float,
    near: float,
) -> Tensor:
    """Index (...) of the minimum (minimum, dim) that steepest descent from each point (..., dim) reaches.

    Parameters
    ----------
    rate
        Step along -gradient; stable below 2 / the largest curvature.
    longest
        Longest step: short ones follow the bends of a valley.
    near
        Distance from a minimum at which its surrounding is surely convex.
    """
    label = torch.empty(x.shape[:-1], dtype=torch.long, device=x.device)
    flat, label_flat = x.detach().reshape(-1, x.shape[-1]).double(), label.reshape(-1)
    active = torch.arange(len(flat), device=x.device)
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            slope = gradient(flat)
            flat = flat - slope * torch.clamp(longest / slope.norm(dim=-1, keepdim=True), max=rate)
        distance, nearest = torch.cdist(flat, minima.to(flat)).min(dim=-1)
        label_flat[active] = nearest
        active, flat = active[distance >= near], flat[distance >= near]
        if not len(active):
            break
    return label_flat.reshape(label.shape)
