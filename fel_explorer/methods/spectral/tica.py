"""Time-lagged independent component analysis."""

from __future__ import annotations

import param
import torch

from fel_explorer.data import schema
from fel_explorer.data.moments import LaggedCovariances, Moments, accumulate_features, lagged_covariance
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.checks import check_dims
from fel_explorer.methods.koopman.timescales import SPECTRUM, TimeScales, implied_timescales
from fel_explorer.methods.koopman.vamp import Covariances, Koopman, koopman, whitening
from fel_explorer.methods.registry import register
from fel_explorer.training.data import Scaling

MIN_VARIANCE = 1e-6  # of a combination of standardized features; those below are linearly dependent


@register
class TICA(Method):
    """Projects on the slowest linear combinations of the features, their mean removed.

    Source: G. Perez-Hernandez et al., J. Chem. Phys. 139, 015102 (2013), doi:10.1063/1.4811489; the axes
    solve C(tau) u = lambda C(0) u.

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
        model = self._solve(_standardised(lagged.result(), scaling))
        rank = len(model.singular_values)
        if rank < self.n_dims:
            raise FelError(
                f"n_dims={self.n_dims}, and the features span {rank} dimensions.",
                remedy=f"Take n_dims={rank} or more features.",
            )
        values = model.singular_values.numpy()
        self.eigenvalues_ = values[: self.n_dims].copy()
        self.spectrum_ = values[: max(SPECTRUM, self.n_dims)].copy()
        self.implied_timescales_ = implied_timescales([1.0, *self.eigenvalues_], self.lag_time)
        axes = model.left[:, : self.n_dims]
        if self.scaling == "kinetic_map":
            axes = axes * model.singular_values[: self.n_dims]
        keep, scale = scaling.keep, scaling.scale.double()
        self._matrix = torch.zeros((len(keep), self.n_dims), dtype=torch.float64)
        self._matrix[keep] = axes / scale[keep, None]
        self._mean = scaling.mean.double()
        self._mean[keep] += scale[keep] * model.mean

    def _solve(self, covariances: Covariances) -> Koopman:
        """Eigenvectors of the reversible problem, singular functions otherwise, largest values first."""
        largest = float(torch.linalg.eigvalsh(covariances.c00)[-1])
        cutoff = MIN_VARIANCE / max(largest, MIN_VARIANCE)
        if not self.reversible:
            return koopman(covariances, cutoff)
        whiten = whitening(covariances.c00, cutoff)
        values, vectors = torch.linalg.eigh(whiten.T @ covariances.c0t @ whiten)
        order = values.abs().argsort(descending=True)
        axes = whiten @ vectors[:, order]
        # the largest component is positive, so that axes don't turn round by chance
        axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        return Koopman(values[order], axes, axes, covariances.mean)

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


def _standardised(found: LaggedCovariances, scaling: Scaling) -> Covariances:
    """Covariances of the standardised features, so that the cutoff means the same for nm and degrees."""
    keep, scale, mean = scaling.keep, scaling.scale.double(), scaling.mean.double()
    raw, product = Covariances.from_arrays(found), torch.outer(scale, scale)
    c00, c0t, ctt = ((c / product)[keep][:, keep] for c in (raw.c00, raw.c0t, raw.ctt))
    means = (((m - mean) / scale)[keep] for m in (raw.mean, raw.mean_later))
    return Covariances(c00, c0t, ctt, *means)
