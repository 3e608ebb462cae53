"""Datasets of several systems as one, by the features that all of them have."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from fel_explorer.data.conditions import set_conditions
from fel_explorer.data.frame_values import columns
from fel_explorer.data.schema import assemble, trajectory_lengths, validate
from fel_explorer.errors import FelError


def concatenate(datasets: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """One dataset of several systems, each a condition of its own, over the features that all of them have.

    Features are the same where their names are: "phi ALA2" of a mutant that has another residue there has
    another name.  Columns that all have are kept, frame weights as well.  The topologies may differ, so that
    the result has no structures behind it.

    Parameters
    ----------
    datasets
        {condition: dataset}, with one time step and time unit.

    Returns
    -------
    xarray.Dataset
        With the conditions; its attrs["left_out"] names the features that not all have, with commas.

    Raises
    ------
    FelError
        If there are fewer than two, they share no feature, their times differ, or only some have weights.

    Examples
    --------
    >>> both = fel.data.concatenate({"apo": data, "holo": data})
    >>> fel.data.condition_names(both)
    ['apo', 'holo']
    """
    if len(datasets) < 2:
        raise FelError(f"{len(datasets)} datasets.", "Two at least are compared.")
    parts = list(datasets.values())
    for key in ("time_unit", "time_step"):
        values = [part.attrs[key] for part in parts]
        same = len(set(values)) == 1 if key == "time_unit" else np.allclose(values, values[0], rtol=1e-6)
        if not same:
            named = ", ".join(f"{name}: {value}" for name, value in zip(datasets, values, strict=True))
            raise FelError(f"{key} {named}.", "All systems have one.", "Featurize with another stride.")
    weighted = ["weight" in part for part in parts]
    if any(weighted) and not all(weighted):
        raise FelError("Only some of the datasets have frame weights.", "All have them, or none.")
    names = [[str(name) for name in part["feature"].values] for part in parts]
    common = [name for name in names[0] if all(name in other for other in names[1:])]
    if not common:
        raise FelError(
            "The datasets have no feature in common: "
            + "; ".join(f"{key} has {own[0]}, ..." for key, own in zip(datasets, names, strict=True)),
            "Features are the same where their names are.",
            "Featurize all with the same features of atoms that all have.",
        )
    everything = list(dict.fromkeys(name for own in names for name in own))
    left_out = [name for name in everything if name not in common]
    places = [[own.index(name) for name in common] for own in names]
    features = np.concatenate(
        [part["features"].values[:, place] for part, place in zip(parts, places, strict=True)]
    )
    lengths = np.concatenate([trajectory_lengths(part) for part in parts])
    starts = np.concatenate([part["time"].values[part["frame_in_trajectory"].values == 0] for part in parts])
    attrs = {"left_out": ", ".join(left_out)} if left_out else {}
    step, unit = float(parts[0].attrs["time_step"]), parts[0].attrs["time_unit"]
    whole = assemble(
        features, common, lengths, time_step=step, time_unit=unit, start_times=starts, attrs=attrs
    )
    shared = [name for name in columns(parts[0]) if all(name in columns(part) for part in parts[1:])]
    for name in [one for one in shared if one != "condition"]:
        about = {key: v for key, v in parts[0][name].attrs.items() if key in ("units", "long_name", "period")}
        whole[name] = ("frame", np.concatenate([part[name].values for part in parts]), about)
    conditions = [name for name, part in datasets.items() for _ in range(len(trajectory_lengths(part)))]
    return validate(set_conditions(whole, conditions), check_values=False)
