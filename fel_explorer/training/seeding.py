"""Farthest point sampling: a partition of the frames in which rare regions have cells of their own."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def farthest_points(points: Float[Tensor, "point dim"], n: int, first: int = 0) -> Int[Tensor, "chosen"]:
    """Indices (n,) of points (frame, feature), each farthest from all chosen before it.

    Source: T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985), doi:10.1016/0304-3975(85)90224-5; used for
    batches by J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, section
    2.3. Stops early when every point coincides with a chosen one.
    """
    chosen = [first]
    nearest = (points - points[first]).square().sum(1)
    while len(chosen) < min(n, len(points)):
        farthest = int(nearest.argmax())
        if nearest[farthest] == 0:
            break
        chosen.append(farthest)
        nearest = torch.minimum(nearest, (points - points[farthest]).square().sum(1))
    return torch.tensor(chosen, device=points.device)


def whitening(sample: Tensor, *, explained: float = 0.95, n_max: int = 10) -> Tensor:
    """Matrix (feature, component) that whitens the principal components with most of the variance.

    The rest is left out: whitened too, the stiff directions (bonds, angles) would be all that distances see.
    """
    centred = (sample - sample.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(sample))
    variances, axes = variances.flip(0).clamp_min(0), axes.flip(1)
    fraction = variances.cumsum(0) / variances.sum()
    n = min(int((fraction < explained).sum()) + 1, n_max)
    return (axes[:, :n] / variances[:n].sqrt()).to(sample.dtype)


class Landmarks:
    """Cells around ``n`` farthest points of a random sample of the frames.

    Parameters
    ----------
    sample
        (frame, feature), standardised.
    n
        Number of cells at the most.
    """

    def __init__(self, sample: Tensor, n: int) -> None:
        self._transform = whitening(sample)
        points = sample @ self._transform
        self.points = points[farthest_points(points, n)]

    def cell_of(
        self, features: Float[Tensor, "frame feature"], block: int = 65_536
    ) -> Int[np.ndarray, "frame"]:
        """Nearest landmark (frame,) of each frame of ``features`` (frame, feature)."""
        offset = self.points.square().sum(1)
        device = self.points.device
        cells = [
            (offset - 2 * (part.to(device) @ self._transform) @ self.points.T).argmin(1)
            for part in features.split(block)
        ]
        return torch.cat(cells).cpu().numpy()
