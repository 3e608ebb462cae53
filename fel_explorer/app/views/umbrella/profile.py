"""Free energies along one CV: counted in the data, with what the model tells of them.  No panel import."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.signal import find_peaks

from fel_explorer.app.session.result import Result
from fel_explorer.data import schema
from fel_explorer.data.frame_values import label

N_BINS = 60
N_GROUPS = 8  # stretches of the data, of which one is left out at a time
BARRIER = 1.0  # kT, the least that is told of
TAIL = 0.0005  # share of the frames on either side that the profile does not reach to


def data_profile(result: Result, dataset: xr.Dataset, dimension: int = 0, *, limits=None) -> xr.Dataset:
    """What the data and the model say along one axis of a result's embedding.

    Parameters
    ----------
    dimension
        Of the embedding, from 0.
    limits
        Of the CV; default: where the data are.

    Returns
    -------
    Dataset over ``bin``, coordinate ``centre`` the CV: ``free_energy`` and ``error`` in kT, the lowest
    0 and the errors relative to it, by the jackknife over groups of trajectories (or stretches); where the
    model has states ``membership`` (bin, state), the mean over the frames of a bin; where it predicts
    energies ``energy`` (bin), likewise, attrs["label"] telling its unit.  NaN where no frame is.
    """
    cv = result.embedding[:, dimension].astype(float)
    low, high = limits or np.quantile(cv, [TAIL, 1 - TAIL])
    edges = np.linspace(low, high, N_BINS + 1)
    inside = (cv >= low) & (cv <= high)
    bins = np.clip(np.digitize(cv, edges) - 1, 0, N_BINS - 1)
    weight = np.where(inside, frame_weights(dataset), 0.0)
    value, error = _free_energy(bins, weight, _groups(dataset))
    profile = xr.Dataset(
        {"free_energy": ("bin", value), "error": ("bin", error)},
        coords={"centre": ("bin", (edges[1:] + edges[:-1]) / 2)},
    )
    if result.membership is not None:
        columns = [_mean(bins, weight, column) for column in result.membership[:, result.states()].T]
        profile["membership"] = (("bin", "state"), np.stack(columns, axis=1))
        profile = profile.assign_coords(state=result.states())
    if getattr(result.method, "energy_weight", 0):
        energy = result.method.predict_energy(dataset).values.astype(float)
        unit = label(dataset, result.method.energy_column).partition(" (")[2].rstrip(")")
        profile["energy"] = ("bin", _mean(bins, weight, energy), {"units": unit})
    return profile


def frame_weights(dataset: xr.Dataset) -> np.ndarray:
    """Weights (frame,), 1 each where the dataset has none."""
    return dataset["weight"].values.astype(float) if "weight" in dataset else np.ones(dataset.sizes["frame"])


def _free_energy(bins, weight, group):
    """Value and standard error (bin,), in kT."""
    parts = np.stack([np.bincount(bins[group == g], weight[group == g], N_BINS) for g in np.unique(group)])
    whole, n = parts.sum(0), len(parts)
    lowest = int(whole.argmax())
    with np.errstate(divide="ignore", invalid="ignore"):
        value = -np.log(whole / whole[lowest])
        without = whole - parts
        each = -np.log(without / without[:, [lowest]])
        error = np.sqrt((n - 1) * np.var(each, axis=0))
    value[~np.isfinite(value)] = np.nan
    return value, np.where(np.isfinite(error), error, np.nan)


def _groups(dataset):
    """Group (frame,): trajectories dealt out where there are enough, else stretches of the data."""
    trajectory = dataset["trajectory"].values
    if len(schema.trajectory_lengths(dataset)) >= N_GROUPS:
        return trajectory % N_GROUPS
    return np.arange(len(trajectory)) * N_GROUPS // len(trajectory)


def _mean(bins, weight, values):
    with np.errstate(invalid="ignore"):
        return np.bincount(bins, weight * values, N_BINS) / np.bincount(bins, weight, N_BINS)


def barriers(profile: xr.Dataset) -> list[tuple[float, float, float]]:
    """Barriers of a profile of more than 1 kT, from left to right.

    Returns
    -------
    (place, height above the lowest point on its left, on its right) of each, both up to the next barrier.
    """
    x, f = profile["centre"].values, profile["free_energy"].values
    known = np.isfinite(f)
    x, f = x[known], f[known]
    tops = find_peaks(f, prominence=BARRIER)[0]
    ends = [0, *tops, len(f)]
    return [
        (float(x[top]), float(f[top] - f[left:top].min()), float(f[top] - f[top:right].min()))
        for left, top, right in zip(ends[:-2], tops, ends[2:], strict=True)
    ]


def barrier_words(profile: xr.Dataset) -> str:
    """Barriers in words."""
    found = barriers(profile)
    if not found:
        return "**No barrier** of more than 1 kT along this CV."
    return "  \n".join(
        f"**Barrier** at {place:.3g}: {left:.1f} kT from the left, {right:.1f} kT from the right."
        for place, left, right in found[:3]
    )


def profile_words(profile: xr.Dataset, weighted: bool) -> str:
    """Barriers in words, and how sure they are."""
    said = barrier_words(profile)
    counted = "by frame weights" if weighted else "as often as each place was sampled"
    said += f"  \nCounted {counted}; the band is one standard error over {N_GROUPS} parts of the data."
    if "membership" in profile:
        said += "  \nBelow the curve: the states that the model sees there."
    if "energy" in profile:
        said += "  \nDashed: the potential energy that the model tells there, on its own scale."
    return said
