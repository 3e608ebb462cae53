"""The job that samples umbrella windows along a model's CV."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from fel_explorer import sampling
from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.featurize_and_train import fingerprint
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.session.result import Result
from fel_explorer.data import cache_directory
from fel_explorer.errors import FelError
from fel_explorer.features.molecular import differentiable_blocks
from fel_explorer.progress import Progress
from fel_explorer.sampling.cv_function import map_of
from fel_explorer.sampling.molecules import MolecularSystem, load_openmm
from fel_explorer.systems import list_systems

N_BINS = 60
HISTOGRAM_BINS = 120
FOLDER = "umbrella"  # of the cache


@dataclass(frozen=True)
class Settings:
    """Of the windows; ``temperature`` in K is for molecules, model systems have their own."""

    n_windows: int = 16
    n_walkers: int = 5
    n_steps: int = 2500
    temperature: float = 300.0


@dataclass(frozen=True, eq=False)
class Sampled:
    """Results of windows along a CV.

    Attributes
    ----------
    result, dimension, settings
        The settings.
    profile
        ``free_energy`` and ``error`` (bin) in kT over ``centre``, by MBAR and the bootstrap.
    histograms
        ``density`` (window, bin) of the CV in each window, over ``centre``.
    gaps
        (centre, centre, overlap) of neighbours that overlap too little.
    n_windows
        Of them that were sampled: fewer than planned when it was stopped.
    """

    result: Result
    dimension: int
    settings: Settings
    profile: xr.Dataset
    histograms: xr.Dataset
    gaps: list[tuple[float, float, float]]
    n_windows: int


def is_model_system(dataset: xr.Dataset) -> bool:
    """Whether the data were simulated in a model system that is known by name."""
    return "position" in dataset and dataset.attrs.get("system") in list_systems()


def reason_no_sampling(result: Result, dataset: xr.Dataset, trajectories) -> FelError | None:
    """Why no windows can be sampled along a result's CV; None where they can."""
    try:
        map_of(result.method)
        if is_model_system(dataset):
            return None
        differentiable_blocks(dataset.attrs)
        load_openmm()
    except FelError as error:
        return error
    if trajectories is None or trajectories.n_frames != dataset.sizes["frame"]:
        return FelError(
            "The trajectories of these frames are not loaded.",
            "Windows start from structures.",
            "Open the trajectory files, compute the features and train.",
        )
    if json.loads(dataset.attrs.get("atoms", "null")) is not None:
        return FelError(
            "Only some of the atoms were loaded.",
            "A simulation needs all of them.",
            "Open the trajectories with all atoms.",
        )
    return None


def system_of(dataset: xr.Dataset, trajectories, temperature: float):
    """The model system that the data came from, or the molecule in OpenMM."""
    if is_model_system(dataset):
        parameters = json.loads(dataset.attrs.get("system_parameters", "{}"))
        return list_systems()[dataset.attrs["system"]](**parameters)
    return MolecularSystem(trajectories, temperature=temperature)


def sampling_windows(
    result: Result,
    dataset: xr.Dataset,
    trajectories,
    dimension: int,
    settings: Settings,
    *,
    device: str = "cpu",
) -> Call[Sampled]:
    """The job that samples windows along one axis of a result's embedding; its result is `Sampled`.

    Asked to stop, it keeps what was sampled, if that is two windows or more.  The same job started again,
    after that or after the process was killed, goes on from there.
    """
    if (error := reason_no_sampling(result, dataset, trajectories)) is not None:
        raise error
    return _sampling(result, dataset, trajectories, dimension, settings, device)


@process_job
def _sampling(
    report: Report,
    should_stop: ShouldStop,
    result: Result,
    dataset: xr.Dataset,
    trajectories,
    dimension: int,
    settings: Settings,
    device: str,
) -> Sampled:
    def callback(progress):
        report(progress)
        return should_stop()

    report(Progress(0, settings.n_windows, message="first windows"))
    system = system_of(dataset, trajectories, settings.temperature)
    folder = checkpoint_folder(result, dataset, dimension, settings)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        data = sampling.umbrella(
            result.method, system, dataset, dimension=dimension, n_windows=settings.n_windows,
            n_walkers=settings.n_walkers, n_steps=settings.n_steps, callback=callback,
            n_processes=max(1, (os.cpu_count() or 2) - 1), checkpoint_dir=folder, device=device,
        )  # fmt: skip
    except sampling.SamplingStopped as stopped:
        raise Cancelled from stopped
    if not should_stop():
        shutil.rmtree(folder, ignore_errors=True)
    if data.sizes["umbrella"] < 2:
        raise Cancelled
    profile = sampling.profile(data, n_bins=N_BINS)
    for name in ("free_energy", "error", "sample"):
        profile[name] = profile[name] / data.attrs["kT"]
    found = [tuple(gap) for gap in json.loads(data.attrs["gaps"])]
    return Sampled(result, dimension, settings, profile, _histograms(data), found, data.sizes["umbrella"])


def checkpoint_folder(result: Result, dataset: xr.Dataset, dimension: int, settings: Settings) -> Path:
    """Where the sampling of windows keeps its checkpoint: one folder for a model, data and settings."""
    method = result.method
    weights = [float(array.double().sum()) for array in method._get_arrays().values()]
    about = [type(method).__name__, method.hyperparameters(), weights, dimension, asdict(settings)]
    text = json.dumps([fingerprint(dataset), *about], sort_keys=True, default=str)
    return cache_directory() / FOLDER / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _histograms(data: xr.Dataset) -> xr.Dataset:
    cv, window = data["cv"].values, data["window"].values
    edges = np.linspace(cv.min(), cv.max(), HISTOGRAM_BINS + 1)
    rows = [np.histogram(cv[window == w], edges, density=True)[0] for w in range(data.sizes["umbrella"])]
    return xr.Dataset(
        {"density": (("window", "bin"), np.array(rows))},
        coords={"centre": ("bin", (edges[1:] + edges[:-1]) / 2), "place": ("window", data["centre"].values)},
    )


def overlap_words(sampled: Sampled) -> str:
    """Whether neighbours overlap enough for their free energies to be joined."""
    asked, got = sampled.settings.n_windows, sampled.n_windows
    said = f"Stopped: {got} of {asked} windows.  \n" if got < asked else ""
    if not sampled.gaps:
        return said + "**All neighbours overlap** enough for MBAR to join them."
    low, high, overlap = min(sampled.gaps, key=lambda gap: gap[2])
    gaps = "1 gap" if len(sampled.gaps) == 1 else f"{len(sampled.gaps)} gaps"
    return said + (
        f"**{gaps}**: between {low:.3g} and {high:.3g} neighbours share {overlap:.1%} of their frames, where "
        "3 % are needed. The profile can't be trusted across it: take more windows, or more steps."
    )
