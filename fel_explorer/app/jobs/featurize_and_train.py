"""Jobs of the app: featurizing and training as functions ``(report, should_stop) -> result``.

The command line runs the same functions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.call import ShouldStop, process_job, whole_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.session import Result
from fel_explorer.data import (
    cache_directory,
    positions_of,
    sample_data,
    schema,
)
from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.data.topologies import select_atoms
from fel_explorer.data.trajectories import open_trajectories
from fel_explorer.errors import FelError
from fel_explorer.features import FeaturizationCancelled, featurize, list_featurizers
from fel_explorer.features.kinds.distance import HEAVY
from fel_explorer.methods import list_methods
from fel_explorer.progress import Progress
from fel_explorer.structures import ObservablesCancelled, feature_atoms, observables

log = logging.getLogger("fel_explorer")

DEFAULT_FEATURIZER = "heavy_atom_distances"
# where heavy atoms make more than MANY distances
FOR_LARGE = ("backbone_torsions", "nucleic_torsions", "ca_distances")
MANY = 500
SMALL_MOLECULE = 12  # residues; beyond it torsions as columns would crowd the list of colours
FIRST_LAG = 10  # frames

CHECKPOINTS = "checkpoints"  # folder of the cache
PREVIEW_FRAMES = 2_000
PREVIEW_SECONDS = 1.0  # the page must answer a hand between two


class Interrupted(NamedTuple):
    """A training that can go on: what it trains, its label, its job, and the folder of its checkpoint."""

    method: object
    label: str
    function: Callable
    folder: Path


@dataclass(frozen=True, eq=False)
class Preview:
    """The embedding of a few frames in training.

    Attributes
    ----------
    points, state
        (point, cv), and the states (point,) or None.
    frames
        (point,) which frames they are.
    """

    step: int
    points: np.ndarray
    state: np.ndarray | None
    frames: np.ndarray


def fingerprint(dataset: xr.Dataset | None) -> str:
    """A short hash of what models see: features, weights, trajectories and time step."""
    if dataset is None:
        return ""
    digest = hashlib.blake2b(digest_size=12)
    shape = (dict(dataset.sizes), dataset.attrs["time_step"], dataset.attrs.get("featurizers", ""))
    digest.update(json.dumps(shape, default=str).encode())
    digest.update("\0".join(map(str, dataset["feature"].values)).encode())
    digest.update(np.bincount(dataset["trajectory"].values).tobytes())
    every = max(1, dataset.sizes["frame"] // 100_000)
    digest.update(np.ascontiguousarray(dataset["features"][::every].values).tobytes())
    if "weight" in dataset:
        digest.update(np.ascontiguousarray(dataset["weight"].values[::every]).tobytes())
    return digest.hexdigest()


class Previewer:
    """Embeds every n-th frame with a method that is being fitted, at most once a second."""

    def __init__(self, method, dataset: xr.Dataset, clock: Callable[[], float] = time.monotonic):
        every = max(1, dataset.sizes["frame"] // PREVIEW_FRAMES)
        self._frames = np.array(dataset["features"][::every].values, np.float32)
        self._index = np.arange(0, dataset.sizes["frame"], every)
        self._method, self._clock, self._next = method, clock, -np.inf

    def __call__(self, step: int) -> Preview | None:
        """The embedding now, or None when the last one is younger than a second."""
        now = self._clock()
        if now < self._next:
            return None
        points = self._method.transform(self._frames).values
        state = self._method.predict(self._frames).values if self._method.has_states else None
        # counted from the end, so that slow previews leave the training at least half of the time
        self._next = self._clock() + max(PREVIEW_SECONDS, self._clock() - now)
        return Preview(step, points, state, self._index)


@whole_job
def training(
    report: Report,
    should_stop: ShouldStop,
    method,
    dataset: xr.Dataset,
    label: str,
    *,
    embedding=None,
    device="auto",
    checkpoint_dir: Path | None = None,
) -> Result:
    """The job that fits a method like ``method`` to ``dataset``; its result is a `Result`.

    ``embedding`` is the fitted method in whose embedding a method that takes one works.  A method that needs
    positions gets those of the dataset's trajectories.  Asked to stop, the job keeps what has been trained.
    The checkpoint is removed when the fit has run to its end.
    """
    extra = {} if embedding is None else {"embedding": embedding}
    method = type(method)(**method.hyperparameters())  # repeated, the job begins anew
    start, preview = time.monotonic(), Previewer(method, dataset)

    def callback(progress):
        losses = with_scores(progress.losses, method.score_name)
        report(replace(progress, losses=losses), preview(progress.step))
        return should_stop()

    folder = checkpoint_dir if checkpoint_dir is None or _can_write(checkpoint_dir) else None
    if folder is None and checkpoint_dir is not None:
        log.warning("'%s' is trained without checkpoints: %s", label, _cannot_write(checkpoint_dir.parent))
    elif folder is not None and not extra:
        try:
            _note(folder, method, dataset, label, device)
        except FelError as error:
            log.warning("'%s' will not be found after a restart of the server: %s", label, error)
    positions = {"positions": positions_of(dataset)} if method.needs_positions(dataset) else {}
    options = {"device": device, "callback": callback, "checkpoint_dir": folder}
    method.fit(dataset, **options, **extra, **positions)
    seconds, partial = time.monotonic() - start, should_stop()
    result = Result.of(label, method, dataset, seconds, partial)  # of many frames it takes a while
    if folder is not None and not partial:
        shutil.rmtree(folder, ignore_errors=True)
        _note_of(folder).unlink(missing_ok=True)
    return result


def with_scores(losses: dict[str, float], score_name: str) -> dict[str, float]:
    """The losses of a training; where it maximises a score, with the score on held-out data."""
    if not score_name or "validation" not in losses:
        return losses
    rest = {name: value for name, value in losses.items() if name != "validation"}
    return rest | {f"held-out {score_name}": -losses["validation"]}


def _cannot_write(folder: Path) -> str:
    return f"'{folder}' can't be written, or the disk is full. If it is stopped, it begins anew."


def _can_write(folder: Path) -> bool:
    """Whether files can be written to a folder, which is made; not on a full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError:
        return False
    return True


def _note_of(folder: Path) -> Path:
    """The file that describes a checkpoint."""
    return folder.with_name(f"{folder.name}.json")


def _note(folder, method, dataset, label, device):
    about = {"key": fingerprint(dataset), "label": label, "method": type(method).__name__, "device": device}
    about["hyperparameters"] = method.hyperparameters()
    with whole_file(_note_of(folder)) as partial:
        partial.write_text(json.dumps(about))


def interrupted(dataset: xr.Dataset, key: str = "") -> list[Interrupted]:
    """Trainings on ``dataset`` that were stopped, or whose process ended, and that can go on.

    ``key`` is its `fingerprint`, where that is known.
    """
    key, found = key or fingerprint(dataset), []
    for path in sorted((cache_directory() / CHECKPOINTS).glob("*.json")):
        folder = path.with_suffix("")
        if not folder.is_dir() or not any(folder.iterdir()):
            continue
        try:
            about = json.loads(path.read_text())
            if about["key"] != key:
                continue
            label, device = str(about["label"]), str(about["device"])
            method = list_methods()[about["method"]](**about["hyperparameters"])
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            RecursionError,
        ) as error:  # damaged
            log.info("the interrupted training '%s' can't be offered: %s", path, error)
            continue
        function = training(method, dataset, label, device=device, checkpoint_dir=folder)
        found.append(Interrupted(method, label, function, folder))
    return found


@process_job
def applying(report: Report, should_stop: ShouldStop, method, dataset: xr.Dataset, label: str) -> Result:
    """The job that embeds ``dataset`` with a fitted method; its result is a `Result`."""
    return Result.of(label, method, dataset)


@process_job
def opening(
    report: Report,
    should_stop: ShouldStop,
    paths,
    topology,
    stride: int,
    atoms,
    time_step: float | None = None,
    join: bool = False,
):
    """The job that opens trajectory files; its result is (None, trajectories): no dataset yet."""
    options = {"stride": stride, "atoms": atoms, "time_step": time_step, "join": join}
    return None, open_trajectories(paths, topology, **options)


@process_job
def featurizing(report: Report, should_stop: ShouldStop, trajectories, featurizers):
    """The job that featurizes ``trajectories``; its result is the dataset and the trajectories."""

    def callback(progress):
        report(progress)
        return should_stop()

    try:
        dataset = featurize(trajectories, featurizers, callback=callback)
    except FeaturizationCancelled as stopped:
        raise Cancelled from stopped
    return with_torsions(dataset, trajectories), trajectories


@process_job
def observing(report: Report, should_stop: ShouldStop, trajectories, names, reference: int = 0) -> xr.Dataset:
    """The job that measures observables; its result is a dataset of columns (frame,) without coordinates."""

    def callback(progress):
        report(progress)
        return should_stop()

    try:
        columns = observables(trajectories, names, reference=reference, callback=callback)
    except ObservablesCancelled as stopped:
        raise Cancelled from stopped
    return columns.reset_coords(drop=True)


@process_job
def sample(report: Report, should_stop: ShouldStop, name: str = "alanine-dipeptide"):
    """The job that unpacks and featurizes sample data; its result is the dataset and the trajectories."""
    report(Progress(0, 0, message="unpacking"))
    return featurizing(sample_data(name), DEFAULT_FEATURIZER)(report, should_stop)


def with_torsions(dataset: xr.Dataset, trajectories) -> xr.Dataset:
    """``dataset`` with phi and psi in degrees as columns, for molecules of a few residues.

    They are what people know of a peptide: colours and axes to compare a learned map with.
    """
    if trajectories.topology.n_residues > SMALL_MOLECULE:
        return dataset
    alone = copy(trajectories)
    alone.columns_file = None  # the dataset has the columns of the table already
    try:
        made = featurize(alone, "backbone_torsions")
    except FelError:  # not a peptide: there is nothing to add
        return dataset
    torsions = made["features"]
    names = [str(name).removesuffix(" cos") for name in torsions["feature"].values[::2]]
    angles = np.degrees(np.arctan2(torsions.values[:, 1::2], torsions.values[:, ::2]))
    attrs = [{"units": "deg", "atoms": json.dumps(four.tolist())} for four in feature_atoms(made.attrs)[::2]]
    columns = {name: ("frame", angles[:, i], attrs[i]) for i, name in enumerate(names)}
    return dataset.assign(columns)


def usual_featurizer(topology, feature_names=None) -> str:
    """Name of the features to begin with: those named ``feature_names``, if given and known, else by size."""
    known = list_featurizers()
    for name in known if feature_names else ():
        if _names(known[name], topology) == list(feature_names):
            return name
    n_heavy = len(select_atoms(topology, HEAVY, allow_none=True))
    if n_heavy * (n_heavy - 1) / 2 <= MANY:
        return DEFAULT_FEATURIZER
    return next((name for name in FOR_LARGE if _names(known[name], topology)), DEFAULT_FEATURIZER)


def _names(featurizer, topology) -> list[str]:
    """Names of its features with the usual options; [] where the molecule has none."""
    try:
        return featurizer().describe(topology)
    except FelError:
        return []


def first_look(dataset: xr.Dataset):
    """An unfitted method that gives a map at once: TICA at a short lag, or PCA where no lag fits."""
    methods = list_methods()
    lag = min(FIRST_LAG, (int(schema.trajectory_lengths(dataset).max()) - 1) // 2)
    if lag < 1 or dataset.sizes["feature"] < 2:
        return methods["PCA"](n_dims=min(2, dataset.sizes["feature"]))
    return methods["TICA"](lag_time=lag * schema.time_step(dataset), n_dims=2)


def checkpoint_folder(key: str, method) -> Path:
    """Folder of a training's checkpoint: one for the same data, method and hyperparameters.

    The same training started again, even after the process was killed, thus goes on to the same numbers.
    """
    config = json.dumps([key, type(method).__name__, method.hyperparameters()], sort_keys=True, default=str)
    name = hashlib.blake2b(config.encode(), digest_size=12).hexdigest()
    return cache_directory() / CHECKPOINTS / name
