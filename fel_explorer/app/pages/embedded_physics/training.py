"""The job that trains a model on energies, and snapshots of a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.methods import EmbeddedPhysics
from fel_explorer.progress import Progress

SHOWN = {False: 900, True: 400}  # samples of a snapshot, of a model system and of a molecule
DRAWN = 4_000  # samples of a fitted model
LOADED = "loaded"  # the last message of a job that loads
PERIOD = 1.0  # minimal seconds between two snapshots
TRAINING_PER_SNAPSHOT = 3.0  # least time of training, in durations of a snapshot
GRID = 70  # cells per axis for divergences while it learns

Curve = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of a model.

    Attributes
    ----------
    x, z
        Coordinates, as `EmbeddedPhysics.draw` gives them, and CVs (sample, cv).
    log_weight
        (sample,) ln of pi / q at the temperature of the fit, not normalised.
    energy
        (sample,) U / kT; infinite where atoms overlap.
    log_q
        (sample,) ln of the model's density; None while it learns.
    places, state
        (sample, 2) and (sample,) where they lie in the picture, and in which state.
    """

    x: np.ndarray
    z: np.ndarray
    log_weight: np.ndarray
    energy: np.ndarray
    places: np.ndarray
    state: np.ndarray
    log_q: np.ndarray | None = None

    def weights(self, ratio: float = 1.0, by: str = "energy") -> np.ndarray:
        """Importance weights (sample,) of sum 1 at T, where ``ratio`` is the fit's temperature over T.

        By "energy" they correct the model: pi^ratio / q.  By "model" they are q^(ratio - 1), for another
        temperature by the energies that the model implies (doi:10.48550/arXiv.2002.10148, Eqs. 40-41).
        """
        if by == "model":
            log_weight = (ratio - 1) * self.log_q
        else:
            seen = np.isfinite(self.log_weight)
            change = (ratio - 1) * np.where(seen, self.energy, 0.0)
            log_weight = np.where(seen, self.log_weight - change, -np.inf)
        weights = np.exp(log_weight - log_weight.max())
        return weights / weights.sum()


def effective_fraction(weights: np.ndarray) -> float:
    """Effective sample size over the number of samples, of weights (sample,)."""
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


@dataclass(frozen=True, eq=False)
class ModelSnapshot:
    """Snapshot of a model, during or after its training: samples and curves.

    Attributes
    ----------
    curves
        {"beta", "effective_sample_size", "energy", "kl_reverse", "kl_forward": [(step, value), ...]} as far
        as they are known; beta is 1 at the temperature of the fit.
    final, partial
        Whether the fit has ended, and whether it was stopped.
    """

    subject: Subject
    model: EmbeddedPhysics
    samples: Samples
    curves: dict[str, Curve] = field(default_factory=dict)
    final: bool = False
    partial: bool = False

    @property
    def beta(self) -> float:
        curve = self.curves.get("beta")
        return curve[-1][1] if curve else 1.0

    @property
    def temperature(self) -> float:
        """At which the model is now: K, or kT of a model system."""
        return self.subject.temperature / self.beta

    @property
    def temperature_text(self) -> str:
        """ "T = 1,650 K", "kT = 3.33"."""
        value = self.temperature
        return f"T = {value:,.0f} K" if self.subject.is_molecule else f"kT = {value:.3g}"


def samples(model: EmbeddedPhysics, subject: Subject, n: int, *, seed: int, density: bool) -> Samples:
    """``n`` samples; with ``density`` also ln q, and both by refined quadrature, which takes longer."""
    x, z, log_weight = model.draw(n, seed=seed, refined=density)
    places = subject.places(x)
    log_q = model.log_q(x) if density else None
    energy = np.nan_to_num(subject.energy(x), nan=np.inf)
    return Samples(x, z, log_weight, energy, places, subject.state(x, places), log_q)


def divergences(model: EmbeddedPhysics, subject: Subject, *, refined: bool = True) -> tuple[float, float]:
    """KL(q||p) and KL(p||q) in nats of a model system, by quadrature over its box; see `log_q`."""
    system = subject.system
    axes = [low + (high - low) * (np.arange(GRID) + 0.5) / GRID for low, high in system.domain]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    log_p, log_q = -subject.energy(x), model.log_q(x, refined=refined)
    log_p, log_q = (v - v.max() - np.log(np.exp(v - v.max()).sum()) for v in (log_p, log_q))
    p, q = np.exp(log_p), np.exp(log_q)
    return float(q @ (log_q - log_p)), float(p @ (log_p - log_q))


class SnapshotCallback:
    """Takes snapshots during a training, at most one a second and for at most a third of its time."""

    def __init__(self, model, subject: Subject, clock: Callable[[], float] = time.monotonic):
        self._model, self._subject, self._clock, self._next = model, subject, clock, -np.inf
        self.curves: dict[str, Curve] = {}

    def __call__(self, progress: Progress) -> ModelSnapshot | None:
        """A snapshot, or None when it is too early for one."""
        for name in ("beta", "effective_sample_size", "energy"):
            self.curves.setdefault(name, []).append((progress.step, progress.losses[name]))
        now = self._clock()
        if now < self._next:
            return None
        subject, model = self._subject, self._model
        if not subject.is_molecule and model.n_dims <= 2:
            reverse, forward = divergences(model, subject, refined=False)
            self.curves.setdefault("kl_reverse", []).append((progress.step, reverse))
            self.curves.setdefault("kl_forward", []).append((progress.step, forward))
        # the same random numbers in each snapshot: the cloud flows instead of flickering
        drawn = samples(model, subject, SHOWN[subject.is_molecule], seed=0, density=False)
        self._next = self._clock() + max(PERIOD, TRAINING_PER_SNAPSHOT * (self._clock() - now))
        return ModelSnapshot(
            subject, model, drawn, {name: list(curve) for name, curve in self.curves.items()}
        )


def take_snapshot(
    model: EmbeddedPhysics, subject: Subject, curves=None, *, partial: bool = False
) -> ModelSnapshot:
    """Snapshot of a fitted model with `DRAWN` samples; further curves are those of the model's history."""
    if subject.exact:
        _ = subject.exact.state  # seconds, which the page need not wait for
    kept = {
        name: list(zip(model.history["step"].values.tolist(), values.values.tolist(), strict=True))
        for name, values in model.history.data_vars.items()
    }
    return ModelSnapshot(
        subject,
        model,
        samples(model, subject, DRAWN, seed=1, density=True),
        kept | {name: curve for name, curve in (curves or {}).items() if name.startswith("kl_")},
        final=True,
        partial=partial,
    )


@process_job
def training_job(
    report: Report, should_stop: ShouldStop, subject: Subject, hyperparameters: dict, *, device: str = "auto"
):
    """Job of a training; its result is a `ModelSnapshot`.  Cancelled, it returns what it has learned."""
    report(Progress(0, 0, message="preparing the system"))
    settings = dict(hyperparameters)
    if subject.is_molecule:
        settings["temperature"] = subject.temperature
    model = EmbeddedPhysics(subject.system, **settings)
    take = SnapshotCallback(model, subject)
    if should_stop():
        raise Cancelled

    def callback(progress):
        report(progress, take(progress))
        return should_stop()

    model.fit(device=device, callback=callback, **subject.fit_options())
    report(Progress(1, 1, message="looking at what was learned"))
    return take_snapshot(model, subject, take.curves, partial=should_stop())


@process_job
def loading_job(report: Report, should_stop: ShouldStop, model: EmbeddedPhysics, subject: Subject):
    """Job for a model of ``subject`` from a file; its result is a `ModelSnapshot`."""
    report(Progress(0, 0, message="looking at the model"))
    if subject.is_molecule:
        model.system = subject.system  # which is not in the file
    snapshot = take_snapshot(model, subject)
    report(Progress(1, 1, message=LOADED))
    return snapshot
