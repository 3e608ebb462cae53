"""Values of each frame by name: torsions, columns and features of a dataset as plain arrays.

A torsion ("phi ALA2") is an angle in degrees, whether the dataset holds it as a column, in radians with the
period of 2 pi (as PLUMED writes it), or by its cosine and sine as features.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError

UNITS = {"energy": "kJ/mol"}
DEGREES = ("deg", "degree", "degrees")
FRAME_NUMBERS = ("time", "trajectory")
NOT_STRUCTURE = ("weight",)
CONDITIONS = "conditions"  # attribute of a column that numbers the conditions of trajectories


def torsions(dataset: xr.Dataset) -> list[str]:
    """Names of the angles: columns in degrees, and those whose cosine and sine are both features."""
    names = [str(name) for name in dataset["feature"].values]
    present = set(names)
    stems = [name.removesuffix(" cos") for name in names if name.endswith(" cos")]
    angles = [name for name in columns(dataset) if _is_angle(dataset[name].attrs)]
    return list(dict.fromkeys([*angles, *(stem for stem in stems if f"{stem} sin" in present)]))


def _is_angle(attrs) -> bool:
    return attrs.get("units") in DEGREES or _in_radians(attrs)


def _in_radians(attrs) -> bool:
    """Whether a column has the period of 2 pi that PLUMED's torsions have."""
    return "units" not in attrs and abs(attrs.get("period", 0.0) - 2 * np.pi) < 1e-3


def columns(dataset: xr.Dataset) -> list[str]:
    """Names of the per-frame columns: energies, user data, weights."""
    return [
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.dims == ("frame",) and variable.dtype.kind in "fiub"
    ]


def label(dataset: xr.Dataset, name: str) -> str:
    """``name`` for an axis or a colour bar, with its unit: "radius of gyration (nm)"."""
    if name in torsions(dataset):
        return f"{name} (degrees)"
    attrs = dataset[name].attrs if name in columns(dataset) else {}
    unit = dataset.attrs["time_unit"] if name == "time" else attrs.get("units", UNITS.get(name, ""))
    text = attrs.get("long_name", name) + (f" ({unit})" if unit not in ("", "1") else "")
    return f"{text}, reference: {attrs['reference']}" if "reference" in attrs else text


def unit_of(dataset: xr.Dataset, name: str) -> str:
    """Unit of the values of ``name``: that of a column, nm of distances, ° of torsions; '' where unknown."""
    if name in torsions(dataset):
        return "°"
    if name in columns(dataset):
        unit = str(dataset[name].attrs.get("units", UNITS.get(name, "")))
        return "" if unit == "1" else unit
    return "nm" if name.startswith("d ") and "featurizers" in dataset.attrs else ""


def quantities(dataset: xr.Dataset) -> list[str]:
    """Names of all values, each once: torsions, columns, and features that no torsion stands for."""
    angles = torsions(dataset)
    parts = {f"{name} {part}" for name in angles for part in ("cos", "sin")}
    features = [str(name) for name in dataset["feature"].values]
    left_out = {*angles, *NOT_STRUCTURE}
    others = [n for n in columns(dataset) if n not in left_out and CONDITIONS not in dataset[n].attrs]
    return [*angles, *others, *(name for name in features if name not in parts)]


def has_values(dataset: xr.Dataset, name: str) -> bool:
    """Return whether `frame_values` has ``name``."""
    own = {*map(str, dataset["feature"].values), *columns(dataset), *torsions(dataset), *FRAME_NUMBERS}
    return name in own


def frame_values(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Values of ``name`` for every frame, (frame,) float32: a column, a feature, or a torsion in degrees.

    Raises
    ------
    FelError
        If the dataset has nothing of that name.
    """
    if name in (*FRAME_NUMBERS, *columns(dataset)):
        values = dataset[name].values
        if _in_radians(dataset[name].attrs):
            values = np.rad2deg(np.arctan2(np.sin(values), np.cos(values)))
        return values.astype(np.float32)
    features = {str(feature): i for i, feature in enumerate(dataset["feature"].values)}
    if name in features:
        return _feature(dataset, features[name])
    if f"{name} cos" in features and f"{name} sin" in features:
        cosine, sine = (_feature(dataset, features[f"{name} {part}"]) for part in ("cos", "sin"))
        return np.rad2deg(np.arctan2(sine, cosine))
    raise FelError(
        f"The dataset has nothing called '{name}'.",
        f"It has {', '.join(quantities(dataset)[:8])}, ...",
        "Choose one of these.",
    )


def values_of(dataset: xr.Dataset, *names: str) -> np.ndarray:
    """`frame_values` of several ``names`` side by side, (frame, name) float32.

    Examples
    --------
    >>> xy = fel.data.values_of(data, "phi ALA2", "psi ALA2")  # degrees
    """
    return np.column_stack([frame_values(dataset, name) for name in names])


def _feature(dataset, index):
    return np.asarray(dataset["features"][:, index].values, np.float32)
