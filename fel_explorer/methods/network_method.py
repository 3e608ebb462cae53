"""Base of the models that train a network on standardised features: hyperparameters, loop and file."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import nn

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method, Model
from fel_explorer.training import ranks, schedules
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import Frames, Scaling, fingerprint
from fel_explorer.training.loop import Loop, Losses, Settings, threads
from fel_explorer.training.pairs import Batch, LagPairs, pair_starts, segments_of
from fel_explorer.training.random import random_generator
from fel_explorer.training.split import split
from fel_explorer.training.windows import pair_source

EVALUATION_PAIRS = 10_000  # of each side of the validation


class NetworkModel(Model):
    """Base of models whose fit is one run of the training loop; not a model itself.

    A subclass implements `_build`, `_losses`, `_figure_of_merit` and `_describe`, and names in ``fitted`` its
    attributes that the file holds.
    """

    fitted: tuple[str, ...] = ()
    optimizer = "adam"
    lag_time: float  # a parameter of those that need one

    n_steps = parameters.n_steps()
    batch_size = parameters.batch_size()
    learning_rate = parameters.learning_rate()
    hidden = parameters.layers()
    validation_fraction = parameters.validation_fraction()
    n_threads = parameters.n_threads()

    # ---- what a subclass implements

    def _build(self, n_features: int, generator: torch.Generator) -> nn.Module:
        """The untrained network for ``n_features`` standardised features."""
        raise NotImplementedError

    def _losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Losses of a training step; `_step` is its number."""
        raise NotImplementedError

    def _figure_of_merit(self, training: Batch, held_out: Batch) -> float:
        """Score of one batch by what was estimated on the other; higher is better."""
        raise NotImplementedError

    def _describe(self, dataset, frames: Frames, lag: int) -> None:
        """Set the fitted attributes, once the network is trained."""

    def _lag(self, dataset) -> int:
        """Lag of the pairs that are drawn, in frames; 0 draws frames."""
        return schema.lag_in_frames(dataset, self.lag_time)

    # ---- the fit

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        if any(width < 1 for width in self.hidden):
            raise FelError(f"hidden={self.hidden}.", "Widths are at least 1.")
        lag = self._lag(dataset)
        scaling = Scaling.of(dataset)
        self._prepare(scaling.to(device), random_generator("cpu", self.seed, 0))
        self._network.to(device)
        frames = self._frames(dataset, scaling, device)
        try:
            with threads(self.n_threads):
                self.history = self._train(dataset, frames, lag, callback, checkpoint_dir)
                with torch.no_grad():
                    self._describe(dataset, frames, lag)
        finally:
            frames.close()

    def _prepare(self, scaling: Scaling, generator: torch.Generator) -> None:
        """Make everything that `_transform` needs, untrained; also called before a file is read."""
        self._scaling = scaling
        self._network = self._build(scaling.n_kept, generator)

    def _frames(self, dataset, scaling, device) -> Frames:
        return Frames(dataset, scaling, device)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        loop = self._loop(
            self._network,
            dataset,
            frames,
            lag,
            self._parts(dataset, lag),
            random_generator(frames.device, self.seed, 1),
            callback=callback,
            checkpoint=self._checkpoint(dataset, checkpoint_dir),
        )
        saved = loop.checkpoint.load(frames.device) if loop.checkpoint else None
        if saved:
            loop.load_state_dict(saved)
        return loop.run()

    def _parts(self, dataset, lag):
        """Segments for training and for validation; None where nothing is held out."""
        lengths = schema.trajectory_lengths(dataset)
        if self.validation_fraction:
            return split(lengths, self.validation_fraction, lag, self.seed)
        return segments_of(lengths), None

    def _loop(self, network, dataset, frames, lag, parts, generator, *, of="", **options) -> Loop:
        """The loop that trains ``network`` on the first of ``parts`` and validates it on the second, if any.

        ``of`` says which one it is, where there are several.
        """
        training, held_out = parts
        weights = dataset["weight"].values if "weight" in dataset else None
        pairing = {"exact": True, "weights": weights, "seed": self.seed, **self._pairing(frames)}
        source = pair_source(frames, training, lag, **pairing)

        def losses(step):
            self._step = step
            return self._losses(self._batch(source.at(step), generator), generator)

        return Loop(
            network,
            losses,
            self._settings(0 if held_out is None else self._patience(), of),
            generator,
            validate=None if held_out is None else self._validation(source, training, held_out, lag),
            **options,
        )

    def _pairing(self, frames: Frames) -> dict:
        """Further options of the source of pairs."""
        return {}

    def _batch(self, pairs: LagPairs, generator: torch.Generator) -> Batch:
        """The batch of a step."""
        return ranks.own_share(pairs.draw(self.batch_size, generator))

    def _settings(self, patience: int, of: str) -> Settings:
        return Settings(
            self.n_steps,
            learning_rate=self.learning_rate,
            rate=lambda step: schedules.cosine(step, self.n_steps, end=0.1, fraction=0.5),
            validate_every=self._validate_every(),
            patience=patience,
            message=f"Training {type(self).__name__}{of}",
            optimizer=self.optimizer,
        )

    def _validate_every(self) -> int:
        """Steps between two validations."""
        return max(1, self.n_steps // 50)

    def _evaluation_pairs(self) -> int:
        """Pairs of each side of the validation."""
        return EVALUATION_PAIRS

    def _patience(self) -> int:
        """Steps without a better validation after which training stops."""
        return max(1, self.n_steps // 5)

    def _checkpoint(self, dataset, folder):
        if folder is None:
            return None
        return Checkpoint(folder, {**self.hyperparameters(), "data": fingerprint(dataset)})

    def _validation(self, source, training, held_out, lag):
        """The function of the loop that validates on held-out data, lower is better."""
        random, batches = np.random.default_rng([self.seed, 2]), []
        for segments in (training, held_out):
            starts = pair_starts(segments, lag)
            chosen = random.choice(starts, min(self._evaluation_pairs(), len(starts)), replace=False)
            batches.append(source.fixed(np.sort(chosen), random))

        @torch.no_grad()
        def validate():
            return -self._figure_of_merit(*batches)

        return validate

    # ---- the file

    def _scaled(self, features):
        """Standardised features on the network's device."""
        return self._scaling(features.to(self._scaling.mean.device))

    def _get_arrays(self):
        arrays = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        arrays |= {name: getattr(self._scaling, name) for name in ("mean", "scale", "keep")}
        return arrays | {name: torch.as_tensor(np.asarray(getattr(self, name))) for name in self.fitted}

    def _set_arrays(self, arrays):
        self._prepare(Scaling(arrays["mean"], arrays["scale"], arrays["keep"]), torch.Generator())
        prefix = "network."
        self._network.load_state_dict(
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        )
        for name in self.fitted:
            value = arrays[name].numpy()
            setattr(self, name, value if value.ndim else value.item())


class NetworkMethod(NetworkModel, Method):
    """Base of methods that are such a network; a subclass implements `_transform` too."""


def frame_weight(dataset: xr.Dataset, device: str | torch.device) -> torch.Tensor:
    """Weight (frame,) float64 of each frame, 1 where the dataset has none."""
    if "weight" not in dataset:
        return torch.ones(dataset.sizes["frame"], dtype=torch.float64, device=device)
    return torch.as_tensor(dataset["weight"].values, device=device).double()


def lag_pairs(
    values: torch.Tensor, dataset: xr.Dataset, lag: int, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values (pair, ...) of the earlier and the later frames of all pairs, and the weights (pair,)."""
    first = pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag)
    starts = torch.as_tensor(first, device=values.device)
    return values[starts], values[starts + lag], weight[starts]
