"""How long IDM trains and how its learning rate and beta change over the steps."""

from __future__ import annotations

from dataclasses import dataclass

from fel_explorer.methods.idm.parameters import IDMParameters
from fel_explorer.training import schedules
from fel_explorer.training.loop import Settings

MAX_STEPS = 1000  # from a discrete start, or a third of the steps asked for if that is more
DISTILLATION, ANNEALING = 200, 400  # of them; annealing takes at least 40 %
START_RATE, FINAL_RATE = 3.0, 0.3  # learning rate from a discrete start, in units of the one given
VALIDATE_EVERY = PATIENCE = 50  # steps, once the learning rate is annealed
MIN_IMPROVEMENT = 5e-4  # nats within PATIENCE


@dataclass(frozen=True)
class DiscreteSchedule:
    """Steps from a discrete start: distillation, annealing of the learning rate, and the rest at its end."""

    n_steps: int
    distillation: int
    annealing: int

    @classmethod
    def within(cls, n_steps: int) -> DiscreteSchedule:
        """Schedule of at most ``n_steps``, of which a third beyond 3 `MAX_STEPS`, annealed more slowly."""
        n = min(n_steps, max(MAX_STEPS, n_steps // 3))
        distillation = min(DISTILLATION, n // 2)
        return cls(n, distillation, min(max(ANNEALING, 2 * n // 5), n - distillation))

    def rate(self, step: int) -> float:
        """Factor on the learning rate; falls in both phases."""
        first, length = 0, self.distillation
        if step >= self.distillation:
            first, length = self.distillation, self.annealing
        return START_RATE * schedules.cosine(step - first, max(length, 1), end=FINAL_RATE / START_RATE)

    def settings(self, method: IDMParameters, message: str) -> Settings:
        """Settings of the loop; it stops once the objective rises no more after the annealing."""
        return Settings(
            self.n_steps,
            learning_rate=method.learning_rate,
            clip=method.gradient_clip,
            message=message,
            rate=self.rate,
            patience=PATIENCE,
            patient_from=self.distillation + self.annealing - PATIENCE,
            validate_every=VALIDATE_EVERY,
            min_improvement=MIN_IMPROVEMENT,
        )

    def beta(self, method: IDMParameters, step: int) -> float:
        """The final beta at each step."""
        return method.beta_end

    def unbias(self, method: IDMParameters, step: int) -> float:
        """How far the bias of drawing by cell is undone: wholly."""
        return 1.0


@dataclass(frozen=True)
class RandomSchedule:
    """Steps from random weights: beta falls from its initial to its final value, once or in cycles."""

    n_steps: int

    def settings(self, method: IDMParameters, message: str) -> Settings:
        """Settings of the loop; with held-out data it stops once these no longer gain."""
        return Settings(
            self.n_steps,
            learning_rate=method.learning_rate,
            clip=method.gradient_clip,
            message=message,
            patience=self.n_steps // 10 if method.validation_fraction else 0,
            patient_from=round(method.beta_decay * self.n_steps),
            validate_every=max(1, self.n_steps // 50),
        )

    def beta(self, method: IDMParameters, step: int) -> float:
        """Beta at a step: from the initial to the final value in each of ``beta_cycles``, then the final."""
        period = method.beta_decay * self.n_steps / method.beta_cycles
        if step >= period * method.beta_cycles:
            return method.beta_end
        return method.beta_start + (method.beta_end - method.beta_start) * (step % period) / period

    def unbias(self, method: IDMParameters, step: int) -> float:
        """How far the bias of drawing by cell is undone, from 0 to 1 over the decay of beta."""
        return schedules.linear(step, self.n_steps, 0.0, 1.0, method.beta_decay)
