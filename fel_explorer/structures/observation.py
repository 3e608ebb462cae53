"""Observables of all frames, in blocks, with progress and a cache."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer import parallel
from fel_explorer.data.trajectories import TrajectorySet
from fel_explorer.errors import FelError
from fel_explorer.plugins import OBSERVABLES, load_plugins
from fel_explorer.progress import Callback, Progress
from fel_explorer.structures import (
    observable_cache,
    standard_observables,  # noqa: F401 - importing them registers them
)
from fel_explorer.structures.observable_base import Observable, registry
from fel_explorer.structures.references import make_molecule, take

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike


CHUNK_BYTES, CHUNK_FRAMES = 16 * 2**20, 2_000


class ObservablesCancelled(FelError):
    """The callback asked to stop; what was not in the cache before is not kept."""


def list_observables() -> dict[str, Observable]:
    """All registered observables, those of plugins too, {name: Observable}."""
    load_plugins(OBSERVABLES)
    return dict(registry)


def applicable(
    trajs: TrajectorySet | mdtraj.Trajectory, reference: int | str | Path | mdtraj.Trajectory = 0
) -> list[str]:
    """Names of the observables that the molecule has, for `observables`; reads one frame."""
    molecule, _ = make_molecule(trajs.topology, _frame_of(trajs), reference)
    names = []
    for name, observable in list_observables().items():
        try:
            observable.prepare(molecule)
        except FelError:  # this molecule has no such thing
            continue
        names.append(name)
    return names


def observables(
    trajs: TrajectorySet | mdtraj.Trajectory,
    names: str | tuple[str, dict] | Sequence[str | tuple[str, dict]] | None = None,
    frames: ArrayLike | None = None,
    *,
    reference: int | str | Path | mdtraj.Trajectory = 0,
    chunk_size: int | None = None,
    cache: bool = True,
    callback: Callback | None = None,
) -> xr.Dataset:
    """Compute observables of the structures: RMSD, native contacts, radius of gyration, ...

    Water and ions are left out, and molecules are made whole across periodic boundaries.

    Parameters
    ----------
    trajs
        A `TrajectorySet`, read a chunk at a time, or an ``mdtraj.Trajectory`` (representatives, decoded
        structures).
    names
        One or a list of: a name (`list_observables`) or ``(name, options)``; default all that are
        `applicable`.
    frames
        Dataset frame indices to measure, in this order; default all.
    reference
        What RMSD and native contacts compare with: a frame's index, an ``mdtraj.Trajectory`` (its first
        frame), or the path of a structure, whose atoms are found by chain, residue number and name.
    chunk_size
        Frames at a time; default what fits 16 MiB, at most 2000.
    cache
        Keep the observables of a whole `TrajectorySet` in the user's cache folder, and take them from there.
    callback
        Called with a `Progress` after each chunk; returning True stops.

    Returns
    -------
    xarray.Dataset
        One float32 variable (frame,) per observable, with ``units`` ("nm", or "1"), ``long_name``, and
        ``reference`` where it has one; coordinates ``frame`` (where ``frames`` were given), ``time`` (ps),
        ``trajectory`` and ``frame_in_trajectory``.

    Raises
    ------
    ObservablesCancelled
        If the callback asked to stop.
    FelError
        If an observable is unknown or the molecule does not have it, the reference does not fit, or a value
        is not a number.

    Examples
    --------
    >>> found = fel.structures.observables(trajs, ["rmsd", "radius_of_gyration"], reference="native.pdb")
    >>> sorted(found.data_vars)
    ['radius_of_gyration', 'rmsd']
    """
    molecule, atoms = make_molecule(trajs.topology, _frame_of(trajs), reference)
    frames = None if frames is None else _checked_frames(frames, trajs.n_frames)
    specs = _specs(applicable(trajs, reference) if names is None else names)
    # all are prepared first, so that errors come before anything is computed
    computes = {name: registry[name].prepare(molecule, **options) for name, options in specs.items()}
    paths = {}
    if cache and frames is None and isinstance(trajs, TrajectorySet):
        paths = observable_cache.paths(trajs, specs, molecule)
    values = {name: observable_cache.load(path, trajs.n_frames) for name, path in paths.items()}
    run = _Run(trajs, frames, molecule, atoms, chunk_size, callback)
    missing = {name: compute for name, compute in computes.items() if values.get(name) is None}
    for name, column in run.compute(missing).items():
        values[name] = column
        if name in paths:
            observable_cache.save(paths[name], column)
    return run.dataset({name: values[name] for name in specs}, specs)


class _Run:
    """One pass over the frames."""

    def __init__(self, trajs, frames, molecule, atoms, chunk_size, callback):
        self.trajs, self.frames, self.molecule, self.atoms = trajs, frames, molecule, atoms
        self.callback = callback
        fitting = max(1, CHUNK_BYTES // (12 * trajs.topology.n_atoms))
        self.chunk_size = chunk_size or min(CHUNK_FRAMES, fitting)
        self.n_frames = trajs.n_frames if frames is None else len(frames)

    def compute(self, prepared: dict) -> dict[str, np.ndarray]:
        """{name: values (frame,)}."""
        if not prepared:
            return {}
        values = {name: np.empty(self.n_frames, np.float32) for name in prepared}
        began, done = time.monotonic(), 0
        for parts in self._parts(prepared):
            for name, part in parts.items():
                n_frames = len(part)
                values[name][done : done + n_frames] = part
            done += n_frames
            self._report(done, began, prepared)
        return values

    def _parts(self, prepared: dict) -> Iterator[dict[str, np.ndarray]]:
        """{name: values} of consecutive frames, computed where tasks run."""
        whole = self.frames is None and isinstance(self.trajs, TrajectorySet)
        shared = self.atoms, self.molecule.topology, prepared
        if parallel.scheduler() is None or not whole or self.trajs.universes is not None:
            done = 0
            for chunk in self._chunks():
                stop = done + len(chunk)
                numbers = np.arange(done, stop) if self.frames is None else self.frames[done:stop]
                yield _measure(shared, chunk, numbers)
                done = stop
            return
        starts = np.cumsum([0, *self.trajs.lengths.tolist()])
        tasks = [
            (index, start, min(start + self.chunk_size, length), int(starts[index]) + start)
            for index, length in enumerate(self.trajs.lengths.tolist())
            for start in range(0, length, self.chunk_size)
        ]
        yield from parallel.iterate_tasks(_read_and_measure, tasks, shared=(self.trajs, *shared))

    def _chunks(self):
        if self.frames is None and isinstance(self.trajs, TrajectorySet):
            yield from (chunk for _, _, chunk in self.trajs.chunks(self.chunk_size))
            return
        frames = np.arange(self.n_frames) if self.frames is None else self.frames
        one = isinstance(self.trajs, mdtraj.Trajectory)
        read = self.trajs.__getitem__ if one else self.trajs.frames
        for start in range(0, self.n_frames, self.chunk_size):
            yield read(frames[start : start + self.chunk_size])

    def _report(self, done, began, prepared):
        if self.callback is None:
            return
        eta = (time.monotonic() - began) / done * (self.n_frames - done)
        message = f"computing {', '.join(registry[name].label for name in prepared)}"
        if self.callback(Progress(done, self.n_frames, {}, eta, message)):
            raise ObservablesCancelled(
                f"The observables were stopped at frame {done} of {self.n_frames}.",
                remedy="Nothing was kept; start again.",
            )

    def dataset(self, values: dict, specs: dict) -> xr.Dataset:
        variables = {}
        for name, column in values.items():
            about = registry[name]
            attrs = {"units": about.units, "long_name": about.label, "observable": name}
            if about.to_reference:
                attrs["reference"] = self.molecule.reference_name
            if specs[name]:
                attrs["options"] = json.dumps(specs[name], sort_keys=True)
            variables[name] = ("frame", column, attrs)
        return xr.Dataset(variables, coords=self._coordinates())

    def _coordinates(self) -> dict:
        indices = np.arange(self.n_frames) if self.frames is None else self.frames
        given = {} if self.frames is None else {"frame": indices}
        if not isinstance(self.trajs, TrajectorySet):
            return given
        trajectory, within = self.trajs.locate(indices)
        return given | {
            "time": ("frame", within * self.trajs.time_step, {"units": "ps"}),
            "trajectory": ("frame", trajectory),
            "frame_in_trajectory": ("frame", within),
        }


def _read_and_measure(shared, task) -> dict[str, np.ndarray]:
    """`_measure` of the frames from ``start`` to ``stop`` of a trajectory, which are read here."""
    (trajs, *rest), (index, start, stop, first) = shared, task
    return _measure(rest, trajs.chunk(index, start, stop), np.arange(first, first + stop - start))


def _measure(shared, chunk: mdtraj.Trajectory, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """{name: values (frame,)} of some frames, whose ``numbers`` errors name."""
    atoms, topology, prepared = shared
    chunk = take(chunk, atoms, topology)
    return {name: _checked(name, compute(chunk), numbers) for name, compute in prepared.items()}


def _checked(name: str, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (len(numbers),):
        raise FelError(
            f"{name} computed an array of shape {values.shape} for {len(numbers)} frames.",
            "An observable is one number per frame.",
        )
    if not np.isfinite(values).all():
        raise FelError(
            f"{name} is not a number at frame {numbers[int(np.argmin(np.isfinite(values)))]}.",
            "All coordinates must be finite.",
            "The simulation probably blew up there: cut the files before it (mdconvert, gmx trjconv).",
        )
    return values


def _frame_of(trajs):
    """``index -> trajectory`` of that frame."""
    if not isinstance(trajs, mdtraj.Trajectory):
        return lambda index: trajs.frames([index])

    def frame(index):
        if not 0 <= index < len(trajs):
            raise FelError(f"Frame {index} as the reference.", f"Frames go from 0 to {len(trajs) - 1}.")
        return trajs[index]

    return frame


def _checked_frames(frames, n_frames: int) -> np.ndarray:
    frames = np.atleast_1d(np.asarray(frames))
    if frames.size == 0 or frames.ndim != 1 or frames.dtype.kind not in "iu":
        raise FelError(
            f"frames of type {frames.dtype} and shape {frames.shape}.",
            "Frames are a list of at least one integer.",
            "Turn a mask into indices with numpy.flatnonzero(mask).",
        )
    if frames.min() < 0 or frames.max() >= n_frames:
        wrong = frames[(frames < 0) | (frames >= n_frames)][0]
        raise FelError(f"Frame {wrong}.", f"Frames go from 0 to {n_frames - 1}.")
    return frames


def _specs(names) -> dict[str, dict]:
    """{name: options} of one spec or a list of them."""
    if isinstance(names, str) or (
        isinstance(names, tuple) and len(names) == 2 and isinstance(names[1], dict)
    ):
        names = [names]
    specs, known = {}, list_observables()
    for spec in names:
        name, options = (spec, {}) if isinstance(spec, str) else spec
        if name not in known:
            raise FelError(f"There is no observable '{name}'.", f"There are {', '.join(known)}.")
        specs[name] = options
    if not specs:
        raise FelError("No observable was given.", f"There are {', '.join(known)}.")
    return specs
