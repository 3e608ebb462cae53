"""Principal component analysis."""

from __future__ import annotations

from typing import Self

import numpy as np
import param
import torch
import xarray as xr

from fel_explorer.data.moments import Covariance, accumulate_features, weights_of
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.checks import check_dims
from fel_explorer.methods.registry import register


@register
class PCA(Method):
    """Projects on the directions of largest variance, by frame weight.  Fast, and blind to time.

    Source: K. Pearson, Philos. Mag. 2, 559 (1901), doi:10.1080/14786440109462720; the axes u solve C u =
    lambda u with the covariance C of the features.

    Attributes
    ----------
    explained_variance_ratio_
        (cv,) fraction of the total variance along each axis.
    """

    has_decoder = True

    n_dims = parameters.n_dims(doc="Number of principal components to keep.", maximum=None, precedence=1)
    whiten = param.Boolean(
        False, precedence=10, label="Whiten", doc="Scale each component to unit variance over the data."
    )

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        check_dims(self, dataset)
        found = Covariance(weights_of(dataset))
        accumulate_features(dataset, found)
        self._solve(found, dataset.sizes["frame"])

    def fit_covariance(self, covariance: Covariance, dataset: xr.Dataset) -> Self:
        """Fit to the ``covariance`` of the features of ``dataset``, which are not read again."""
        check_dims(self, dataset)
        self.feature_names_ = [str(name) for name in dataset["feature"].values]
        self.time_unit_ = dataset.attrs["time_unit"]
        self._solve(covariance, dataset.sizes["frame"])
        return self

    def _solve(self, found: Covariance, n: int) -> None:
        """Set the axes from the covariance of ``n`` frames."""
        variance, vectors = np.linalg.eigh(found.covariance * n / max(n - 1, 1))
        variance, vectors = np.maximum(variance[::-1], 0.0), vectors[:, ::-1]
        self.explained_variance_ratio_ = variance[: self.n_dims] / max(variance.sum(), 1e-300)
        axes = vectors[:, : self.n_dims]
        # the largest component is positive, so that axes don't turn round by chance
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(self.n_dims)])
        scale = np.ones(self.n_dims)
        if self.whiten:
            scale = np.sqrt(np.maximum(variance[: self.n_dims], 1e-30))
        self._mean = torch.from_numpy(found.mean)
        self._forward = torch.from_numpy(axes / scale)
        self._backward = torch.from_numpy(np.ascontiguousarray((axes * scale).T))

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
