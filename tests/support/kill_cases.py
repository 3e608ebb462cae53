"""What a kill must not spoil: trainings, computations and files, each as a function that is called again.

A case works in a folder.  Called again after a kill it must end as if nothing had happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hostile_names import hostile_session
from peptides import make_trajectory
from small_methods import METHODS, small, walks_dataset

import fel_explorer as fel
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.report.document import save_report
from fel_explorer.app.storage import autosave
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.runs.sweep import plan
from fel_explorer.export import plumed
from fel_explorer.export.torch_files import save_archive, save_torchscript
from fel_explorer.methods import EmbeddedPhysics, LatentSpaceSimulator
from fel_explorer.methods.base import Model
from fel_explorer.methods.registry import list_models
from fel_explorer.plots import list_plots
from fel_explorer.plots.export import save as save_figure
from fel_explorer.sampling import umbrella
from fel_explorer.structures import export_frames, observables

Arrays = dict[str, np.ndarray]
TINY = {"n_steps": 16, "hidden": [8], "batch_size": 32, "lag_time": 2.0, "n_threads": 1}
BONDS = [(0, 1), (1, 2), (2, 3), (3, 4)]


@dataclass(frozen=True)
class Case:
    """Something that a kill may meet.

    Attributes
    ----------
    run
        Called with a folder; returns what comes of it.
    prepare
        Called before with the folder, to leave there what an earlier version wrote.
    read
        What a reader finds in the folder, at any time: the earlier version or the new one, never a part.
    """

    run: Callable[[Path], Arrays]
    prepare: Callable[[Path], object] = lambda folder: None
    read: Callable[[Path], Arrays] = lambda folder: {}


def arrays_of(model: Model) -> Arrays:
    """All that was trained; not how many seconds it took."""
    arrays = model._get_arrays().items()
    found = {name: array.numpy() for name, array in arrays if not name.startswith("seconds")}
    for part, inner in model._get_parts().items():
        if isinstance(inner, Model):
            found |= {f"{part} {name}": array for name, array in arrays_of(inner).items()}
    return found


def trained(method, data) -> Callable[[Path], Arrays]:
    """The training of a method as the page does it."""

    def run(folder):
        key = featurize_and_train.fingerprint(data)
        call = featurize_and_train.training(
            method,
            data,
            "one",
            device="cpu",
            checkpoint_dir=featurize_and_train.checkpoint_folder(key, method),
        )
        result = call(lambda *_: None, lambda: False)
        return arrays_of(result.method) | {"embedding": result.embedding}

    return run


def models() -> dict[str, Case]:
    """A training of each registered model."""
    data, made = walks_dataset(), {}
    for name, kind in list_models().items():
        made[name] = Case(trained(small(name), data) if name in METHODS else OTHERS[name](kind))
    return made


def _of_decoder(kind):
    values = {name: value for name, value in TINY.items() if name in kind.hyperparameter_names()}
    random = np.random.default_rng(0)
    latent, xyz = random.normal(size=(60, 1)), random.normal(size=(60, 5, 3))

    def run(folder):
        return arrays_of(kind(**values).fit(latent, xyz, bonds=BONDS, device="cpu", checkpoint_dir=folder))

    return run


def _of_propagator(kind):
    values = {name: value for name, value in TINY.items() if name in kind.hyperparameter_names()}
    data = walks_dataset()
    return lambda folder: arrays_of(kind(**values).fit(data, device="cpu", checkpoint_dir=folder))


def _of_simulator(kind):
    data = walks_dataset()

    def run(folder):
        propagator = fel.MixtureDensityPropagator(lag_time=2.0, n_steps=8, n_threads=1)
        encoder = small("SRV", n_dims=1)
        simulator = LatentSpaceSimulator(encoder, propagator, lag_time=2.0, n_dims=1)
        return arrays_of(simulator.fit(data, device="cpu", checkpoint_dir=folder))

    return run


def _of_physics(kind):
    values = {"n_dims": 1, "n_steps": 24, "batch_size": 32, "hidden": [8], "n_restarts": 2, "n_threads": 1}

    def run(folder):
        model = EmbeddedPhysics(fel.systems.DoubleWell(), **values)
        return arrays_of(model.fit(device="cpu", checkpoint_dir=folder))

    return run


OTHERS = {
    "ConditionalFlowMatching": _of_decoder,
    "ConditionalWGAN": _of_decoder,
    "LinearPropagator": _of_propagator,
    "MixtureDensityPropagator": _of_propagator,
    "LatentSpaceSimulator": _of_simulator,
    "EmbeddedPhysics": _of_physics,
}


def computations(inputs: Path) -> dict[str, Case]:
    """Umbrella sampling, a sweep, features and observables; ``inputs``: folder for trajectory files."""
    hot = fel.systems.DoubleWell(kT=4.0).simulate(200, 10, dynamics="langevin", stride=20)
    linear = fel.PCA(n_dims=1).fit(hot)
    settings = {"n_windows": 4, "n_walkers": 2, "n_steps": 120, "stride": 10, "discard": 0.0}
    data = walks_dataset()
    values = small("SRV").hyperparameters() | {"n_steps": 8}
    planned = plan(METHODS["SRV"], values, "lag_time", [2.0, 3.0], n_seeds=2, dataset=data)
    trajectories = trajectories_in(inputs)

    def sampled(folder):
        found = umbrella(linear, fel.systems.DoubleWell(kT=1.0), hot, checkpoint_dir=folder, **settings)
        return {"position": found["position"].values}

    def swept(folder):
        runs = [trained(run.method, data)(folder) for run in planned]
        return {f"{number} {name}": array for number, run in enumerate(runs) for name, array in run.items()}

    def measured(folder):
        found = observables(trajectories, ["rmsd", "radius_of_gyration"])
        return {name: column.values for name, column in found.data_vars.items()}

    def features(**options):
        return fel.featurize(trajectories, "torsions", chunk_size=4, **options)["features"].values

    return {
        "umbrella": Case(sampled),
        "sweep": Case(swept),
        "featurize, cached": Case(lambda folder: {"features": features()}),
        "featurize into a store": Case(lambda folder: {"features": features(store=folder / "a.zarr")}),
        "observables": Case(measured),
    }


def _read_bytes(folder: Path) -> Arrays:
    """Files of a folder that are not hidden."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != "."]
    return {str(path.relative_to(folder)): np.frombuffer(path.read_bytes(), np.uint8) for path in files}


def written(write: Callable[[Path, int], object], read=_read_bytes) -> Case:
    """Case of ``write(folder, version)``, of which version 0 is there and version 1 is written."""

    def run(folder):
        write(folder, 1)
        return read(folder)

    return Case(run, lambda folder: write(folder, 0), read)


def trajectories_in(folder: Path):
    """Two short trajectories of a peptide, written to a folder."""
    for seed in (0, 1):
        make_trajectory(seed=seed).save_xtc(str(folder / f"{seed}.xtc"))
    make_trajectory().save_pdb(str(folder / "top.pdb"))
    return fel.load_trajectories([folder / "0.xtc", folder / "1.xtc"], folder / "top.pdb")


def files(inputs: Path) -> dict[str, Case]:
    """What is saved and exported; ``inputs``: folder for trajectory files."""
    data = walks_dataset()
    trajectories = trajectories_in(inputs)
    torsions = fel.featurize(trajectories, "torsions", cache=False)
    fitted = [fel.PCA(n_dims=n).fit(torsions) for n in (1, 2)]
    sessions = [hostile_session(), hostile_session()]
    sessions[1].name_state(0, "another")
    sessions[1].dataset = sessions[1].dataset.assign(column=("frame", np.arange(360.0)))
    example = torch.ones(1, torsions.sizes["feature"])
    figure = list_plots()["survival"].example()

    def read_dataset(folder):
        return {"features": fel.open_dataset(folder / "a.zarr")["features"].values}

    def read_session(folder):
        session = open_session(folder / "a.session")
        names = np.array(sorted(session.state_names.values()))
        return {"names": names, "columns": np.array(sorted(map(str, session.dataset.data_vars)))}

    def save_views(folder, version):
        # named by chance, so that only their number can be compared
        session = sessions[version]
        save_session(session, autosave.folder() / f"abcdef{autosave.ENDING}")

    def read_page(folder):
        found = autosave.autosaved("abcdef")
        assert found is not None
        return {"names": np.array(sorted(open_session(found).state_names.values()))}

    def export(kind):
        return written(
            lambda folder, version: export_frames(
                trajectories, np.arange(3 + version), folder / f"a.{kind}", dataset=torsions
            )
        )

    return {
        "dataset": written(
            lambda folder, version: fel.save_dataset(data + version, folder / "a.zarr", overwrite=True),
            read_dataset,
        ),
        "session": written(
            lambda folder, version: save_session(sessions[version], folder / "a.session"), read_session
        ),
        "autosave": written(save_views, read_page),
        "model": written(lambda folder, version: fitted[version].save(folder / "a.fel")),
        "report": written(
            lambda folder, version: save_report(sessions[version], folder / "a.html"),
            lambda folder: {"states": np.array("another" in (folder / "a.html").read_text())},
        ),
        "figure": written(
            lambda folder, version: save_figure(figure, folder / "a.svg", size=(300, 200 + version))
        ),
        "PLUMED": written(
            lambda folder, version: plumed(fitted[version], torsions, folder / "cv"),
            lambda folder: {"cv": np.array((folder / "cv" / "plumed.dat").read_text())},
        ),
        "TorchScript": written(
            lambda folder, version: save_torchscript(fitted[version], folder / "a.pt"),
            lambda folder: {"cv": torch.jit.load(str(folder / "a.pt"))(example).numpy()},
        ),
        "torch.export": written(
            lambda folder, version: save_archive(fitted[version], folder / "a.pt2"),
            lambda folder: {"cv": torch.export.load(folder / "a.pt2").module()(example).numpy()},
        ),
        **{f"frames as {kind}": export(kind) for kind in ("pdb", "xtc", "csv")},
    }


def listing(folder: Path) -> list[str]:
    """Files and folders, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def digest(arrays: Arrays) -> str:
    """Of names, types and values."""
    made = hashlib.blake2b(digest_size=12)
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        made.update(f"{name} {array.dtype.str} {array.shape}".encode())
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


GROUPS: dict[str, Callable[[Path], dict[str, Case]]] = {
    "models": lambda inputs: models(),
    "computations": computations,
    "files": files,
}
