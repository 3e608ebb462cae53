"""A propagator of latents: the density of the next point, learnt from trajectories in the embedding."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.data import schema
from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.latent_simulator.latent_support import Support, cells_of, starts_of
from fel_explorer.methods.latent_simulator.mixture_network import Mixture, MixtureNetwork, propagate
from fel_explorer.methods.network_method import NetworkModel
from fel_explorer.methods.registry import register_model
from fel_explorer.progress import Callback
from fel_explorer.training.loop import Losses, threads
from fel_explorer.training.pairs import pair_starts, segments_of
from fel_explorer.training.random import random_generator

SUPPORT = 20_000  # frames of the data that the model keeps: starts of simulations, and where data were
BY_CELL = 0.5  # fraction of the pairs drawn evenly over the cells of the data: rare regions are learnt too
QUADRATURE = 4  # points in each bin of a transition matrix


@register_model
class MixtureDensityPropagator(NetworkModel):
    """Learns p(z at t + lag | z at t) of latents z as a mixture of Gaussians, and simulates by it.

    Latents are standardised; the likelihood of pairs of frames ``lag_time`` apart is maximised, half of them
    drawn evenly over the places of the data.  Simulated points where there are no data are moved to the
    nearest frame; see `latent_support` for both.

    Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section
    2.2 and Eq. 5. Its sigmoid means of latents scaled to [0, 1] are ``form="bounded"``; the default predicts
    the deviation from a linear process.

    Attributes
    ----------
    support_
        (n, cv) some of the latents it was fitted to.
    low_, high_
        (cv,) range of the latents.
    time_step_
        Time between two simulated frames, the lag.

    Examples
    --------
    >>> z = np.cumsum(np.random.default_rng(0).normal(size=(500, 1)), axis=0) % 7
    >>> propagator = MixtureDensityPropagator(lag_time=1.0, n_steps=10).fit(z)
    >>> propagator.simulate(100, n_trajectories=3).sizes["frame"]
    300
    """

    fitted = ("support_", "low_", "high_", "time_step_")
    _network: MixtureNetwork

    lag_time = parameters.lag_time(
        doc="Time of a simulated step, in the data's time unit. Long enough that the latents have no memory."
    )
    n_kernels = param.Integer(
        24, bounds=(1, 1000), precedence=1.1, label="Kernels", doc="Gaussians in the mixture."
    )
    reversible = parameters.reversible(
        False,
        doc="Learn from both directions of time. For data at equilibrium only.",
        label="Reversible",
        precedence=1.2,
    )
    form: param.Selector[str] = param.Selector(
        default="residual",
        objects=["residual", "bounded"],
        precedence=10.3,
        label="Form of the means",
        doc="residual: deviation from a linear process. bounded: sigmoids on the data's range as published.",
    )
    n_steps = param.Integer(
        default=3000,
        doc="Steps of training. More improve rare regions of large data; small data are overfitted.",
    )
    learning_rate = param.Number(default=3e-3)
    validation_fraction = param.Number(
        default=0.0,
        doc="Fraction of the data held out to stop early by, for short data. 0 trains on everything.",
    )
    batch_size = param.Integer(default=4096, doc="Pairs of frames in each step.")

    # ---- training

    def _build(self, n_features, generator):
        return MixtureNetwork(n_features, self.n_kernels, self.hidden, self.form, generator)

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        self._keep_support(dataset["features"].values)
        super()._fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        values = frames.values
        starts = torch.as_tensor(
            pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag), device=values.device
        )
        x, y = values[starts], values[starts + lag]
        if self.reversible:
            x, y = torch.cat([x, y]), torch.cat([y, x])
        self._network.set_data(x, y, values.min(0).values, values.max(0).values)
        return super()._train(dataset, frames, lag, callback, checkpoint_dir)

    def _keep_support(self, features):
        self.low_, self.high_ = features.min(axis=0), features.max(axis=0)
        n_frames = len(features)
        random = np.random.default_rng([self.seed, 3])
        self.support_ = features[np.sort(random.choice(n_frames, min(SUPPORT, n_frames), replace=False))]
        self.time_step_ = float(self.lag_time)

    def _pairing(self, frames):
        cells = cells_of(self._inner(self.support_).cpu(), frames.values, self.seed)
        return {"both_ways": self.reversible, "cells": cells}

    def _batch(self, pairs, generator):
        # what comes after a place is the same however often one looks there: no importance weights
        return pairs.draw(self.batch_size, generator, cell_share=BY_CELL, unbias=0.0)

    def _losses(self, batch, generator):
        x, y = batch.halves(batch.frames)
        likelihood = self._likelihood(x, y, batch.weight)
        return Losses(-likelihood, None, {"log_likelihood": likelihood.detach()})

    def _figure_of_merit(self, training, held_out):
        x, y = held_out.halves(held_out.frames)
        merit = self._likelihood(x, y, held_out.weight)
        if self.reversible:
            merit = (merit + self._likelihood(y, x, held_out.weight)) / 2
        return float(merit)

    def _likelihood(self, x, y, weight):
        return (weight * self._network(x).log_likelihood(y)).sum() / weight.sum()

    # ---- what it knows

    @property
    def n_dims(self) -> int:
        """Number of latents."""
        return len(self.fitted_feature_names())

    def log_likelihood(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> float:
        """Mean ln p(z at t + lag | z at t) over data ``X``, per pair, of latents in their own unit."""
        self._check_fitted()
        dataset = schema.as_dataset(X)
        lag = schema.lag_in_frames(dataset, self.lag_time)
        starts = pair_starts(segments_of(schema.trajectory_lengths(dataset)), lag)
        with torch.no_grad():
            z = self._inner(dataset["features"].values)
            values = self._network(z[starts]).log_likelihood(z[starts + lag])
        return float(values.mean() - self._scaling.scale[self._scaling.keep].log().sum())

    def expected(self, Z: ArrayLike) -> np.ndarray:
        """Mean latents (frame, cv) a lag after latents ``Z`` (frame, cv), before any clipping."""
        with torch.no_grad():
            mixture = self._network(self._inner(np.atleast_2d(np.asarray(Z))))
            mean = (mixture.log_weights.exp()[:, :, None] * mixture.means).sum(dim=1)
            return self._scaling.to("cpu").inverse(mean.cpu()).numpy()

    def _inner(self, latents) -> torch.Tensor:
        """Input of the network (frame, cv) for latents (frame, cv)."""
        return self._scaled(torch.from_numpy(np.asarray(latents, np.float32)))

    def transition_matrix(self, edges: ArrayLike) -> np.ndarray:
        """P(bin at t + lag | bin at t) of a one-dimensional latent, (bin, bin), by quadrature.

        Parameters
        ----------
        edges
            (bin + 1,) increasing.  What would leave them is clipped into the outer bins, and what would go
            where no data are to the bin of the nearest frame, as simulations are.
        """
        edges = np.asarray(self._on_a_line(edges), float)
        nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
        width = np.diff(edges)
        points = edges[:-1, None] + width[:, None] * (nodes + 1) / 2
        inside = np.clip(points, self.low_, self.high_)
        probability = np.diff(self.cumulative(inside.ravel(), edges[1:-1]), axis=1, prepend=0.0, append=1.0)
        free = np.einsum("q,iqj->ij", weights / 2, probability.reshape(len(width), QUADRATURE, -1))
        clipped, _ = self._support("cpu").clip(self._inner(points.mean(axis=1)[:, None]).cpu())
        landed = self._scaling.to("cpu").inverse(clipped)[:, 0].numpy()
        target = np.clip(np.digitize(landed, edges) - 1, 0, len(width) - 1)
        return free @ np.eye(len(width))[target]

    def cumulative(self, points: ArrayLike, edges: ArrayLike) -> np.ndarray:
        """P(latent < edge at t + lag | point at t), (point, edge), of a one-dimensional latent."""
        self._on_a_line(None)
        x, y = (self._inner(np.asarray(v)[:, None]) for v in (points, edges))
        with torch.no_grad():
            mixture = self._network(x)
            widened = Mixture(*(getattr(mixture, n).double() for n in ("log_weights", "means", "widths")))
            return widened.cumulative(y[:, 0].double()).cpu().numpy()

    def stationary_density(self, n_bins: int = 500) -> xr.DataArray:
        """Density of a one-dimensional latent after infinitely many steps, over its range in the data.

        Returns
        -------
        DataArray (x,), at the centres of the bins; its integral is 1.
        """
        edges = np.linspace(float(self.low_[0]), float(self.high_[0]), n_bins + 1)
        values, vectors = np.linalg.eig(self.transition_matrix(edges).T)
        density = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
        density /= density.sum() * (edges[1] - edges[0])
        return xr.DataArray(density, dims="x", coords={"x": (edges[1:] + edges[:-1]) / 2}, name="density")

    def _on_a_line(self, edges):
        if self.n_dims != 1:
            raise FelError(
                f"A propagator of {self.n_dims} latents.",
                "Densities by quadrature are there for one latent.",
                "Simulate, and make a histogram of the frames.",
            )
        return edges

    # ---- simulation

    def simulate(
        self,
        n_steps: int,
        n_trajectories: int = 1,
        *,
        start: ArrayLike | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
    ) -> xr.Dataset:
        """Simulate trajectories in the latents, all of them at once.

        Parameters
        ----------
        n_steps
            Frames of each trajectory, ``lag_time`` apart; the start is not among them.
        start
            Latents (cv,) or (trajectory, cv) to start from; default: drawn from the data.
        seed
            Default the propagator's own.  The same seed gives the same numbers on the same kind of device.
        callback
            Called with `progress.Progress`; returning True stops and keeps the frames so far.

        Returns
        -------
        Dataset of the schema, the latents as its features, time in the unit of the data.  Its attrs hold
        ``clipped``, the fraction of steps that would have gone where there are no data.

        Raises
        ------
        FelError
            For less than one step or trajectory, or starts of another shape.
        """
        self._check_fitted()
        if n_steps < 1 or n_trajectories < 1:
            raise FelError(
                f"n_steps={n_steps}, n_trajectories={n_trajectories}.", "Both are whole numbers from 1 up."
            )
        device, seed = resolve_device(device), self.seed if seed is None else seed
        z = starts_of(self.support_, start, n_trajectories, np.random.default_rng([seed, 4]))
        with threads(self.n_threads if device.type == "cpu" else 0):
            network, support = copy.deepcopy(self._network).to(device), self._support(device)
            start = self._scaling.to(device)(z.to(device)).clamp(support.low, support.high)
            generator = random_generator(device, seed, 5)
            scaled, clipped = propagate(network, start, support, n_steps, generator, callback)
        n_done = len(scaled)
        frames = self._scaling.to("cpu").inverse(scaled.transpose(0, 1).flatten(0, 1))
        frames = frames.clamp(torch.as_tensor(self.low_), torch.as_tensor(self.high_))
        return schema.assemble(
            frames.numpy(),
            self.fitted_feature_names(),
            [n_done] * n_trajectories,
            time_step=self.time_step_,
            time_unit=self.time_unit_ or "1",
            attrs={"clipped": clipped, "simulated_by": type(self).__name__, "simulation_seed": seed},
        )

    def _support(self, device) -> Support:
        scaling = self._scaling.to(device)
        parts = (np.atleast_2d(v) for v in (self.support_, self.low_, self.high_))
        frames, low, high = (scaling(torch.as_tensor(v, device=device)) for v in parts)
        return Support(frames, low[0], high[0])
