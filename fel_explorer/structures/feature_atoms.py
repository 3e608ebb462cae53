"""Atoms that features are measured on, so that values of features can colour a structure."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.features.blocks import read_blocks
from fel_explorer.features.names import feature_groups
from fel_explorer.structures.pdb import read_pdb


def feature_atoms(attrs: dict) -> list[np.ndarray]:
    """Atoms (index into the topology) of each feature, in the order of the dataset's features.

    Two of a distance, four of a torsion, one of a coordinate; a contact's are those of its two residues.

    Parameters
    ----------
    attrs
        ``dataset.attrs``: "topology" (PDB text) and "featurizers" (JSON).

    Raises
    ------
    FelError
        If the dataset does not say what its features are.
    """
    if not {"topology", "featurizers"} <= attrs.keys():
        raise FelError(
            "The dataset does not say which atoms its features belong to.",
            "Datasets made by fel.featurize(trajectories, ...) do.",
        )
    topology, atoms = read_pdb(attrs["topology"]).topology, []
    for block in read_blocks(attrs):
        for entry in block.atoms:
            atoms += [block.kind.feature_atoms(entry, topology)] * len(block.kind.parts)
    return atoms


def atom_values(values: xr.DataArray, attrs: dict) -> xr.DataArray:
    """Values (..., feature), such as fractions of a sensitivity, divided evenly over the features' atoms.

    Returns
    -------
    DataArray (..., atom) over all atoms of the topology, with the same sum.

    Raises
    ------
    FelError
        If the values are of other features than the dataset's.

    Examples
    --------
    >>> table = fel.methods.sensitivity(model, data)
    >>> fel.structures.atom_values(table["feature_share"], data.attrs).sizes
    Frozen({'cv': 2, 'atom': 22})
    """
    atoms = feature_atoms(attrs)
    if values.sizes.get("feature") != len(atoms):
        raise FelError(
            f"Values of {values.sizes.get('feature', 0)} features.", f"The dataset has {len(atoms)}."
        )
    dims = [dim for dim in values.dims if dim != "feature"]
    each = values.transpose(*dims, "feature").values.astype(float)
    result = np.zeros((*each.shape[:-1], read_pdb(attrs["topology"]).topology.n_atoms))
    for column, indices in enumerate(atoms):
        result[..., indices] += each[..., column, None] / len(indices)
    coords = {name: values[name] for name in dims if name in values.coords}
    return xr.DataArray(result, dims=(*dims, "atom"), coords=coords)


def largest_on_atoms(values: Mapping[str, float], dataset: xr.Dataset) -> np.ndarray:
    """The largest value of all quantities that an atom takes part in, (atom,); NaN where it is in none.

    Parameters
    ----------
    values
        {quantity: value}, such as effect sizes: features by their names, torsions that are held by their
        cosine and sine by the torsion's, and columns that say their atoms, as those of
        `structures.measure` do.
    dataset
        A dataset with a topology and featurizers in its attrs.

    Raises
    ------
    FelError
        If the dataset does not say what its features are.
    """
    features, atoms_of = list(map(str, dataset["feature"].values)), feature_atoms(dataset.attrs)
    parts = [
        (name, atoms_of[place])
        for group, places in feature_groups(features).items()
        for place in places
        for name in (group, features[place])
    ]
    parts += [
        (str(name), np.array(json.loads(column.attrs["atoms"])))
        for name, column in dataset.data_vars.items()
        if "atoms" in column.attrs
    ]
    result = np.full(read_pdb(dataset.attrs["topology"]).topology.n_atoms, np.nan)
    for name, atoms in parts:
        if name in values:
            result[atoms] = np.fmax(result[atoms], values[name])
    return result
