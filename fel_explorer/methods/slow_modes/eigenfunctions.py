"""Eigenfunctions of the generator or the transfer operator by neural networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import molecular_features as molecular
from fel_explorer.methods import parameters
from fel_explorer.methods.koopman.ritz import orient, ritz, ritz_error
from fel_explorer.methods.koopman.timescales import TimeScales
from fel_explorer.methods.nets import on_features
from fel_explorer.methods.network_method import NetworkMethod, frame_weight, lag_pairs
from fel_explorer.methods.registry import register
from fel_explorer.methods.slow_modes import eigenfunction_objective as objective
from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets
from fel_explorer.methods.slow_modes.generator import (
    check_coordinates,
    check_diffusion,
    scaled_diffusion,
    slowest_linear_rate,
)
from fel_explorer.progress import Callback
from fel_explorer.training.constants import device_constant
from fel_explorer.training.data import BLOCK, Frames, Scaling, fingerprint
from fel_explorer.training.loop import Losses


@register
class Eigenfunctions(NetworkMethod):
    """Learns the slowest modes and their rates as functions of the features, a network for each mode.

    ``operator="transfer"`` compares frames ``lag_time`` apart and takes any features.
    ``operator="generator"`` needs no lag and no order of frames, only samples of the equilibrium
    distribution (or weights): it uses gradients by the coordinates of overdamped dynamics, whose diffusion
    coefficients are given.  The features are those coordinates, or features of molecules whose positions
    are given to `fit`.  Each function is a network of its own.  After the
    training a Ritz rotation in float64 over all data gives the eigenfunctions: slowest first, mean 0,
    variance 1, the rare side positive.

    Source: W. Zhang, T. Li and C. Schuette, J. Comput. Phys. 465, 111377 (2022),
    doi:10.1016/j.jcp.2022.111377; W. Zhang, slides (2024) [zhang2024slides], Eqs. 4-6 (generator) and 7
    (transfer operator); the published loss is ``loss="penalty"``. The resolvent loss, the default, is this
    package's own.

    Attributes
    ----------
    eigenvalues_
        (cv,) rates, in inverse time units, slowest first; for the transfer operator -ln sigma / tau,
        infinite where its eigenvalue sigma is not positive.
    eigenvalue_errors_
        (cv,) standard errors from sampling, by the jackknife over ten segments of the data.
    implied_timescales_
        (cv,) 1 / eigenvalue in the dataset's time unit.
    history
        Holds the rates of each step's batch too; see `methods.late_rates`.

    Examples
    --------
    >>> data = fel.systems.MullerBrown().simulate(2000, 10)
    >>> fel.Eigenfunctions(operator="generator", n_dims=1, n_steps=10).fit(data).eigenvalues_.shape
    (1,)
    """

    needs_lag = True
    has_modes = True
    has_timescales = True
    fitted = ("eigenvalues_", "eigenvalue_errors_", "implied_timescales_")
    _network: EigenfunctionNets
    _positions: xr.DataArray | None
    _molecule = _positions = None  # the features as a function of coordinates, and these

    operator: param.Selector[str] = param.Selector(
        default="transfer",
        objects=["transfer", "generator"],
        precedence=1,
        label="Operator",
        doc="'transfer' compares frames a lag apart, for any features; 'generator' uses gradients, for "
        "coordinates of overdamped dynamics only, and needs no lag.",
    )
    lag_time = parameters.lag_time(
        doc="Of the transfer operator, in the data's time unit (ps for molecules).", precedence=1.1
    )
    n_dims = parameters.n_dims(3, doc="Number of eigenfunctions.", precedence=1.2)
    hidden = param.List(
        default=[20, 20, 20], doc="Widths of the hidden layers (tanh) of each eigenfunction's network."
    )
    loss: param.Selector[str] = param.Selector(
        default="resolvent",
        objects=["resolvent", "penalty"],
        precedence=10.3,
        label="Loss",
        doc="'resolvent' needs no further settings; 'penalty' is the published loss: weighted energies, and "
        "a penalty that keeps the functions apart. It can miss the third of several modes.",
    )
    omega = param.List(
        [],
        item_type=(int, float),
        precedence=10.5,
        label="Weights omega",
        doc="Of the energies in the 'penalty' loss, one for each dimension, not increasing. None: from 1 "
        "down to 0.6.",
    )
    alpha = param.Number(
        20.0,
        bounds=(0, None),
        precedence=10.6,
        label="Penalty alpha",
        doc="Of covariances that are not 0 and variances that are not 1, in the 'penalty' loss.",
    )
    diffusion = param.List(
        [1.0],
        item_type=(int, float),
        bounds=(1, None),
        precedence=10.7,
        label="Diffusion coefficients",
        doc="For the generator: kT / friction, in squared coordinate per time (nm^2/ps for molecules); one "
        "for all coordinates, or one each (of molecules: one for each atom).",
    )

    def needs_positions(self, dataset: xr.Dataset) -> bool:
        return self.operator == "generator" and {"topology", "featurizers"} <= dataset.attrs.keys()

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        positions: ArrayLike | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> Eigenfunctions:
        """Fit; see `Method.fit`.

        Parameters
        ----------
        positions
            For the generator on features of molecules: (frame, atom, 3) in nm, all atoms of the topology,
            such as ``trajs.frames(range(trajs.n_frames)).xyz``.  Distances, torsions and coordinates are
            differentiated by them; `transform` needs the features only.
        """
        dataset = schema.as_dataset(X)
        self._molecule = self._positions = None
        if positions is not None:
            if self.operator != "generator" or not {"topology", "featurizers"} <= dataset.attrs.keys():
                raise FelError(
                    f"positions with operator='{self.operator}' on {dataset['feature'].values[0]}, ...",
                    "Positions are for operator='generator' and datasets made by fel.featurize.",
                    "Leave them out.",
                )
            self._molecule, self._positions = molecular.coordinates(dataset, positions)
            check_diffusion(self, np.shape(positions)[1], "atom")
        return super().fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    # ---- training

    def _frames(self, dataset, scaling, device):
        if self._positions is None:
            return super()._frames(dataset, scaling, device)
        n = self._positions.shape[1]
        plain = Scaling(torch.zeros(n), torch.ones(n), torch.ones(n, dtype=torch.bool))
        return Frames(self._with_positions(dataset), plain, device)

    def _with_positions(self, dataset):
        return dataset.drop_dims("feature").assign(features=self._positions)

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None and self._molecule is not None:
            checkpoint.config["positions"] = fingerprint(self._with_positions(dataset))
        return checkpoint

    def _lag(self, dataset):
        if self.loss == "penalty":
            objective.check_omega(self.omega, self.n_dims)
        if self.operator == "transfer":
            return schema.lag_in_frames(dataset, self.lag_time)
        if self._molecule is None:
            check_coordinates(dataset)
            check_diffusion(self, dataset.sizes["feature"])
        return 0

    def _build(self, n_features, generator):
        return EigenfunctionNets(n_features, self.hidden, self.n_dims, generator)

    def _prepare(self, scaling, generator):
        super()._prepare(scaling, generator)
        # until the modes are known, a live map shows the networks' values
        device = scaling.mean.device
        self._mean = torch.zeros(self.n_dims, dtype=torch.float64, device=device)
        self._axes = torch.eye(self.n_dims, dtype=torch.float64, device=device)
        self._rate = None

    def _forms(self, batch):
        """E and C of the functions on a batch."""
        if self.operator == "transfer":
            now, later = batch.halves(self._network(batch.frames))
            return objective.transfer_forms(now, later, batch.weight, self.lag_time)
        frames, _ = batch.halves(batch.frames)
        values, gamma = self._values_and_gamma(frames)
        return objective.generator_forms(values, gamma, batch.weight)

    def _values_and_gamma(self, frames):
        """Values (frame, function) and carre du champ (frame, function, function)."""
        if self._molecule is None:
            values, gradients = self._network.values_and_gradients(frames)
            return values, objective.carre_du_champ(gradients, scaled_diffusion(self, self._scaling))
        values, gradients = molecular.pull_back(self._network, self._molecule, self._scaling, frames)
        diffusion = self._atom_diffusion(gradients)
        return values, objective.carre_du_champ(gradients, diffusion)

    def _losses(self, batch, generator):
        energy, covariance = self._forms(batch)
        rates = objective.ritz_values(energy.detach(), covariance.detach())
        if self.operator == "transfer":
            rates = -torch.log((1.0 - rates * self.lag_time).clamp_min(1e-12)) / self.lag_time
        terms = {f"rate_{i + 1}": rates[i] if i < len(rates) else float("nan") for i in range(self.n_dims)}
        return Losses(self.objective(energy, covariance), None, terms)

    def objective(self, energy: Tensor, covariance: Tensor, rate: Tensor | None = None) -> torch.Tensor:
        """The chosen loss of functions with these E and C (function, function).

        ``rate`` is c of the resolvent, which makes values of different steps comparable.
        """
        if self.loss == "resolvent":
            return objective.resolvent_loss(energy, covariance, rate)
        weights = tuple(map(float, self.omega or np.linspace(1.0, 0.6, self.n_dims)))
        given = energy, covariance, device_constant(weights, torch.float64, energy.device), self.alpha
        if self.operator == "transfer":
            return objective.transfer_penalty_loss(*given, self.lag_time)
        return objective.penalty_loss(*given)

    def _figure_of_merit(self, training, held_out):
        if self._rate is None:
            self._rate = self._slowest_linear_rate(training)
        return float(objective.figure_of_merit(self._forms(training), self._forms(held_out), self._rate))

    def _slowest_linear_rate(self, batch):
        """A fixed scale of rates for all validations."""
        if self._molecule is None:
            return slowest_linear_rate(self, self._scaling, batch)
        frames, _ = batch.halves(batch.frames)
        values, gradients = molecular.linear_functions(self._molecule, self._scaling, frames)
        diffusion = self._atom_diffusion(gradients)
        gamma = objective.carre_du_champ(gradients, diffusion)
        return ritz(*objective.generator_forms(values, gamma, batch.weight))[0][0]

    def _atom_diffusion(self, like):
        """Diffusion coefficients (coordinate,) of the molecule, of the dtype and device of ``like``."""
        assert self._molecule is not None
        values = molecular.diffusion_coefficients(self._molecule, self.diffusion)
        return device_constant(tuple(values.tolist()), like.dtype, like.device)

    # ---- after the training

    def _describe(self, dataset, frames, lag):
        weight, device = frame_weight(dataset, frames.device), frames.device
        if self.operator == "transfer":
            outputs = torch.cat([self._network(x.to(device)) for x in frames.values.split(BLOCK)])
            now, later, sample = lag_pairs(outputs, dataset, lag, weight)

            def forms(weight):
                return objective.transfer_forms(now, later, weight, self.lag_time)
        else:
            outputs, gamma = self._values_and_energies(frames)
            sample = weight

            def forms(weight):
                return objective.generator_forms(outputs, gamma, weight)

        energies, vectors = ritz(*forms(sample))
        found = len(energies)
        self._mean = weight @ outputs.double() / weight.sum()
        axes = orient(vectors, outputs, self._mean, weight)
        self._axes = torch.nn.functional.pad(axes, (0, self.n_dims - found))
        self._set_rates(energies.cpu().numpy(), ritz_error(forms, sample, found).cpu().numpy())

    def _values_and_energies(self, frames):
        """Values (frame, function) and carre du champ (frame, function, function) of all frames."""
        blocks = []
        for x in frames.values.split(BLOCK):
            values, gamma = self._values_and_gamma(x.to(frames.device))
            blocks.append((values.detach(), gamma.detach()))
        values, gamma = zip(*blocks, strict=True)
        return torch.cat(values), torch.cat(gamma)

    def _set_rates(self, energies, errors):
        """Set the fitted attributes from the Ritz eigenvalues (mode,) and their errors."""
        missing = self.n_dims - len(energies)
        if self.operator == "transfer":
            sigma = np.clip(1.0 - energies * self.lag_time, 0.0, None)
            with np.errstate(divide="ignore", invalid="ignore"):
                energies, errors = -np.log(sigma) / self.lag_time, errors / sigma
        self.eigenvalues_ = np.pad(energies, (0, missing), constant_values=np.inf)
        self.eigenvalue_errors_ = np.pad(errors, (0, missing), constant_values=np.nan)
        self.implied_timescales_ = 1.0 / self.eigenvalues_

    # ---- the verbs and the file

    @property
    def lags(self) -> tuple[float, ...]:
        """The lag of the transfer operator; () for the generator, which has none."""
        return (self.lag_time,) if self.operator == "transfer" else ()

    def _timescales(self):
        return TimeScales(self.implied_timescales_, self.time_unit_ or "", self.eigenvalue_errors_)

    def dense_layers(self) -> list[tuple[np.ndarray, np.ndarray, str]]:
        """(weight (out, in), bias (out,), "Tanh" or "Linear") of each layer from features to CV, float64."""
        self._check_fitted()
        layers, rotation = self._network.as_one(), self._axes.cpu().numpy().T
        weight, bias = layers[-1]
        layers[-1] = rotation @ weight, rotation @ (bias - self._mean.cpu().numpy())
        first_weight, first_bias = layers[0]
        layers[0] = on_features(first_weight, first_bias, self._scaling)
        names = ["Tanh"] * (len(layers) - 1) + ["Linear"]
        return [(weight, bias, name) for (weight, bias), name in zip(layers, names, strict=True)]

    def _transform(self, features):
        values = self._network(self._scaled(features)).double()
        return ((values - self._mean) @ self._axes).float()

    def _get_arrays(self):
        return super()._get_arrays() | {"axes": self._axes, "mean_output": self._mean}

    def _set_arrays(self, arrays):
        super()._set_arrays(arrays)
        self._axes, self._mean = arrays["axes"], arrays["mean_output"]
