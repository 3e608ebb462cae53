"""Whether a latent space simulator can be trusted: its simulations against the molecular dynamics it learnt.

Source: the validation of H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020),
doi:10.1039/d0sc03635h, section 3.2, with warnings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from scipy.spatial import cKDTree

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.latent_simulator import latent_report, structure_report
from fel_explorer.methods.latent_simulator.propagator_comparison import compare_propagators, fit_rivals
from fel_explorer.progress import Callback, Progress

if TYPE_CHECKING:
    from fel_explorer.data.trajectories import TrajectorySet
    from fel_explorer.methods.latent_simulator.simulator import LatentSpaceSimulator

TOLERANCE = 0.2  # of a time scale: a change with the lag beyond this and its error is memory
LIFETIMES = 3  # of a mode, after which its correlation is noise
MAX_DEVIATION = 0.1  # of a probability to stay in a basin; larger differences, beyond the error, are reported
MAX_OUTSIDE = 0.02  # fraction of simulated frames that may be clipped or far from all data


@dataclass(frozen=True, eq=False)
class SimulationReport:
    """Results of `report`; ensembles are "md" and "synthetic", times in ``time_unit``.

    Attributes
    ----------
    time_scales
        (ensemble, process) ``time``, ``error`` by the eigenproblem at the lag, and ``autocorrelation_time``,
        the exponential fit of Sidky et al. (2020), Table 1.
    memory
        (ensemble, multiple, process) ``time`` at multiples of the lag: constant where there is no memory.
    chapman_kolmogorov
        (ensemble, multiple, basin) ``stays``, the probability to be in a basin along psi_1 again after
        multiples of the lag, and its ``error`` from blocks: the simulation, which has no memory beyond a
        lag, against the data.
    free_energy
        (ensemble, psi_1) ``free_energy`` and ``error`` in kT; attrs ``rms``, of their difference, and
        ``rms_of_halves``, of the difference between both halves of the data: what chance does to it.
    transition_density
        (ensemble, psi_1, psi_1 later) at the lag; attrs ``total_variation``, mean over the data.
    transitions
        {ensemble: crossings between the outer basins along psi_1}, and ``time``: {ensemble: time watched}.
    outside
        {"clipped": fraction of steps that went where there are no data and were moved to the nearest frame,
        "far": fraction of simulated frames farther from all data than 99.9 % of the data are from each
        other}.
    structures
        {name: dataset}: "bonds", "torsions", "gyration", "basins", with a native frame "native" (RMSD to it)
        and, where the data allow, "tica"; empty without trajectories or decoder.
    numbers
        {name: value}: "clashes" (fraction of structures with atoms much closer than in the data) and
        "clashes_md" (of every other frame against the rest), "rmsd_to_frame" and "rmsd_floor" (nm).
    propagators
        The simulator's propagator next to its rivals, see `compare_propagators`; None where not asked for.
    cost
        {name: value}: seconds of training by part, latent steps and structures per second.
    warnings
        In words, what speaks against trusting it.
    """

    time_unit: str
    time_scales: xr.Dataset
    memory: xr.Dataset
    chapman_kolmogorov: xr.Dataset
    free_energy: xr.Dataset
    transition_density: xr.DataArray
    transitions: dict
    time: dict
    outside: dict
    structures: dict[str, xr.Dataset] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    propagators: xr.Dataset | None = None
    cost: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def report(
    simulator: LatentSpaceSimulator,
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    trajectories: TrajectorySet | Any | None = None,
    *,
    n_steps: int | None = None,
    n_trajectories: int = 100,
    n_structures: int = 2000,
    rivals: bool = False,
    native: int | None = None,
    seed: int | None = None,
    device: str | torch.device = "auto",
    callback: Callback | None = None,
) -> SimulationReport:
    """Simulate, decode and compare with the data.

    Parameters
    ----------
    simulator
        A fitted `LatentSpaceSimulator`.
    X, trajectories
        The data; without trajectories, or without a decoder, structures are left out.
    n_steps
        Of each simulated trajectory; default as long as the longest trajectory of the data.
    n_structures
        How many frames of each ensemble are compared as structures.
    rivals
        Also train linear Koopman propagation and overdamped Langevin dynamics on the same latents, and
        compare all with the data: takes another training of the propagator.
    native
        Frame of the data that is in the native state: structures are then compared with it.
    callback
        Called with `progress.Progress`; returning True raises a `FelError`, as half a report is none.
    """
    dataset = schema.as_dataset(X)
    observed = simulator.latents(dataset)
    lag = schema.lag_in_frames(observed, simulator.lag_time)
    n_steps = n_steps or max(2, int(schema.trajectory_lengths(observed).max()) // lag)
    options: dict[str, Any] = {"seed": simulator.seed if seed is None else seed, "device": device}
    began = time.perf_counter()
    simulated = simulator.simulate(
        n_steps, n_trajectories, callback=_watched(callback, "Report: simulating", 0, 4), **options
    )
    cost = {f"train {part}": seconds for part, seconds in simulator.seconds_.items()}
    cost["latent steps per second"] = simulated.sizes["frame"] / (time.perf_counter() - began)
    md, synthetic = latent_report.parts_of(observed), latent_report.parts_of(simulated)
    results = latent_report.compare(md, synthetic, lag, simulator.lag_time)
    results["outside"] = {
        "clipped": float(simulated.attrs["clipped"]),
        "far": latent_report.far_fraction(np.concatenate(md), np.concatenate(synthetic)),
    }
    structures, numbers = {}, {}
    if trajectories is not None and simulator.topology_:
        structures, numbers, speed = _structure_results(
            simulator, dataset, trajectories, observed, simulated, n_structures, options, callback, native
        )
        cost["structures per second"] = speed
    propagators = None
    if rivals:
        watch = _watched(callback, "Report: training rivals", 3, 4)
        others = fit_rivals(observed, simulator.propagator, device=device, callback=watch)
        propagators = compare_propagators(
            observed, {"simulator": simulator.propagator, **others}, simulator.lag_time, n_steps=n_steps,
            n_trajectories=n_trajectories, seed=options["seed"], device=device,
        )  # fmt: skip
    found = SimulationReport(
        time_unit=simulator.time_unit_ or "",
        **results,
        structures=structures,
        numbers=numbers,
        propagators=propagators,
        cost=cost,
    )
    found.warnings.extend(_warnings(found))
    if "weight" in dataset:
        found.warnings.append("Frames count 1 each in this report, not by their weights.")
    return found


def _watched(callback, message, done, parts):
    """A callback of one of several stages, as a callback of the whole that may stop it."""
    if callback is None:
        return None

    def watch(progress):
        scale = 1000
        step = round(scale * (done + progress.step / progress.n_steps))
        if callback(Progress(step, scale * parts, {}, float("nan"), message)):
            raise FelError("The report was stopped.", remedy="Ask for it again.")

    return watch


def _structure_results(simulator, dataset, trajectories, observed, simulated, n, options, callback, native):
    from fel_explorer.data.coordinates import read_coordinates

    random = np.random.default_rng([options["seed"], 7])
    frames = np.unique(np.linspace(0, dataset.sizes["frame"] - 1, n).astype(int))
    xyz, _, bonds = read_coordinates(trajectories, frames, simulator.atoms)
    psi = observed["features"].values
    chosen = np.sort(random.choice(simulated.sizes["frame"], min(n, simulated.sizes["frame"]), replace=False))
    drawn = simulated["features"].values[chosen]
    began = time.perf_counter()
    watch = _watched(callback, "Report: decoding the simulation", 1, 4)
    decoded = simulator.decoder.sample(drawn, callback=watch, **options)
    speed = len(decoded) / (time.perf_counter() - began)
    watch = _watched(callback, "Report: decoding the data", 2, 4)
    again = simulator.decoder.sample(psi[frames], callback=watch, **options)
    nearest = cKDTree(psi[frames]).query(psi[frames], k=2)[1][:, 1]
    borders = latent_report.basin_borders_of(psi[:, 0])
    structures = {
        "bonds": structure_report.bond_table(xyz, decoded, bonds),
        "torsions": structure_report.torsion_table(xyz, decoded, bonds),
        "gyration": structure_report.gyration_table(np.array_split(xyz, 50), np.array_split(decoded, 50)),
        "basins": structure_report.basin_table(psi[frames, 0], xyz, drawn[:, 0], decoded, borders, random),
    }
    if native is not None:
        n_frames = dataset.sizes["frame"]
        if not 0 <= native < n_frames:
            raise FelError(f"native={native}.", f"It is a frame of the data, 0 to {n_frames - 1}.")
        reference = read_coordinates(trajectories, np.array([native]), simulator.atoms)[0][0]
        parts = np.array_split(xyz, 50), np.array_split(decoded, 50)
        structures["native"] = structure_report.native_table(*parts, reference)
    tica = _tica(simulator, dataset, trajectories, decoded, n)
    if tica is not None:
        structures["tica"] = tica
    numbers = {
        "clashes": structure_report.clash_fraction(xyz, decoded, bonds),
        "clashes_md": structure_report.clash_fraction(xyz[::2], xyz[1::2], bonds),
        "rmsd_to_frame": float(structure_report.rmsd(again, xyz).mean()),
        "rmsd_floor": float(structure_report.rmsd(xyz[nearest], xyz).mean()),
    }
    if callback is not None:
        callback(Progress(4000, 4000, {}, 0.0, "Report: done"))
    return structures, numbers, speed


def _tica(simulator, dataset, trajectories, decoded, n):
    """TICA of distances needs frames in a row: every lag-th of the data, at most about ``n`` a trajectory."""
    from fel_explorer.data.coordinates import read_coordinates

    lag = schema.lag_in_frames(dataset, simulator.lag_time)
    lengths = schema.trajectory_lengths(dataset)
    starts = np.cumsum(lengths) - lengths
    rows = [start + np.arange(0, length, lag)[:n] for start, length in zip(starts, lengths, strict=True)]
    xyz, _, _ = read_coordinates(trajectories, np.concatenate(rows), simulator.atoms)
    return structure_report.tica_projection(xyz, [len(r) for r in rows], 1, decoded)


def _warnings(found: SimulationReport) -> list[str]:
    unit = "" if found.time_unit == "1" else f" {found.time_unit}"
    warnings = []
    for ensemble, name in (("md", "The data remember"), ("synthetic", "The simulation remembers")):
        memory = found.memory.sel(ensemble=ensemble)
        if memory.sizes["multiple"] < 2:
            continue
        first, last = memory.isel(multiple=0), memory.isel(multiple=-1)
        error = np.nan_to_num(np.hypot(first["error"].values, last["error"].values))
        times, later = first["time"].values, last["time"].values
        # a mode that has decayed by then is only noise
        alive = times > float(last["multiple"]) * found.memory.attrs["lag_time"] / LIFETIMES
        for i in np.flatnonzero(alive & (np.abs(later - times) > TOLERANCE * times + error)):
            warnings.append(
                f"{name} more than one lag: time scale {i + 1} is {times[i]:.3g}{unit} at one lag and"
                f" {later[i]:.3g}{unit} at {int(last['multiple'])}. Take a longer lag or more slow modes."
            )
    scales = found.time_scales
    md, synthetic = (scales.sel(ensemble=name) for name in ("md", "synthetic"))
    error = np.nan_to_num(np.hypot(md["error"].values, synthetic["error"].values))
    off = np.abs(synthetic["time"].values - md["time"].values) > np.maximum(
        2 * error, 0.05 * md["time"].values
    )
    for i in np.flatnonzero(off):
        warnings.append(
            f"Time scale {i + 1} of the simulation is {synthetic['time'].values[i]:.3g}{unit}, of the data"
            f" {md['time'].values[i]:.3g}{unit}. Train the propagator longer or on more data."
        )
    warnings += _basin_warnings(found.chapman_kolmogorov)
    if found.outside["clipped"] > MAX_OUTSIDE:
        warnings.append(
            f"{found.outside['clipped']:.1%} of the steps went where there are no data and were clipped."
        )
    if found.outside["far"] > MAX_OUTSIDE:
        warnings.append(f"{found.outside['far']:.1%} of the simulated frames lie where there are no data.")
    return warnings


def _basin_warnings(test) -> list[str]:
    """One for each basin that fails the Chapman-Kolmogorov test, where it fails most."""
    warnings = []
    off = np.abs(test["stays"].sel(ensemble="synthetic") - test["stays"].sel(ensemble="md"))
    error = np.nan_to_num(np.hypot(*(test["error"].sel(ensemble=name) for name in ("md", "synthetic"))))
    failed = off.where(off > np.maximum(MAX_DEVIATION, 2 * error))
    for basin in test["basin"].values[failed.notnull().any("multiple").values]:
        worst = failed.sel(basin=basin).fillna(0.0).argmax("multiple").item()
        n, stays = int(test["multiple"][worst]), test["stays"].isel(multiple=worst).sel(basin=basin)
        warnings.append(
            f"Basin {basin + 1} along psi_1 fails the Chapman-Kolmogorov test: after {n} lag{'s' * (n > 1)} "
            f"{float(stays.sel(ensemble='md')):.0%} of the data are there again, "
            f"{float(stays.sel(ensemble='synthetic')):.0%} of the simulation."
        )
    return warnings
