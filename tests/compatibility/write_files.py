"""Write `version_0_1.tar.xz`: one file of every kind, by the package as it was before its modules moved.

It ran on commit 8eea944 and is kept to show how the files were made: ``python write_files.py FOLDER``.
"""

import json
import sys
from pathlib import Path

import mdtraj
import numpy as np
import torch

import fel_explorer as fel
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import Point
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.data import save_dataset
from fel_explorer.methods import (
    ConditionalFlowMatching,
    ConditionalWGAN,
    EmbeddedPhysics,
    MixtureDensityPropagator,
)
from fel_explorer.systems import DoubleWell

SMALL = {
    "n_steps": 5,
    "hidden": [4],
    "batch_size": 32,
    "n_states": 3,
    "lag_time": 2.0,
    "lag_times": [20.0, 2.0],
    "n_threads": 1,
    "n_microstates": 12,
}


def dataset():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(4, 4))
    walks = [np.cumsum(random.normal(size=(n, 4)), axis=0) @ mixing for n in (150, 80, 2)]
    names = ["phi cos", "phi sin", "d A B", "d A C"]
    data = fel.as_dataset(walks, time_unit="ps", feature_names=names)
    first = data["features"].values[:, 0]
    return data.assign(basin=("frame", (first > 0).astype(int)), energy=("frame", first**2))


def methods(data, folder):
    for name, method in fel.list_methods().items():
        settings = {key: value for key, value in SMALL.items() if key in method.hyperparameter_names()}
        fitted = method(**settings).fit(data, device="cpu")
        fitted.save(folder / f"{name}.fel")
        outputs = {"transform": fitted.transform(data).values}
        if fitted.has_states:
            outputs["predict_proba"] = fitted.predict_proba(data).values
        np.savez_compressed(folder / f"{name}.npz", **outputs)


def other_models(data, folder):
    latent = data["features"].values[:150, :1]
    xyz = np.random.default_rng(1).normal(size=(150, 5, 3)).astype("f4")
    bonds = [(0, 1), (1, 2), (2, 3), (3, 4)]
    tiny = {"n_steps": 3, "hidden": [4, 4], "batch_size": 32}
    for kind in (ConditionalFlowMatching, ConditionalWGAN):
        kind(**tiny).fit(latent, xyz, bonds=bonds, device="cpu").save(folder / f"{kind.__name__}.fel")
    propagator = MixtureDensityPropagator(lag_time=2.0, n_steps=3, n_kernels=2, hidden=[4], batch_size=32)
    propagator.fit(fel.as_dataset([latent], time_unit="ps"), device="cpu")
    propagator.save(folder / "MixtureDensityPropagator.fel")
    settings = {"n_steps": 4, "hidden": [4], "batch_size": 16}
    EmbeddedPhysics(DoubleWell(), **settings).fit(device="cpu").save(folder / "EmbeddedPhysics.fel")
    simulator(data, xyz, bonds, tiny).save(folder / "LatentSpaceSimulator.fel")


def simulator(data, xyz, bonds, tiny):
    topology = mdtraj.Topology()
    residue = topology.add_residue("UNK", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(5)]
    for first, second in bonds:
        topology.add_bond(atoms[first], atoms[second])
    xyz = np.resize(xyz, (data.sizes["frame"], 5, 3)) + np.arange(5)[:, None] * 0.15
    propagator = MixtureDensityPropagator(lag_time=2.0, n_steps=3, n_kernels=2, hidden=[4], batch_size=32)
    model = fel.LatentSpaceSimulator(
        fel.TICA, propagator, ConditionalFlowMatching(**tiny), lag_time=2.0, n_dims=1, atoms="all"
    )
    return model.fit(data, mdtraj.Trajectory(xyz, topology), device="cpu")


def session(data):
    session = Session(data)
    tree = fel.DivisiveIDM(lag_times=[20.0, 2.0], n_states=3, n_steps=5, hidden=[4], batch_size=32)
    session.add_result(Result.of("tree", tree.fit(data, device="cpu"), data, 2.5))
    pca = fel.PCA(n_dims=2).fit(data)
    session.add_result(Result.of("PCA 1", pca, data, 1.5))
    session.add_result(Result.of("KMeans 1", fel.KMeans(n_states=3).fit(data, embedding=pca), data))
    session.name_state(1, "bridge")
    session.merge_states([0, 2])
    session.select(data["energy"].values > 1.0, "by hand")
    session.pick(Point("PCA 1", np.array([0.5, 0.25]), 17, 0.1, False))
    session.add_anchor(0.0, 1.0, ("CV 1", "CV 2"))
    session.add_anchor(1.0, 1.0, ("CV 1", "CV 2"))
    session.colour("energy")
    session.axes = ("energy", "CV 2")
    session.energy_unit = "kJ/mol"
    session.looks = {"representation": "licorice", "count": 5}
    xyz = np.random.default_rng(2).normal(size=(4, 3))
    session.pinned = session.pinned.add("frame 17", 17, True, xyz, np.arange(4))
    return session


def described(session):
    """What must be found in the session when it is opened, as JSON types."""
    return {
        "results": list(session.results),
        "active": session.active,
        "states": np.asarray(session.shown.state).tolist(),
        "state_names": sorted(
            [label, level, state, name] for (label, level, state), name in session.state_names.items()
        ),
        "selected": np.flatnonzero(session.selection.mask).tolist(),
        "axes": list(session.axes),
        "colour_by": session.colour_by,
        "frame": session.frame,
        "pinned": [pin.name for pin in session.pinned.pins],
        "anchors": [list(anchor) for anchor in session.route.anchors],
    }


def main(folder):
    torch.set_num_threads(1)
    (folder / "models").mkdir(parents=True)
    data = dataset()
    save_dataset(data, folder / "data.zarr")
    methods(data, folder / "models")
    other_models(data, folder / "models")
    shown = session(data)
    save_session(shown, folder / "mine.session")
    (folder / "session.json").write_text(json.dumps(described(shown), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
