"""State-free reversible VAMPnets: the slow modes of equilibrium dynamics."""

from __future__ import annotations

import numpy as np
import param
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import vamp
from fel_explorer.methods.base import register
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.network_method import NetworkMethod, frame_weight, lag_pairs
from fel_explorer.methods.spectral import orient, ritz
from fel_explorer.methods.timescales import implied_timescales
from fel_explorer.training.data import BLOCK, Frames, Scaling, fingerprint
from fel_explorer.training.loop import Losses

RIDGE = 1e-6  # of the mean variance of the outputs: dependent functions can be trained


@register
class SRV(NetworkMethod):
    """Finds the slowest modes of equilibrium dynamics as functions of the features: a network, no states.

    The network's outputs maximise the VAMP-2 score of frames ``lag_time`` apart, symmetrised in time and
    with the mean removed.  With held-out data training stops when the model of the training data no longer
    gains on them (VAMP-E score).  Last, the eigenproblem C1 s = lambda C0 s over all data, in float64,
    turns the outputs into eigenfunctions psi of the transfer operator: slowest first, mean 0, variance 1,
    the rare side positive.  Without hidden layers the method is TICA.

    Source: Chen, Sidky and Ferguson, J. Chem. Phys. 150, 214114 (2019); paper 002, section 2.1.

    Attributes
    ----------
    eigenvalues_
        (cv,) of the transfer operator at the lag, largest first.
    implied_timescales_
        (cv,) -tau / ln eigenvalue in the dataset's time unit; 0 where the eigenvalue is not positive.

    Example
    -------
    >>> data = fel.as_dataset(np.cumsum(np.random.default_rng(0).normal(size=(500, 2)), axis=0) % 7)
    >>> fel.SRV(lag_time=5.0, n_dims=1, n_steps=10).fit(data).transform(data).sizes["cv"]
    1
    """

    needs_lag = True
    fitted = ("eigenvalues_", "implied_timescales_")

    lag_time = param.Number(
        10.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=1,
        label="Lag time",
        doc="Processes slower than this are sought, in the data's time unit (ps for molecules).",
    )
    n_dims = param.Integer(2, bounds=(1, 64), precedence=1.1, label="Dimensions", doc="Number of slow modes.")

    def fit(self, X, *, deflate=None, device="auto", callback=None, checkpoint_dir=None) -> SRV:
        """Fit; see `Method.fit`.

        Parameters
        ----------
        deflate
            Known slow nuisance processes, such as a rare isomerisation: a column of the dataset or a list of
            them, or an array (frame,) or (frame, process), such as the mode of an earlier fit.  The modes
            that are found are the slowest ones uncorrelated with these.  They stay functions of the features
            alone, so `transform` does not need the processes again.
        """
        dataset = schema.as_dataset(X)
        self._nuisance = None if deflate is None else nuisance(dataset, deflate)
        self._n_outputs = self.n_dims + (0 if self._nuisance is None else self._nuisance.sizes["feature"])
        return super().fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def score(self, X) -> float:
        """VAMP-2 score of the modes on data ``X``, 1 + the sum of their squared eigenvalues there.

        On trajectories that were not fitted it tells which lag, features or size generalise; compare at one
        ``lag_time`` and ``n_dims`` only.
        """
        dataset = schema.as_dataset(X)
        lag = schema.lag_in_frames(dataset, self.lag_time)
        modes = torch.from_numpy(self.transform(dataset).values)
        pairs = lag_pairs(modes, dataset, lag, frame_weight(dataset, "cpu"))
        values = vamp.koopman(vamp.covariances(*pairs, reversible=True)).singular_values
        return float(1.0 + values.square().sum())

    # ---- training

    def _build(self, n_features, generator):
        return mlp([n_features, *self.hidden, self._n_outputs], generator)

    def _prepare(self, scaling, generator):
        super()._prepare(scaling, generator)
        # until the modes are known, a live map shows the outputs
        device = scaling.mean.device
        self._mean = torch.zeros(self._n_outputs, dtype=torch.float64, device=device)
        self._axes = torch.eye(self._n_outputs, self.n_dims, dtype=torch.float64, device=device)

    def _frames(self, dataset, scaling, device):
        if self._nuisance is None:
            return Frames(dataset, scaling, device)
        both = self._with_nuisance(dataset)
        other = Scaling.of(dataset.drop_dims("feature").assign(features=self._nuisance))
        joint = Scaling(
            *(torch.cat([getattr(s, name) for s in (scaling, other)]) for name in ("mean", "scale", "keep"))
        )
        return Frames(both, joint, device)

    def _with_nuisance(self, dataset):
        features = xr.concat([dataset["features"], self._nuisance], "feature")
        return dataset.drop_dims("feature").assign(features=features)

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None and self._nuisance is not None:
            checkpoint.config["deflated"] = fingerprint(self._with_nuisance(dataset))
        return checkpoint

    def _covariances(self, batch):
        """Reversible covariances of the outputs and, behind them, of the nuisance processes."""
        n_features = int(self._scaling.keep.sum())
        outputs = self._network(batch.frames[:, :n_features])
        values = torch.cat([outputs, batch.frames[:, n_features:]], dim=1)
        return vamp.covariances(*batch.halves(values), batch.weight, reversible=True)

    def _losses(self, batch, generator):
        covariances = self._covariances(batch)
        deflated = restrict(covariances, deflation(covariances, self._n_outputs))
        ridge = RIDGE * deflated.c00.diagonal().mean().detach()
        score = vamp.vamp2(deflated, ridge)
        return Losses(-score, None, {"score": score.detach()})

    def _figure_of_merit(self, training, held_out):
        covariances = self._covariances(training)
        basis = deflation(covariances, self._n_outputs)
        model = vamp.koopman(restrict(covariances, basis))
        return float(vamp.vamp_e(model, restrict(self._covariances(held_out), basis)))

    def _describe(self, dataset, frames, lag):
        n_features, device = int(self._scaling.keep.sum()), frames.device
        values = []
        for block in frames.values.split(BLOCK):
            block = block.to(device)
            values.append(torch.cat([self._network(block[:, :n_features]), block[:, n_features:]], dim=1))
        values, weight = torch.cat(values), frame_weight(dataset, device)
        covariances = vamp.covariances(*lag_pairs(values, dataset, lag, weight), reversible=True)
        basis = deflation(covariances, self._n_outputs)
        outputs = restrict(covariances, basis)
        rates, vectors = ritz(outputs.c00 - outputs.c0t, outputs.c00)
        found = min(self.n_dims, len(rates))
        self._mean = covariances.mean[: self._n_outputs]
        axes = orient(
            basis[: self._n_outputs] @ vectors[:, :found], values[:, : self._n_outputs], self._mean, weight
        )
        self._axes = torch.nn.functional.pad(axes, (0, self.n_dims - found))
        self.eigenvalues_ = np.pad(1.0 - rates[:found].cpu().numpy(), (0, self.n_dims - found))
        self.implied_timescales_ = implied_timescales([1.0, *self.eigenvalues_.clip(0)], self.lag_time)

    # ---- the verbs and the file

    def _transform(self, features):
        outputs = self._network(self._scaled(features)).double()
        return ((outputs - self._mean) @ self._axes).float()

    def _get_arrays(self):
        return super()._get_arrays() | {"axes": self._axes, "mean_output": self._mean}

    def _set_arrays(self, arrays):
        self._n_outputs = len(arrays["axes"])
        super()._set_arrays(arrays)
        self._axes, self._mean = arrays["axes"], arrays["mean_output"]


def nuisance(dataset: xr.Dataset, deflate) -> xr.DataArray:
    """What `SRV.fit` was told to deflate, as features (frame, feature) of the dataset's frames.

    Raises
    ------
    FelError
        For a column that the dataset does not have, another number of frames, or values not finite.
    """
    if isinstance(deflate, str) or (isinstance(deflate, list) and all(isinstance(n, str) for n in deflate)):
        names = [deflate] if isinstance(deflate, str) else deflate
        columns = [str(n) for n in dataset.data_vars if dataset[n].dims == ("frame",) and n != "weight"]
        if not names or set(names) - set(columns):
            raise FelError(f"deflate={deflate!r}.", f"Columns of the dataset are {columns}.")
        deflate = np.stack([dataset[name].values for name in names], axis=1)
    values = np.asarray(deflate, np.float32)
    values = values[:, None] if values.ndim == 1 else values
    n_frames = dataset.sizes["frame"]
    if values.ndim != 2 or len(values) != n_frames or not values.size or not np.isfinite(values).all():
        raise FelError(
            f"deflate holds values of shape {np.shape(deflate)}.",
            f"It has one finite value a frame, ({n_frames},), or one a frame and process ({n_frames}, n).",
        )
    names = [f"deflated {i}" for i in range(values.shape[1])]
    return xr.DataArray(values, dims=("frame", "feature"), coords={"feature": names})


def deflation(covariances: vamp.Covariances, n: int) -> torch.Tensor:
    """Basis (function, direction) of what the first ``n`` functions span uncorrelated with the others.

    The projector 1 - S (S^T S)^-1 S^T, S the covariance of the first functions with the others; the
    identity where there are no others.
    """
    shared = covariances.c00[:n, n:]
    identity = torch.eye(len(covariances.c00), n, dtype=torch.float64, device=shared.device)
    if not shared.shape[1]:
        return identity
    gram = shared.T @ shared
    floor = 1e-12 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return identity - torch.nn.functional.pad(
        shared @ torch.linalg.solve(gram + floor, shared.T), (0, 0, 0, len(gram))
    )


def restrict(covariances: vamp.Covariances, basis: torch.Tensor) -> vamp.Covariances:
    """Covariances of the combinations ``basis`` (function, direction) of the functions."""
    c00, c0t, ctt = (basis.T @ getattr(covariances, name) @ basis for name in ("c00", "c0t", "ctt"))
    return vamp.Covariances(c00, c0t, ctt, covariances.mean @ basis, covariances.mean_later @ basis)
