"""Simulations in a latent space against the data's own trajectories in it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.free_energy import FreeEnergy, Grid, aligned_rms, estimate
from fel_explorer.kinetics import relaxation
from fel_explorer.resampling import N_BLOCKS

BINS = 40  # along psi_1, between the quantiles QUANTILES of the data
QUANTILES = 0.001, 0.999
MULTIPLES = 1, 2, 4  # of the lag, for the tests of memory
RETURNS = 1, 2, 4, 8  # of the lag, for the Chapman-Kolmogorov test
BARRIER = 0.5  # kT that a border between two basins along psi_1 rises above the shallower


def parts_of(latents: xr.Dataset) -> list[np.ndarray]:
    """Latents (frame, cv) of each trajectory."""
    values = latents["features"].values
    return np.split(values, np.cumsum(schema.trajectory_lengths(latents))[:-1])


def compare(md: list[np.ndarray], synthetic: list[np.ndarray], lag: int, tau: float) -> dict:
    """The fields of `SimulationReport` that concern latents alone.

    ``md`` and ``synthetic`` are lists of (frame, cv), the one at the data's frames, ``lag`` of them a time
    ``tau`` apart, the other at frames ``tau`` apart.
    """

    def first(parts):
        return [p[:, 0] for p in parts]

    ensembles = {"md": (md, lag), "synthetic": (synthetic, 1)}
    low, high = np.quantile(np.concatenate(first(md)), QUANTILES)
    edges = np.linspace(low, high, BINS + 1)
    found = [_profile(first(parts), edges) for parts in (md, synthetic)]
    profiles, errors = [f.values.values for f in found], [f.error.values for f in found]
    halves = [_profile(half, edges).values.values for half in relaxation.blocks(first(md), 2)]
    centres = (edges[1:] + edges[:-1]) / 2
    coords = {"ensemble": list(ensembles), "psi_1": centres}
    free_energy = xr.Dataset(
        {"free_energy": (("ensemble", "psi_1"), profiles), "error": (("ensemble", "psi_1"), errors)},
        coords=coords,
        attrs={
            "rms": aligned_rms(*profiles),
            "rms_of_halves": aligned_rms(*halves),
            "units": "kT",
        },
    )
    borders = basin_borders(centres, profiles[0])
    outer = (centres[0], centres[-1]) if not len(borders) else (borders[0], borders[-1])
    return {
        "time_scales": _time_scales(ensembles, tau),
        "memory": _memory(ensembles, tau),
        "free_energy": free_energy.assign_attrs(borders=list(map(float, borders))),
        "chapman_kolmogorov": _chapman_kolmogorov(ensembles, first, borders, tau),
        "transition_density": _transitions(ensembles, first, edges, coords),
        "transitions": {
            name: relaxation.crossings(first(p), *_cores(outer, np.concatenate(first(md))))
            for name, (p, _) in ensembles.items()
        },
        "time": {name: sum(map(len, p)) * tau / step for name, (p, step) in ensembles.items()},
    }


def _profile(parts: list[np.ndarray], edges: np.ndarray) -> FreeEnergy:
    """Free energy in kT of a series (frame,) of each trajectory over bins."""
    trajectory = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    x = np.concatenate(parts)[:, None]
    return estimate(
        x, None, trajectory, grid=Grid.of_edges(edges), smoothing=0, n_blocks=min(N_BLOCKS, len(x))
    )


def _cores(outer, psi) -> tuple[float, float]:
    """Below and above which a crossing counts: a quarter of the distance out from the borders."""
    low, high = np.median(psi[psi <= outer[0]]), np.median(psi[psi >= outer[1]])
    return float((low + 3 * outer[0]) / 4), float((high + 3 * outer[1]) / 4)


def basin_borders(centres: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Where along psi_1 (bin,) barriers stand in a free-energy profile (bin,): (border,)."""
    filled = np.interp(centres, centres[np.isfinite(profile)], profile[np.isfinite(profile)])
    smooth = gaussian_filter1d(filled, 1.5, mode="nearest")
    borders, low, top = [], smooth[0], None  # top: bin of the highest point since the last basin
    for i in range(1, len(smooth)):
        if top is None or smooth[i] > smooth[top]:
            top = i if smooth[i] > low else None
            low = min(low, smooth[i])
        elif smooth[top] - max(low, smooth[i]) > BARRIER:
            borders.append(centres[top])
            low, top = smooth[i], None
    return np.array(borders)


def _time_scales(ensembles, tau) -> xr.Dataset:
    rows = []
    for parts, step in ensembles.values():
        times = relaxation.relaxation_times(parts, step, tau)
        error = relaxation.block_error(parts, lambda p, s=step: relaxation.relaxation_times(p, s, tau))
        fit_error = relaxation.block_error(parts, lambda p, s=step: _fitted(p, s, tau))
        rows.append((times, error, _fitted(parts, step, tau), fit_error))
    names = "time", "error", "autocorrelation_time", "autocorrelation_error"
    return xr.Dataset(
        {
            n: (("ensemble", "process"), np.array(c))
            for n, c in zip(names, zip(*rows, strict=True), strict=True)
        },
        coords={"ensemble": list(ensembles), "process": np.arange(1, len(rows[0][0]) + 1)},
    )


def _fitted(parts, step, tau) -> np.ndarray:
    """Times (process,) of the exponentials that fit the autocorrelations up to ten lags."""
    longest = max(map(len, parts))
    lags = [step * n for n in range(1, 11) if step * n < longest]
    if not lags:
        raise FelError(
            f"A lag of {step} frames in trajectories of at most {longest}.",
            "At least one trajectory is longer than the lag.",
        )
    return relaxation.autocorrelation_times(parts, lags, tau / step)


def _memory(ensembles, tau) -> xr.Dataset:
    shortest = min(max(map(len, parts)) // step for parts, step in ensembles.values())
    multiples = [n for n in MULTIPLES if n < shortest]
    times, errors = [], []
    for parts, step in ensembles.values():
        estimates = [lambda p, n=n, s=step: relaxation.relaxation_times(p, n * s, n * tau) for n in multiples]
        times.append([estimate(parts) for estimate in estimates])
        errors.append([relaxation.block_error(parts, estimate) for estimate in estimates])
    dims = ("ensemble", "multiple", "process")
    return xr.Dataset(
        {"time": (dims, np.array(times)), "error": (dims, np.array(errors))},
        coords={"ensemble": list(ensembles), "multiple": multiples},
        attrs={"lag_time": tau},
    )


def _chapman_kolmogorov(ensembles, first, borders, tau) -> xr.Dataset:
    shortest = min(max(map(len, parts)) // step for parts, step in ensembles.values())
    multiples = [n for n in RETURNS if n < shortest]
    values, errors = [], []
    for parts, step in ensembles.values():
        estimates = [lambda p, n=n, s=step: relaxation.returns(p, borders, n * s) for n in multiples]
        values.append([estimate(first(parts)) for estimate in estimates])
        errors.append([relaxation.block_error(first(parts), estimate) for estimate in estimates])
    dims = ("ensemble", "multiple", "basin")
    return xr.Dataset(
        {"stays": (dims, np.array(values)), "error": (dims, np.array(errors))},
        coords={"ensemble": list(ensembles), "multiple": multiples, "basin": np.arange(len(borders) + 1)},
        attrs={"lag_time": tau},
    )


def _transitions(ensembles, first, edges, coords) -> xr.DataArray:
    matrices = [
        relaxation.transition_density(first(parts), edges, step) for parts, step in ensembles.values()
    ]
    population = np.histogram(np.concatenate(first(ensembles["md"][0])), edges)[0]
    known = np.isfinite(matrices[0][:, 0]) & np.isfinite(matrices[1][:, 0])
    distance = 0.5 * np.abs(matrices[0] - matrices[1]).sum(axis=1)
    mean = float((population[known] * distance[known]).sum() / max(population[known].sum(), 1))
    dims = ("ensemble", "psi_1", "psi_1_later")
    coords = {**coords, "psi_1_later": coords["psi_1"]}
    return xr.DataArray(np.array(matrices), dims=dims, coords=coords, attrs={"total_variation": mean})


def far_fraction(md: np.ndarray, synthetic: np.ndarray) -> float:
    """Fraction of simulated latents (frame, cv) farther from the data than all but .1 % of the data are."""
    md, synthetic = (v[:: len(v) // 20_000 + 1] / md.std(axis=0) for v in (md, synthetic))
    reference, probe = md[::2], md[1::2]
    tree = cKDTree(reference)
    far = np.quantile(tree.query(probe)[0], 0.999)
    return float((tree.query(synthetic)[0] > far).mean())


def basin_borders_of(psi: np.ndarray) -> np.ndarray:
    """Borders of the basins along psi_1 of frames (frame,)."""
    low, high = np.quantile(psi, QUANTILES)
    edges = np.linspace(low, high, BINS + 1)
    return basin_borders((edges[1:] + edges[:-1]) / 2, _profile([psi], edges).values.values)
