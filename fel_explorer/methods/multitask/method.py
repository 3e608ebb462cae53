"""Multitask collective variables: one embedding from which basins and energies are predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import nn

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.checks import warn_unused_weights
from fel_explorer.methods.multitask import objective
from fel_explorer.methods.multitask.columns import column_of, labels_of
from fel_explorer.methods.multitask.parameters import MultitaskParameters
from fel_explorer.methods.nets import mlp, on_features
from fel_explorer.methods.registry import register
from fel_explorer.training.data import BLOCK, Frames, Scaling, fingerprint
from fel_explorer.training.loop import Losses
from fel_explorer.training.random import random_generator
from fel_explorer.training.restarts import train_best_restart

COLUMNS = ("label", "energy", "basin_weight", "energy_weight")  # behind the features of a batch
TASKS = ("classification", "energy", "pair", "reconstruction", "forecast", "regularization")
PAIRED = 256  # frames of a batch whose pairs are all compared
TRIAL = 0.1  # of the training, after which restarts are compared


@register
class MultitaskCV(MultitaskParameters):
    """Learns a CV from which the basin and the potential energy of a frame are predicted.

    An encoder makes the CV; a linear classifier and a small network predict basin and energy from it.  The
    dataset needs a column of basin labels (whole numbers, below 0: no label) and one of energies; data need
    not be in equilibrium, so that shots from a transition region can be mixed with runs inside the basins.
    A weight of 0 leaves its task out: the single-task variants.

    Source: L. Sun et al., J. Chem. Theory Comput. 18, 2341 (2022), doi:10.1021/acs.jctc.1c00143; losses Eqs.
    1-3 and 11-13, prefactors Eq. 6 (numbers of the preprint, doi:10.48550/arXiv.2012.03909).

    Attributes
    ----------
    basins_
        (state,) label of each state.
    accuracy_
        Fraction of labelled frames whose basin is predicted, over all data; NaN without a classifier.
    energy_error_
        Mean absolute error of the predicted energy over all data, in its unit; NaN without.

    Examples
    --------
    >>> system = fel.systems.MullerBrown5D()
    >>> data = fel.systems.shoot(system, fel.systems.near_saddles(system, 20, reach=3.0), n_steps=100)
    >>> model = fel.MultitaskCV(n_dims=1, n_steps=10).fit(data)
    >>> model.predict_energy(data).sizes["frame"]
    200
    """

    needs_lag = True
    needs_columns = True
    fitted = ("basins_", "energy_mean_", "energy_scale_", "accuracy_", "energy_error_")
    _network: nn.ModuleDict

    @property  # a class attribute elsewhere; here it depends on what is learned
    def has_states(self) -> bool:  # type: ignore[override]
        return self.classification_weight > 0

    @property
    def has_decoder(self) -> bool:  # type: ignore[override]  # as above
        return self.reconstruction_weight > 0

    @property
    def has_energies(self) -> bool:  # type: ignore[override]  # as above
        return self.energy_weight > 0

    def predict_energy(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """Potential energy (frame,) predicted from the CV, in the unit of the column of energies."""
        self._need_energies()
        return self._map(X, lambda x: self._energy(self._transform(x)), "energy")[:, 0].rename("energy")

    def predict_at(self, Z: ArrayLike) -> xr.Dataset:
        """Predictions of the heads at points ``Z`` (point, cv): ``energy`` (point), ``basin`` (point, state).

        ``energy`` is in the unit of its column, ``basin`` the probabilities; each where it was trained.
        """
        self._check_fitted()
        z = torch.from_numpy(np.atleast_2d(np.asarray(Z, np.float32))).to(self._scaling.mean.device)
        found: dict[str, tuple] = {}
        with torch.no_grad():
            if self.energy_weight:
                found["energy"] = ("point", self._energy(z)[:, 0].cpu().numpy())
            if self.classification_weight:
                found["basin"] = (("point", "state"), self._network["basin"](z).softmax(1).cpu().numpy())
        return xr.Dataset(found, coords={"cv": (("point", "dimension"), z.cpu().numpy())})

    def dense_layers(self) -> list[tuple[np.ndarray, np.ndarray, str]] | None:
        """(weight (out, in), bias (out,), "Tanh" or "Linear") of each layer from features to CV, float64.

        The standardisation is part of the first.  None for a graph encoder.
        """
        self._check_fitted()
        if self.encoder != "dense":
            return None
        linear = [m for m in self._network["encoder"].modules() if isinstance(m, nn.Linear)]
        layers = [
            (m.weight.detach().cpu().double().numpy(), m.bias.detach().cpu().double().numpy()) for m in linear
        ]
        first_weight, first_bias = layers[0]
        layers[0] = on_features(first_weight, first_bias, self._scaling)
        names = ["Tanh"] * (len(layers) - 1) + ["Linear"]
        return [(weight, bias, name) for (weight, bias), name in zip(layers, names, strict=True)]

    # ---- training

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        warn_unused_weights(self, dataset)
        self._read_columns(dataset)
        super()._fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def _read_columns(self, dataset) -> None:
        """Labels, energies and their weights: what a batch holds besides the features."""
        n_frames, unused = dataset.sizes["frame"], np.zeros(dataset.sizes["frame"])
        label, energy = np.full(n_frames, objective.UNLABELLED), unused
        basin_weight = energy_weight = unused
        self.basins_ = np.zeros(0, int)
        self.energy_mean_, self.energy_scale_ = 0.0, 1.0
        if self.classification_weight or self.pair_weight:
            label, self.basins_ = labels_of(dataset, self.label_column)
            basin_weight = objective.basin_weights(label)
        if self.energy_weight or self.pair_weight:
            energy = column_of(dataset, self.energy_column)
            energy_weight = objective.interval_weights(energy, self.n_intervals)
            # by the weights, so that the best constant costs 1, as a guess of the basin does
            self.energy_mean_ = float(np.average(energy, weights=energy_weight))
            variance = np.average((energy - self.energy_mean_) ** 2, weights=energy_weight)
            self.energy_scale_ = float(np.sqrt(variance)) or 1.0
            energy = (energy - self.energy_mean_) / self.energy_scale_
        columns = np.stack([label, energy, basin_weight, energy_weight], axis=1).astype(np.float32)
        self._columns = xr.DataArray(columns, dims=("frame", "feature"), coords={"feature": list(COLUMNS)})

    def _lag(self, dataset):
        return schema.lag_in_frames(dataset, self.lag_time) if self.lag_time else 0

    def _build(self, n_features, generator):
        tanh, heads = nn.Tanh, {}
        heads["encoder"] = self._encoder(self.n_dims, generator, tanh)
        if self.classification_weight:
            heads["basin"] = mlp([self.n_dims, max(len(self.basins_), 2)], generator)
        if self.energy_weight:
            heads["energy"] = mlp([self.n_dims, *self.head_hidden, 1], generator, tanh)
        back = [self.n_dims, *reversed(self.hidden), n_features]
        if self.reconstruction_weight:
            heads["decoder"] = mlp(back, generator, tanh)
        if self.forecast_weight:
            heads["forecast"] = mlp(back, generator, tanh)
        return nn.ModuleDict(heads)

    def _frames(self, dataset, scaling, device):
        n = len(COLUMNS)
        joint = Scaling(
            torch.cat([scaling.mean, torch.zeros(n)]),
            torch.cat([scaling.scale, torch.ones(n)]),
            torch.cat([scaling.keep, torch.ones(n, dtype=torch.bool)]),
        )
        return Frames(self._with_columns(dataset), joint, device)

    def _with_columns(self, dataset):
        features = xr.concat([dataset["features"], self._columns], "feature")
        return dataset.drop_dims("feature").assign(features=features)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        parts, trial = self._parts(dataset, lag), max(1, round(TRIAL * self.n_steps))
        checkpoint = self._checkpoint(dataset, checkpoint_dir)

        def start(restart):
            self._restart = restart
            generator = random_generator("cpu", self.seed, 0, restart)
            self._network = self._build(self._scaling.n_kept, generator).to(frames.device)
            return self._loop(
                self._network,
                dataset,
                frames,
                lag,
                parts,
                random_generator(frames.device, self.seed, 1, restart),
                callback=callback,
                checkpoint=checkpoint,
                steps_before=restart * trial,
                steps_in_all=self.n_steps + (self.n_restarts - 1) * trial,
            )

        _, history = train_best_restart(
            start,
            self._trial_loss,
            n_restarts=self.n_restarts,
            trial=trial,
            device=frames.device,
            checkpoint=checkpoint,
        )
        return history

    def _trial_loss(self, history) -> float:
        """The weighted loss at the end of a trial, as if all prefactors were 1; lower is better."""
        last = history.isel(step=slice(-max(1, history.sizes["step"] // 4), None))
        total = sum(
            getattr(self, f"{name}_weight") * float(last[name].mean()) for name in TASKS if name in last
        )
        return total if np.isfinite(total) else np.inf

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None:
            checkpoint.config["columns"] = fingerprint(self._with_columns(dataset))
        return checkpoint

    def _terms(self, batch) -> dict[str, torch.Tensor]:
        """Each task's loss on a batch, not weighted; about 1 for an uninformed network."""
        now, later = batch.halves(batch.frames)
        x, columns = now[:, : -len(COLUMNS)], now[:, -len(COLUMNS) :]
        label, energy, basin_weight, energy_weight = columns.unbind(1)
        label, net = label.long(), self._network
        z, terms = net["encoder"](x), dict[str, torch.Tensor]()
        if "basin" in net:
            terms["classification"] = objective.classification(net["basin"](z), label, basin_weight)
        if "energy" in net:
            terms["energy"] = objective.energy_error(net["energy"](z)[:, 0], energy, energy_weight)
        if self.pair_weight:
            some = slice(PAIRED)
            terms["pair"] = objective.pair_loss(
                z[some], energy[some], label[some], self.pair_cutoff, self.pair_width
            )
        if "decoder" in net:
            terms["reconstruction"] = (net["decoder"](z) - x).square().mean()
        if "forecast" in net:
            terms["forecast"] = (net["forecast"](z) - later[:, : -len(COLUMNS)]).square().mean()
        if self.regularization_weight:
            weights = [m.weight for m in net["encoder"].modules() if isinstance(m, nn.Linear)]
            terms["regularization"] = sum((w.square().sum() for w in weights), start=z.new_zeros(()))
        return terms

    def _losses(self, batch, generator):
        terms, factors = self._terms(batch), self._prefactors(self._step)
        total = sum(getattr(self, f"{name}_weight") * factors[name] * term for name, term in terms.items())
        return Losses(total, None, {name: term.detach() for name, term in terms.items()})

    def _prefactors(self, step: int) -> dict[str, float]:
        """Factor on the weight of each task: uniform in (0, 1), anew each epoch, at first; then 1 (Eq. 6)."""
        if step >= self.random_share * self.n_steps:
            return dict.fromkeys(TASKS, 1.0)
        epoch = step * self.batch_size // len(self._columns)
        draws = torch.rand(len(TASKS), generator=random_generator("cpu", self.seed, 3, epoch, self._restart))
        return dict(zip(TASKS, draws.tolist(), strict=True))

    def _figure_of_merit(self, training, held_out):
        terms = self._terms(held_out)
        return -float(sum(getattr(self, f"{name}_weight") * term for name, term in terms.items()))

    def _describe(self, dataset, frames, lag):
        right, wrong, error = 0.0, 0.0, 0.0
        for start in range(0, len(frames), BLOCK):
            block = frames.take(np.arange(start, min(start + BLOCK, len(frames))))
            z, columns = self._network["encoder"](block[:, : -len(COLUMNS)]), block[:, -len(COLUMNS) :]
            if self.classification_weight:
                labelled = columns[:, 0] >= 0
                hit = self._network["basin"](z).argmax(1)[labelled] == columns[labelled, 0].long()
                right, wrong = right + float(hit.sum()), wrong + float((~hit).sum())
            if self.energy_weight:
                error += float((self._network["energy"](z)[:, 0] - columns[:, 1]).abs().double().sum())
        self.accuracy_ = right / (right + wrong) if self.classification_weight else float("nan")
        mean = error * self.energy_scale_ / len(frames)
        self.energy_error_ = mean if self.energy_weight else float("nan")

    # ---- the verbs and the file

    def _need_energies(self):
        if not self.energy_weight:
            raise FelError(
                "This MultitaskCV has no predictor of energies: its energy_weight is 0.",
                remedy="Fit one with energy_weight=1.",
            )

    def _energy(self, z):
        """(point, 1) in the unit of the column."""
        return self._network["energy"](z) * self.energy_scale_ + self.energy_mean_

    def _transform(self, features):
        return self._network["encoder"](self._scaled(features))

    def _predict_proba(self, features):
        return self._network["basin"](self._transform(features)).softmax(1)

    def _inverse_transform(self, points):
        return self._scaling.inverse(self._network["decoder"](points.to(self._scaling.mean.device)))

    def _set_arrays(self, arrays):
        self.basins_ = arrays["basins_"].numpy()  # the classifier has an output for each
        super()._set_arrays(arrays)
