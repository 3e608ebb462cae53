"""Measurements by clicked atoms: as text, and as a column of the dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fel_explorer.app.jobs.call import ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.app.viewer.component import Layer
from fel_explorer.structures import geometry
from fel_explorer.structures.measurement import MeasurementCancelled, atom_name, measure

HOW = "Click atoms: two for a distance, three for an angle, four for a torsion. Esc ends it."


def in_words(layer: Layer | None, frame: int, atoms: Sequence[int], topology) -> str:
    """ "CA of ALA2 – CB of ALA2: 0.153 nm" in a frame of ``layer``; what to do next for fewer than two atoms.

    ``atoms`` are indices into ``topology``, that of the data.
    """
    names = " – ".join(atom_name(topology, atom) for atom in atoms)
    if len(atoms) < 2:
        return f"{names}. Click a second atom." if names else HOW
    value = value_in(layer, frame, atoms)
    return f"{names}: {value}" if value else f"{names}: not all are drawn here."


def value_in(layer: Layer | None, frame: int, atoms: Sequence[int]) -> str:
    """Distance, angle or torsion with its unit; "" where the layer lacks one of the atoms."""
    if layer is None:
        return ""
    xyz = layer.trajectory.xyz[min(frame, layer.trajectory.n_frames - 1)].astype(float)
    place = {int(a): i for i, a in enumerate(range(len(xyz)) if layer.atoms is None else layer.atoms)}
    if not all(atom in place for atom in atoms):
        return ""
    points = xyz[[place[atom] for atom in atoms]]
    if len(atoms) == 2:
        return f"{np.linalg.norm(points[1] - points[0]):.3f} nm"
    if len(atoms) == 3:
        first, last = points[0] - points[1], points[2] - points[1]
        cosine = first @ last / (np.linalg.norm(first) * np.linalg.norm(last))
        angle = np.arccos(np.clip(cosine, -1, 1))
    else:
        angle = geometry.torsions(points, np.array([[0, 1, 2, 3]]))[0]
    return f"{np.rad2deg(angle):.1f}°".replace("-", "−")


@process_job
def measuring(report: Report, should_stop: ShouldStop, trajectories, atoms: Sequence[int]):
    """The job that measures ``atoms`` in all frames; its result is a dataset of one column (frame,)."""

    def callback(progress):
        report(progress)
        return should_stop()

    try:
        return measure(trajectories, atoms, callback=callback).to_dataset()
    except MeasurementCancelled as stopped:
        raise Cancelled from stopped
