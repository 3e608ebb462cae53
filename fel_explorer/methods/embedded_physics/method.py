"""Embedded physics: collective variables and a generative model from the energy alone, without data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods.block_mapping import BLOCK
from fel_explorer.methods.embedded_physics import coordinates, tempering
from fel_explorer.methods.embedded_physics.density import NODES, LatentDensity
from fel_explorer.methods.embedded_physics.parameters import EmbeddedPhysicsParameters
from fel_explorer.methods.embedded_physics.quadrature import refined_log_prob
from fel_explorer.methods.embedded_physics.samples import weighted_samples
from fel_explorer.methods.embedded_physics.target import (
    MolecularEnergy,
    Target,
    coordinates_of,
    system_from_json,
    system_to_json,
    thermal_energy,
)
from fel_explorer.methods.embedded_physics.training import POOL, Draws, Trainer, checkpoint_of
from fel_explorer.methods.registry import register_model
from fel_explorer.progress import Callback
from fel_explorer.systems.potential import Potential
from fel_explorer.training.loop import threads
from fel_explorer.training.random import random_generator

COVERED = 0.996  # fraction of the Boltzmann weight, below which a mode counts as dropped
COVERED_STIFF = 0.98  # the same for molecules, whose hot samples resolve fractions to a percent
# factors by which q is below p where p is not covered, for low and for molecular dimensions
DENSITY_RATIO_CUTOFF, DENSITY_RATIO_CUTOFF_MOLECULE = 10.0, 100.0
MIN_ESS = 100  # effective number of hot samples below which they say nothing about the coverage


@register_model
class EmbeddedPhysics(EmbeddedPhysicsParameters):
    """Learns CVs and a generative model of a system from its energies and forces alone.

    A few hidden CVs z ~ N(0, I) generate the coordinates x = mu(z) + sigma noise; the model asks for energies
    and forces at what it generates itself.  No simulation, no data.

    Parameters
    ----------
    system
        A `systems.Potential`, at its own kT, or a `systems.ForceField`, at ``temperature``; it can also be
        given to `fit`.

    Source: M. Schoeberl, N. Zabaras and P.-S. Koutsourelakis (2020), doi:10.48550/arXiv.2002.10148, Eqs. 16
    and 39, with Algorithm 1 as ``schedule="adaptive"`` and ``posterior="encoder"``. The default schedule is
    this package's own and keeps rare modes better.

    Attributes
    ----------
    history
        Over ``step``: ``loss``, ``beta`` (of 1 at the end), ``reverse`` and ``forward`` (KL divergences but
        for constants), ``energy`` in kT, ``effective_sample_size`` (a fraction of the batch), and where they
        can be estimated ``kl_reverse`` and ``kl_forward`` in nats.
    log_partition_
        ln Z of the target by importance weights, in the coordinates' units.
    effective_sample_size_
        Of `POOL` samples, as a fraction: 1 for a perfect model.
    coverage_
        Fraction of the Boltzmann weight, estimated from the hot model's samples, where q is at least a tenth
        of p, for molecules a hundredth; a warning is given where a mode was dropped.  NaN where too few of
        these samples have weight.

    Examples
    --------
    >>> model = EmbeddedPhysics(fel.systems.DoubleWell(), n_dims=1, n_steps=50).fit()
    >>> model.sample(100).shape
    (100, 2)
    """

    def __init__(self, system: Potential | MolecularEnergy | None = None, **params: Any) -> None:
        super().__init__(**params)
        self.system: Any = system
        self.log_partition_ = self.effective_sample_size_ = self.coverage_ = math.nan

    # ---- the fit

    def fit(
        self,
        system: Any = None,
        *,
        structure: ArrayLike | None = None,
        bonds: Sequence[Sequence[int]] | np.ndarray = (),
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> EmbeddedPhysics:
        """Learn from the energy of ``system``, by default the one given at first.

        Parameters
        ----------
        structure, bonds
            Of a molecule: any conformation (atom, 3) in nm, from which bonds and angles are taken after a
            minimisation, and (bond, 2) indices of bonded atoms.
        device
            "auto" (CUDA when there is one), "cpu", "cuda", ...; a ForceField computes on its own.
        callback
            Called with `progress.Progress`; returning True ends the fit early with the model so far.
        checkpoint_dir
            Folder for checkpoints; a fit that was killed resumes from there to the same numbers.
        """
        self.system = self.system if system is None else system
        self._check_settings()
        kT = thermal_energy(self.system, self.temperature)
        self._coordinates = coordinates_of(self.system, kT, structure, bonds)
        device = resolve_device(device)
        self.feature_names_ = [f"y{i + 1}" for i in range(len(self._coordinates.centre))]
        self.time_unit_ = "1"
        target = Target(self.system, kT, self._coordinates, device)
        checkpoint = checkpoint_of(self, structure, bonds, checkpoint_dir)
        trainer = Trainer(self, target, device, callback, checkpoint)
        with threads(self.n_threads):
            self._network, self.history = trainer.run()
            self._describe(trainer)
        return self

    def _check_settings(self):
        if self.posterior == "exact" and self.n_dims not in NODES:
            raise FelError(
                f"n_dims={self.n_dims} with posterior='exact'.",
                f"The exact posterior is for {sorted(NODES)} dimensions.",
                "Take posterior='encoder'.",
            )

    def _build(self, generator) -> LatentDensity:
        own = self._coordinates
        width = torch.where(own.period > 0, self.width * own.period / 4, self.width * own.scale)
        return LatentDensity(
            self.n_dims,
            own.centre,
            own.scale,
            own.period,
            width,
            generator,
            carried=own.carried,
            hidden=self.hidden,
            encoder_hidden=self.encoder_hidden if self.posterior == "encoder" else None,
        )

    def _describe(self, trainer: Trainer) -> None:
        """Set the fitted attributes and the traces of both divergences."""
        generator = random_generator(trainer.device, self.seed, 2)
        drawn = weighted_samples(self._network, trainer.target, POOL, generator)
        self.log_partition_ = tempering.log_mean_weight(drawn.log_weights)
        self.effective_sample_size_ = float(tempering.effective_sample_size(drawn.log_weights)) / POOL
        pool = trainer.pool
        assert pool is not None  # a finished training has one
        weights = tempering.truncated_weights(pool.log_weights)
        log_target = pool.log_target - self.log_partition_
        if float(1 / weights.square().sum()) >= MIN_ESS:
            rarer = DENSITY_RATIO_CUTOFF_MOLECULE if self._is_molecule else DENSITY_RATIO_CUTOFF
            self.coverage_ = tempering.coverage(log_target, self._log_prob(pool.y), weights, rarer)
        history = self.history
        cold, entropy = history["beta"] >= 1, float((weights * log_target).sum())
        self.history = history.assign(
            kl_reverse=(history["reverse"] + self.log_partition_).where(cold),
            kl_forward=(history["forward"] + entropy).where(cold | (trainer.memory is None)),
        )
        self._warn(trainer)

    def _warn(self, trainer):
        last = float(self.history["beta"][-1])
        if last < 1 and not trainer.cancelled:
            warnings.warn(
                f"The tempering ended at {last:.3g} of the target's inverse temperature: take more n_steps.",
                stacklevel=4,
            )
        elif self.coverage_ < self.coverage_needed:
            warnings.warn(
                f"The model holds {self.coverage_:.1%} of the Boltzmann weight that its hot samples found: it"
                " dropped a mode or is too narrow. Take more n_steps or restarts, or another seed.",
                stacklevel=4,
            )

    @property
    def coverage_needed(self) -> float:
        """`coverage_` below which a mode counts as dropped."""
        return COVERED_STIFF if self._is_molecule else COVERED

    @property
    def _is_molecule(self) -> bool:
        return bool(self._coordinates.stiff.any())

    # ---- what it is for

    def sample(self, n: int, *, seed: int | None = None) -> np.ndarray:
        """Coordinates drawn from the model: (n, dim), or (n, atom, 3) in nm; float64."""
        _, y = self._drawn(n, seed)
        return self._in_space(y)

    def draw(
        self,
        n: int,
        *,
        temperature: float | None = None,
        weights: str = "energy",
        seed: int | None = None,
        refined: bool = True,
    ) -> Draws:
        """Samples with CVs and importance weights, for this or another temperature.

        Parameters
        ----------
        temperature
            In K for molecules, kT in the system's unit for model systems; default that of the fit.
        weights
            "energy": pi / q from energies, which corrects the model; "model": q^(T / T_new - 1), by the
            energies that the model implies (Eqs. 40-41), which needs none.
        seed
            Default the model's own.
        refined
            As for `log_q`.
        """
        if weights not in ("energy", "model"):
            raise FelError(f"weights={weights!r}.", "Weights are by 'energy' or 'model'.")
        ratio = self._ratio(temperature)
        z, y = self._drawn(n, seed)
        log_q = self._log_prob(y, refined)
        if weights == "model":
            log_weight = (ratio - 1) * (log_q.cpu() - self._log_volume(y))
        else:
            log_weight = self._target(y.device).log_density(y, ratio)[0] - log_q
        return Draws(self._in_space(y), _numbers(z), _numbers(log_weight))

    def encode(self, x: Tensor | ArrayLike) -> np.ndarray:
        """CVs (sample, cv) of coordinates: the mean of the posterior of z."""
        y = self._features(x)
        with torch.no_grad():
            return np.concatenate([_numbers(self._network.encode(part)) for part in y.split(BLOCK // 32)])

    def decode(self, z: Tensor | ArrayLike, *, noise: bool = False, seed: int | None = None) -> np.ndarray:
        """Coordinates at CVs (sample, cv): mu(z), or with ``noise`` a draw of q(x|z)."""
        self._check_fitted()
        z = torch.as_tensor(np.atleast_2d(np.asarray(z, float))).to(self._network.centre)
        if z.shape[1] != self.n_dims:
            raise FelError(f"CVs of shape {tuple(z.shape)}.", f"They are (sample, {self.n_dims}).")
        with torch.no_grad():
            y = self._network.mean(z)
            if noise:
                generator = self._generator(seed)
                normal = torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)
                y = y + self._network.sigma() * normal
        return self._in_space(y)

    def log_q(self, x: Tensor | ArrayLike, *, refined: bool = True) -> np.ndarray:
        """ln q(x) (sample,): per Cartesian volume, for molecules rigid motion left out.

        With one or two CVs by quadrature, else estimated by draws of the encoder.  ``refined`` quadrature
        halves its spacing around each sample until ln q changes by less than .01 where q is largest (a
        warning where it does not); else its grid is that of the training, three times faster.
        """
        y = self._features(x)
        return _numbers(self._log_prob(y, refined).cpu() - self._log_volume(y))

    # ---- helpers

    def _drawn(self, n, seed):
        self._check_fitted()
        if n < 1:
            raise FelError(f"n={n}.", "At least one sample is drawn.")
        with torch.no_grad():
            return self._network.draw(n, self._generator(seed))

    def _generator(self, seed):
        return random_generator(self._network.centre.device, self.seed if seed is None else seed, 3)

    def _log_prob(self, y, refined=True):
        with torch.no_grad():
            log_prob = refined_log_prob if refined else LatentDensity.log_prob
            return torch.cat([log_prob(self._network, part) for part in y.split(BLOCK // 32)]).double()

    def _in_space(self, y) -> np.ndarray:
        return _numbers(self._coordinates.to_space(y.double().cpu()))

    def _log_volume(self, y):
        return self._coordinates.log_volume(y.double().cpu())

    def _features(self, x):
        self._check_fitted()
        y = self._coordinates.to_coordinates(torch.as_tensor(np.asarray(x, float)))
        return y.to(self._network.centre)

    def _ratio(self, temperature) -> float:
        """T / T_new, beta of the target relative to the fit's."""
        own = self.system.kT if isinstance(self.system, Potential) else self.temperature
        temperature = own if temperature is None else temperature
        if not (math.isfinite(temperature) and temperature > 0):
            raise FelError(f"temperature={temperature!r}.", "Temperatures are positive.")
        return own / temperature

    def _target(self, device) -> Target:
        if self.system is None:
            raise FelError(
                "A molecule's force field is not in the model's file.",
                "Weights by energy need it.",
                "Set model.system to the ForceField, or take weights='model'.",
            )
        kT = thermal_energy(self.system, self.temperature)
        return Target(self.system, kT, self._coordinates, device)

    # ---- the file

    def _get_arrays(self):
        arrays = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        arrays |= {f"coordinates.{name}": tensor for name, tensor in self._coordinates.arrays().items()}
        text = torch.from_numpy(np.frombuffer(system_to_json(self.system).encode(), np.uint8).copy())
        found = [self.log_partition_, self.effective_sample_size_, self.coverage_]
        return arrays | {"system": text, "found": torch.tensor(found, dtype=torch.float64)}

    def _set_arrays(self, arrays):
        inside = {
            part: {n.removeprefix(part): a for n, a in arrays.items() if n.startswith(part)}
            for part in ("network.", "coordinates.")
        }
        self._coordinates = coordinates.from_arrays(inside["coordinates."])
        self.system = system_from_json(bytes(arrays["system"].numpy()).decode())
        self._network = self._build(torch.Generator()).to(dtype=getattr(torch, self.dtype))
        self._network.load_state_dict(inside["network."])
        self.log_partition_, self.effective_sample_size_, self.coverage_ = arrays["found"].tolist()


def _numbers(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
