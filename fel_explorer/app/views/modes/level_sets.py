"""The job that finds what a map leaves unexplained, and where its decoder is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.umbrella.job import is_model_system, system_of
from fel_explorer.errors import FelError
from fel_explorer.free_energy import from_density
from fel_explorer.methods import level_sets
from fel_explorer.progress import Progress

BINS = {1: 50, 2: 30}  # along each dimension, by their number
MAX_FRAMES = 300_000
ENDS = (0.0005, 0.9995)  # quantiles of the embedding between which the decoder is drawn
LINES, POINTS = 13, 200  # of a decoder's surface in each direction, and of each line
CELLS = 150  # of the plane, along each axis
WORST = 30  # features that can be chosen
RARE = 1e-4  # fraction of the frames of a cell that is not drawn as a dot


@dataclass(frozen=True, eq=False)
class LevelSets:
    """Level sets of a result.

    Attributes
    ----------
    table
        From `methods.level_sets`.
    worst
        Features of which most is left, first that of which the largest fraction is.
    plane
        For `plots.level_sets.plot_decoder`; None where there are not two features or no decoder.
    """

    table: xr.Dataset
    worst: list[str]
    plane: xr.Dataset | None

    @property
    def means(self) -> np.ndarray:
        """(cell, feature) conditional means of the cells that hold more than a few frames."""
        return self.table["mean"].values[self.table["population"].values > RARE]


def reason_no_level_sets(result: Result) -> FelError | None:
    """Why there are no level sets of a result; None where there are."""
    if result.tree is None and result.embedding.shape[1] <= 2:
        return None
    return FelError(
        f"{result.label} has {'a map made of several models' if result.tree else result.embedding.shape[1]}"
        f"{'' if result.tree else ' dimensions'}.",
        "Level sets are of maps of one or two dimensions.",
        "Train with Dimensions 1 or 2.",
    )


def level_sets_job(result: Result, dataset: xr.Dataset) -> Call[LevelSets]:
    """The job; its result is a `LevelSets`, of evenly chosen frames where there are very many."""
    if (error := reason_no_level_sets(result)) is not None:
        raise error
    return _finding_level_sets(result, dataset)


@process_job
def _finding_level_sets(
    report: Report, should_stop: ShouldStop, result: Result, dataset: xr.Dataset
) -> LevelSets:
    report(Progress(0, 0, message="means on level sets"))
    n_dims = result.embedding.shape[1]
    some = dataset.isel(frame=slice(None, None, dataset.sizes["frame"] // MAX_FRAMES + 1))
    table = level_sets(result.method, some, n_bins=BINS[n_dims])
    plane = None
    if "decoded" in table and dataset.sizes["feature"] == 2:
        plane = _plane(result, dataset)
    return LevelSets(table, _worst(table), plane)


def _worst(table):
    population = table["population"].values
    left = population @ table["variance"].values
    mean = population @ table["mean"].values
    total = left + population @ np.square(table["mean"].values - mean)
    fraction = np.where(total > 1e-12, left / np.maximum(total, 1e-12), 0.0)
    return [str(name) for name in table["feature"].values[np.argsort(-fraction, kind="stable")][:WORST]]


def _plane(result, dataset) -> xr.Dataset:
    features = np.asarray(dataset["features"].values, float)
    low, high = features.min(axis=0), features.max(axis=0)
    edges = [np.linspace(a, b, CELLS + 1) for a, b in zip(low, high, strict=True)]
    x, y = ((e[1:] + e[:-1]) / 2 for e in edges)
    system = system_of(dataset, None, 300.0) if is_model_system(dataset) else None
    if system is not None and system.dim == 2:
        points = np.stack(np.meshgrid(x, y), axis=-1)
        energy = system.energy(torch.from_numpy(points)).numpy() / system.kT
    else:
        weight = dataset["weight"].values if "weight" in dataset else None
        counts = np.histogram2d(*features.T, bins=edges, weights=weight)[0].T
        energy = from_density(counts)
    lines = result.method.inverse_transform(_grid(result.embedding).reshape(-1, result.embedding.shape[1]))
    return xr.Dataset(
        {
            "energy": (("y", "x"), energy - np.nanmin(energy)),
            "lines": (("line", "point", "axis"), lines.reshape(-1, POINTS, 2)),
        },
        coords={"x": x, "y": y, "axis": dataset["feature"].values},
    )


def _grid(embedding) -> np.ndarray:
    """Points (line, point, cv) of the embedding between the ends of the data."""
    ends = np.quantile(embedding, ENDS, axis=0)
    along = np.linspace(*ends, POINTS)
    if embedding.shape[1] == 1:
        return along[None]
    across = np.linspace(*ends, LINES)
    lines = [np.stack([np.full(POINTS, fixed), along[:, 1]], axis=1) for fixed in across[:, 0]]
    lines += [np.stack([along[:, 0], np.full(POINTS, fixed)], axis=1) for fixed in across[:, 1]]
    return np.array(lines)


def level_words(found: LevelSets) -> str:
    """Text on the variance within level sets and the error of the decoder."""
    table = found.table
    left = table.attrs["unexplained_variance"]
    said = (
        f"The map leaves **{left:.1%}** of the variance of the features unexplained (within its level sets)."
    )
    if "decoder_error" in table:
        wrong = float(table["population"] @ table["decoder_error"])
        said += (
            f"  \nThe decoder deviates by **{wrong:.1%}** of the variance from the best one, "
            "which is the mean on each level set."
        )
    if len(found.worst) > 2:
        said += f"  \nMost is left of *{found.worst[0]}* and *{found.worst[1]}*."
    return said
