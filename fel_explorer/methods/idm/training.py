"""How IDM is trained: batches, beta schedule, restarts and checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.training import schedules
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import Frames, fingerprint
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


class Trainer:
    """Trains the networks of one `IDM.fit` and keeps the best.

    Parameters
    ----------
    method
        The IDM, for its hyperparameters.
    build
        Makes an untrained network with weights from a (CPU) generator.
    show
        Called with each network before it is trained.
    """

    def __init__(
        self,
        method,
        dataset: xr.Dataset,
        frames: Frames,
        *,
        build: Callable[[torch.Generator], MatchingNetwork],
        show: Callable[[MatchingNetwork], None],
        callback,
        checkpoint_dir,
    ):
        self.method, self.frames, self.build, self.show = method, frames, build, show
        self.callback, self.device = callback, frames.device
        self.lag = schema.lag_in_frames(dataset, method.lag_time)
        self.weights = dataset["weight"].values if "weight" in dataset else None
        lengths = schema.trajectory_lengths(dataset)
        training = held_out = segments_of(lengths)
        if method.validation_fraction:
            training, held_out = split(lengths, method.validation_fraction, self.lag, method.seed)
        self.source = pair_source(
            frames, training, self.lag, weights=self.weights, cells=self._cells(), seed=method.seed
        )
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
        for restart in range(first, self.method.n_restarts):
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
                    "network": _copy(network.state_dict()),
                    "history": to_columns(history),
                }
            if loop.cancelled:
                break
        assert best is not None  # there is at least one restart
        network.load_state_dict(best["network"])
        return network, from_columns(best["history"])

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
        """The function of the step that the loop minimises.

        The bias of drawing by cell is undone gradually: early, rare regions weigh enough to become states of
        their own; in the end the objective is that of the data.
        """
        method = self.method

        def compute(step: int) -> Losses:
            beta = schedules.linear(
                step, method.n_steps, method.beta_start, method.beta_end, method.beta_decay
            )
            unbias = schedules.linear(step, method.n_steps, 0.0, 1.0, method.beta_decay)
            batch = self.source.at(step).draw(
                method.batch_size, generator, cell_share=cell_share, unbias=unbias
            )
            z = network.encoder(batch.frames)
            chi, chi_later = batch.halves(network.memberships(z))
            joint = objective.joint_matrix(chi, chi_later, batch.weight)
            information = objective.information(joint, beta)
            report: dict[str, torch.Tensor | float] = {
                "objective": information,
                "mutual_information": objective.information(joint.detach()),
                "beta": beta,
                "n_populated": (joint.detach().sum(1) > MIN_POPULATION).sum(),
            }
            if not method.reconstruction:
                return Losses(-information, None, report)
            half = len(batch.frames) // 2
            error = (network.decoder(z[:half]) - batch.frames[:half]).square().mean()
            return Losses(-information, method.reconstruction * error, {**report, "reconstruction": error})

        return compute

    def _network(self, restart):
        return self.build(random_generator("cpu", self.method.seed, restart, 0)).to(self.device)

    def _loop(self, network, restart) -> Loop:
        method = self.method
        generator = random_generator(self.device, method.seed, restart, 1)
        of = f", restart {restart + 1} of {method.n_restarts}" if method.n_restarts > 1 else ""
        settings = Settings(
            method.n_steps,
            learning_rate=method.learning_rate,
            clip=method.gradient_clip,
            patience=method.n_steps // 10 if method.validation_fraction else 0,
            patient_from=round(method.beta_decay * method.n_steps),
            validate_every=max(1, method.n_steps // 50),
            message=f"Training IDM{of}",
        )
        return Loop(
            network,
            self.losses(network, generator, CELL_SHARE if self._by_cell(restart) else 0.0),
            settings,
            generator,
            validate=(lambda: -self.score(network)) if method.validation_fraction else None,
            callback=self.callback,
            checkpoint=self.checkpoint,
            steps_before=restart * method.n_steps,
            steps_in_all=method.n_restarts * method.n_steps,
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
