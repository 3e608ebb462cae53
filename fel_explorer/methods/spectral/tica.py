"""Time-lagged independent component analysis."""

from __future__ import annotations

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import param
import torch

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.checks import check_dims
from fel_explorer.methods.koopman.timescales import SPECTRUM, TimeScales, implied_timescales
from fel_explorer.methods.registry import register
from fel_explorer.training.data import Scaling
from fel_explorer.training.pairs import segments_of


@register
class TICA(Method):
    """Projects on the slowest linear combinations of the features, their mean removed.

    Source: G. Perez-Hernandez et al., J. Chem. Phys. 139, 015102 (2013), doi:10.1063/1.4811489; deeptime
    solves C(tau) u = lambda C(0) u.

    Attributes
    ----------
    eigenvalues_
        (cv,) autocorrelation at the lag along each axis (singular values when not reversible).
    implied_timescales_
        (cv,) -tau / ln |eigenvalue| in the dataset's time unit, longest first.
    spectrum_
        (mode,) up to twelve eigenvalues, also beyond ``n_dims``: they show how many modes are slow.
    """

    needs_lag = True
    has_modes = True
    has_timescales = True

    lag_time = parameters.lag_time()
    n_dims = parameters.n_dims(doc="Number of slow components to keep.", maximum=None)
    reversible = parameters.reversible(
        doc="Count each pair of frames in both directions of time, as equilibrium demands. Switch off for "
        "driven systems; then the singular functions of the transfer operator are found (VAMP).",
        precedence=10,
    )
    scaling: param.Selector[str] = param.Selector(
        default="kinetic_map",
        objects=["kinetic_map", "none"],
        precedence=10.1,
        label="Scaling",
        doc="'kinetic_map' scales each axis by its eigenvalue, so that distances are kinetic; 'none' gives "
        "unit variance.",
    )

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        lag = schema.lag_in_frames(dataset, self.lag_time)
        check_dims(self, dataset)
        scaling = Scaling.of(dataset)  # so that deeptime's absolute cutoff means the same for nm and degrees
        covariances = self._covariances(dataset, scaling, lag)
        estimator = deeptime.decomposition.TICA if self.reversible else deeptime.decomposition.VAMP
        model = estimator(scaling=None).fit_from_covariances(covariances).fetch_model()
        if model.output_dimension < self.n_dims:
            raise FelError(
                f"n_dims={self.n_dims}, and the features span {model.output_dimension} dimensions.",
                remedy=f"Take n_dims={model.output_dimension} or more features.",
            )
        self.eigenvalues_ = np.array(model.singular_values[: self.n_dims])
        self.spectrum_ = np.array(model.singular_values[: max(SPECTRUM, self.n_dims)])
        self.implied_timescales_ = implied_timescales([1.0, *self.eigenvalues_], self.lag_time)
        axes = model.singular_vectors_left[:, : self.n_dims]
        if self.scaling == "kinetic_map":
            axes = axes * self.eigenvalues_
        keep, scale = scaling.keep.numpy(), scaling.scale.double().numpy()
        matrix = np.zeros((len(keep), self.n_dims))
        matrix[keep] = axes / scale[keep, None]
        self._matrix = torch.from_numpy(matrix)
        self._mean = scaling.mean.double()
        self._mean[scaling.keep] += scaling.scale[scaling.keep].double() * torch.from_numpy(model.mean_0)

    def _covariances(self, dataset, scaling, lag):
        """Time-lagged covariances over all trajectories, by frame weight where there is one."""
        estimator = deeptime.covariance.Covariance(
            lag,
            compute_c0t=True,
            compute_ctt=not self.reversible,
            reversible=self.reversible,
            remove_data_mean=True,
        )
        weights = dataset["weight"].values if "weight" in dataset else None
        for first, end in segments_of(schema.trajectory_lengths(dataset)):
            if end - first <= lag:
                continue
            block = torch.from_numpy(np.array(dataset["features"][first:end].values, np.float32))
            features = scaling(block).double().numpy()
            pair_weights = None if weights is None else weights[first : end - lag]
            estimator.partial_fit((features[:-lag], features[lag:]), weights=pair_weights)
        return estimator.fetch_model()

    def _timescales(self):
        times = implied_timescales([1.0, *self.spectrum_.clip(0)], self.lag_time)
        return TimeScales(times, self.time_unit_ or "")

    def _transform(self, features):
        return ((features.double() - self._mean) @ self._matrix).float()

    def _get_arrays(self):
        return {
            "mean": self._mean,
            "matrix": self._matrix,
            "eigenvalues": torch.from_numpy(self.eigenvalues_),
            "spectrum": torch.from_numpy(self.spectrum_),
        }

    def _set_arrays(self, arrays):
        self._mean, self._matrix = arrays["mean"], arrays["matrix"]
        self.eigenvalues_ = arrays["eigenvalues"].numpy()
        self.spectrum_ = arrays.get("spectrum", arrays["eigenvalues"]).numpy()  # older files lack it
        self.implied_timescales_ = implied_timescales([1.0, *self.eigenvalues_], self.lag_time)
