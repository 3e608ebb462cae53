"""Blocks of features of one kind, as the attributes of a dataset record them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import mdtraj
import numpy as np

from fel_explorer.data.coordinates import read_topology
from fel_explorer.data.molecules import Molecules
from fel_explorer.errors import FelError
from fel_explorer.features.kind_base import FeatureBlock, get_kind


def read_blocks(attrs: Mapping) -> list[FeatureBlock]:
    """The blocks of a dataset's features, in their order.

    Parameters
    ----------
    attrs
        ``dataset.attrs``: "featurizers" (JSON), and "topology" (PDB text) for kinds that need a reference.

    Raises
    ------
    FelError
        If the dataset does not say what its features are, or a kind is not registered.
    """
    records = json.loads(attrs.get("featurizers", "[]"))
    if not records:
        raise FelError(
            "The dataset does not say which atoms its features belong to.",
            "Datasets of molecules come from fel.featurize(trajectories, featurizers).",
        )
    blocks = []
    for record in records:
        kind, atoms = get_kind(record["kind"]), np.asarray(record["atoms"], int)
        reference = pdb_positions(attrs["topology"])[atoms] if kind.needs_reference else None
        blocks.append(FeatureBlock(kind, atoms, record.get("options", {}), reference, record.get("name", "")))
    return blocks


def read_molecules(attrs: Mapping) -> Molecules:
    """The molecules of a dataset's topology."""
    topology = read_topology(attrs["topology"])
    return Molecules(topology, mdtraj.Trajectory(pdb_positions(attrs["topology"]), topology))


def pdb_positions(topology: str) -> np.ndarray:
    """Positions (atom, 3) in nm of the first model of a PDB text."""
    rows = []
    for line in topology.splitlines():
        if line.startswith("ENDMDL"):
            break
        if line.startswith(("ATOM  ", "HETATM")):
            rows.append([float(line[i : i + 8]) for i in (30, 38, 46)])
    return np.array(rows) / 10
