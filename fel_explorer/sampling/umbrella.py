"""Umbrella sampling along a collective variable of the registry."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.sampling.cv_function import map_of
from fel_explorer.sampling.plan import SamplingStopped
from fel_explorer.sampling.reweighting import mbar_weights, resampled_free_energies
from fel_explorer.sampling.rounds import Plan, Sampled, Sampler
from fel_explorer.sampling.windows import gaps, place_windows, windows_between
from fel_explorer.systems.potential import Potential

if TYPE_CHECKING:
    from pathlib import Path

    from fel_explorer.progress import Callback
    from fel_explorer.sampling.molecules import MolecularSystem


def umbrella(
    method: Method,
    system: Potential | MolecularSystem,
    data: xr.Dataset,
    *,
    dimension: int = 0,
    n_windows: int = 32,
    n_walkers: int = 12,
    n_steps: int = 2500,
    stride: int = 10,
    discard: float = 0.2,
    stiffness: float | None = None,
    fill_gaps: int = 3,
    time_step: float | None = None,
    seed: int = 0,
    callback: Callback | None = None,
    checkpoint_dir: str | Path | None = None,
    n_processes: int = 1,
    device: str = "cpu",
) -> xr.Dataset:
    """Sample windows along one dimension of a fitted method's CV and reweight them to the unbiased ensemble.

    Parameters
    ----------
    method
        Fitted; any method whose transform is differentiable.
    system
        A model system of `fel.systems`, or a `sampling.MolecularSystem` for OpenMM.
    data
        Where the method was trained, or other frames of the same features: windows cover the range of the CV
        in them, and walkers start from their frames (``position``, or for molecules their trajectories, which
        the `MolecularSystem` holds).
    dimension
        Of the CV that is restrained.
    n_walkers
        Independent trajectories in each window; five or more give errors without correlations.  On model
        systems walkers of the same number exchange windows, which takes them around barriers across the CV.
    n_steps, stride
        Steps of each trajectory, and between two frames.
    discard
        Fraction of each trajectory, at its beginning, that is left out as equilibration; in the first half of
        it the restraint moves from where a walker starts to the window's centre.
    stiffness, time_step
        See `place_windows`; the integration step, by default the system's.
    fill_gaps
        How often at most windows are added: one amid each pair of neighbours that overlap by less than 3 %.
    callback
        Called with `progress.Progress`; returning True stops and keeps the windows that have ended.
    checkpoint_dir
        Folder; a run that was killed goes on from there to the same numbers, and a finished one that is
        called with a larger ``fill_gaps`` samples only the windows it adds.
    n_processes
        Of molecules: windows run in so many processes at once, or where `fel.set_scheduler` says.  Model
        systems run as one batch.
    device
        Of model systems, see `Method.fit`; a CPU is faster for fewer than some thousand walkers in all.

    Returns
    -------
    Dataset in the schema of the package: the features, ``cv``, ``window`` and the MBAR ``weight`` (mean 1) of
    each frame, a trajectory each walker, ordered by window; ``window_free_energy`` (umbrella) and bootstrap
    samples of it, ``window_free_energy_sample`` (draw, umbrella); ``position`` for model systems; ``centre``
    and ``stiffness`` (umbrella) and the ``overlap`` matrix; attrs["gaps"] lists neighbours that still overlap
    too little, with a warning: free energies on either side of a gap can't be compared.

    Raises
    ------
    SamplingStopped
        If the callback asked to stop before the first window of a molecule ended.
    FelError
        For an unfitted method, a dimension it does not have, data of other features, or sizes below 1.
    """
    dataset = _checked(method, system, data, dimension, n_walkers, n_steps, stride, discard)
    plan = Plan(
        dimension,
        n_walkers,
        n_steps,
        stride,
        discard,
        time_step,
        seed,
        n_processes,
        str(resolve_device(device)),
    )
    sampler = Sampler(method, system, dataset, plan, callback=callback, checkpoint_dir=checkpoint_dir)
    windows = place_windows(sampler.cv, kT=system.kT, n_windows=n_windows, stiffness=stiffness)
    sampled = sampler.sample(windows)
    result = _result(method, system, dataset, plan, sampled)
    for number in range(1, fill_gaps + 1):
        weak = json.loads(result.attrs["gaps"])
        if not weak or sampler.stopped:
            break
        try:
            sampled = sampled.join(sampler.sample(windows_between(weak, sampled.windows), number))
        except SamplingStopped:  # the windows of the rounds before stay
            break
        result = _result(method, system, dataset, plan, sampled)
    free = result["window_free_energy"].values / system.kT
    samples = resampled_free_energies(result, free) * system.kT
    result["window_free_energy_sample"] = (("draw", "umbrella"), samples)
    _warn_of_gaps(json.loads(result.attrs["gaps"]))
    return result


def _warn_of_gaps(weak) -> None:
    if weak:
        low, high, overlap = min(weak, key=lambda gap: gap[2])
        warnings.warn(
            f"{len(weak)} pairs of neighbouring windows overlap too little; those at {low:.3g} and "
            f"{high:.3g} by {overlap:.1%}, where 3 % are needed. Free energies on either side of a gap "
            "can't be compared: take more windows, more steps, or a larger fill_gaps.",
            stacklevel=3,
        )


def _checked(method, system, data, dimension, n_walkers, n_steps, stride, discard):
    if isinstance(method, Method):
        map_of(method)
    if not isinstance(method, Method) or not 0 <= dimension < method.n_dims:
        raise FelError(
            f"A {type(method).__name__} and dimension={dimension}.",
            f"A fitted method is needed, and one of its dimensions"
            f"{f' 0 to {method.n_dims - 1}' if isinstance(method, Method) else ''}.",
        )
    if n_walkers < 1 or stride < 1 or n_steps < stride or not 0 <= discard < 1:
        raise FelError(
            f"n_walkers={n_walkers}, n_steps={n_steps}, stride={stride}, discard={discard}.",
            "At least one walker, a stride, steps for one frame, and 0 <= discard < 1 are needed.",
        )
    if isinstance(system, Potential) and "position" not in data:
        raise FelError(
            "The dataset has no 'position' to start from.",
            "Walkers start from frames of simulated data.",
            "Give the result of system.simulate(...) or systems.shoot(...).",
        )
    return schema.as_dataset(data)


def _result(method, system, dataset, plan: Plan, sampled: Sampled) -> xr.Dataset:
    """The dataset that `umbrella` returns."""
    windows, arrays = sampled.windows, sampled.arrays
    n_windows, n_walkers, n_frames = arrays["features"].shape[:3]
    first = min(int(plan.discard * plan.n_frames), n_frames - 1)
    n_kept = n_frames - first
    flat = {name: values[:, :, first:].reshape(-1, *values.shape[3:]) for name, values in arrays.items()}
    result = schema.assemble(
        flat.pop("features").astype(np.float32),
        [str(name) for name in dataset["feature"].values],
        [n_kept] * (n_windows * n_walkers),
        time_step=sampled.step,
        time_unit=dataset.attrs["time_unit"],
        attrs={name: dataset.attrs[name] for name in ("topology", "featurizers") if name in dataset.attrs},
    )
    for name, values in flat.items():
        dims = ("frame", "coordinate")[: values.ndim]
        result[name] = (dims, values)
    result["cv"] = ("frame", method.transform(result).values[:, plan.dimension].astype(float))
    result["window"] = ("frame", np.repeat(np.arange(n_windows), n_walkers * n_kept))
    weight, free, overlap = mbar_weights(result["cv"].values, result["window"].values, windows)
    result["weight"] = ("frame", weight * len(weight))
    result["centre"], result["stiffness"] = ("umbrella", windows.centres), ("umbrella", windows.stiffness)
    result["window_free_energy"] = ("umbrella", free * windows.kT)
    result["overlap"] = (("umbrella", "other_umbrella"), overlap)
    result.attrs |= {
        "kT": windows.kT,
        "energy_unit": system.energy_unit,
        "gaps": json.dumps(gaps(overlap, windows.centres)),
    }
    return result
