"""Geometry of points in torch, differentiable, for the kinds of features."""

from __future__ import annotations

import torch
from torch import Tensor


def torsion_waves(points: Tensor) -> Tensor:
    """Cosine and sine (..., 2) of the torsion of four points (..., 4, 3), IUPAC sign.

    They are computed without the angle itself, whose derivative jumps.
    """
    first, axis, last = (points[..., i + 1, :] - points[..., i, :] for i in range(3))
    normal, other = torch.linalg.cross(first, axis), torch.linalg.cross(axis, last)
    cos = (normal * other).sum(-1)
    sin = axis.norm(dim=-1) * (first * other).sum(-1)
    return torch.stack([cos, sin], dim=-1) / torch.hypot(cos, sin)[..., None]


def superpose(points: Tensor, reference: Tensor) -> Tensor:
    """Points (..., atom, 3) after the best rigid fit to ``reference`` (atom, 3).

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976), doi:10.1107/S0567739476001873.
    """
    centre = reference.mean(0)
    moved, target = points - points.mean(-2, keepdim=True), reference - centre
    u, _, vt = torch.linalg.svd(moved.transpose(-2, -1) @ target)
    hand = torch.ones_like(u[..., 0])
    hand[..., 2] = torch.sign(torch.linalg.det(u) * torch.linalg.det(vt)).detach()
    return moved @ (u * hand[..., None, :]) @ vt + centre


def nearest_images(vectors: Tensor, box: Tensor) -> Tensor:
    """The shortest periodic images of ``vectors`` (..., 3), differentiable.

    ``box`` (3, 3) holds the box vectors in rows, or (frame, 3, 3) those of each of the first dimension.
    """
    if box.ndim == 3:
        box = box.view(len(box), *[1] * (vectors.ndim - 2), 3, 3)
    with torch.no_grad():
        near = -(vectors[..., None, :] @ torch.linalg.inv(box)).round() @ box
        steps = torch.tensor([-1.0, 0.0, 1.0], dtype=vectors.dtype, device=vectors.device)
        shifts = near + torch.cartesian_prod(steps, steps, steps) @ box
        lengths = (vectors[..., None, :] + shifts).square().sum(-1)
        best = lengths.argmin(-1)[..., None, None].expand(*lengths.shape[:-1], 1, 3)
        shift = shifts.gather(-2, best)[..., 0, :]
    return vectors + shift


def joined_by_nearest_images(points: Tensor, box: Tensor) -> Tensor:
    """Points (..., k, 3), each at the image that is nearest to the point before it."""
    steps = nearest_images(points[..., 1:, :] - points[..., :-1, :], box)
    first = points[..., :1, :]
    return torch.cat([first, first + steps.cumsum(-2)], dim=-2)
