"""Linear Koopman propagation of latents: the rival that every nonlinear propagator has to beat."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import ArrayLike

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.kinetics.projected_rates import forms, pair_moments, whitening
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Model
from fel_explorer.methods.latent_simulator.latent_support import starts_of
from fel_explorer.methods.registry import register_model
from fel_explorer.resampling import Blocks

SUPPORT = 20_000  # frames that are kept to start from


@register_model
class LinearPropagator(Model):
    """Propagates latents linearly in the modes of their Koopman operator, with Gaussian noise.

    In coordinates in which the equilibrium covariance is 1 and the Koopman operator diagonal, each mode
    decays by its eigenvalue a lag, and noise of variance 1 - lambda^2 keeps its equilibrium variance.  Means
    are those of Eq. 4 of the source; densities stay Gaussian, so that it has no metastable states.

    Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, Eq. 4;
    as a rival of learned propagators, doi:10.48550/arXiv.2509.02196.

    Attributes
    ----------
    eigenvalues_
        (mode,) of the Koopman operator at the lag, largest first.
    mean_, modes_
        (cv,) and (cv, mode): mode values are (z - mean) @ modes.
    support_
        (n, cv) some of the latents it was fitted to.
    """

    lag_time = parameters.lag_time(doc="Time of a simulated step, in the data's time unit.")

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        lag = schema.lag_in_frames(dataset, self.lag_time)
        z = np.asarray(dataset["features"].values, float)
        spread = np.where(z.std(axis=0) > 0, z.std(axis=0), 1.0)
        blocks = Blocks.of_lengths(schema.trajectory_lengths(dataset), n_blocks=2)
        energy, covariance = forms(pair_moments(blocks, z, lag).sum(axis=0), 1.0)
        whiten = whitening(covariance)
        values, vectors = np.linalg.eigh(whiten.T @ energy @ whiten)
        self.eigenvalues_ = np.clip(1.0 - values, -1.0, 1.0)
        self.mean_, self.modes_ = z.mean(axis=0), whiten @ vectors / spread[:, None]
        random = np.random.default_rng([self.seed, 3])
        kept = np.sort(random.choice(len(z), min(SUPPORT, len(z)), replace=False))
        self.support_ = z[kept].astype(np.float32)

    @property
    def n_dims(self) -> int:
        """Number of latents."""
        return len(self.fitted_feature_names())

    def expected(
        self, Z: ArrayLike, n_steps: int, *, dropped: tuple[int, ...] = ()
    ) -> Float[np.ndarray, "frame cv"]:
        """Mean latents ``n_steps`` lags after latents ``Z`` (frame, cv): each mode decays by its eigenvalue.

        Parameters
        ----------
        dropped
            Modes, from 0, that are set to their equilibrium value.

        Raises
        ------
        FelError
            If a dropped mode does not exist, or steps are negative.
        """
        self._check_fitted()
        n = len(self.eigenvalues_)
        if n_steps < 0 or any(not 0 <= mode < n for mode in dropped):
            raise FelError(
                f"n_steps={n_steps}, dropped={dropped}.", f"Steps are 0 or more, modes 0 to {n - 1}."
            )
        factors = self.eigenvalues_**n_steps
        factors[list(dropped)] = 0.0
        modes = (np.atleast_2d(np.asarray(Z, float)) - self.mean_) @ self.modes_
        return self.mean_ + (modes * factors) @ np.linalg.pinv(self.modes_)

    def simulate(
        self,
        n_steps: int,
        n_trajectories: int = 1,
        *,
        start: ArrayLike | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: object = None,
    ) -> xr.Dataset:
        """Simulate trajectories; arguments and result as `MixtureDensityPropagator.simulate`."""
        self._check_fitted()
        if n_steps < 1 or n_trajectories < 1:
            raise FelError(
                f"n_steps={n_steps}, n_trajectories={n_trajectories}.", "Both are whole numbers from 1 up."
            )
        seed = self.seed if seed is None else seed
        random = np.random.default_rng([seed, 4])
        z = starts_of(self.support_, start, n_trajectories, random).numpy().astype(float)
        modes, width = (z - self.mean_) @ self.modes_, np.sqrt(1.0 - self.eigenvalues_**2)
        frames = np.empty((n_trajectories, n_steps, len(self.eigenvalues_)))
        for step in range(n_steps):
            modes = modes * self.eigenvalues_ + width * random.normal(size=modes.shape)
            frames[:, step] = modes
        latents = self.mean_ + frames.reshape(-1, modes.shape[1]) @ np.linalg.pinv(self.modes_)
        return schema.assemble(
            latents.astype(np.float32), self.fitted_feature_names(), [n_steps] * n_trajectories,
            time_step=float(self.lag_time), time_unit=self.time_unit_ or "1",
            attrs={"clipped": 0.0, "simulated_by": type(self).__name__, "simulation_seed": seed},
        )  # fmt: skip

    def _get_arrays(self):
        names = ("eigenvalues_", "mean_", "modes_", "support_")
        return {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in names}

    def _set_arrays(self, arrays):
        for name, value in arrays.items():
            setattr(self, name, value.numpy())
