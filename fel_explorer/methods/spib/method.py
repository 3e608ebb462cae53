"""State predictive information bottleneck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import param
import torch
import xarray as xr

from fel_explorer.methods import parameters
from fel_explorer.methods.network_method import NetworkMethod, frame_weight
from fel_explorer.methods.registry import register
from fel_explorer.methods.spib.network import BottleneckNetwork
from fel_explorer.methods.spib.refinement import SAMPLE, Refinement, clusters, labels_of
from fel_explorer.methods.subsample import random_frames
from fel_explorer.training.data import Frames, Scaling
from fel_explorer.training.loop import Losses

DIGIT = 2**16  # the number of a frame stands behind its features in two digits, which float32 holds exactly


@register
class SPIB(NetworkMethod):
    """Learns an embedding that predicts the state a lag time later, and merges states that are left sooner.

    An encoder q(z|x) draws the embedding z of a frame from a Gaussian, a decoder q(y|z) predicts from it the
    state y of the frame ``lag_time`` later, and what z holds of the frame has a price beta.  Minimised is

        < -ln q(y(t + lag) | z) + beta [ln q(z|x(t)) - ln r(z)] >,  z from q(z|x(t)),

    where r(z) = sum_k w_k q(z|u_k) has a learned weight and pseudo-input for each state.  States begin as
    KMeans clusters, or as a column of labels.  When the predicted populations have settled, each frame is
    labelled by the state that it is most probably in a lag later, states without frames are left out, weights
    and pseudo-inputs are set anew, and training goes on.  States that are left within the lag thus join
    others, and ``n_states`` is an upper bound.

    Source: D. Wang and P. Tiwary, J. Chem. Phys. 154, 134111 (2021), doi:10.1063/5.0038198; for r(z) J. M.
    Tomczak and M. Welling, AISTATS (2018), doi:10.48550/arXiv.1705.07120.

    Attributes
    ----------
    populations_
        (state,) fraction of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first, and there are only those that are left.
    relabelled_
        (refinement,) fraction of frames that each refinement gave another label: small at last if they
        sufficed.

    Examples
    --------
    >>> data = fel.systems.DoubleWell(kT=3.0).simulate(2000, 10)
    >>> model = fel.SPIB(lag_time=0.1, n_states=4, n_steps=20).fit(data)
    >>> bool(len(model.populations_) <= 4)
    True
    """

    needs_lag = True
    has_states = True
    fitted = ("populations_", "relabelled_")

    _network: BottleneckNetwork

    lag_time = parameters.lag_time(
        doc="How much later the predicted state is, in the data's time unit (ps for molecules). States that "
        "are left within the lag are joined, so a shorter lag shows more states."
    )
    n_states = parameters.n_states(16, doc="Number of states at most, to begin with.")
    n_dims = parameters.n_dims(precedence=1.2)
    n_steps = param.Integer(
        default=3000,
        doc="Steps of training in all. Each refinement has an equal part of them at most; what it does not "
        "need is spent after the last one.",
    )
    batch_size = param.Integer(default=1024)
    label_column = parameters.label_column(
        None,
        doc="Column of the dataset with the states to begin with, whole numbers; frames below 0 are one "
        "state more. None: KMeans clusters of the features.",
        precedence=1.4,
    )
    beta = param.Number(
        0.01,
        bounds=(0, None),
        precedence=10.5,
        label="Price of information (beta)",
        doc="What a nat of information about the frame costs, in nats of prediction. A larger one makes a "
        "smoother map.",
    )
    refinements = param.Integer(
        8,
        bounds=(0, 1000),
        precedence=10.6,
        label="Refinements",
        doc="How many times frames are labelled anew by what is predicted for them.",
    )
    validation_fraction = param.Number(
        default=0.0,
        doc="Fraction of the data held out (whole trajectories, or blocks a lag apart): after the last "
        "refinement the weights that predict them best are kept. 0 trains on everything for all steps.",
    )

    # ---- training

    def _fit(self, dataset, **options):
        self._n_states = self.n_states
        self._labels = labels_of(dataset, self.label_column, self.n_states) if self.label_column else None
        super()._fit(dataset, **options)

    def _build(self, n_features, generator):
        return BottleneckNetwork(n_features, self.n_dims, self._n_states, self.hidden, generator)

    def _frames(self, dataset, scaling, device):
        number = np.stack(np.divmod(np.arange(dataset.sizes["frame"]), DIGIT), axis=1).astype(np.float32)
        digits = xr.DataArray(number, dims=("frame", "feature"), coords={"feature": ["digit 1", "digit 2"]})
        numbered = dataset.drop_dims("feature").assign(
            features=xr.concat([dataset["features"], digits], "feature")
        )
        joint = Scaling(
            torch.cat([scaling.mean, torch.zeros(2)]),
            torch.cat([scaling.scale, torch.ones(2)]),
            torch.cat([scaling.keep, torch.ones(2, dtype=torch.bool)]),
        )
        return Frames(numbered, joint, device)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        features = frames.values[:, :-2]
        labels = self._labels
        if labels is None:
            labels = clusters(dataset, features, self.n_states, self.seed)
        self._network.refinement = Refinement(
            self._network,
            features,
            frame_weight(dataset, frames.device),
            labels,
            sample=random_frames(dataset, SAMPLE, self.seed),
            n_rounds=self.refinements,
            longest=self._round(),
        )
        return super()._train(dataset, frames, lag, callback, checkpoint_dir)

    def _round(self) -> int:
        """Steps of one refinement at most."""
        return max(1, self.n_steps // (self.refinements + 1))

    def _settings(self, patience, of):
        # losses are comparable only once the labels stay
        return replace(super()._settings(patience, of), patient_from=self.refinements * self._round())

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None and self._labels is not None:
            numbers = torch.arange(1, len(self._labels) + 1, dtype=torch.float64)
            checkpoint.config["labels"] = float(self._labels.double() @ numbers)
        return checkpoint

    def _pairs(self, batch):
        """Features (pair, feature) of the earlier frames, and the states (pair,) of the later ones."""
        now, later = batch.halves(batch.frames)
        number = later[:, -2:].long()
        return now[:, :-2], self._network.refinement.labels[number[:, 0] * DIGIT + number[:, 1]].long()

    def _losses(self, batch, generator):
        network = self._network
        network.refinement.advance(self._step)
        x, state = self._pairs(batch)
        weight = batch.weight / batch.weight.sum()
        mean, log_variance = network.encode(x)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        z = mean + noise * (0.5 * log_variance).exp()
        prediction = -(weight @ network.log_probabilities(z).gather(1, state[:, None])[:, 0])
        information = weight @ network.information(z, mean, log_variance)
        report = {
            "prediction": prediction.detach(),
            "information": information.detach(),
            "refinements": int(network.refinement.rounds),
            "n_populated": network.alive.sum(),
        }
        return Losses(prediction + self.beta * information, None, report)

    def _figure_of_merit(self, training, held_out):
        x, state = self._pairs(held_out)
        log_p = self._network.log_probabilities(self._network.encode(x)[0]).gather(1, state[:, None])[:, 0]
        return float(held_out.weight @ log_p / held_out.weight.sum())

    def _describe(self, dataset, frames, lag):
        """Leave out the states without frames and number the others by population."""
        refinement, network = self._network.refinement, self._network
        del network.refinement
        states = network.decide(frames.values[:, :-2])
        weight = frame_weight(dataset, frames.device)
        population = torch.zeros(self.n_states, dtype=torch.float64, device=frames.device)
        population.index_add_(0, states, weight / weight.sum())
        order = population.argsort(descending=True, stable=True)
        order = order[torch.bincount(states, minlength=self.n_states)[order] > 0]
        network.keep(order)
        self.populations_ = population[order].cpu().numpy()
        self.relabelled_ = refinement.changed[: int(refinement.rounds)].cpu().numpy()

    # ---- the verbs and the file

    def _transform(self, features):
        return self._network.encode(self._scaled(features))[0]

    def _predict_proba(self, features):
        return self._network.log_probabilities(self._transform(features)).exp()

    def _set_arrays(self, arrays):
        self._n_states = len(arrays["populations_"])
        super()._set_arrays(arrays)
