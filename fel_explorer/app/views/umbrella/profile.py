"""Free energy along one CV, counted in the data, with what the model predicts along it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer import free_energy
from fel_explorer.app.session.result import Result
from fel_explorer.data.frame_values import label
from fel_explorer.free_energy import FreeEnergy
from fel_explorer.free_energy.estimator import MIN_FRAMES
from fel_explorer.free_energy.grid import Grid
from fel_explorer.plots.energy_units import KT

TAIL = 0.0005  # fraction of the frames on either side that the profile does not reach to
MAX_BARRIERS = 3  # in the text


def data_profile(
    result: Result,
    dataset: xr.Dataset,
    dimension: int = 0,
    *,
    limits: tuple[float, float] | None = None,
) -> xr.Dataset:
    """Free energy, states and energies along one axis of a result's embedding, as the map counts them.

    Parameters
    ----------
    dimension
        Of the embedding, from 0.
    limits
        Of the CV that are shown; default: all but the outermost 0.05 % of the frames on either side.

    Returns
    -------
    Dataset over ``bin``, coordinate ``centre`` the CV: ``free_energy`` and ``error`` in kT as on a map of the
    CV, the lowest 0 and errors relative to it, with bootstrap samples ``sample`` (draw, bin); where the model
    has states ``membership`` (bin, state), the mean over the frames of a bin; where it predicts energies
    ``energy`` (bin), likewise, in its attrs["units"].  NaN where no frame is.
    """
    cv = result.embedding[:, [dimension]]
    weights = dataset["weight"].values.astype(float) if "weight" in dataset else None
    options = {"bins": free_energy.default_bins(len(cv))}
    profile = _estimate(cv, weights, dataset["trajectory"].values, options).to_dataset()
    grid = Grid.of(cv, options["bins"], False)
    cells, weight = grid.cells(cv), np.ones(len(cv)) if weights is None else weights
    if result.membership is not None:
        chi = result.membership[:, result.states()]
        columns = [_mean(cells, weight, column, grid.size) for column in chi.T]
        profile["membership"] = (("bin", "state"), np.stack(columns, axis=1))
        profile = profile.assign_coords(state=result.states())
    if result.method.has_energies:
        energy = result.method.predict_energy(dataset).values.astype(float)
        unit = label(dataset, result.method.energy_column).partition(" (")[2].rstrip(")")
        profile["energy"] = ("bin", _mean(cells, weight, energy, grid.size), {"units": unit})
    low, high = limits or np.quantile(cv, [TAIL, 1 - TAIL])
    half = np.diff(profile["centre"].values[:2]) / 2
    shown = (profile["centre"].values > low - half) & (profile["centre"].values < high + half)
    return profile.isel(bin=shown)


def _estimate(cv, weights, trajectory, options) -> FreeEnergy:
    if len(cv) >= MIN_FRAMES:
        return free_energy.estimate(cv, weights, trajectory, **options)
    f = free_energy.free_energy_profile(cv[:, 0], weights, **options)
    return FreeEnergy.without_error(f.values, f["x"].values)


def _mean(cells, weight, values, n_cells):
    with np.errstate(invalid="ignore"):
        return np.bincount(cells, weight * values, n_cells) / np.bincount(cells, weight, n_cells)


def barrier_words(profile: xr.Dataset) -> str:
    """Text on the barriers of a profile."""
    found = free_energy.barriers(FreeEnergy.from_dataset(profile))
    if not found:
        return "**No barrier** of more than 1 kT along this CV."
    return "  \n".join(
        f"**Barrier** at {one.position:.3g}: {KT.text(one.left, one.left_error)} from the left, "
        f"{KT.text(one.right, one.right_error)} from the right."
        for one in found[:MAX_BARRIERS]
    )


def profile_words(profile: xr.Dataset, weighted: bool) -> str:
    """Text on the barriers with their errors."""
    said = barrier_words(profile)
    counted = "by frame weights" if weighted else "without frame weights"
    said += f"  \nCounted {counted}"
    n_blocks = profile.attrs.get("n_blocks", 1)
    if n_blocks > 1:
        said += f"; the band is one standard error, by a bootstrap of {n_blocks} parts of the data"
    said += "."
    if "membership" in profile:
        said += "  \nBelow the curve: memberships of the states."
    if "energy" in profile:
        said += "  \nDashed: the potential energy predicted by the model, on its own scale."
    return said
