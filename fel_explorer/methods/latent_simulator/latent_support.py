"""Support of the latents of the data: to keep simulations there, and to draw training data evenly from it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from torch import Tensor

from fel_explorer.errors import FelError

FAR = 0.001  # fraction of the data that counts as far from the rest
N_CELLS = 100
BLOCK = 2**25  # distances computed at once


class Support:
    """The places near to some of the data.

    A point is outside if it is farther from all of them than `reach`, the distance from half of the data that
    all but `FAR` of the other half keep.

    Parameters
    ----------
    frames
        (frame, dim) of the data, standardised, on the device of the points.
    low, high
        (dim,) range of all data; what leaves it is outside too.
    """

    def __init__(self, frames: Tensor, low: Tensor, high: Tensor) -> None:
        self.frames, self.low, self.high = frames, low, high
        points = frames.cpu().numpy()
        distances = cKDTree(points[::2]).query(points[1::2])[0] if len(points) > 1 else [0.0]
        self.reach = float(np.quantile(distances, 1 - FAR))
        self._tree = cKDTree(points) if frames.device.type == "cpu" else None

    def clip(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points (point, dim), those outside moved to the nearest frame; and which were outside, (point,).

        Points near to frames at the end of the range are moved to its end only.

        Drawing them again, or staying at the last point, would close the ways into rare narrow basins, which
        a mixture often misses by a little.
        """
        inside = points.clamp(self.low, self.high)
        distance, nearest = self._nearest(inside)
        clipped = torch.where((distance > self.reach)[:, None], self.frames[nearest], inside)
        return clipped, (clipped != points).any(1)

    def _nearest(self, points):
        """Distance (point,) to the nearest frame, and its index; without leaving the device."""
        if self._tree is not None:
            distance, index = self._tree.query(points.numpy())
            return torch.from_numpy(distance), torch.from_numpy(index)
        exact = "donot_use_mm_for_euclid_dist"  # the other mode is wrong by as much as close frames are apart
        blocks = points.split(max(1, BLOCK // len(self.frames)))
        found = [torch.cdist(block, self.frames, compute_mode=exact).min(dim=1) for block in blocks]
        return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def cells_of(sample: Tensor, values: Tensor, seed: int) -> np.ndarray:
    """Place (frame,), one of at most `N_CELLS`, of each of ``values`` (frame, dim).

    K-means of a ``sample`` (sampled, dim) of them, on the CPU: its centres lie denser where frames are, but
    far less so than the frames do.
    """
    distinct = np.unique(sample.numpy(), axis=0)
    centres = distinct
    if len(distinct) > N_CELLS:
        from sklearn.cluster import MiniBatchKMeans  # takes long to import, and a page opens without it

        model = MiniBatchKMeans(N_CELLS, n_init=1, batch_size=4096, random_state=seed)
        centres = model.fit(sample.numpy()).cluster_centers_
    tree = cKDTree(centres)
    return np.concatenate([tree.query(block.cpu().numpy())[1] for block in values.split(BLOCK // 64)])


def starts_of(frames: np.ndarray, start: ArrayLike | None, n: int, random: np.random.Generator) -> Tensor:
    """``n`` latents (n, cv) to start from: some of ``frames`` (frame, cv), or ``start`` (cv,) or (n, cv)."""
    if start is None:
        return torch.from_numpy(np.asarray(frames[random.integers(len(frames), size=n)], np.float32))
    start, n_dims = np.asarray(start, np.float32), frames.shape[1]
    if start.shape not in ((n_dims,), (n, n_dims)) or not np.isfinite(start).all():
        raise FelError(
            f"start of shape {start.shape}.",
            f"It is one finite point ({n_dims},) or one per trajectory ({n}, {n_dims}).",
        )
    return torch.from_numpy(np.broadcast_to(start, (n, n_dims)).copy())
