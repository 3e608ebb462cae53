"""Time-lagged independent component analysis."""

from __future__ import annotations

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import param
import torch

from fel_explorer.data import schema
from fel_explorer.data.moments import LaggedCovariances, Moments, accumulate_features, lagged_covariance
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.checks import check_dims
from fel_explorer.methods.koopman.timescales import SPECTRUM, TimeScales, implied_timescales
from fel_explorer.methods.registry import register
from fel_explorer.training.data import Scaling


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
        moments, lagged = Moments(), lagged_covariance(dataset, lag, reversible=self.reversible)
        accumulate_features(dataset, moments, lagged)
        scaling = Scaling.from_moments(moments, dataset)
        covariances = _standardised(lagged.result(), scaling, lag, self.reversible)
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


def _standardised(
    found: LaggedCovariances, scaling: Scaling, lag: int, reversible: bool
) -> deeptime.covariance.CovarianceModel:
    """Covariances of the standardised features, so that deeptime's absolute cutoff is free of units."""
    keep, scale = scaling.keep.numpy(), scaling.scale.double().numpy()
    product = np.outer(scale, scale)
    c00, c0t, ctt = ((c / product)[np.ix_(keep, keep)] for c in (found.c00, found.c0t, found.ctt))
    mean = scaling.mean.double().numpy()
    mean, mean_later = (((m - mean) / scale)[keep] for m in (found.mean, found.mean_later))
    return deeptime.covariance.CovarianceModel(
        c00,
        c0t,
        ctt,
        mean,
        mean_later,
        bessels_correction=False,
        symmetrized=reversible,
        lagtime=lag,
        data_mean_removed=True,
    )
