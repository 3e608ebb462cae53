"""How IDM is trained: its start, restarts, evaluation and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.choices import Choice, alternatives, compare_states
from fel_explorer.methods.idm.discrete import Criteria
from fel_explorer.methods.idm.distillation import StatePool, segments_as_dataset
from fel_explorer.methods.idm.losses import TrainingLoss
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.methods.idm.parameters import MIN_POPULATION, IDMParameters
from fel_explorer.methods.idm.partition import information
from fel_explorer.methods.idm.schedule import DiscreteSchedule, RandomSchedule
from fel_explorer.methods.idm.start import DiscreteStart, StartFinder
from fel_explorer.progress import Callback, Progress
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import Frames, Scaling, fingerprint
from fel_explorer.training.loop import Loop, from_columns, to_columns
from fel_explorer.training.pairs import pair_starts, segments_of
from fel_explorer.training.random import random_generator
from fel_explorer.training.seeding import Landmarks
from fel_explorer.training.split import split
from fel_explorer.training.windows import pair_source

EVALUATION_PAIRS = 20_000  # that compare restarts and validate
LANDMARK_SAMPLE = 20_000  # frames among which the landmarks are chosen


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
    callback
        Also called before each search for discrete states.
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
        self.callback, self.stopped, self.device = callback, False, frames.device
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
        self.schedule: DiscreteSchedule | RandomSchedule = RandomSchedule(method.n_steps)
        if discrete:
            self.schedule = DiscreteSchedule.within(method.n_steps)
        self.n_steps = self.schedule.n_steps
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
                self.start = self._find_start(restart)
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
            starts[best["restart"]] = self._find_start(best["restart"])
        self.start = starts.get(best["restart"])
        network = self._network(best["restart"])
        network.load_state_dict(best["network"])
        return network, from_columns(best["history"])

    # ---- the discrete start

    def criteria(self, beta: float) -> Criteria:
        """What a discrete state needs."""
        method = self.method
        return Criteria(beta, method.min_evidence, method.min_visits, MIN_POPULATION, n_max=method.n_states)

    def _find_start(self, restart) -> DiscreteStart:
        """Discrete states of the frames that are trained on; asked to stop it keeps the searches done."""
        assert self.finder is not None
        method, seed = self.method, self.method.seed + restart

        def report(search: int) -> bool:
            said = f"Finding discrete states, search {search + 1} of {method.n_searches}"
            done, n_steps = restart * self.n_steps, method.n_restarts * self.n_steps
            return self._report(Progress(done, n_steps, message=said))

        criteria = self.criteria(method.beta_end)
        return self.finder.find(criteria, method.n_microstates, seed, method.n_searches, report)

    def _report(self, progress: Progress) -> bool:
        """Whether the callback asks to stop, now or before."""
        self.stopped = (self.callback is not None and bool(self.callback(progress))) or self.stopped
        return self.stopped

    def states_objective(self, states: np.ndarray) -> float:
        """I_beta in nats of states (frame,), on the pairs by which the discrete start was measured."""
        assert self.start is not None
        joint = self.start.pairs.joint(states[self.index], self.method.n_states, self.lag)
        return information(joint, self.method.beta_end)

    def stability(self) -> xr.DataArray:
        """Normalised mutual information of the discrete states with those of `alternatives`."""
        assert self.start is not None and self.finder is not None
        finder, method = self.finder, self.method

        def search(choice: Choice) -> np.ndarray:
            seed = method.n_searches * choice.seed
            return finder.search(self.criteria(choice.beta), choice.n_microstates, seed)

        choices = alternatives(method.beta_end, method.n_microstates, method.seed)
        return compare_states(self.start.states, choices, search)

    def _finder(self, dataset, scaling) -> StartFinder:
        if self.method.validation_fraction:
            dataset = segments_as_dataset(dataset, self.segments)
        return StartFinder(dataset, self.lag, scaling.to("cpu"))

    # ---- evaluation

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

    def _evaluation_set(self, segments):
        """Held-out pairs; without held-out data (``validation_fraction=0``) some of those trained on."""
        starts = pair_starts(segments, self.lag)
        random = np.random.default_rng([self.method.seed, 2])
        n = min(EVALUATION_PAIRS, len(starts))
        return self.source.fixed(np.sort(random.choice(starts, n, replace=False)), random)

    # ---- one restart

    def _network(self, restart):
        n = self.method.n_states if self.start is None else len(self.start)
        return self.build(random_generator("cpu", self.method.seed, restart, 0), n).to(self.device)

    def _loop(self, network, restart) -> Loop:
        method, start = self.method, self.start
        generator = random_generator(self.device, method.seed, restart, 1)
        of = f", restart {restart + 1} of {method.n_restarts}" if method.n_restarts > 1 else ""
        losses = TrainingLoss(
            method,
            network,
            self.source,
            generator,
            self.schedule,
            by_cell=self._by_cell(restart),
            pool=None if start is None else StatePool(self.frames, self.index, start.states, self.weights),
            pool_objective=float("nan") if start is None else start.objective,
        )
        validated = start is not None or method.validation_fraction > 0
        return Loop(
            network,
            losses,
            self.schedule.settings(method, f"Training IDM{of}"),
            generator,
            validate=(lambda: -self.score(network)) if validated else None,
            callback=None if self.callback is None else self._report,
            checkpoint=self.checkpoint,
            steps_before=restart * self.n_steps,
            steps_in_all=method.n_restarts * self.n_steps,
        )

    def _by_cell(self, restart: int) -> bool:
        seeding = self.method.seeding
        return seeding == "farthest_point" or (seeding == "alternate" and restart % 2 == 1)

    def _cells(self) -> np.ndarray | None:
        """Farthest-point cell of each frame, or None for uniform seeding."""
        if self.method.seeding in ("uniform", "expanded"):
            return None
        random = np.random.default_rng(self.method.seed)
        n = min(len(self.frames), LANDMARK_SAMPLE)
        sample = self.frames.take(np.sort(random.choice(len(self.frames), n, replace=False)))
        return Landmarks(sample, self.method.n_landmarks).cell_of(self.frames.values)


def _copy(state):
    return {name: tensor.detach().clone() for name, tensor in state.items()}
