"""Training of embedded physics: tempering, a pool of weighted samples, and both KL divergences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.methods.embedded_physics import tempering
from fel_explorer.methods.embedded_physics.density import LatentDensity
from fel_explorer.methods.embedded_physics.samples import Memory, Weighted, weighted_samples
from fel_explorer.methods.embedded_physics.target import Target, identity
from fel_explorer.progress import Callback
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import Loop, Losses, Settings, from_columns, to_columns
from fel_explorer.training.random import random_generator, restore

if TYPE_CHECKING:
    from fel_explorer.methods.embedded_physics.method import EmbeddedPhysics

POOL = 20_000  # samples of the hot model that are weighted to the target
MAX_NORM = 10.0  # of the gradient of all weights
WARM_UP = 3 / 11  # of the steps of the staged schedule: the hot model
REMEMBERED = 20  # batches of a molecule's own samples, for its forward KL divergence
POOL_SHARE = 4  # one in so many of these is a hot one instead
HOT_RATE = 0.5  # of the learning rate: a faster start loses small modes


class Draws(NamedTuple):
    """Samples of the model.

    ``x`` coordinates: (sample, dim), or (sample, atom, 3) in nm; ``z`` (sample, cv); ``log_weight`` (sample,)
    logarithms of importance weights, not normalised.  float64.
    """

    x: np.ndarray
    z: np.ndarray
    log_weight: np.ndarray


def checkpoint_of(
    method: EmbeddedPhysics,
    structure: ArrayLike | None,
    bonds: Sequence[Sequence[int]] | np.ndarray,
    folder: str | Path | None,
) -> Checkpoint | None:
    """The checkpoint of one fit in ``folder``; None for None."""
    if folder is None:
        return None
    return Checkpoint(folder, method.hyperparameters() | identity(method.system, structure, bonds))


class Trainer:
    """One fit of `EmbeddedPhysics`: `run` returns the network and its history, and sets ``pool``.

    Its parts are stages: a hot model each, then the cooling; the adaptive schedule has one.  A checkpoint
    holds the stage's loop, and in its context what came out of the stages before.
    """

    def __init__(
        self,
        method: EmbeddedPhysics,
        target: Target,
        device: torch.device,
        callback: Callback | None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.method, self.target, self.device, self.callback = method, target, device, callback
        self.pool: Weighted | None = None
        self.cancelled = False
        self._beta: float = method.beta_start
        self._log_z: float | None = None
        self._stage = 0
        self._best: dict[str, Any] | None = None
        self._checkpoint = checkpoint
        self._saved: dict[str, Any] | None = None
        self.memory: Memory | None = None
        if bool(target.coordinates.stiff.any()):
            dtype = getattr(torch, method.dtype)
            size, dim = REMEMBERED * method.batch_size, len(target.coordinates.stiff)
            self.memory = Memory(size, dim, device, dtype)

    def run(self) -> tuple[LatentDensity, xr.Dataset]:
        if self._checkpoint and (saved := self._checkpoint.load(self.device)):
            self._saved = saved
            self._set_context(self._checkpoint.context)
        if self.method.schedule == "adaptive":
            return self._adaptive()
        return self._staged()

    # ---- the staged schedule

    def _staged(self) -> tuple[LatentDensity, xr.Dataset]:
        """Hot models first, one a restart, whose samples are pooled; then the best of them is cooled."""
        method = self.method
        hot_steps = max(1, round(WARM_UP * method.n_steps))
        n_steps, before = method.n_steps - hot_steps, method.n_restarts * hot_steps
        while self._stage < method.n_restarts:
            network = self._network(self._stage)
            generator = random_generator(self.device, method.seed, 1, self._stage)
            hot = self._hot(network, hot_steps, generator)
            settings = self._settings(hot_steps, HOT_RATE)
            done = self._stage * hot_steps
            history = self._loop(network, hot, settings, generator, done, before + n_steps)
            pool = self._hot_samples(network, generator)
            self.pool = pool if self.pool is None else self.pool + pool
            if self.cancelled:
                return network, history
            self._keep_better(network, history, generator, pool)
            self._stage += 1
        network, generator = self._network(0), random_generator(self.device, method.seed, 1, 0)
        best = self._best
        assert best is not None  # there is at least one restart
        network.load_state_dict(best["network"])
        restore(generator, best["generator"])
        settings = self._settings(n_steps, 1.0, lambda step: 1.0 - 0.95 * max(0.0, 2 * step / n_steps - 1))
        cold = self._cold(network, n_steps, generator)
        history = self._loop(network, cold, settings, generator, before, before + n_steps)
        return network, _joined(from_columns(best["history"]), history)

    def _hot_samples(self, network, generator) -> Weighted:
        """Samples of a hot model, weighted to the target.

        A hot molecule is too wide in all its stiff coordinates at once to be weighted as it is: their noise
        is made as narrow as it is for a harmonic target, while the turns stay hot.
        """
        narrowed = network.narrow(self.target.coordinates.stiff, self._low**0.5)
        return weighted_samples(narrowed, self.target, POOL, generator)

    def _keep_better(self, network, history, generator, pool) -> None:
        size = float(tempering.effective_sample_size(pool.log_weights))
        if self._best is None or size > self._best["size"]:
            state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            self._best = {
                "size": size,
                "network": state,
                "history": to_columns(history),
                "generator": generator.get_state(),
            }

    @property
    def _low(self) -> float:
        """beta at the end of the hot stage."""
        return max(self.method.beta_start, self.method.beta_low)

    def _hot(self, network, n_steps, generator):
        def losses(step):
            beta = tempering.staged_beta(step / n_steps, self.method.beta_start, self._low)
            return self._losses(network, beta, 1.0, generator)

        return losses

    def _cold(self, network, n_steps, generator):
        assert self.pool is not None  # the hot stages come first
        method, weights = self.method, tempering.truncated_weights(self.pool.log_weights)

        def losses(step):
            beta = tempering.staged_beta(step / n_steps, method.beta_low, 1.0, hold=2 / 3)
            fraction = method.reverse_share if step < n_steps / 2 else method.reverse_share_end
            return self._losses(network, beta, fraction, generator, weights)

        return losses

    # ---- Algorithm 1

    def _adaptive(self) -> tuple[LatentDensity, xr.Dataset]:
        """The published schedule: reverse KL alone, beta raised as far as its growth allows."""
        method, network = self.method, self._network(0)
        generator = random_generator(self.device, method.seed, 1, 0)

        def losses(step):
            if step and step % method.steps_per_temperature == 0 and self._beta < 1.0:
                self._cool(network, generator)
            return self._losses(network, self._beta, 1.0, generator)

        settings = self._settings(method.n_steps, 1.0)
        history = self._loop(network, losses, settings, generator, 0, method.n_steps)
        if self.pool is None:
            self.pool = weighted_samples(network, self.target, POOL, generator)
        return network, history

    @torch.no_grad()
    def _cool(self, network, generator) -> None:
        """One step of Algorithm 1, from `batch_size` samples; ln Z is carried along by Eq. 46."""
        z, y = network.draw(self.method.batch_size, generator)
        log_target, energy = self.target.log_density(y, self._beta)
        log_weights = log_target - self._log_q(network, z, y).double()
        log_z = tempering.log_mean_weight(log_weights) if self._log_z is None else self._log_z
        beta = tempering.next_beta(
            self._beta, energy, log_weights, log_z, largest_increase=self.method.largest_increase
        )
        self._log_z = log_z + tempering.log_partition_ratio(energy, log_weights, beta - self._beta)
        if self._beta < self.method.beta_low <= beta:  # to know later whether a mode was dropped
            self.pool = self._hot_samples(network, generator)
        self._beta = beta
        self._set_checkpoint_context()

    # ---- both schedules

    def _set_checkpoint_context(self) -> None:
        """Let the next checkpoint hold all that a resumed fit needs besides the loop."""
        if self._checkpoint:
            self._checkpoint.context = {
                "stage": self._stage,
                "best": self._best,
                "pool": self.pool and {name: getattr(self.pool, name) for name in Weighted.__annotations__},
                "memory": None if self.memory is None else self.memory.state(),
                "beta": self._beta,
                "log_z": self._log_z,
            }

    def _set_context(self, context: dict) -> None:
        self._stage, self._best = context["stage"], context["best"]
        self._beta, self._log_z = context["beta"], context["log_z"]
        self.pool = context["pool"] and Weighted(**context["pool"])
        if self.memory is not None:
            self.memory.load(context["memory"])

    def _network(self, restart: int) -> LatentDensity:
        network = self.method._build(random_generator("cpu", self.method.seed, 0, restart))
        return network.to(self.device, getattr(torch, self.method.dtype))

    def _settings(self, n_steps, rate, schedule=lambda step: 1.0) -> Settings:
        return Settings(
            n_steps,
            learning_rate=rate * self.method.learning_rate,
            rate=schedule,
            max_norm=MAX_NORM,
            message="Embedded physics",
        )

    def _loop(self, network, losses, settings, generator, before, in_all) -> xr.Dataset:
        self.method._network = network  # a callback may look at it
        self._set_checkpoint_context()
        loop = Loop(
            network,
            losses,
            settings,
            generator,
            callback=self.callback,
            checkpoint=self._checkpoint,
            steps_before=before,
            steps_in_all=in_all,
        )
        if self._saved:
            loop.load_state_dict(self._saved)
            self._saved = None
        history = loop.run()
        self.cancelled = loop.cancelled
        return history.assign_coords(step=history["step"] + before)

    def _log_q(self, network, z, y) -> Tensor:
        """ln q (sample,) of samples drawn with z: exact, or with the encoder's mismatch (Eq. 12)."""
        return network.log_prob(y) if network.encoder is None else network.log_joint(z, y)

    def _losses(self, network, beta, fraction, generator, weights=None) -> Losses:
        """fraction x reverse KL + (1 - fraction) x forward KL, Eq. 39, both but for constants."""
        n = self.method.batch_size
        z, y = network.draw(n, generator)
        minus_log_target, energy = self.target.differentiable(y, beta, self.method.kappa)
        log_q = self._log_q(network, z, y)
        reverse = (log_q + minus_log_target).mean()
        size = tempering.effective_sample_size((-minus_log_target - log_q).detach()) / n
        loss, forward = fraction * reverse, torch.full_like(reverse, torch.nan)
        if self.memory is not None:
            rest = minus_log_target.detach() - beta * energy
            self.memory.add(y, energy, rest, log_q)
        if weights is not None and fraction < 1:
            chosen = self._chosen(n, beta, weights, generator)
            forward = -self._forward(network, chosen, generator).mean()
            loss = loss + (1 - fraction) * forward
        report = {"beta": beta, "reverse": reverse, "forward": forward, "energy": energy.mean()}
        return Losses(loss, report=report | {"effective_sample_size": size})

    def _chosen(self, n, beta, weights, generator) -> Tensor:
        """Samples (n, dim) for the forward divergence: hot ones, of a molecule mostly remembered ones."""
        assert self.pool is not None
        of_pool = n if self.memory is None else n // POOL_SHARE
        hot = self.pool.y[torch.multinomial(weights, of_pool, True, generator=generator)]
        if self.memory is None:
            return hot
        return torch.cat([hot, self.memory.choose(n - of_pool, beta, generator)])

    def _forward(self, network, y, generator) -> Tensor:
        return network.log_prob(y) if network.encoder is None else network.lower_bound(y, generator)


def _joined(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Two histories one after the other, steps counted on."""
    steps = np.arange(1, first.sizes["step"] + second.sizes["step"] + 1)
    return xr.concat([first, second], dim="step").assign_coords(step=steps)
