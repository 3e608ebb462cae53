"""How IDM is trained: discrete or random start, batches, beta schedule, restarts and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn.functional import nll_loss

from fel_explorer.data import schema
from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.discrete import Criteria
from fel_explorer.methods.idm.distillation import (
    DiscreteStart,
    StartFinder,
    StatePool,
    alternatives,
    segments_as_dataset,
    stability_table,
)
from fel_explorer.methods.idm.microstates import PairCounts
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.methods.idm.parameters import IDMParameters
from fel_explorer.methods.idm.partition import information
from fel_explorer.progress import Callback
from fel_explorer.training import schedules
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import Frames, Scaling, fingerprint
from fel_explorer.training.loop import Loop, Losses, Settings, from_columns, to_columns
from fel_explorer.training.pairs import pair_starts, segments_of
from fel_explorer.training.random import random_generator
from fel_explorer.training.seeding import Landmarks
from fel_explorer.training.split import split
from fel_explorer.training.windows import pair_source

MIN_POPULATION = 0.001  # fraction of frames from which a state counts as populated
EVALUATION_PAIRS = 20_000  # that compare restarts and validate
CELL_SHARE = 0.5  # of a batch, with farthest point seeding
LANDMARK_SAMPLE = 20_000  # frames among which the landmarks are chosen
MAX_STEPS = 1000  # from a discrete start
DISTILLATION, ANNEALING = 200, 400  # of them
START_RATE, FINAL_RATE = 3.0, 0.3  # learning rate from a discrete start, in units of the one given
VALIDATE_EVERY = PATIENCE = 50  # steps, once the learning rate is annealed
MIN_IMPROVEMENT = 5e-4  # nats within PATIENCE


@dataclass(frozen=True)
class Schedule:
    """Steps from a discrete start: distillation, annealing of the learning rate, and the rest at its end."""

    n_steps: int
    distillation: int
    annealing: int

    @classmethod
    def within(cls, n_steps: int) -> Schedule:
        """Schedule of at most ``n_steps``."""
        n = min(n_steps, MAX_STEPS)
        distillation = min(DISTILLATION, n // 2)
        return cls(n, distillation, min(ANNEALING, n - distillation))

    def rate(self, step: int) -> float:
        """Factor on the learning rate; falls in both phases."""
        first, length = 0, self.distillation
        if step >= self.distillation:
            first, length = self.distillation, self.annealing
        return START_RATE * schedules.cosine(step - first, max(length, 1), end=FINAL_RATE / START_RATE)


class Trainer:
    """Trains the networks of one `IDM.fit` and keeps the best.

    Parameters
    ----------
    method
        The IDM, for its hyperparameters.
    build
        Makes an untrained network with weights from a (CPU) generator, of a number of prototypes.
    scaling
        Standardisation of the features.
    discrete
        Whether training starts from discrete states.
    start
        These, where they are known already; for one restart.
    show
        Called with each network before it is trained.
    """

    def __init__(
        self,
        method: IDMParameters,
        dataset: xr.Dataset,
        frames: Frames,
        *,
        build: Callable[[torch.Generator, int], MatchingNetwork],
        scaling: Scaling,
        discrete: bool,
        start: DiscreteStart | None,
        show: Callable[[MatchingNetwork], None],
        callback: Callback | None,
        checkpoint_dir: str | Path | None,
    ) -> None:
        self.method, self.frames, self.build, self.show = method, frames, build, show
        self.callback, self.device = callback, frames.device
        self.lag = schema.lag_in_frames(dataset, method.lag_time)
        self.weights = dataset["weight"].values if "weight" in dataset else None
        lengths = schema.trajectory_lengths(dataset)
        self.segments = held_out = segments_of(lengths)
        if method.validation_fraction:
            self.segments, held_out = split(lengths, method.validation_fraction, self.lag, method.seed)
        self.source = pair_source(
            frames, self.segments, self.lag, weights=self.weights, cells=self._cells(), seed=method.seed
        )
        self.index = np.concatenate([np.arange(first, end) for first, end in self.segments])
        self.schedule = Schedule.within(method.n_steps) if discrete else None
        self.n_steps = method.n_steps if self.schedule is None else self.schedule.n_steps
        self.finder = self._finder(dataset, scaling) if discrete and start is None else None
        if start is not None:
            start = replace(start, states=start.states[self.index])
        self.start: DiscreteStart | None = start  # of the restart under way, then of the best
        self.evaluation = self._evaluation_set(held_out)
        self.checkpoint = None
        if checkpoint_dir is not None:
            config = {**method.hyperparameters(), "data": fingerprint(dataset)}
            self.checkpoint = Checkpoint(checkpoint_dir, config)

    def run(self) -> tuple[MatchingNetwork, xr.Dataset]:
        """Train all restarts; returns the network with the best objective, and its history."""
        saved = self.checkpoint.load(self.device) if self.checkpoint else None
        context = self.checkpoint.context if self.checkpoint and saved else {}
        best, first = context.get("best"), context.get("restart", 0)
        starts: dict[int, DiscreteStart | None] = {}
        for restart in range(first, self.method.n_restarts):
            if self.finder:
                self.start = self.find_start(self.method.seed + restart)
            starts[restart] = self.start
            network = self._network(restart)
            self.show(network)
            loop = self._loop(network, restart)
            if saved:
                loop.load_state_dict(saved)
                saved = None
            if self.checkpoint:
                self.checkpoint.context = {"restart": restart, "best": best}
            history = loop.run()
            network.merge(objective.merged_states(self.joint(network), self.method.beta_end))
            score = self.score(network)
            if best is None or score > best["score"]:
                best = {
                    "score": score,
                    "restart": restart,
                    "network": _copy(network.state_dict()),
                    "history": to_columns(history),
                }
            if loop.cancelled:
                break
        assert best is not None  # there is at least one restart
        if best["restart"] not in starts and self.finder:
            starts[best["restart"]] = self.find_start(self.method.seed + best["restart"])
        self.start = starts.get(best["restart"])
        network = self._network(best["restart"])
        network.load_state_dict(best["network"])
        return network, from_columns(best["history"])

    # ---- the discrete start

    def criteria(self, beta: float | None = None) -> Criteria:
        """What a discrete state needs, by default at the method's final beta."""
        method = self.method
        beta = method.beta_end if beta is None else beta
        limits = method.min_evidence, method.min_visits, MIN_POPULATION
        return Criteria(beta, *limits, n_max=method.n_states)

    def find_start(
        self, seed: int, *, beta: float | None = None, n_microstates: int | None = None
    ) -> DiscreteStart:
        """Discrete states of the frames that are trained on."""
        assert self.finder is not None
        n = self.method.n_microstates if n_microstates is None else n_microstates
        return self.finder.find(self.criteria(beta), n, seed)

    def states_objective(self, states: np.ndarray) -> float:
        """I_beta in nats of states (frame,), on the pairs that the discrete start was found from."""
        assert self.start is not None
        lengths = self.segments[:, 1] - self.segments[:, 0]
        weights = None if self.weights is None else self.weights[self.index]
        joint = PairCounts(lengths, weights, self.start.seed).joint(
            states[self.index], self.method.n_states, self.lag
        )
        return information(joint, self.method.beta_end)

    def stability(self) -> xr.DataArray:
        """Normalised mutual information of the discrete states with those of `alternatives`."""
        from sklearn.metrics import normalized_mutual_info_score

        assert self.start is not None
        method = self.method
        choices, scores, numbers = alternatives(method.beta_end, method.n_microstates, method.seed), [], []
        for beta, n_microstates, seed in choices.values():
            other = self.find_start(seed, beta=beta, n_microstates=n_microstates)
            scores.append(normalized_mutual_info_score(self.start.states, other.states))
            numbers.append(len(other))
        return stability_table(list(choices), np.array(scores), np.array(numbers))

    def _finder(self, dataset, scaling) -> StartFinder:
        if self.method.validation_fraction:
            dataset = segments_as_dataset(dataset, self.segments)
        return StartFinder(dataset, self.lag, scaling.to("cpu"))

    @torch.no_grad()
    def joint(self, network: MatchingNetwork) -> torch.Tensor:
        """P (state, state) of the evaluation pairs."""
        batch = self.evaluation
        chi, chi_later = batch.halves(network.memberships(network.encoder(batch.frames)))
        return objective.joint_matrix(chi, chi_later, batch.weight)

    def score(self, network: MatchingNetwork, beta: float | None = None) -> float:
        """I_beta on the evaluation pairs, by default at the final beta."""
        beta = self.method.beta_end if beta is None else beta
        return float(objective.information(self.joint(network), beta))

    def losses(
        self, network: MatchingNetwork, generator: torch.Generator, cell_share: float
    ) -> Callable[[int], Losses]:
        """The function of the step that the loop minimises."""
        schedule, start = self.schedule, self.start
        if schedule is None or start is None:
            return lambda step: self._information_loss(network, generator, step, cell_share)
        pool = StatePool(self.frames, self.index, start.states, self.weights)

        def compute(step: int) -> Losses:
            if step < schedule.distillation:
                return self._distillation_loss(network, start, pool, generator)
            return self._information_loss(network, generator, step, cell_share)

        return compute

    def _information_loss(self, network, generator, step: int, cell_share: float) -> Losses:
        """-I_beta of a batch of pairs, and the reconstruction.

        The bias of drawing by cell is undone gradually: early, rare regions weigh enough to become states of
        their own; in the end the objective is that of the data.
        """
        method = self.method
        beta, unbias = method.beta_end, 1.0
        if self.schedule is None:
            beta = schedules.linear(
                step, method.n_steps, method.beta_start, method.beta_end, method.beta_decay
            )
            unbias = schedules.linear(step, method.n_steps, 0.0, 1.0, method.beta_decay)
        batch = self.source.at(step).draw(method.batch_size, generator, cell_share=cell_share, unbias=unbias)
        z = network.encoder(batch.frames)
        chi, chi_later = batch.halves(network.memberships(z))
        joint = objective.joint_matrix(chi, chi_later, batch.weight)
        information = objective.information(joint, beta)
        report: dict[str, Tensor | float] = {
            "objective": information,
            "mutual_information": objective.information(joint.detach()),
            "beta": beta,
            "n_populated": (joint.detach().sum(1) > MIN_POPULATION).sum(),
        }
        half = len(batch.frames) // 2
        return self._with_reconstruction(network, -information, z[:half], batch.frames[:half], report)

    def _distillation_loss(self, network, start: DiscreteStart, pool: StatePool, generator) -> Losses:
        """Cross-entropy of the discrete states, drawn evenly, and the reconstruction."""
        features, states = pool.draw(self.method.batch_size, generator)
        z = network.encoder(features)
        cross_entropy = nll_loss(network.log_memberships(z), states)
        report: dict[str, Tensor | float] = {
            "objective": start.found.objective,
            "mutual_information": float("nan"),
            "beta": self.method.beta_end,
            "n_populated": float(len(start)),
        }
        return self._with_reconstruction(network, cross_entropy, z, features, report)

    def _with_reconstruction(self, network, main, z, features, report) -> Losses:
        if not self.method.reconstruction:
            return Losses(main, None, report)
        error = (network.decoder(z) - features).square().mean()
        return Losses(main, self.method.reconstruction * error, {**report, "reconstruction": error})

    def _network(self, restart):
        n = self.method.n_states if self.start is None else len(self.start)
        return self.build(random_generator("cpu", self.method.seed, restart, 0), n).to(self.device)

    def _loop(self, network, restart) -> Loop:
        method = self.method
        generator = random_generator(self.device, method.seed, restart, 1)
        validated = self.schedule is not None or method.validation_fraction > 0
        return Loop(
            network,
            self.losses(network, generator, CELL_SHARE if self._by_cell(restart) else 0.0),
            self._settings(restart),
            generator,
            validate=(lambda: -self.score(network)) if validated else None,
            callback=self.callback,
            checkpoint=self.checkpoint,
            steps_before=restart * self.n_steps,
            steps_in_all=method.n_restarts * self.n_steps,
        )

    def _settings(self, restart) -> Settings:
        method = self.method
        of = f", restart {restart + 1} of {method.n_restarts}" if method.n_restarts > 1 else ""
        shared = {
            "learning_rate": method.learning_rate,
            "clip": method.gradient_clip,
            "message": f"Training IDM{of}",
        }
        if self.schedule is not None:
            return Settings(
                self.n_steps,
                rate=self.schedule.rate,
                patience=PATIENCE,
                patient_from=self.schedule.distillation + self.schedule.annealing - PATIENCE,
                validate_every=VALIDATE_EVERY,
                min_improvement=MIN_IMPROVEMENT,
                **shared,
            )
        return Settings(
            self.n_steps,
            patience=self.n_steps // 10 if method.validation_fraction else 0,
            patient_from=round(method.beta_decay * self.n_steps),
            validate_every=max(1, self.n_steps // 50),
            **shared,
        )

    def _by_cell(self, restart: int) -> bool:
        seeding = self.method.seeding
        return seeding == "farthest_point" or (seeding == "alternate" and restart % 2 == 1)

    def _cells(self) -> np.ndarray | None:
        """Farthest-point cell of each frame, or None for uniform seeding."""
        if self.method.seeding == "uniform":
            return None
        random = np.random.default_rng(self.method.seed)
        n = min(len(self.frames), LANDMARK_SAMPLE)
        sample = self.frames.take(np.sort(random.choice(len(self.frames), n, replace=False)))
        return Landmarks(sample, self.method.n_landmarks).cell_of(self.frames.values)

    def _evaluation_set(self, segments):
        starts = pair_starts(segments, self.lag)
        random = np.random.default_rng([self.method.seed, 2])
        n = min(EVALUATION_PAIRS, len(starts))
        return self.source.fixed(np.sort(random.choice(starts, n, replace=False)), random)


def _copy(state):
    return {name: tensor.detach().clone() for name, tensor in state.items()}
