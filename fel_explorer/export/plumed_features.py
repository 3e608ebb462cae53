"""PLUMED lines that compute the features of a dataset."""

from __future__ import annotations

import json

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.features.blocks import read_blocks


def feature_lines(dataset) -> tuple[list[str], list[str]]:
    """Lines of PLUMED input, and the labels of the features in their order.

    Atoms are numbered as in the files that were loaded, from 1; lengths are in nm, PLUMED's default.

    Raises
    ------
    FelError
        If a kind of features has no counterpart in PLUMED here, or features of the dataset are missing.
    """
    blocks = read_blocks(dataset.attrs)
    for block in blocks:
        if reason := block.kind.reason_not_in_plumed(block.options):
            raise FelError(
                f"The features {block.name} ({block.options}) of kind '{block.kind.name}'. {reason}",
                "PLUMED input is written for features with derivatives, such as distances and torsions.",
                "Featurize with those and train again.",
            )
    kept = json.loads(dataset.attrs.get("atoms", "null"))
    lines, n_features = [], 0
    for block in blocks:
        for entry in block.atoms:
            numbers = np.asarray(entry if kept is None else np.asarray(kept)[entry]) + 1
            lines += block.kind.plumed(numbers.tolist(), block.options, n_features)
            n_features += len(block.kind.parts)
    if n_features != dataset.sizes["feature"]:
        raise FelError(
            f"{n_features} features by the dataset's record for {dataset.sizes['feature']} features.",
            "The features are those that fel.featurize made, none dropped.",
        )
    return lines, [f"f{i}" for i in range(n_features)]
