"""KMeans states on any embedding."""

from __future__ import annotations

import torch

from fel_explorer.methods.clustering.base import EmbeddedStates, nearest
from fel_explorer.methods.registry import register
from fel_explorer.methods.subsample import frame_weights
from fel_explorer.parallel import one_thread

RESTARTS = 10


@register
class KMeans(EmbeddedStates):
    """Divides an embedding into compact states around centres.  Blind to time: borders may cut through wells.

    Each frame belongs to the nearest centre, so that memberships are 0 or 1.  The centres are found, best of
    ten random starts, on at most 100,000 frames.

    Source: S. P. Lloyd, IEEE Trans. Inf. Theory 28, 129 (1982), doi:10.1109/TIT.1982.1056489; scikit-learn
    minimises J = sum_i |z_i - c(i)|^2 over the centres c.
    """

    def _find(self, dataset, points, frames):
        self._check_distinct(points, self.n_states, f"n_states={self.n_states}")
        import sklearn.cluster  # takes long to import, and a page opens without it

        model = sklearn.cluster.KMeans(self.n_states, n_init=RESTARTS, random_state=self.seed)
        with one_thread():
            model.fit(points.numpy(), sample_weight=frame_weights(dataset, frames))
        self._centres = torch.from_numpy(model.cluster_centers_).float()

    def _memberships(self, points):
        return torch.nn.functional.one_hot(nearest(points, self._centres), self.n_states).float()

    def _reorder(self, order):
        self._centres = self._centres[order]

    def _get_arrays(self):
        return super()._get_arrays() | {"centres": self._centres}

    def _set_arrays(self, arrays):
        super()._set_arrays(arrays)
        self._centres = arrays["centres"]
