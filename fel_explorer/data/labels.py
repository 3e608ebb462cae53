"""Labels of basins as columns of the dataset: from boxes of features, or from the states of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError

NONE = -1  # label of frames in no basin


def label_by_boxes(
    dataset: xr.Dataset,
    boxes: Sequence[Mapping[str, tuple[float, float]]],
    *,
    column: str = "basin",
) -> xr.Dataset:
    """Label frames by the box of torsions, or of other features, in which they lie.

    Parameters
    ----------
    boxes
        One a basin: {name: (low, high)}. The name is that of a feature, or of a torsion whose cos and sin are
        features ("phi ALA2"), then in degrees; a box from high to low goes over 180 degrees.  The first box
        that holds a frame decides.
    column
        Name of the new column: number of the box, -1 in none.

    Returns
    -------
    A copy of the dataset with the column.

    Raises
    ------
    FelError
        If a name is neither a feature nor a torsion of the dataset, or a box holds no frame.

    Examples
    --------
    >>> left, right = {"phi ALA2": (-180.0, 0.0)}, {"phi ALA2": (0.0, 125.0)}
    >>> data = fel.data.label_by_boxes(data, [left, right])
    """
    label = np.full(dataset.sizes["frame"], NONE)
    for index, box in reversed(list(enumerate(boxes))):
        inside = np.ones(len(label), bool)
        for name, (low, high) in box.items():
            value, is_angle = _values(dataset, name)
            around = is_angle and low > high
            inside &= (value >= low) | (value <= high) if around else (value >= low) & (value <= high)
        if not inside.any():
            raise FelError(f"No frame lies in box {index}, {dict(box)}.", remedy="Check bounds and units.")
        label[inside] = index
    return dataset.assign({column: ("frame", label)})


def _values(dataset, name: str) -> tuple[np.ndarray, bool]:
    """A feature (frame,), or a torsion in degrees from its cos and sin; and whether it is a torsion."""
    names = [str(feature) for feature in dataset["feature"].values]
    if name in names:
        return dataset["features"][:, names.index(name)].values, False
    if {f"{name} cos", f"{name} sin"} <= set(names):
        cos, sin = (dataset["features"][:, names.index(f"{name} {part}")].values for part in ("cos", "sin"))
        return np.degrees(np.arctan2(sin, cos)), True
    torsions = [feature.removesuffix(" cos") for feature in names if feature.endswith(" cos")]
    raise FelError(
        f"The dataset has no feature or torsion '{name}'.",
        f"Torsions: {', '.join(torsions) or 'none'}; {len(names)} features ({names[0]}, ...).",
        "Featurize with backbone_torsions too.",
    )


class Classifier(Protocol):
    """Anything that gives frames memberships (frame, state), as a fitted method with states does."""

    def predict_proba(self, X: xr.Dataset) -> xr.DataArray: ...


def label_by_states(
    dataset: xr.Dataset,
    method: Classifier,
    *,
    least: float = 0.8,
    column: str = "basin",
    X: xr.Dataset | None = None,
) -> xr.Dataset:
    """Label frames by the states of a fitted method: IDM, VAMPNet, PCCA, ...

    Parameters
    ----------
    least
        Membership from which a frame belongs to its state; others, near transition states, get -1.
    X
        Features that the method was fitted on, of the same frames, where they are not those of ``dataset``.

    Returns
    -------
    A copy of the dataset with the column.
    """
    if not 0 <= least <= 1:
        raise FelError(f"least={least}.", "It is a membership between 0 and 1.")
    membership = method.predict_proba(dataset if X is None else X).values
    if len(membership) != dataset.sizes["frame"]:
        raise FelError(
            f"X has {len(membership)} frames, the dataset {dataset.sizes['frame']}.",
            "Both hold the same frames.",
        )
    label = np.where(membership.max(axis=1) >= least, membership.argmax(axis=1), NONE)
    return dataset.assign({column: ("frame", label)})
