"""Autoencoders: plain, time-lagged, variational, extended, and regularised by eigenfunctions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import param
import torch
import xarray as xr
from torch import nn

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.autoencoder.committor_target import (
    committor_labels,
    labelled_frames,
    log_loss,
    with_labels,
)
from fel_explorer.methods.encoders.method import EncoderMethod
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.network_method import frame_weight
from fel_explorer.methods.registry import register
from fel_explorer.methods.slow_modes import eigenfunction_objective as objective
from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets
from fel_explorer.methods.slow_modes.eigenfunctions import Eigenfunctions
from fel_explorer.methods.slow_modes.generator import scaled_diffusion, slowest_linear_rate
from fel_explorer.training.data import BLOCK, fingerprint
from fel_explorer.training.loop import Losses
from fel_explorer.training.pairs import Batch, pair_starts, segments_of


@register
class Autoencoder(EncoderMethod):
    """Compresses the features to a few dimensions from which a decoder rebuilds them.

    The plain autoencoder sees no dynamics: its best decoder is the mean of the features where the embedding
    xi has one value, and its best encoder makes their variance there smallest (see `methods.level_sets`).
    With ``lag_time`` > 0 it rebuilds the features a lag later (time-lagged autoencoder), and ``variational``
    adds noise to the embedding that is paid for by its information.  A ``regularizer`` adds the loss of
    eigenfunctions that are functions of xi: the embedding then has to hold the slow processes too.  Minimised
    is

        gamma_1 <|decoder(xi(x)) - x|^2> + gamma_2 R(xi)

    with standardised features, the square averaged over features and frames.  With a column of ``committor``
    values a second decoder predicts them from xi (extended autoencoder), and their log loss is added.

    Source: W. Zhang, slides (2024) [zhang2024slides], Eq. 8 and "A simple characterization"; W. Zhang and C.
    Schuette, Proc. Appl. Math. Mech. 23, e202300189 (2023), doi:10.1002/pamm.202300189; T. Lelievre et al.,
    J. Phys. Chem. B 128 (2024), doi:10.48550/arXiv.2310.03492; for the lag C. Wehmeyer and F. Noe, J. Chem.
    Phys. 148, 241703 (2018), doi:10.1063/1.5011399; for lag and noise together C. X. Hernandez et al., Phys.
    Rev. E 97, 062412 (2018), doi:10.1103/PhysRevE.97.062412; for the committor M. Frassek, A. Arjun and P. G.
    Bolhuis, J. Chem. Phys. 155, 064103 (2021), doi:10.1063/5.0058639.

    Attributes
    ----------
    reconstruction_error_
        Fraction of the features' variance that the decoder misses, over all data.

    Examples
    --------
    >>> regularizer = fel.Eigenfunctions(operator="generator", n_dims=1)
    >>> data = fel.systems.MullerBrown().simulate(2000, 10)
    >>> model = fel.Autoencoder(n_dims=1, regularizer=regularizer, n_steps=10).fit(data)
    >>> model.inverse_transform([[0.0]]).shape
    (1, 2)
    """

    needs_lag = True
    has_decoder = True
    fitted = ("reconstruction_error_",)
    _network: nn.ModuleDict

    lag_time = parameters.lag_time(
        0.0,
        zero=True,
        doc="How much later the rebuilt features are, in the data's time unit; 0 rebuilds the frame itself.",
    )
    n_dims = parameters.n_dims()
    variational = param.Boolean(
        False,
        precedence=1.2,
        label="Variational",
        doc="Add noise to the embedding while training, so that near points decode alike.",
    )
    kl_weight = param.Number(
        0.01,
        bounds=(0, None),
        precedence=10.5,
        label="Weight of the information",
        doc="Price of the embedding's information (Kullback-Leibler divergence to a unit Gaussian), when "
        "variational.",
    )
    regularizer = param.String(
        default=None,
        precedence=10.6,
        label="Regularizer",
        doc="Slow processes that the embedding has to hold: an Eigenfunctions method, 'transfer' or "
        "'generator' for one with its defaults, or its hyperparameters as JSON. None: no regularizer.",
    )
    reconstruction_weight = param.Number(
        1.0,
        bounds=(0, None),
        precedence=10.7,
        label="Weight gamma 1",
        doc="Of the reconstruction. With a regularizer let it grow with the barriers: too small a weight "
        "makes the embedding a step, and the decoder cuts across.",
    )
    regularizer_weight = param.Number(
        1.0, bounds=(0, None), precedence=10.8, label="Weight gamma 2", doc="Of the regularizer."
    )
    committor = param.String(
        default=None,
        precedence=10.9,
        label="Committor column",
        doc="Column of the data with the committor (0 to 1) or the outcome of a shot (0 or 1) of frames, NaN "
        "where unknown: the embedding is then trained to predict it. None: not used.",
    )
    committor_weight = param.Number(
        1.0, bounds=(0, None), precedence=10.95, label="Weight of the committor", doc="Of its log loss."
    )

    def __init__(self, **params: Any) -> None:
        given = params.get("regularizer")
        if isinstance(given, Eigenfunctions):
            given = given.hyperparameters()
        if isinstance(given, dict):
            given = json.dumps(given)
        super().__init__(**(params | {"regularizer": given} if "regularizer" in params else params))
        self.eigenfunctions()

    def eigenfunctions(self) -> Eigenfunctions | None:
        """The regularizer as a method, for its hyperparameters; None without one.

        Of those, what sets operator, loss and networks is used; how to train is said by the autoencoder.
        """
        if not self.regularizer:
            return None
        if self.regularizer in Eigenfunctions.param.operator.objects:
            lag = {"lag_time": self.lag_time} if self.lag_time else {}
            return Eigenfunctions(operator=self.regularizer, **lag)
        try:
            return Eigenfunctions(**json.loads(self.regularizer))
        except (json.JSONDecodeError, TypeError) as error:
            raise FelError(
                f"regularizer={self.regularizer!r}.",
                "It is None, 'transfer', 'generator', an Eigenfunctions method or its parameters as JSON.",
            ) from error

    def predict_committor(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """Committor (frame,) predicted from the embedding, 0 to 1."""
        if not self.committor:
            raise FelError(
                "This Autoencoder was not fitted to committors.",
                remedy="Fit one with committor='...', the name of a column of the dataset.",
            )
        head = self._map(X, lambda x: self._network["committor"](self._transform(x)).sigmoid(), "committor")
        return head[:, 0].rename("committor")

    # ---- training

    def _fit(self, dataset, **options):
        self._labels = committor_labels(dataset, self.committor) if self.committor else None
        super()._fit(dataset, **options)

    def _frames(self, dataset, scaling, device):
        if self._labels is None:
            return super()._frames(dataset, scaling, device)
        return labelled_frames(dataset, scaling, self._labels, device)

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None and self._labels is not None:
            checkpoint.config["committors"] = fingerprint(with_labels(dataset, self._labels))
        return checkpoint

    def _features(self, frames):
        """The features alone of what `_frames` holds."""
        return frames[:, : self._scaling.n_kept]

    def _lag(self, dataset):
        own = schema.lag_in_frames(dataset, self.lag_time) if self.lag_time else 0
        self._regularizer = self.eigenfunctions()
        self._rate = None
        regularizer = self._regularizer
        other = regularizer._lag(dataset) if regularizer else 0
        if regularizer and own and other and own != other:
            raise FelError(
                f"lag_time={self.lag_time:g} with a regularizer of lag_time={regularizer.lag_time:g}.",
                "The frames that are rebuilt and those that the regularizer compares are the same pairs.",
                "Give both the same lag_time, or the autoencoder lag_time=0.",
            )
        return max(own, other)

    def _build(self, n_features, generator):
        n_codes = self.n_dims * (2 if self.variational else 1)
        network = nn.ModuleDict(
            {
                "encoder": self._encoder(n_codes, generator),
                "decoder": mlp([self.n_dims, *reversed(self.hidden), n_features], generator),
            }
        )
        if self.committor:
            network["committor"] = mlp([self.n_dims, *reversed(self.hidden), 1], generator)
        if regularizer := self.eigenfunctions():
            network["modes"] = EigenfunctionNets(
                self.n_dims, regularizer.hidden, regularizer.n_dims, generator
            )
        return network

    def _encode(self, x):
        """Embedding (frame, cv) of standardised features, and the log variance of its noise or None."""
        out = self._network["encoder"](x)
        if not self.variational:
            return out, None
        mean, log_variance = out.chunk(2, dim=1)
        return mean, log_variance

    def _terms(self, batch, generator=None, rate=None):
        """The terms of the loss on a batch, {name: value}; noise is drawn from ``generator``.

        ``rate`` is that of `Eigenfunctions.objective`.
        """
        frames, later = batch.halves(self._features(batch.frames))
        weight = batch.weight / batch.weight.sum()
        if self._regularizer and self._regularizer.operator == "generator":
            frames = frames.detach().requires_grad_()
        with torch.set_grad_enabled(torch.is_grad_enabled() or frames.requires_grad):
            z, log_variance = self._encode(frames)
        point = z
        if log_variance is not None and generator is not None:
            noise = torch.randn(z.shape, generator=generator, device=z.device)
            point = z + noise * (0.5 * log_variance).exp()
        target = later if self.lag_time else frames.detach()
        square = (self._network["decoder"](point) - target).square().mean(1)
        terms = {"reconstruction": self.reconstruction_weight * (weight @ square)}
        if log_variance is not None:
            divergence = 0.5 * (log_variance.exp() + z.square() - 1.0 - log_variance).sum(1)
            terms["information"] = self.kl_weight * (weight @ divergence)
        if self.committor:
            label, logit = batch.frames[: len(frames), -1], self._network["committor"](point)[:, 0]
            terms["committor"] = self.committor_weight * log_loss(logit, label, batch.weight)
        if regularizer := self._regularizer:
            energy, covariance = self._forms(regularizer, frames, z, later, batch.weight)
            loss = regularizer.objective(energy, covariance, rate)
            terms["regularizer"] = self.regularizer_weight * loss.float()
        return terms

    def _forms(self, regularizer, frames, z, later, weight):
        """E and C of the regularizer's functions of the embedding."""
        modes = self._network["modes"]
        assert isinstance(modes, EigenfunctionNets)
        if regularizer.operator == "transfer":
            ahead = modes(self._encode(later)[0])
            return objective.transfer_forms(modes(z), ahead, weight, regularizer.lag_time)
        values, by_z = modes.values_and_gradients(z)
        with torch.enable_grad():
            columns = [
                torch.autograd.grad(z[:, i].sum(), frames, create_graph=True)[0] for i in range(self.n_dims)
            ]
        gradients = by_z @ torch.stack(columns, dim=1)
        diffusion = scaled_diffusion(regularizer, self._scaling)
        return objective.generator_forms(values, objective.carre_du_champ(gradients, diffusion), weight)

    def _losses(self, batch, generator):
        terms = self._terms(batch, generator)
        return Losses(sum(terms.values()), None, {name: value.detach() for name, value in terms.items()})

    def _figure_of_merit(self, training, held_out):
        if self._regularizer and self._rate is None:
            self._rate = slowest_linear_rate(
                self._regularizer, self._scaling, Batch(self._features(training.frames), training.weight)
            )
        return -float(sum(self._terms(held_out, rate=self._rate).values()))

    def _describe(self, dataset, frames, lag):
        lag = schema.lag_in_frames(dataset, self.lag_time) if self.lag_time else 0
        starts = torch.as_tensor(pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag))
        weight, total = frame_weight(dataset, "cpu")[starts], 0.0
        for chosen, fraction in zip(starts.split(BLOCK), weight.split(BLOCK), strict=True):
            now, later = (self._features(frames.take(i.numpy())) for i in (chosen, chosen + lag))
            square = (self._network["decoder"](self._encode(now)[0]) - later).square().mean(1)
            total += float(fraction.to(square.device) @ square.double())
        self.reconstruction_error_ = total / float(weight.sum())

    # ---- the verbs

    def _transform(self, features):
        return self._encode(self._scaled(features))[0]

    def _inverse_transform(self, points):
        return self._scaling.inverse(self._network["decoder"](points.to(self._scaling.mean.device)))
