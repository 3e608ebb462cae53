"""PLUMED lines that compute the features of a dataset."""

from __future__ import annotations

import json

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.sampling.features import CA_CUTOFF, records_of


def feature_lines(dataset) -> tuple[list[str], list[str]]:
    """Lines of PLUMED input, and the labels of the features in their order.

    Atoms are numbered as in the files that were loaded, from 1; lengths are in nm, PLUMED's default.

    Raises
    ------
    FelError
        If a featurizer has no counterpart in PLUMED here.
    """
    records = records_of(dataset)
    kept = json.loads(dataset.attrs.get("atoms", "null"))
    lines, labels = [], []
    for record in records:
        atoms = np.array(record["atoms"])
        atoms = (atoms if kept is None else np.asarray(kept)[atoms]) + 1
        pbc = "" if record["options"].get("periodic", True) else " NOPBC"
        for entry in atoms:
            label, numbers = f"f{len(labels)}", ",".join(map(str, entry))
            if record["kind"] == "torsion":
                angle = f"t{len(labels)}"
                lines.append(f"{angle}: TORSION ATOMS={numbers}{pbc}")
                for function in ("cos", "sin"):
                    label = f"f{len(labels)}"
                    lines.append(f"{label}: CUSTOM ARG={angle} FUNC={function}(x) PERIODIC=NO")
                    labels.append(label)
                continue
            if record["kind"] == "distance":
                lines.append(f"{label}: DISTANCE ATOMS={numbers}{pbc}")
            else:
                cutoff = record["options"]["cutoff"] or CA_CUTOFF
                lines.append(f"d{len(labels)}: DISTANCE ATOMS={numbers}{pbc}")
                function = f"1/(1+(x/{cutoff:g})^6)"
                lines.append(f"{label}: CUSTOM ARG=d{len(labels)} FUNC={function} PERIODIC=NO")
            labels.append(label)
    names = dataset["feature"].values
    if len(labels) != len(names):
        raise FelError(
            f"{len(labels)} features by the dataset's record for {len(names)} features.",
            "The features are those that fel.featurize made, none dropped.",
        )
    return lines, labels
