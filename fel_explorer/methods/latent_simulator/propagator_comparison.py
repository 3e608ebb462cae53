"""Propagators of latents against each other and the data, and the choice of new starting points by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.latent_simulator import latent_report
from fel_explorer.methods.latent_simulator.linear_propagator import LinearPropagator
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator
from fel_explorer.progress import Callback


def compare_propagators(
    latents: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    propagators: Mapping[str, MixtureDensityPropagator | LinearPropagator],
    lag_time: float,
    *,
    n_steps: int | None = None,
    n_trajectories: int = 100,
    seed: int = 0,
    device: str | torch.device = "auto",
) -> xr.Dataset:
    """Compare simulations by fitted propagators with the data's trajectories in the latents.

    Rivals of a `MixtureDensityPropagator` at the lag: `LinearPropagator`, linear Koopman propagation; and a
    `MixtureDensityPropagator` with ``n_kernels=1`` at a short lag, which is the Euler-Maruyama scheme of
    overdamped Langevin dynamics with learned drift and diffusion.

    Parameters
    ----------
    latents
        The data in the latent space, such as `LatentSpaceSimulator.latents`.
    propagators
        {name: fitted propagator}, whose lags divide ``lag_time``.
    lag_time
        At which all are compared; a propagator of a shorter lag takes several steps.
    n_steps, n_trajectories
        Lags of each simulated trajectory, by default as many as the longest of the data has; and how many.

    Returns
    -------
    Dataset over ``propagator`` (the first is "MD") and ``process``: ``time`` with ``error`` by the
    eigenproblem at the lag, ``autocorrelation_time`` with ``autocorrelation_error``, the fits of Table 1; and
    over ``propagator``: ``free_energy_rms`` in kT along the first latent (of MD: of its two halves),
    ``transition_density_variation``, ``transitions`` per time, ``clipped``.

    Raises
    ------
    FelError
        If there are no propagators, or a lag does not divide ``lag_time``.

    Notes
    -----
    Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, Table 1;
    a comparison of this kind: doi:10.48550/arXiv.2509.02196.
    """
    dataset = schema.as_dataset(latents)
    lag = schema.lag_in_frames(dataset, lag_time)
    md = latent_report.parts_of(dataset)
    n_steps = n_steps or max(2, max(map(len, md)) // lag)
    if not propagators:
        raise FelError("No propagators.", "At least one fitted propagator is compared with the data.")
    found, clipped = {}, {}
    for name, propagator in propagators.items():
        every = lag_time / propagator.lag_time
        if abs(every - round(every)) > 1e-6 or every < 1:
            raise FelError(
                f"'{name}' has the lag {propagator.lag_time:g}, which does not divide {lag_time:g}.",
                "A propagator takes a whole number of steps in a lag.",
            )
        every = round(every)
        simulated = propagator.simulate(n_steps * every, n_trajectories, seed=seed, device=device)
        parts = [part[every - 1 :: every] for part in latent_report.parts_of(simulated)]
        found[name] = latent_report.compare(md, parts, lag, lag_time)
        clipped[name] = float(simulated.attrs["clipped"])
    first = next(iter(found.values()))
    scales = [first["time_scales"].sel(ensemble="md", drop=True)]
    scales += [one["time_scales"].sel(ensemble="synthetic", drop=True) for one in found.values()]
    table = xr.concat(scales, "propagator").assign_coords(propagator=["MD", *found])
    columns = {
        "free_energy_rms": [
            first["free_energy"].attrs["rms_of_halves"],
            *(one["free_energy"].attrs["rms"] for one in found.values()),
        ],
        "transition_density_variation": [
            0.0,
            *(one["transition_density"].attrs["total_variation"] for one in found.values()),
        ],
        "transitions": [
            first["transitions"]["md"] / first["time"]["md"],
            *(one["transitions"]["synthetic"] / one["time"]["synthetic"] for one in found.values()),
        ],
        "clipped": [0.0, *clipped.values()],
    }
    named = {name: ("propagator", values) for name, values in columns.items()}
    return table.assign(named).assign_attrs(lag_time=float(lag_time), time_unit=dataset.attrs["time_unit"])


def fit_rivals(
    latents: xr.Dataset,
    propagator: MixtureDensityPropagator,
    *,
    device: str | torch.device = "auto",
    callback: Callback | None = None,
) -> dict[str, MixtureDensityPropagator | LinearPropagator]:
    """The two usual rivals of a fitted propagator, fitted to the same latents.

    "linear Koopman" propagates at the lag of ``propagator``; "Langevin" is one Gaussian kernel at the time
    step of the latents, with as many steps of training.
    """
    linear = LinearPropagator(lag_time=propagator.lag_time, seed=propagator.seed)
    settings = propagator.hyperparameters() | {"n_kernels": 1, "lag_time": schema.time_step(latents)}
    langevin = MixtureDensityPropagator(**settings)
    return {
        "linear Koopman": linear.fit(latents, device="cpu"),
        "Langevin": langevin.fit(latents, device=device, callback=callback),
    }


def propose_starts(
    propagators: Sequence[MixtureDensityPropagator],
    latents: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    n: int = 10,
    *,
    n_candidates: int = 5000,
    seed: int = 0,
) -> xr.Dataset:
    """Frames from which new simulations would teach a propagator most: where an ensemble of them disagrees.

    The uncertainty of a frame is the variance, over propagators that differ in the seed or the data, of the
    mean latents a lag later, in units of the latents' variance.  Frames are chosen one after another by
    uncertainty times the distance to those chosen before.

    Parameters
    ----------
    propagators
        At least two, fitted to the same latents at the same lag.
    n_candidates
        Frames, evenly over the data, among which are chosen.

    Returns
    -------
    Dataset over ``start``: ``frame`` its index in the data, ``uncertainty``, and ``latent`` (start, cv).

    Raises
    ------
    FelError
        For fewer than two propagators, different lags, or fewer candidates than starts.

    Notes
    -----
    An outlook of H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h,
    section 4.
    """
    dataset = schema.as_dataset(latents)
    if len(propagators) < 2 or len({p.lag_time for p in propagators}) > 1:
        raise FelError(
            f"{len(propagators)} propagators with lags {sorted({p.lag_time for p in propagators})}.",
            "At least two propagators of one lag can disagree.",
            "Fit several that differ in the seed.",
        )
    size = dataset.sizes["frame"]
    frames = np.unique(np.linspace(0, size - 1, min(size, n_candidates)).astype(int))
    if not 1 <= n <= len(frames):
        raise FelError(f"n={n} of {len(frames)} candidates.", "There are at least as many candidates.")
    z = np.asarray(dataset["features"].values[frames], float)
    scale = np.asarray(dataset["features"].values, float).std(axis=0)
    means = np.stack([p.expected(z) for p in propagators])
    uncertainty = (means.var(axis=0, ddof=1) / scale**2).mean(axis=1)
    scaled = z / scale
    chosen = [int(uncertainty.argmax())]
    nearest = np.linalg.norm(scaled - scaled[chosen[0]], axis=1)
    while len(chosen) < n:
        chosen.append(int(np.argmax(uncertainty * nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    return xr.Dataset(
        {
            "frame": ("start", frames[chosen]),
            "uncertainty": ("start", uncertainty[chosen]),
            "latent": (("start", "cv"), z[chosen]),
        }
    )
