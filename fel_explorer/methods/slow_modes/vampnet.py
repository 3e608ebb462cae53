"""VAMPnets: states by the variational approach to Markov processes."""

from __future__ import annotations

import numpy as np
import param
import torch
from torch import nn

from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.methods.nets import mlp, output_layer
from fel_explorer.methods.network_method import NetworkMethod, frame_weight, lag_pairs
from fel_explorer.methods.registry import register
from fel_explorer.training.data import BLOCK
from fel_explorer.training.loop import Losses

RIDGE = 1e-6  # on the variance of a membership, at most 1/4: an empty state adds nothing to the score


@register
class VAMPNet(NetworkMethod):
    """Learns soft states whose Markov model keeps as much of the slow dynamics as possible.

    Training maximises the VAMP-2 score of the memberships of two frames ``lag_time`` apart.  With held-out
    data the Koopman model of the training data is scored on them by VAMP-E; training stops when
    that no longer improves.  The embedding is made of the slowest linear combinations of the network's
    outputs before the softmax, scaled by their correlation over the lag, so that distances are kinetic.
    (Those of the memberships would draw each state as a point.)

    Source: A. Mardt, L. Pasquali, H. Wu and F. Noe, Nat. Commun. 9, 5 (2018), doi:10.1038/s41467-017-02388-1;
    scores VAMP-2 and VAMP-E of H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020),
    doi:10.1007/s00332-019-09567-y, Eqs. 30 and 33.

    Attributes
    ----------
    populations_
        (state,) fraction of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first.
    singular_values_
        (process,) of the memberships' Koopman model over all data, largest first.
    implied_timescales_
        (process,) -tau / ln of them, in the dataset's time unit.
    vamp2_
        VAMP-2 score of the memberships over all data, at most ``n_states``.
    """

    needs_lag = True
    score_name = "score"
    has_states = True
    has_timescales = True
    trains_on_ranks = True
    fitted = ("populations_", "singular_values_", "implied_timescales_", "vamp2_")
    _network: nn.Sequential

    lag_time = parameters.lag_time()
    n_states = parameters.n_states(
        doc="Number of states. All of them are used, so that too many divide wells."
    )
    n_dims = parameters.n_dims(
        doc="Slow modes that make the map; at most one less than states.", precedence=1.2
    )
    n_steps = param.Integer(
        doc="Steps of training at most; it stops earlier when the score on held-out data falls."
    )
    batch_size = param.Integer(doc="Pairs of frames in each step. Small batches overestimate the score.")
    hidden = param.List(default=[128, 128], doc="Widths of the network's hidden layers (SiLU).")
    reversible = parameters.reversible()

    # ---- the fit

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        if self.n_dims >= self.n_states:
            raise FelError(
                f"n_dims={self.n_dims} with n_states={self.n_states}.",
                f"{self.n_states} states have {self.n_states - 1} slow modes.",
                f"Take n_dims={self.n_states - 1} or more states.",
            )
        super()._fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def _build(self, n_features, generator):
        return mlp([n_features, *self.hidden, self.n_states], generator)

    def _prepare(self, scaling, generator):
        super()._prepare(scaling, generator)
        # until the modes are known, a live map shows the outputs
        double = {"dtype": torch.float64, "device": scaling.mean.device}
        self._mean = torch.zeros(self.n_states, **double)
        self._axes = torch.eye(self.n_states, self.n_dims, **double)

    def _covariances(self, batch):
        chi, later = batch.halves(torch.softmax(self._network(batch.frames), dim=1))
        return vamp.covariances(chi, later, batch.weight, reversible=self.reversible)

    def _losses(self, batch, generator):
        score = vamp.vamp2(self._covariances(batch), RIDGE)
        return Losses(-score, None, {"score": score.detach()})

    def _figure_of_merit(self, training, held_out):
        """VAMP-E score of the training data's Koopman model on the held-out data."""
        model = vamp.koopman(self._covariances(training), RIDGE)
        return float(vamp.vamp_e(model, self._covariances(held_out)))

    def _describe(self, dataset, frames, lag):
        """Number the states by population; find the slow modes over all data."""
        weight = frame_weight(dataset, frames.device)
        outputs = self._number(
            torch.cat([self._network(x.to(frames.device)) for x in frames.values.split(BLOCK)]), weight
        )

        def model(values):
            return vamp.koopman(
                vamp.covariances(*lag_pairs(values, dataset, lag, weight), reversible=self.reversible)
            )

        self.singular_values_ = model(outputs.softmax(1)).singular_values.cpu().numpy()
        self.vamp2_ = float(1.0 + np.square(self.singular_values_).sum())
        self.implied_timescales_ = implied_timescales([1.0, *self.singular_values_], self.lag_time)
        modes = model(centred(outputs))
        axes = (modes.left * modes.singular_values)[:, : self.n_dims]
        self._mean, self._axes = modes.mean, torch.nn.functional.pad(axes, (0, self.n_dims - axes.shape[1]))

    def _number(self, outputs, weight):
        """Number the states by population; returns ``outputs`` (frame, state) in the new order."""
        population = torch.zeros(self.n_states, dtype=torch.float64, device=weight.device)
        population.index_add_(0, outputs.argmax(1), weight / weight.sum())
        order = population.argsort(descending=True, stable=True)
        last = output_layer(self._network)
        last.weight.copy_(last.weight[order])
        last.bias.copy_(last.bias[order])
        self.populations_ = population[order].cpu().numpy()
        return outputs[:, order]

    # ---- the verbs

    def _predict_proba(self, features):
        return self._network(self._scaled(features)).softmax(1)

    def _transform(self, features):
        return ((centred(self._network(self._scaled(features))) - self._mean) @ self._axes).float()

    # ---- the file

    def _get_arrays(self):
        return super()._get_arrays() | {"axes": self._axes, "mean_output": self._mean}

    def _set_arrays(self, arrays):
        super()._set_arrays(arrays)
        self._axes, self._mean = arrays["axes"], arrays["mean_output"]


def centred(outputs: torch.Tensor) -> torch.Tensor:
    """Outputs (frame, state) less their mean over the states, which the memberships do not depend on."""
    return outputs.double() - outputs.double().mean(1, keepdim=True)
