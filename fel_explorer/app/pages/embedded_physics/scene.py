"""The structures of the page's 3-D viewer."""

from __future__ import annotations

import numpy as np

from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.viewer import Layer
from fel_explorer.structures import principal_view, superpose

FAINT = 0.22  # opacity of the other structures at a z


def layers(subject: Subject, decoded: np.ndarray | None) -> list[Layer]:
    """The first conformation of ``decoded`` (sample, atom, 3) and faintly the others, all superposed.

    None: the structure that a molecule starts from.  Model systems have none.
    """
    if not subject.is_molecule:
        return []
    reference = principal_view(subject.trajectory(subject.structure[None]))
    bonds = {"reference": reference.xyz[0]}
    if decoded is None:
        return [Layer(reference, **bonds)]
    first, *others = superpose(subject.trajectory(decoded), reference)
    return [Layer(first, **bonds), *(Layer(x, opacity=FAINT, **bonds) for x in others)]
