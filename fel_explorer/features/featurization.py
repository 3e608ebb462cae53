"""Features of trajectories, computed in chunks, with progress and a cache."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import dask.array
import mdtraj
import numpy as np
import xarray as xr
import zarr

import fel_explorer
from fel_explorer import parallel
from fel_explorer.data.atomic_folders import is_write_error, whole_or_nothing, writing
from fel_explorer.data.cache import cache_directory, mark_used, prune, remove
from fel_explorer.data.columns import attach_columns
from fel_explorer.data.molecules import arrange
from fel_explorer.data.schema import assemble, rows_per_block
from fel_explorer.data.store import open_dataset, to_store
from fel_explorer.data.topology_text import pdb_text
from fel_explorer.data.trajectories import TrajectorySet
from fel_explorer.errors import FelError
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer
from fel_explorer.features.featurizers import make_featurizers
from fel_explorer.progress import Callback, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fel_explorer.features.featurizers import FeaturizerSpec

log = logging.getLogger("fel_explorer")

CACHE_FORMAT = 3  # raise when features or the way they are stored change
CHUNK_BYTES = 32 * 2**20
FARTHEST = 1e6  # nm; there float32 has steps of 0.06 nm
LARGEST = 1e9  # nm; beyond it a feature is what dividing by a unit cell without volume gives


class FeaturizationCancelled(FelError):
    """The callback asked to stop; nothing was kept."""


def featurize(
    trajs: TrajectorySet,
    featurizers: FeaturizerSpec | Sequence[FeaturizerSpec] = "heavy_atom_distances",
    *,
    chunk_size: int | None = None,
    store: str | Path | None = None,
    cache: bool = True,
    callback: Callback | None = None,
) -> xr.Dataset:
    """Compute the features of every frame.

    Parameters
    ----------
    trajs
        From `load_trajectories` or `sample_data`.
    featurizers
        One or a list of: a name (`list_featurizers`), ``(name, options)``, ``{"name": ..., "options": ...}``
        or a `Featurizer`. Several are joined along ``feature``.
    chunk_size
        Frames at a time; default what fits 32 MiB.
    store
        Path of a zarr folder to write to; the dataset is then read from there lazily, and memory does not
        grow with the number of frames. A store of the same features and files is opened as it is.
    cache
        Keep the features in the user's cache folder and take them from there the next time. The key is
        the content of the files (`fel_explorer.data.cache.file_hash`), the featurizers with their
        options, the atoms, the stride, the time step and the version.
    callback
        Called with a `Progress` after each chunk; returning True stops.

    Returns
    -------
    xarray.Dataset
        See `fel_explorer.data.schema`; ``attrs["featurizers"]`` holds the atoms of each feature.

    Raises
    ------
    FeaturizationCancelled
        If the callback asked to stop.
    FelError
        If there is nothing to measure, a coordinate is not a number, there are fewer than two frames, or
        nothing ever changes.
    """
    if trajs.n_frames < 2:
        raise FelError(
            "The trajectories hold one frame in all.",
            "At least two frames are needed, thousands to learn from.",
            "Load more frames, or a smaller stride.",
        )
    _check_coordinates(trajs.reference, trajs, 0, 0)
    reference = arrange(trajs.reference)
    prepared = [f.prepare(reference) for f in make_featurizers(featurizers)]
    names = _joined_names(prepared)
    attrs = _attributes(trajs, prepared, reference)
    chunk_size = chunk_size or max(1, CHUNK_BYTES // (12 * trajs.n_atoms + 8 * len(names)))
    key = _key(attrs)
    job = _Job(trajs, prepared, names, attrs, chunk_size, callback)
    if store is not None:
        dataset = job.into_store(Path(store).expanduser(), key)
    elif cache:
        dataset = job.from_cache(cache_directory() / "features" / f"{key}.zarr", key)
    else:
        dataset = job.in_memory()
    dataset.attrs.update(attrs)  # the files' paths may have changed since they were cached
    if trajs.temperature is not None:
        dataset.attrs["temperature"] = trajs.temperature
    if trajs.columns_file is not None:
        dataset = attach_columns(dataset, trajs.columns_file, units=trajs.columns_units)
    return dataset


class _Job:
    """One run over all frames."""

    def __init__(self, trajs, featurizers, names, attrs, chunk_size, callback):
        self.trajs, self.featurizers, self.names, self.attrs = trajs, featurizers, names, attrs
        self.chunk_size, self.callback = chunk_size, callback
        self.shape = (trajs.n_frames, len(names))

    def in_memory(self) -> xr.Dataset:
        features = np.empty(self.shape, np.float32)
        self._fill(features)
        return self._dataset(features)

    def from_cache(self, path: Path, key: str) -> xr.Dataset:
        if path.exists():
            try:
                dataset = self._reopen(path, key, check_values=False).load()
                mark_used(path)
                return dataset
            except Exception as error:  # damaged, whichever error zarr and its codecs raise
                log.warning("the cached features are damaged and are computed again: %s", error)
                remove(path)
        try:
            dataset = self.into_store(path, key).load()
            prune(path.parent)
        except FelError as error:
            if not is_write_error(error):
                raise
            # full, not writable, or another process deletes in it
            log.warning("The features are not cached: %s They are computed again the next time.", error.given)
            dataset = self.in_memory()
        return dataset

    def into_store(self, path: Path, key: str) -> xr.Dataset:
        if path.exists():
            return self._reopen(path, key)
        template = dask.array.zeros(self.shape, dtype=np.float32, chunks=(rows_per_block(self.shape[1]), -1))
        with writing(f"'{path}' can't be written"), whole_or_nothing(path) as partial:
            dataset = self._dataset(template)
            dataset.attrs["key"] = key
            to_store(dataset, partial, compute=False)
            del dataset  # the bookkeeping of all frames, which is read again below
            self._fill(zarr.open_group(partial, mode="r+")["features"])
        return self._reopen(path, key, check_values=False)  # each chunk was checked before it was written

    def _reopen(self, path: Path, key: str, *, check_values: bool | None = None) -> xr.Dataset:
        dataset = open_dataset(path, check_values=check_values)
        if dataset.attrs.pop("key", None) != key:
            raise FelError(
                f"'{path}' holds other features or features of other files.",
                "A store is used again only for the same features of the same files.",
                "Choose another path, or delete that folder.",
            )
        return dataset

    def _dataset(self, features) -> xr.Dataset:
        trajs = self.trajs
        return assemble(
            features,
            self.names,
            trajs.lengths,
            time_step=trajs.time_step,
            start_times=trajs.start_times,
            attrs=self.attrs,
        )

    def _fill(self, target) -> None:
        """Write the features of all frames into ``target``, a NumPy or zarr array."""
        lowest, highest = np.full(self.shape[1], np.inf), np.full(self.shape[1], -np.inf)
        began, done = time.monotonic(), 0
        for features in self._parts():
            target[done : done + len(features)] = features
            np.minimum(lowest, features.min(axis=0), out=lowest)
            np.maximum(highest, features.max(axis=0), out=highest)
            done += len(features)
            self._report(done, began)
        if (lowest == highest).all():
            raise FelError(
                f"All {self.shape[1]} features are constant over {self.shape[0]} frames.",
                "At least one feature must change.",
                "Check the trajectories (is it one frame, repeated?) or choose other features.",
            )

    def _parts(self) -> Iterator[np.ndarray]:
        """Features (frame, feature) of consecutive frames, computed where tasks run."""
        if parallel.scheduler() is None or self.trajs.universes is not None:
            for index, start, chunk in self.trajs.chunks(self.chunk_size):
                yield _compute((self.trajs, self.featurizers), (index, start, chunk))
            return
        tasks = [
            (index, start, min(start + self.chunk_size, length))
            for index, length in enumerate(self.trajs.lengths.tolist())
            for start in range(0, length, self.chunk_size)
        ]
        yield from parallel.iterate_tasks(_read_and_compute, tasks, shared=(self.trajs, self.featurizers))

    def _report(self, done: int, began: float) -> None:
        if self.callback is None:
            return
        eta = (time.monotonic() - began) / done * (self.shape[0] - done)
        message = f"featurizing {', '.join(f.name for f in self.featurizers)}"
        if self.callback(Progress(done, self.shape[0], {}, eta, message)):
            raise FeaturizationCancelled(
                f"Featurization was stopped at frame {done} of {self.shape[0]}.",
                remedy="Nothing was kept; start it again.",
            )


def _read_and_compute(shared, task) -> np.ndarray:
    """`_compute` of the frames from ``start`` to ``stop`` of a trajectory, which are read here."""
    index, start, stop = task
    return _compute(shared, (index, start, shared[0].chunk(index, start, stop)))


def _compute(shared, task) -> np.ndarray:
    """Features (frame, feature) of some frames of a trajectory."""
    (trajs, featurizers), (index, start, chunk) = shared, task
    _check_coordinates(chunk, trajs, index, start)
    parts = [np.asarray(f.compute(chunk), np.float32) for f in featurizers]
    for featurizer, part in zip(featurizers, parts, strict=True):
        if part.shape != (len(chunk), len(featurizer.names)):
            raise FelError(
                f"{featurizer.name} computed an array of shape {part.shape}.",
                f"It describes {len(featurizer.names)} features of {len(chunk)} frames.",
            )
        finite = np.abs(part) < LARGEST  # False for NaN
        if not finite.all():
            frame, feature = np.argwhere(~finite)[0]
            raise FelError(
                f"{featurizer.name} computed a value of '{featurizer.names[feature]}' that is not finite "
                f"({part[frame, feature]:.3g}).",
                "All features must be finite.",
                "Leave this featurizer out, or choose atoms for which it is defined.",
            )
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _joined_names(featurizers: list[Featurizer]) -> list[str]:
    owner: dict[str, str] = {}
    for featurizer in featurizers:
        for name in featurizer.names:
            if name in owner:
                raise FelError(
                    f"The feature '{name}' comes from both {owner[name]} and {featurizer.name}.",
                    "Each feature may come once.",
                    f"Leave {featurizer.name} out, or change its selection.",
                )
            owner[name] = featurizer.name
    if len(owner) > MAX_FEATURES:
        raise FelError(f"{len(owner)} features.", f"At most {MAX_FEATURES} are sensible.", "Choose fewer.")
    return list(owner)


def _attributes(trajs: TrajectorySet, featurizers: list[Featurizer], reference) -> dict:
    files = [
        {
            "path": str(file.absolute()) if file.exists() else str(file),
            "size": file.stat().st_size if file.exists() else 0,
            "hash": content,
            "n_frames": int(n),
        }
        for file, content, n in zip(trajs.files, trajs.content_hashes(), trajs.file_lengths, strict=True)
    ]
    versions = {
        "fel_explorer": fel_explorer.__version__,
        **{p: version(p) for p in ("mdtraj", "numpy", "xarray")},
    }
    attrs = {
        "topology": pdb_text(reference),
        "files": json.dumps(files),
        "featurizers": json.dumps([f.record() for f in featurizers]),
        "stride": trajs.stride,
        "atoms": json.dumps(None if trajs.atoms is None else trajs.atoms.tolist()),
        "time_step": trajs.time_step,
        "versions": json.dumps(versions),
    }
    attrs |= {"time_note": trajs.time_note} if trajs.time_note else {}
    if trajs.joined:
        attrs["joined_lengths"] = json.dumps(trajs.raw_lengths.tolist())
    return attrs | _how_opened(trajs)


def _how_opened(trajs: TrajectorySet) -> dict:
    """Topology files and atom selection with which the files can be opened again, where they are known."""
    source = trajs.topology_source
    sources = source if isinstance(source, list | tuple) else [source]
    if not all(isinstance(one, str | Path | None) for one in sources):
        return {}
    paths = [None if one is None else str(Path(one).expanduser().absolute()) for one in sources]
    selection = trajs.selection
    if selection is not None and not isinstance(selection, str):
        selection = np.asarray(selection).tolist()
    return {
        "topology_files": json.dumps(paths if isinstance(source, list | tuple) else paths[0]),
        "selection": json.dumps(selection),
    }


def _key(attrs: dict) -> str:
    parts = {name: attrs[name] for name in ("topology", "featurizers", "stride", "atoms", "time_step")}
    parts["joined"] = attrs.get("joined_lengths")
    parts["timed"] = "time_note" not in attrs
    parts["files"] = [[file["hash"], file["n_frames"]] for file in json.loads(attrs["files"])]
    parts["version"] = [CACHE_FORMAT, json.loads(attrs["versions"])["mdtraj"]]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _check_coordinates(chunk: mdtraj.Trajectory, trajs: TrajectorySet, index: int, start: int) -> None:
    remedy = "The simulation probably blew up there: cut the file before it (mdconvert, gmx trjconv)."
    usable = (np.abs(chunk.xyz) < FARTHEST).all(axis=(1, 2))  # False for NaN
    if not usable.all():
        at = int(np.argmin(usable))
        file, frame = trajs.file_of(index, start + at)
        atom = int(np.argmin((np.abs(chunk.xyz[at]) < FARTHEST).all(axis=1)))
        worst = np.abs(chunk.xyz[at, atom]).max()
        value = f"of {worst:.3g} nm" if np.isfinite(worst) else "that is not a number"
        raise FelError(
            f"'{file}': atom {trajs.topology.atom(atom)} has a coordinate {value} in frame {frame}.",
            f"All coordinates must be finite, and below {FARTHEST:g} nm: beyond it float32 blurs geometry.",
            remedy,
        )
    empty = ~chunk.xyz.any(axis=(1, 2))
    if empty.any() and chunk.n_atoms > 1:
        file, frame = trajs.file_of(index, start + int(np.argmax(empty)))
        raise FelError(
            f"'{file}': all coordinates are zero in frame {frame}.",
            "Each frame holds positions.",
            "The frame was probably never written: cut the file before it (mdconvert, gmx trjconv).",
        )
