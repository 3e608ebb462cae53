"""Farthest point sampling: a partition of the frames in which rare regions have cells of their own."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fel_explorer.training.pairs import Batch


def farthest_points(
    points: Float[Tensor, "point dim"], n: int, first: int = 0, *, n_seeds: int = 1
) -> Int[Tensor, "chosen"]:
    """Indices (n,) of points (frame, feature), each farthest from all chosen before it.

    The first ``n_seeds`` are the points from ``first`` on, in order.

    Source: T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985), doi:10.1016/0304-3975(85)90224-5; used for
    batches by J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, section
    2.3. Stops early when every point coincides with a chosen one.
    """
    chosen = list(range(first, min(first + n_seeds, len(points))))
    nearest = (points - points[first]).square().sum(1)
    for seed in chosen[1:]:
        nearest = torch.minimum(nearest, (points - points[seed]).square().sum(1))
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


def expand_batch(pool: Batch, n: int, n_seeds: int) -> Batch:
    """The first ``n_seeds`` pairs of a pool, expanded to ``n`` by farthest point sampling of the others.

    Distances are between the earlier frames, in their whitened principal components.  Pairs keep their
    weights: rare regions count more than in the data.

    Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, section
    2.3, where the pool is the whole data and the distance the RMSD.
    """
    earlier, later = pool.halves(pool.frames)
    chosen = farthest_points(earlier @ whitening(earlier), n, n_seeds=n_seeds)
    return Batch(torch.cat([earlier[chosen], later[chosen]]), pool.weight[chosen])


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
