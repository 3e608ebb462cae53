"""VAMPnets: states by the variational approach to Markov processes."""

from __future__ import annotations

import numpy as np
import torch

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.registry import register
from fel_explorer.training import schedules
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import BLOCK, Frames, Scaling, fingerprint
from fel_explorer.training.loop import Loop, Losses, Settings, threads
from fel_explorer.training.pairs import pair_starts, segments_of
from fel_explorer.training.random import random_generator
from fel_explorer.training.split import split
from fel_explorer.training.windows import pair_source

RIDGE = 1e-6  # on the variance of a membership, at most 1/4: an empty state adds nothing to the score
EVALUATION_PAIRS = 10_000  # of each side of the validation
FITTED = ("populations_", "singular_values_", "implied_timescales_", "vamp2_")


@register
class VAMPNet(Method):
    """Learns soft states whose Markov model keeps the most of the slow dynamics: a network with softmax.

    Training maximises the VAMP-2 score of the memberships of two frames ``lag_time`` apart.  With held-out
    data the Koopman model of the training data is judged on them by its VAMP-E score; training stops when
    that no longer improves.  The embedding is made of the slowest linear combinations of the network's
    outputs before the softmax, scaled by their correlation over the lag, so that distances are kinetic.
    (Those of the memberships would draw each state as a point.)

    Source: Mardt, Pasquali, Wu and Noe, Nat. Commun. 9, 5 (2018).

    Attributes
    ----------
    populations_
        (state,) share of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first.
    singular_values_
        (process,) of the memberships' Koopman model over all data, largest first.
    implied_timescales_
        (process,) -tau / ln of them, in the dataset's time unit.
    vamp2_
        VAMP-2 score of the memberships over all data, at most ``n_states``.
    """

    needs_lag = True
    has_states = True

    lag_time = parameters.lag_time()
    n_states = parameters.n_states(
        doc="Number of states. All of them are used, so that too many divide wells."
    )
    n_dims = parameters.n_dims(
        doc="Slow modes that make the map; at most one less than states.", precedence=1.2
    )
    n_steps = parameters.n_steps(
        doc="Steps of training at most; it stops earlier when the score on held-out data falls."
    )
    batch_size = parameters.batch_size(
        doc="Pairs of frames in each step. Small batches overestimate the score."
    )
    learning_rate = parameters.learning_rate()
    hidden = parameters.layers([128, 128], doc="Widths of the network's hidden layers (SiLU).")
    reversible = parameters.reversible()
    validation_fraction = parameters.validation_fraction()
    n_threads = parameters.n_threads()

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        lag = schema.lag_in_frames(dataset, self.lag_time)
        self._check()
        scaling = Scaling.of(dataset)
        self._scaling = scaling.to(device)
        self._network = self._build(random_generator("cpu", self.seed, 0)).to(device)
        # until the modes are known, a live map shows the outputs
        self._mean = torch.zeros(self.n_states, dtype=torch.float64, device=device)
        self._axes = torch.eye(self.n_states, self.n_dims, dtype=torch.float64, device=device)
        frames = Frames(dataset, scaling, device)
        try:
            with threads(self.n_threads):
                self.history = self._train(dataset, frames, lag, callback, checkpoint_dir)
                self._describe(dataset, frames, lag)
        finally:
            frames.close()

    def _check(self):
        if self.n_dims >= self.n_states:
            raise FelError(
                f"n_dims={self.n_dims} with n_states={self.n_states}.",
                f"{self.n_states} states have {self.n_states - 1} slow modes.",
                f"Take n_dims={self.n_states - 1} or more states.",
            )
        if any(width < 1 for width in self.hidden):
            raise FelError(f"hidden={self.hidden}.", "Widths are at least 1.")

    def _build(self, generator):
        return mlp([int(self._scaling.keep.sum()), *self.hidden, self.n_states], generator)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        lengths = schema.trajectory_lengths(dataset)
        training, held_out = segments_of(lengths), None
        if self.validation_fraction:
            training, held_out = split(lengths, self.validation_fraction, lag, self.seed)
        weights = dataset["weight"].values if "weight" in dataset else None
        source = pair_source(frames, training, lag, exact=True, weights=weights, seed=self.seed)
        generator = random_generator(frames.device, self.seed, 1)
        patience = max(1, self.n_steps // 5) if held_out is not None else 0
        loop = Loop(
            self._network,
            lambda step: self._losses(source.at(step).draw(self.batch_size, generator)),
            Settings(
                self.n_steps,
                learning_rate=self.learning_rate,
                rate=lambda step: schedules.cosine(step, self.n_steps, end=0.1, fraction=0.5),
                validate_every=max(1, self.n_steps // 50),
                patience=patience,
                message="Training VAMPNet",
            ),
            generator,
            validate=None if held_out is None else self._validation(source, training, held_out, lag),
            callback=callback,
            checkpoint=self._checkpoint(dataset, checkpoint_dir),
        )
        saved = loop.checkpoint.load(frames.device) if loop.checkpoint else None
        if saved:
            loop.load_state_dict(saved)
        return loop.run()

    def _checkpoint(self, dataset, folder):
        if folder is None:
            return None
        return Checkpoint(folder, {**self.hyperparameters(), "data": fingerprint(dataset)})

    def _covariances(self, batch):
        chi, later = batch.halves(torch.softmax(self._network(batch.frames), dim=1))
        return vamp.covariances(chi, later, batch.weight, reversible=self.reversible)

    def _losses(self, batch):
        score = vamp.vamp2(self._covariances(batch), RIDGE)
        return Losses(-score, None, {"score": score.detach()})

    def _validation(self, source, training, held_out, lag):
        """The function that judges the training data's model on held-out data: -VAMP-E."""
        random, batches = np.random.default_rng([self.seed, 2]), []
        for segments in (training, held_out):
            starts = pair_starts(segments, lag)
            chosen = random.choice(starts, min(EVALUATION_PAIRS, len(starts)), replace=False)
            batches.append(source.fixed(np.sort(chosen), random))

        @torch.no_grad()
        def validate():
            model = vamp.koopman(self._covariances(batches[0]), RIDGE)
            return -float(vamp.vamp_e(model, self._covariances(batches[1])))

        return validate

    @torch.no_grad()
    def _describe(self, dataset, frames, lag):
        """Number the states by population; find the slow modes over all data."""
        device = frames.device
        weight = torch.ones(len(frames), dtype=torch.float64, device=device)
        if "weight" in dataset:
            weight = torch.as_tensor(dataset["weight"].values, device=device).double()
        outputs = self._number(
            torch.cat([self._network(x.to(device)) for x in frames.values.split(BLOCK)]), weight
        )
        starts = pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag)
        starts = torch.as_tensor(starts, device=device)

        def model(values):
            pairs = values[starts], values[starts + lag], weight[starts]
            return vamp.koopman(vamp.covariances(*pairs, reversible=self.reversible))

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
        last = self._network[-1]
        last.weight.copy_(last.weight[order])
        last.bias.copy_(last.bias[order])
        self.populations_ = population[order].cpu().numpy()
        return outputs[:, order]

    # ---- the verbs

    def _outputs(self, features):
        return self._network(self._scaling(features.to(self._scaling.mean.device)))

    def _predict_proba(self, features):
        return self._outputs(features).softmax(1)

    def _transform(self, features):
        return ((centred(self._outputs(features)) - self._mean) @ self._axes).float()

    # ---- the file

    def _get_arrays(self):
        arrays = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        arrays |= {name: getattr(self._scaling, name) for name in ("mean", "scale", "keep")}
        arrays |= {"axes": self._axes, "mean_output": self._mean}
        return arrays | {name: torch.as_tensor(np.asarray(getattr(self, name))) for name in FITTED}

    def _set_arrays(self, arrays):
        self._scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])
        self._network = self._build(torch.Generator())
        prefix = "network."
        self._network.load_state_dict(
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        )
        self._axes, self._mean = arrays["axes"], arrays["mean_output"]
        for name in FITTED:
            value = arrays[name].numpy()
            setattr(self, name, value if value.ndim else value.item())


def centred(outputs: torch.Tensor) -> torch.Tensor:
    """Outputs (frame, state) less their mean over the states, which the memberships do not depend on."""
    return outputs.double() - outputs.double().mean(1, keepdim=True)
