"""Columns, pins and simulators as Python that makes the same again, from trajectory files on."""

import mdtraj
import numpy as np
import pandas as pd
import pytest

import fel_explorer as fel
from fel_explorer.app.codegen import script
from fel_explorer.app.session.pinned import align, rmsds
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection_origin import Region
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.simulate.simulation import simulating, simulator_for, training_simulator

N = 120  # frames of each of two trajectories
TINY = {
    "lag_time": 500.0,
    "atoms": "heavy atoms",
    "decoder": "flow matching",
    "propagator_steps": 3,
    "decoder_steps": 3,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, hopping_chain):
    """A chain of five carbons whose torsion hops, as files, with a table of energies beside them."""
    folder = tmp_path_factory.mktemp("chain")
    files, topology = hopping_chain(folder, N)
    pd.DataFrame({"energy [kJ/mol]": np.random.default_rng(0).normal(size=2 * N)}).to_csv(
        folder / "energies.csv", index=False
    )
    trajs = fel.load_trajectories(files, topology=topology)
    data = fel.attach_columns(fel.featurize(trajs, cache=False), folder / "energies.csv")
    return trajs, data, Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data)


@pytest.fixture
def session(loaded):
    trajs, data, result = loaded
    session = Session(data, trajs)
    session.add_result(result)
    return session


def run(session, folder, monkeypatch, *more):
    monkeypatch.chdir(folder)
    names, parts = {}, ("Data and features", "Model", *more)
    exec("\n".join(code for title, code in script.sections(session).items() if title in parts), names)
    return names


def test_formulas_and_what_they_are_made_of_are_made_again(session, tmp_path, monkeypatch):
    data, trajs = session.dataset, session.trajectories
    data = data.assign(
        fel.structures.observables(trajs, ["rmsd"], reference=7, cache=False)
        .reset_coords(drop=True)
        .data_vars
    )
    turn = fel.structures.measure(trajs, [0, 1, 2, 3])
    data = data.assign({turn.name: turn})
    data = fel.data.add_column(data, "kcal", "energy / 4.184")
    data = fel.data.add_column(data, "score", f"kcal * rmsd + where(`{turn.name}` > 0, 1, 0)", units="nm")
    session.attach(data)
    code = script.sections(session)["Data and features"]
    assert "data = fel.data.add_column(data, 'kcal', 'energy / 4.184')" in code
    made = run(session, tmp_path, monkeypatch)["data"]
    for name in ("energy", "kcal", "score"):
        np.testing.assert_array_equal(made[name], data[name])
        assert made[name].attrs == data[name].attrs
    session.attach(session.dataset.drop_vars(["score", "kcal"]))
    assert "rmsd" not in script.sections(session)["Data and features"]  # nothing needs it


def test_columns_of_unknown_origin_come_with_the_saved_dataset(session, tmp_path, monkeypatch):
    data = session.dataset.assign(secret=("frame", np.linspace(0.5, 1.5, 2 * N)))
    session.attach(fel.data.add_column(data, "half", "secret / 2"))
    fel.save_dataset(session.dataset, tmp_path / "data.zarr")
    made = run(session, tmp_path, monkeypatch)
    np.testing.assert_array_equal(made["data"]["half"], session.dataset["half"])
    assert made["trajs"].n_frames == 2 * N


def test_pinned_frames_lie_upon_each_other_as_on_the_page(session, tmp_path, monkeypatch):
    frames = session.trajectories.frames([3, 50, 200]).xyz
    pinned, turn = session.pinned, np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]])
    for frame, xyz in zip([3, 50, 200], frames, strict=True):
        pinned = pinned.add(f"frame {frame}", frame, True, xyz @ turn, np.arange(5))
    session.pin(pinned.add("decoded", 3, False, frames[0], np.arange(5)))
    code = script.sections(session)["Pinned structures"]
    assert code.startswith("# 1 pinned on the page came from a model")
    made = run(session, tmp_path, monkeypatch, "Pinned structures")["pinned"]
    topology = session.trajectories.topology
    laid, found = align(session.pinned, topology), rmsds(session.pinned, topology)
    for key, xyz in zip((1, 2, 3), made.xyz, strict=True):
        np.testing.assert_allclose(xyz @ turn, laid[key], atol=1e-5)
        assert np.sqrt(((xyz - made.xyz[0]) ** 2).sum(axis=1).mean()) == pytest.approx(found[key], abs=1e-6)
    assert mdtraj.load(str(tmp_path / "pinned.pdb")).n_frames == 3
    session.undo()
    assert "Pinned structures" not in script.sections(session)


def test_simulators_simulate_the_same_again(session, tmp_path, monkeypatch):
    trajs, data, result = session.trajectories, session.dataset, session.shown
    simulator = simulator_for(result.method, trajs.topology, TINY)
    trained = training_simulator(simulator, data, trajs, device="cpu")(lambda *_: None, lambda: False)
    session.simulators = [trained]
    job = simulating(trained, result.embedding, 20, 2, 5, device="cpu")
    session.simulation = job(lambda *_: None, lambda: False)
    made = run(session, tmp_path, monkeypatch, "Simulator")
    latents = session.simulation.latents["features"].values
    np.testing.assert_allclose(made["simulated"]["features"].values, latents, atol=1e-5)
    again = mdtraj.load(str(tmp_path / "synthetic.xtc"), top=trajs.topology)
    np.testing.assert_allclose(again.xyz, session.simulation.structures(0, 40).xyz, atol=2e-3)


def test_a_session_opened_again_finds_its_structures(session, tmp_path, monkeypatch):
    session.pin(session.pinned.add("frame 3", 3, True, session.trajectories.frames([3]).xyz[0], np.arange(5)))
    opened = open_session(save_session(session, tmp_path / "mine.session"))
    fel.save_dataset(opened.dataset, tmp_path / "data.zarr")
    made = run(opened, tmp_path, monkeypatch, "Pinned structures")
    assert made["trajs"].n_frames == 2 * N and made["pinned"].n_frames == 1


def test_a_selection_on_the_map_of_other_features_is_made_again(session, tmp_path, monkeypatch):
    torsions = fel.featurize(session.trajectories, ["coordinates"], cache=False)
    session.add_features(torsions)
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=2).fit(torsions), session.dataset))
    session.attach(fel.data.add_column(session.dataset, "half", "energy / 2"))
    region = Region("PCA 1", ("CV 1", "CV 2"), "box", ((-9.0, -9.0), (0.1, 9.0)))
    session.select(region.holds(session.results["PCA 1"].embedding), "box", origin=region)
    names = run(session, tmp_path, monkeypatch, "Map", "Selected frames")
    assert names["data"].sizes["feature"] == torsions.sizes["feature"]
    assert np.array_equal(names["frames"], session.selection.frames)
    assert names["data"]["half"].values == pytest.approx(session.dataset["half"].values)


def test_a_column_calculated_from_features_that_are_not_shown_is_taken_from_the_saved_dataset(session):
    distance = str(session.dataset["feature"].values[0])
    session.attach(fel.data.add_column(session.dataset, "twice", f"2 * `{distance}`"))
    assert "add_column" in script.sections(session)["Data and features"]
    session.add_features(fel.featurize(session.trajectories, ["coordinates"], cache=False))
    code = script.sections(session)["Data and features"]
    assert "open_dataset" in code and "add_column" not in code
