"""Principal component analysis."""

from __future__ import annotations

import numpy as np
import param
import torch
from sklearn.decomposition import PCA as SklearnPCA

from fel_explorer.methods.base import Method, register
from fel_explorer.methods.checks import check_dims, warn_unused_weights


@register
class PCA(Method):
    """Projects on the directions of largest variance.  Fast, and blind to time.

    Attributes
    ----------
    explained_variance_ratio_
        (cv,) share of the total variance along each axis.
    """

    has_decoder = True

    n_dims = param.Integer(
        2, bounds=(1, None), precedence=1, label="Dimensions", doc="Number of principal components to keep."
    )
    whiten = param.Boolean(
        False, precedence=10, label="Whiten", doc="Scale each component to unit variance over the data."
    )

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        warn_unused_weights(self, dataset)
        check_dims(self, dataset)
        features = np.asarray(dataset["features"].values, np.float64)
        pca = SklearnPCA(self.n_dims, svd_solver="covariance_eigh").fit(features)
        self.explained_variance_ratio_ = pca.explained_variance_ratio_
        scale = np.sqrt(np.maximum(pca.explained_variance_, 1e-30)) if self.whiten else np.ones(self.n_dims)
        self._mean = torch.from_numpy(pca.mean_)
        self._forward = torch.from_numpy(pca.components_.T / scale)
        self._backward = torch.from_numpy(pca.components_ * scale[:, None])

    def _transform(self, features):
        return ((features.double() - self._mean) @ self._forward).float()

    def _inverse_transform(self, points):
        return (points.double() @ self._backward + self._mean).float()

    def _get_arrays(self):
        return {
            "mean": self._mean,
            "forward": self._forward,
            "backward": self._backward,
            "explained_variance_ratio": torch.from_numpy(self.explained_variance_ratio_),
        }

    def _set_arrays(self, arrays):
        self._mean, self._forward, self._backward = (arrays[k] for k in ("mean", "forward", "backward"))
        self.explained_variance_ratio_ = arrays["explained_variance_ratio"].numpy()
