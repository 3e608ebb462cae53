"""Umbrella sampling along a collective variable of the registry."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.sampling.features import map_of
from fel_explorer.sampling.reweighting import mbar_weights
from fel_explorer.sampling.windows import Windows, gaps, place_windows, starting_frames
from fel_explorer.systems.potential import Potential
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import fingerprint


def umbrella(
    method: Method,
    system,
    data: xr.Dataset,
    *,
    dimension: int = 0,
    n_windows: int = 32,
    n_walkers: int = 12,
    n_steps: int = 2500,
    stride: int = 10,
    discard: float = 0.2,
    stiffness: float | None = None,
    time_step: float | None = None,
    seed: int = 0,
    callback=None,
    checkpoint_dir=None,
    n_processes: int = 1,
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
        Independent trajectories in each window; five or more give errors without correlations.
    n_steps, stride
        Steps of each trajectory, and between two frames.
    discard
        Share of each trajectory, at its beginning, that is left out as equilibration.
    stiffness, time_step
        See `place_windows`; the integration step, by default the system's.
    callback
        Called with `training.Progress`; returning True stops and keeps the frames so far.
    checkpoint_dir
        Folder; a run that was killed goes on from there to the same numbers.
    n_processes
        Of molecules: windows run in so many processes at once.  Model systems run as one batch.

    Returns
    -------
    Dataset in the schema of the package: the features, ``cv``, ``window`` and the MBAR ``weight`` (mean 1) of
    each frame, a trajectory each walker, ordered by window; ``position`` for model systems; ``centre`` and
    ``stiffness`` (umbrella) and the ``overlap`` matrix; attrs["gaps"] lists neighbours that overlap too
    little (then take more or softer windows).

    Raises
    ------
    FelError
        For an unfitted method, a dimension it does not have, data of other features, or sizes below 1.
    """
    dataset = _checked(method, system, data, dimension, n_walkers, n_steps, stride, discard)
    cv = method.transform(dataset).values[:, dimension]
    windows = place_windows(cv, kT=system.kT, n_windows=n_windows, stiffness=stiffness)
    starts = starting_frames(cv, windows, n_walkers, seed)
    checkpoint = None
    if checkpoint_dir is not None:
        settings = [dimension, n_windows, n_walkers, n_steps, stride, stiffness or 0, time_step or 0, seed]
        weights = [float(array.double().sum()) for array in method._get_arrays().values()]
        config = {"umbrella": settings, "method": weights, "data": fingerprint(dataset)}
        checkpoint = Checkpoint(checkpoint_dir, config)
    common = {"dimension": dimension, "n_frames": n_steps // stride, "stride": stride, "time_step": time_step}
    common |= {"seed": seed, "callback": callback, "checkpoint": checkpoint}
    common["message"] = f"Umbrella sampling in {n_windows} windows"
    if isinstance(system, Potential):
        sampled, step = _on_system(method, system, windows, dataset, starts, **common)
    else:
        done, step = system.run_windows(method, windows, dataset, starts, n_processes=n_processes, **common)
        kept = sorted(done)  # fewer than all after a cancelled run
        windows = Windows(windows.centres[kept], windows.stiffness[kept], windows.kT)
        sampled = {name: np.stack([done[w][name].numpy() for w in kept]) for name in done[kept[0]]}
    return _result(method, system, dataset, windows, dimension, sampled, step, discard)


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


def _on_system(method, system, windows, dataset, starts, *, stride, time_step, **common):
    """What was sampled, (window, walker, frame, ...) arrays by name, and the time between frames."""
    from fel_explorer.sampling.toy import run_windows
    from fel_explorer.systems import dynamics

    step = time_step or system.default_time_step["langevin"]
    options = dynamics.Options("langevin", step, stride, system.default_friction, system.mass)
    position = dataset["position"].values[starts]
    x = run_windows(method, system, windows, position, options=options, **common)
    _, features = system.features(system.wrap(x))
    sampled = {"features": features, "position": x, "energy": system.energy(x)}
    return {name: values.numpy() for name, values in sampled.items()}, step * stride


def _result(method, system, dataset, windows: Windows, dimension, sampled, step, discard):
    """The dataset that `umbrella` returns."""
    n_windows, n_walkers, n_frames = sampled["features"].shape[:3]
    first = min(int(discard * n_frames), n_frames - 1)
    n_kept = n_frames - first
    flat = {name: values[:, :, first:].reshape(-1, *values.shape[3:]) for name, values in sampled.items()}
    result = schema.assemble(
        flat.pop("features").astype(np.float32),
        [str(name) for name in dataset["feature"].values],
        [n_kept] * (n_windows * n_walkers),
        time_step=step,
        time_unit=dataset.attrs["time_unit"],
        attrs={name: dataset.attrs[name] for name in ("topology", "featurizers") if name in dataset.attrs},
    )
    for name, values in flat.items():
        dims = ("frame", "coordinate")[: values.ndim]
        result[name] = (dims, values)
    result["cv"] = ("frame", method.transform(result).values[:, dimension].astype(float))
    result["window"] = ("frame", np.repeat(np.arange(n_windows), n_walkers * n_kept))
    weight, free, overlap = mbar_weights(result["cv"].values, result["window"].values, windows)
    result["weight"] = ("frame", weight * len(weight))
    result["centre"], result["stiffness"] = ("umbrella", windows.centres), ("umbrella", windows.stiffness)
    result["window_free_energy"] = ("umbrella", free * windows.kT)
    result["overlap"] = (("umbrella", "other_umbrella"), overlap)
    result.attrs |= {
        "kT": windows.kT,
        "energy_unit": getattr(system, "energy_unit", ""),
        "gaps": json.dumps(gaps(overlap, windows.centres)),
    }
    return result
