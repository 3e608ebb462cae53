"""PLUMED lines that compute the features of a dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from fel_explorer.data.molecules import Molecules
from fel_explorer.errors import FelError
from fel_explorer.features.blocks import read_blocks, read_molecules

if TYPE_CHECKING:
    import xarray as xr


def feature_lines(dataset: xr.Dataset) -> tuple[list[str], list[str]]:
    """Lines of PLUMED input, and the labels of the features in their order.

    Atoms are numbered as in the files that were loaded, from 1; lengths are in nm, PLUMED's default.
    Molecules are made whole first: features within one molecule are then free of its periodic images
    (NOPBC), those between molecules are to nearest images.

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
    numbers = None if kept is None else np.asarray(kept)
    known = "topology" in dataset.attrs and any(_periodic(block) for block in blocks)
    molecules = read_molecules(dataset.attrs) if known else None
    lines, n_features, held = [], 0, set()
    for block in blocks:
        inside = np.zeros(len(block.atoms), bool)
        if molecules is not None and _periodic(block):
            entries = block.atoms.reshape(len(block.atoms), -1)
            inside = molecules.inside(entries)
            held |= set(molecules.label[entries[inside, 0]].tolist())
            if block.kind.makes_whole_in_plumed:
                held |= set(molecules.label[entries].ravel().tolist())
        for entry, within in zip(block.atoms, inside, strict=True):
            options = block.options | {"periodic": False} if within else block.options
            lines += block.kind.plumed(_numbers(entry, numbers).tolist(), options, n_features)
            n_features += len(block.kind.parts)
    if n_features != dataset.sizes["feature"]:
        raise FelError(
            f"{n_features} features by the dataset's record for {dataset.sizes['feature']} features.",
            "The features are those that fel.featurize made, none dropped.",
        )
    if molecules is not None and held:
        lines.insert(0, _whole_molecules(molecules, sorted(held), numbers))
    return lines, [f"f{i}" for i in range(n_features)]


def position_lines(dataset: xr.Dataset) -> tuple[list[str], list[str]]:
    """The same for coordinates of atoms that need no superposition: positions in whole molecules.

    For CVs that do not change when all atoms move or turn together.  The atoms are of one molecule: others
    would be at any of their images.

    Raises
    ------
    FelError
        If the features are not coordinates of atoms of one molecule.
    """
    (block,) = read_blocks(dataset.attrs)
    molecules, atoms = read_molecules(dataset.attrs), block.atoms[:, 0]
    labels = np.unique(molecules.label[atoms])
    if len(labels) > 1:
        raise FelError(
            f"Coordinates of atoms of {len(labels)} molecules.",
            "PLUMED makes molecules whole, but does not put them next to each other.",
            "Take atoms of one molecule, or distances between molecules as features.",
        )
    kept = json.loads(dataset.attrs.get("atoms", "null"))
    numbers = None if kept is None else np.asarray(kept)
    lines = [_whole_molecules(molecules, labels.tolist(), numbers)]
    lines += [f"a{i}: POSITION ATOM={n} NOPBC" for i, n in enumerate(_numbers(atoms, numbers).tolist())]
    return lines, [f"a{i}.{axis}" for i in range(len(atoms)) for axis in "xyz"]


def _periodic(block) -> bool:
    return block.options.get("periodic", True)


def _numbers(atoms: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """Numbers of atoms in the files, from 1."""
    return np.asarray(atoms if kept is None else kept[atoms]) + 1


def _whole_molecules(molecules: Molecules, labels: list[int], kept) -> str:
    """The action that makes molecules whole, each atom at the image nearest to the one before it."""
    entities = []
    for i, label in enumerate(labels):
        numbers = _numbers(np.flatnonzero(molecules.label == label), kept)
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
        ranges = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
        entities.append(f"ENTITY{i}={','.join(ranges)}")
    return f"WHOLEMOLECULES {' '.join(entities)}"
