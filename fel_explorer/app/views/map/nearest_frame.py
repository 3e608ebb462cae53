"""The observed frame nearest to a clicked point, and whether the point is near the data at all."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from scipy.spatial import cKDTree

NEIGHBOURS = 8  # the distance to the 8th neighbour stands for the spacing of the data around a frame
SAMPLE = 2000  # frames whose spacing is measured
OFF_MANIFOLD = 2.0  # times the spacing

_workers = ThreadPoolExecutor(2, thread_name_prefix="fel-nearest")


class NearestFrame:
    """Finds nearest frames in an embedding by a KD-tree that is built aside when first asked for."""

    def __init__(self, positions: np.ndarray):
        self._positions = positions  # (frame, cv)
        self._lock = threading.Lock()
        self._future: Future | None = None

    def prepare(self) -> None:
        """Start to build the tree in a worker thread; does nothing when that is under way or done."""
        with self._lock:
            if self._future is None:
                self._future = _workers.submit(self._build)

    def find(self, position) -> tuple[int, float, bool]:
        """Nearest frame to ``position`` (cv,), its distance, and whether that is off the data.

        Off the data means farther than twice the spacing of the data, where the spacing is the 99th
        percentile of the frames' distances to their 8th neighbour.
        """
        self.prepare()
        tree, spacing = self._future.result()
        distance, frame = tree.query(np.asarray(position, float))
        return int(frame), float(distance), bool(distance > OFF_MANIFOLD * spacing)

    def _build(self):
        tree = cKDTree(self._positions, balanced_tree=False, compact_nodes=False)
        step = max(1, len(self._positions) // SAMPLE)
        neighbours = min(NEIGHBOURS + 1, len(self._positions))  # the frame itself is its first neighbour
        distances, _ = tree.query(self._positions[::step], k=[neighbours])
        return tree, float(np.percentile(distances, 99))
