"""Latent space simulators of the page without a browser: what is trained, simulated and shown."""

from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.simulate.simulation import (
    Settings,
    Simulation,
    atom_choices,
    can_encode,
    chain_atoms,
    nearest_frames,
    shown_simulation,
    shown_simulator,
    simulating,
    simulator_for,
    training_simulator,
)
from fel_explorer.data import load_trajectories
from fel_explorer.data.coordinates import write_blocks
from fel_explorer.data.topologies import select_atoms
from fel_explorer.data.topology_text import pdb_text, read_topology
from fel_explorer.features import featurize
from fel_explorer.methods import PCA

TINY = {
    "lag_time": 500.0,
    "atoms": "heavy atoms",
    "decoder": "flow matching",
    "propagator_steps": 3,
    "decoder_steps": 3,
}
N = 250  # frames of each trajectory


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory, hopping_chain):
    """Two files of five carbons in a chain whose torsion hops between two values."""
    folder = tmp_path_factory.mktemp("chain")
    files, topology = hopping_chain(folder, N)
    return load_trajectories(files, topology=topology)


@pytest.fixture(scope="module")
def dataset(trajectories, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEL_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        return featurize(trajectories, ["heavy_atom_distances"])


@pytest.fixture(scope="module")
def result(dataset):
    return Result.of("PCA 1", PCA(n_dims=2).fit(dataset, device="cpu"), dataset)


@pytest.fixture(scope="module")
def trained(result, dataset, trajectories):
    simulator = simulator_for(result.method, trajectories.topology, TINY)
    job = training_simulator(simulator, dataset, trajectories, device="cpu")
    return job(lambda *progress: None, lambda: False)


@pytest.fixture(scope="module")
def simulation(trained, result):
    return simulating(trained, result.embedding, 6, 2, 0, device="cpu")(lambda *_: None, lambda: False)


@pytest.fixture
def session(dataset, trajectories, result):
    session = Session(dataset, trajectories)
    session.add_result(result)
    return session


# ---- what is trained


def test_parts_are_trained_one_after_the_other(result, dataset, trajectories):
    simulator, told = simulator_for(result.method, trajectories.topology, TINY), []
    job = training_simulator(simulator, dataset, trajectories, device="cpu")
    trained = job(told.append, lambda: False)
    messages = list(dict.fromkeys(progress.message for progress in told))
    assert messages == ["propagator, part 1 of 2", "decoder, part 2 of 2"]
    assert {name for progress in told for name in progress.losses} == {"propagator", "decoder"}
    assert trained.has_decoder and not trained.partial
    assert trained.simulator.encoder is result.method  # which is not trained again
    assert set(trained.simulator.seconds_) == {"propagator", "decoder"}


def test_a_stopped_training_keeps_what_it_has(result, dataset, trajectories):
    simulator, told = simulator_for(result.method, trajectories.topology, TINY), []
    job = training_simulator(simulator, dataset, trajectories, device="cpu")
    trained = job(told.append, lambda: len(told) > 1)
    assert trained.partial and not trained.has_decoder
    simulation = simulating(trained, result.embedding, 4, 1, 0, device="cpu")(lambda *_: None, lambda: False)
    assert simulation.file is None and simulation.n_frames == 4


def test_settings_reach_the_parts(result, trajectories):
    simulator = simulator_for(result.method, trajectories.topology, {**TINY, "decoder": "cWGAN"})
    assert type(simulator.decoder).__name__ == "ConditionalWGAN" and simulator.decoder.n_steps == 3
    assert simulator.propagator.n_steps == 3 and simulator.propagator.reversible
    assert simulator.lag_time == simulator.propagator.lag_time == 500.0
    assert simulator.atoms == "heavy" and simulator.n_dims == 2
    assert Settings.hyperparameter_names()[0] == "lag_time"


def test_only_one_map_can_be_an_encoder(result, tree_session):
    assert can_encode(result)
    assert not can_encode(tree_session.shown) and not can_encode(None)


def test_atoms_are_offered_where_they_have_a_shape(trajectories):
    assert atom_choices(trajectories.topology) == ["heavy atoms", "all atoms"]
    protein = mdtraj.Topology()
    chain = protein.add_chain()
    for _ in range(80):
        residue = protein.add_residue("ALA", chain)
        for name in ("N", "CA", "C", "O", "CB"):
            protein.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
    water = protein.add_residue("HOH", protein.add_chain())
    protein.add_atom("O", mdtraj.element.oxygen, water)
    assert atom_choices(protein)[0] == "C-alpha"  # 80 atoms; the backbone has 320
    simulator = simulator_for(PCA(), protein, TINY)
    assert len(select_atoms(protein, simulator.atoms)) == 400  # without the water


def test_some_atoms_of_a_file_keep_their_own_bonds(trajectories):
    frame = trajectories.frames([0])
    part = frame.atom_slice([0, 1, 2, 4])
    assert [atom.serial for atom in part.topology.atoms] == [1, 2, 3, 5]  # numbers of the whole molecule
    bonds = [(a.index, b.index) for a, b in read_topology(pdb_text(part)).bonds]
    assert bonds == [(0, 1), (1, 2)]
    assert part.topology.atom(3).serial == 5


def test_atoms_without_bonds_are_a_chain():
    top = mdtraj.Topology()
    for _ in range(2):
        chain = top.add_chain()
        for _ in range(3):
            top.add_atom("CA", mdtraj.element.carbon, top.add_residue("GLY", chain))
    assert [(a.index, b.index) for a, b in chain_atoms(top).bonds] == [(0, 1), (1, 2), (3, 4), (4, 5)]


# ---- what is simulated


def test_the_file_holds_what_decoding_gives(simulation, trained):
    assert (simulation.n_frames, simulation.n_steps) == (12, 6)
    assert simulation.trajectory_at(0) == (0, 6) and simulation.trajectory_at(7) == (6, 12)
    again = trained.simulator.decode(simulation.latents, seed=0, device="cpu")
    read = simulation.structures(6, 12)
    np.testing.assert_allclose(read.xyz, again.xyz[6:], atol=6e-4)  # XTC rounds to a thousandth of a nm
    assert read.topology.n_bonds == 4


def test_the_file_goes_with_the_simulation(trained, result):
    made = simulating(trained, result.embedding, 2, 1, 0, device="cpu")(lambda *_: None, lambda: False)
    folder = made.file.parent
    assert folder.is_dir()
    del made
    assert not folder.exists()


def test_nearest_frames_are_nearest_in_spreads():
    embedding = np.array([[0.0, 0.0], [0.0, 100.0], [1.0, 0.0], [1.0, 100.0]])
    assert list(nearest_frames(np.array([[0.9, 40.0], [0.2, 90.0]]), embedding)) == [2, 1]
    assert list(nearest_frames(np.array([[0.0, 5.0]]), np.array([[1.0, 5.0], [0.2, 5.0]]))) == [1]


def test_a_simulation_is_shown_with_its_own_model(session, simulation, trained, dataset):
    session.param.update(simulators=[trained], simulation=simulation)
    assert shown_simulator(session) is trained and shown_simulation(session) is simulation
    session.add_result(Result.of("PCA 2", PCA(n_dims=2).fit(dataset), dataset))
    assert shown_simulator(session) is None and shown_simulation(session) is None
    session.active = "PCA 1"
    assert shown_simulation(session) is simulation
    session.add_result(Result.of("PCA 1", PCA(n_dims=2).fit(dataset), dataset))  # trained again
    assert shown_simulator(session) is None


def test_jobs_bring_simulators_and_simulations_into_the_session(session, trained, simulation):
    jobs = JobManager(workers=0)
    board = PageJobs(session, jobs)
    board.submit("simulator", lambda *_: trained, kind="simulator")
    board.submit("simulation", lambda *_: simulation, kind="simulation")
    while jobs.work():
        board.tick()
    assert shown_simulator(session) is trained and shown_simulation(session) is simulation
    reloaded = Session(session.dataset, session.trajectories)
    other = PageJobs(reloaded, jobs)
    assert reloaded.simulators == [trained]
    for one in (board, other):
        one.close()


def test_a_report_of_a_simulator_that_is_gone_is_dropped(session, trained, result, dataset, trajectories):
    board = PageJobs(session, JobManager(workers=0))
    simulator = simulator_for(result.method, trajectories.topology, TINY)
    job = training_simulator(simulator, dataset, trajectories, device="cpu")
    newer = job(lambda *_: None, lambda: False)
    board.submit("simulator", lambda *_: newer, kind="simulator")
    board.submit("report", lambda *_: trained, kind="simulation report")
    while board.manager.work():
        board.tick()
    board.tick()
    assert session.simulators == [newer]
    board.close()


def test_structures_are_read_from_a_cache_with_any_name(trajectories, tmp_path):
    folder = tmp_path / "Müller"
    folder.mkdir()
    frames = trajectories.frames([0, 1, 2])
    file = folder / "decoded.xtc"
    write_blocks(file, [frames.xyz], frames.time)
    trained = SimpleNamespace(simulator=SimpleNamespace(topology_=pdb_text(frames[0])))
    read = Simulation.structures(SimpleNamespace(file=file, trained=trained), 1, 3)
    np.testing.assert_allclose(read.xyz, frames.xyz[1:], atol=1e-3)
