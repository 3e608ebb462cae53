"""What each training step of IDM minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.distillation import StatePool
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.methods.idm.parameters import MIN_POPULATION, IDMParameters
from fel_explorer.methods.idm.schedule import DiscreteSchedule, RandomSchedule
from fel_explorer.training.loop import Losses
from fel_explorer.training.pairs import Batch
from fel_explorer.training.seeding import expand_batch
from fel_explorer.training.windows import ResidentSource, WindowedSource

CELL_SHARE = 0.5  # of a batch, with farthest point seeding
SEEDS, POOL = 0.5, 4  # random pairs in an expanded batch, and pairs to choose from, in sizes of a batch


class TrainingLoss:
    """The losses of a step: I_beta of pairs, or first the cross-entropy of discrete states.

    Parameters
    ----------
    source
        Pairs of frames, see `training.windows`.
    generator
        Draws the batches.
    by_cell
        Whether half of each batch is drawn evenly over cells.
    pool
        Frames with discrete states, from which the first phase draws; None for a random start.
    pool_objective
        I_beta of these states, in nats.
    """

    def __init__(
        self,
        method: IDMParameters,
        network: MatchingNetwork,
        source: ResidentSource | WindowedSource,
        generator: torch.Generator,
        schedule: DiscreteSchedule | RandomSchedule,
        *,
        by_cell: bool,
        pool: StatePool | None = None,
        pool_objective: float = float("nan"),
    ) -> None:
        self.method, self.network, self.source, self.generator = method, network, source, generator
        self.schedule, self.pool, self.pool_objective = schedule, pool, pool_objective
        self.cell_share = CELL_SHARE if by_cell else 0.0
        self.distillation = schedule.distillation if isinstance(schedule, DiscreteSchedule) else 0

    def __call__(self, step: int) -> Losses:
        """The losses of a step, 0-based."""
        if self.pool is not None and step < self.distillation:
            return self._distillation(self.pool)
        return self._information(step)

    def _information(self, step) -> Losses:
        """-I_beta of a batch of pairs, and the reconstruction.

        The bias of drawing by cell is undone gradually: early, rare regions weigh enough to become states of
        their own; in the end the objective is that of the data.
        """
        method, network = self.method, self.network
        beta, unbias = self.schedule.beta(method, step), self.schedule.unbias(method, step)
        batch = self._draw(step, unbias)
        z = network.encoder(batch.frames)
        chi, chi_later = batch.halves(network.memberships(z))
        joint = objective.joint_matrix(chi, chi_later, batch.weight)
        information = objective.information(joint, beta)
        report: dict[str, Tensor | float] = {
            "objective": information,
            "mutual_information": objective.information(joint.detach()),
            "beta": beta,
            "n_populated": _n_populated(chi.detach(), batch.weight),
        }
        half = len(batch.frames) // 2
        return self._with_reconstruction(-information, z[:half], batch.frames[:half], report)

    def _draw(self, step, unbias) -> Batch:
        """A batch of pairs by the method's seeding."""
        n, pairs = self.method.batch_size, self.source.at(step)
        if self.method.seeding == "expanded":
            return expand_batch(pairs.draw(POOL * n, self.generator), n, max(1, round(SEEDS * n)))
        return pairs.draw(n, self.generator, cell_share=self.cell_share, unbias=unbias)

    def _distillation(self, pool) -> Losses:
        """Cross-entropy of the discrete states, drawn evenly, and the reconstruction."""
        features, states = pool.draw(self.method.batch_size, self.generator)
        z = self.network.encoder(features)
        cross_entropy = nll_loss(self.network.log_memberships(z), states)
        report: dict[str, Tensor | float] = {
            "objective": self.pool_objective,
            "mutual_information": float("nan"),
            "beta": self.method.beta_end,
            "n_populated": float(pool.n_states),
        }
        return self._with_reconstruction(cross_entropy, z, features, report)

    def _with_reconstruction(self, main, z, features, report) -> Losses:
        if not self.method.reconstruction:
            return Losses(main, None, report)
        error = (self.network.decoder(z) - features).square().mean()
        return Losses(main, self.method.reconstruction * error, {**report, "reconstruction": error})


def _n_populated(chi, weight) -> Tensor:
    """Number of states with at least `MIN_POPULATION` of the weight (frame,), by the largest of ``chi``."""
    population = torch.zeros(chi.shape[1], dtype=weight.dtype, device=chi.device)
    population.index_add_(0, chi.argmax(1), weight / weight.sum())
    return (population >= MIN_POPULATION).sum()
