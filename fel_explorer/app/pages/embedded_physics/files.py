"""Files of the page: samples as files or as a session, models."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import xarray as xr

from fel_explorer.app.jobs.featurize_and_train import DEFAULT_FEATURIZER, with_torsions
from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.pages.embedded_physics.training import ModelSnapshot
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.input_files import inside
from fel_explorer.app.storage.session_folder import ENDING, save_session
from fel_explorer.data import load_trajectories, schema
from fel_explorer.data.atomic_folders import whole_or_nothing
from fel_explorer.data.file_names import writable_name
from fel_explorer.errors import FelError
from fel_explorer.features import featurize
from fel_explorer.methods import EmbeddedPhysics
from fel_explorer.structures import pdb_text
from fel_explorer.structures.export import check_xtc

STRUCTURES = ".samples"  # ending of the folder next to a session with the conformations


def columns(snapshot: ModelSnapshot) -> dict[str, np.ndarray]:
    """{name: (sample,)}: weight of mean 1, energy, CVs, and φ and ψ or the coordinates."""
    subject, drawn = snapshot.subject, snapshot.samples
    found = {"weight": drawn.weights() * len(drawn.state), "energy": drawn.energy * subject.kT}
    found |= {f"z{i + 1}": z for i, z in enumerate(drawn.z.T)}
    if subject.is_molecule:
        return found | dict(zip(("phi", "psi"), drawn.places.T, strict=True))
    return found | dict(zip(subject.system.coordinate_names, drawn.x.T, strict=True))


def samples_zip(snapshot: ModelSnapshot) -> bytes:
    """A ZIP file: ``samples.csv`` with weights, and of a molecule ``topology.pdb`` and ``samples.xtc``."""
    buffer, table, named = io.BytesIO(), io.StringIO(), columns(snapshot)
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["sample", *named])
    for index, row in enumerate(zip(*named.values(), strict=True)):
        writer.writerow([index, *(f"{value:.8g}" for value in row)])
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.csv", table.getvalue())
        if snapshot.subject.is_molecule:
            with tempfile.TemporaryDirectory() as folder:
                for path in _write_structures(snapshot, np.arange(len(snapshot.samples.state)), Path(folder)):
                    archive.write(path, path.name)
    return buffer.getvalue()


def _write_structures(snapshot: ModelSnapshot, which, folder: Path) -> list[Path]:
    """``topology.pdb`` and ``samples.xtc`` of the samples ``which`` in a folder."""
    frames = snapshot.subject.trajectory(snapshot.samples.x[which])
    topology, trajectory = folder / "topology.pdb", folder / "samples.xtc"
    topology.write_text(pdb_text(frames.topology, snapshot.subject.structure))
    with writable_name(trajectory) as name:
        frames.save_xtc(name)
        check_xtc(name, len(frames))
    return [topology, trajectory]


# ---- the explorer


def save_for_explorer(snapshot: ModelSnapshot, root, name: str) -> Path:
    """Save the samples as the session ``name`` below ``root``; returns its folder.

    Its frames have weights, and z, energy and torsions or coordinates as columns.  Conformations lie in a
    folder next to it.  Samples with no weight are left out.

    Raises
    ------
    FelError
        If the name is empty or leads out of the root, or something else has it.
    """
    name = name.strip().removesuffix(ENDING)
    if not name or name != Path(name).name:
        raise FelError(
            f"The name '{name}'.", "A name without slashes is needed.", "Type one, such as alanine."
        )
    path, folder = inside(root, [name + ENDING, name + STRUCTURES])
    which = np.flatnonzero(snapshot.samples.weights() > 0)
    if snapshot.subject.is_molecule:
        with whole_or_nothing(folder, replace=True) as partial:
            partial.mkdir()
            written = _write_structures(snapshot, which, partial)
        topology, file = (folder / path.name for path in written)
        trajectories = load_trajectories(file, topology)
        dataset = with_torsions(featurize(trajectories, DEFAULT_FEATURIZER, cache=False), trajectories)
    else:
        trajectories, dataset = None, _coordinates(snapshot, which)
    dataset = _independent(dataset)
    there = {*dataset["feature"].values.tolist(), "phi", "psi"}  # with_torsions names them after residues
    shown = {name: column[which] for name, column in columns(snapshot).items() if name not in there}
    dataset = dataset.assign({name: ("frame", column) for name, column in shown.items()})
    if snapshot.subject.is_molecule:
        dataset["energy"].attrs["units"] = "kJ/mol"
    return save_session(Session(schema.validate(dataset), trajectories), path)


def _coordinates(snapshot: ModelSnapshot, which) -> xr.Dataset:
    system = snapshot.subject.system
    return schema.as_dataset(snapshot.samples.x[which], feature_names=list(system.coordinate_names))


def _independent(dataset: xr.Dataset) -> xr.Dataset:
    """Each frame as a trajectory of its own: samples have no time or order."""
    n = dataset.sizes["frame"]
    zeros = np.zeros(n)
    return dataset.assign_coords(
        time=("frame", zeros),
        trajectory=("frame", np.arange(n)),
        frame_in_trajectory=("frame", zeros.astype(int)),
    )


# ---- models


def model_bytes(model: EmbeddedPhysics) -> bytes:
    """The model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.fel"
        model.save(path)
        return path.read_bytes()


def read_model(content: bytes, subject: Subject) -> EmbeddedPhysics:
    """The model in a file's ``content``, of the chosen ``subject`` at any temperature.

    Raises
    ------
    FelError
        If it holds no embedded physics, or was learned from another system.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.fel"
        path.write_bytes(content)
        model = EmbeddedPhysics.load(path)
    dim = 3 * subject.system.n_atoms - 6 if subject.is_molecule else subject.system.dim
    same = type(model.system) is (type(None) if subject.is_molecule else type(subject.system))
    if not same or len(model.feature_names_) != dim:
        learned = "a molecule" if model.system is None else type(model.system).__name__
        raise FelError(
            f"The model was learned from {learned} with {len(model.feature_names_)} coordinates.",
            f"{subject.title} has {dim}.",
            "Choose the system that it was learned from, then load it.",
        )
    return model
