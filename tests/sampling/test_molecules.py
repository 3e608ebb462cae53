"""Umbrella windows and energies of molecules: features against mdtraj, forces against differences, OpenMM."""

import os
import subprocess
import sys
import time

import mdtraj
import numpy as np
import openmm
import pytest
import torch

import fel_explorer as fel
from fel_explorer import parallel, sampling
from fel_explorer.errors import FelError
from fel_explorer.features import MolecularFeatures
from fel_explorer.sampling import MolecularSystem, potential_energies, umbrella
from fel_explorer.sampling.force_fields import FORCE_FIELD, build_system, reduce_box
from fel_explorer.sampling.restraint import Restraint, sample_window, steps_of

FEATURES = ["backbone_torsions", ("distances", {"selection": "name CB or name O"})]


@pytest.fixture(scope="module")
def trajs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("molecules")
    sample = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 1000))
    sample.time = np.arange(len(sample))
    sample.save_xtc(str(folder / "a.xtc"))
    sample[0].save_pdb(str(folder / "a.pdb"))
    return fel.load_trajectories(folder / "a.xtc", folder / "a.pdb")


@pytest.fixture(scope="module")
def data(trajs):
    return fel.featurize(trajs, FEATURES, cache=False)


@pytest.fixture(scope="module")
def method(data):
    return fel.Autoencoder(n_dims=1, hidden=[8], n_steps=20, batch_size=64).fit(data, device="cpu")


def test_features_in_torch_are_those_of_mdtraj(trajs, data):
    xyz = torch.from_numpy(trajs.frames(np.arange(50)).xyz).double()
    np.testing.assert_allclose(MolecularFeatures(data.attrs)(xyz), data["features"][:50], atol=1e-5)
    x = xyz[:1].requires_grad_()
    assert torch.autograd.gradcheck(MolecularFeatures(data.attrs), (x,))


def test_the_restraint_pushes_along_minus_its_gradient(trajs, data, method):
    force = Restraint(method, data.attrs, 0)
    system = openmm.System()
    for _ in range(22):
        system.addParticle(1.0)
    system.addForce(openmm.PythonForce(force, {"centre": 0.4, "stiffness": 30.0}))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    xyz = trajs.frames([3]).xyz[0].astype(float)

    def state(xyz):
        context.setPositions(xyz)
        state = context.getState(energy=True, forces=True)
        return state.getPotentialEnergy()._value, np.array(state.getForces(asNumpy=True)._value)

    energy, forces = state(xyz)
    cv = float(method.transform(data)[3, 0])
    assert energy == pytest.approx(15.0 * (cv - 0.4) ** 2, rel=1e-3)
    direction = forces / np.linalg.norm(forces)
    h = 1e-3
    slope = (state(xyz + h * direction)[0] - state(xyz - h * direction)[0]) / (2 * h)
    assert slope == pytest.approx(-(forces * direction).sum(), rel=0.02)


def test_energies_are_those_of_openmm_and_near_those_of_the_simulation(trajs):
    energies = potential_energies(trajs, [0, 100, 199])
    (flexible,) = potential_energies(trajs, [100], constrain=False)
    structure = trajs.frames([100])
    simulation = openmm.app.Simulation(
        structure.topology.to_openmm(),
        openmm.app.ForceField("amber99sbildn.xml", "amber99_obc.xml").createSystem(
            structure.topology.to_openmm(), nonbondedMethod=openmm.app.NoCutoff
        ),
        openmm.VerletIntegrator(0.001),
        openmm.Platform.getPlatform("Reference"),
    )
    simulation.context.setPositions(structure.xyz[0].astype(float))
    oracle = simulation.context.getState(energy=True).getPotentialEnergy()._value
    assert flexible == pytest.approx(oracle, abs=1e-4)
    assert energies[1] != pytest.approx(oracle, abs=1e-2)
    # the frames are 1000 ps apart, the files' energies are of unrounded coordinates
    sample = fel.featurize(fel.sample_data("alanine-dipeptide"), "backbone_torsions")
    np.testing.assert_allclose(energies, sample["energy"].values[[0, 100_000, 199_000]], atol=15.0)


def test_the_compiled_restraint_is_the_restraint(trajs, data, method):
    restraint = Restraint(method, data.attrs, 0)
    restraint.compile(22)
    for xyz in trajs.frames([3, 77, 150]).xyz:
        positions = torch.from_numpy(xyz.astype(float))
        value, slope = restraint._compiled(positions)
        expected, expected_slope = restraint.value_and_slope(positions)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(slope, expected_slope, rtol=1e-4, atol=1e-5)
        assert float(value) == pytest.approx(float(restraint.cv(positions).detach()), abs=1e-6)


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    """Alanine dipeptide in a triclinic box, with a charge far from its image."""
    folder = tmp_path_factory.mktemp("boxed")
    sample = fel.sample_data("alanine-dipeptide").frames([0, 70_000])
    sample.time = np.arange(2)
    sample.unitcell_lengths = np.array([[2.1, 2.1, 2.1], [2.2, 2.1, 2.2]])
    sample.unitcell_angles = np.full((2, 3), 80.0)
    sample.save_xtc(str(folder / "b.xtc"))
    sample[0].save_pdb(str(folder / "b.pdb"))
    return fel.load_trajectories(folder / "b.xtc", folder / "b.pdb")


def test_energies_in_a_box_are_by_pme_in_the_box_of_each_frame(boxed):
    files = ("amber99sbildn.xml",)
    energies = potential_energies(boxed, force_field=files)
    structures = boxed.frames([0, 1])
    topology = structures.topology.to_openmm()
    for index, expected in enumerate(energies):
        topology.setPeriodicBoxVectors(structures.unitcell_vectors[index] * openmm.unit.nanometer)
        system = openmm.app.ForceField(*files).createSystem(
            topology, nonbondedMethod=openmm.app.PME, nonbondedCutoff=1.0, constraints=openmm.app.HBonds
        )
        context = openmm.Context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference")
        )
        context.setPositions(structures.xyz[index].astype(float))
        found = context.getState(energy=True).getPotentialEnergy()._value
        assert found == pytest.approx(expected, abs=0.02)
    alone = potential_energies(boxed, force_field=files, periodic=False)
    assert np.abs(alone - energies).min() > 0.2


def test_boxes_are_reduced_without_changing_the_lattice():
    box = np.array([[3.0, 0, 0], [2.5, 3.0, 0], [-2.9, 1.9, 2.8]])
    short = reduce_box(box)
    assert (np.abs(short[1:, 0]) <= 1.5).all() and abs(short[2, 1]) <= 1.5
    coefficients = short @ np.linalg.inv(box)
    np.testing.assert_allclose(coefficients, np.round(coefficients), atol=1e-12)
    assert np.linalg.det(short) == pytest.approx(np.linalg.det(box))


def test_systems_of_other_programs_are_taken(trajs, tmp_path):
    system = build_system(trajs.topology, FORCE_FIELD)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    expected = potential_energies(trajs, [5, 6])
    for given in (system, tmp_path / "system.xml"):
        np.testing.assert_allclose(potential_energies(trajs, [5, 6], system=given), expected, rtol=1e-12)
    system.getForce(0).setForceGroup(7)  # which the integrator would leave out
    simulated = MolecularSystem(trajs, temperature=300.0, system=system).openmm_system()
    assert {force.getForceGroup() for force in simulated.getForces()} == {0}
    assert system.getForce(0).getForceGroup() == 7
    with pytest.raises(FelError, match="no periodic box"):
        potential_energies(trajs, [0], periodic=True)
    with pytest.raises(FelError, match="file of one as XML"):
        potential_energies(trajs, [0], system=tmp_path / "none.xml")
    (tmp_path / "broken.xml").write_text("no System")
    with pytest.raises(FelError, match="can't be read"):
        potential_energies(trajs, [0], system=tmp_path / "broken.xml")
    system.addParticle(1.0)
    with pytest.raises(FelError, match="23 particles and the trajectories 22 atoms"):
        potential_energies(trajs, [0], system=system)


def test_a_window_holds_the_molecule_near_its_centre(trajs, data, method, tmp_path):
    cv = method.transform(data).values[:, 0].astype(float)
    start = int(cv.argmax())
    system = build_system(trajs.topology, ("amber99sbildn.xml", "amber99_obc.xml"), hydrogen_mass=3.0)
    job = {
        "records": data.attrs,
        "system": openmm.XmlSerializer.serialize(system),
        "bath": (300.0, 5.0),
        "platform": "Reference",
        "dimension": 0,
        "n_frames": 10,
        "n_steered": 0,
        "steps": (0.004, 2, 10),
        "centre": float(cv[start]),
        "stiffness": 2000.0,
        "starts": trajs.frames([start]).xyz.astype(float),
        "seed": 3,
    }
    method.save(tmp_path / "model.fel")
    sampled = sample_window({"model": (tmp_path / "model.fel").read_bytes()}, job)
    held = method.transform(sampled["features"][0].numpy()).values[:, 0]
    assert np.abs(held - cv[start]).max() < 5 * (2.494 / 2000.0) ** 0.5
    assert sampled["energy"].shape == (1, 10) and sampled["features"].shape == (1, 10, data.sizes["feature"])
    assert held.std() > 0


def test_stiff_restraints_are_kicked_more_often_and_stiffer_ones_in_finer_steps(trajs, data, method):
    restraint, mass = Restraint(method, data.attrs, 0), np.full(22, 12.0)
    mass[5] = 1.0
    xyz = trajs.frames([3, 90]).xyz.astype(float)
    steepest, h = 0.0, 1e-4
    for structure in xyz:
        slope = np.zeros((22, 3))
        for atom, axis in np.ndindex(22, 3):
            moved = np.stack([structure, structure])
            moved[:, atom, axis] += [h, -h]
            values = [float(restraint.cv(torch.from_numpy(x)).detach()) for x in moved]
            slope[atom, axis] = (values[0] - values[1]) / (2 * h)
        steepest = max(steepest, ((slope**2).sum(1) / mass).sum() ** 0.5)
    assert restraint.steepness(xyz, mass) == pytest.approx(steepest, rel=0.02)
    for fastest in (1.0, 40.0, 100.0, 300.0):
        step, every, kicks = steps_of(fastest, 0.004, 20, 4)
        assert step * every * kicks == pytest.approx(20 * 0.004)  # a frame lasts as long
        assert step * every * fastest <= 1.0
    assert steps_of(1.0, 0.004, 20, 4) == (0.004, 4, 5)
    assert steps_of(80.0, 0.004, 20, 4)[:2] == (0.004, 2)
    assert steps_of(1.0, 0.004, 10, 4)[1] == 2  # frames hold whole kicks


def test_windows_run_in_a_process_and_a_finished_run_is_not_run_again(trajs, data, method, tmp_path):
    system = MolecularSystem(trajs, temperature=450.0)
    settings = {"n_windows": 2, "n_walkers": 2, "n_steps": 40, "stride": 10, "checkpoint_dir": tmp_path}
    settings["stiffness"] = 0.01  # so that they overlap
    seen = []
    sampled = umbrella(method, system, data, callback=lambda p: seen.append(p.step), **settings)
    assert sampled.sizes["frame"] == 2 * 2 * 4
    assert sampled.attrs["time_step"] == pytest.approx(0.04) and sampled.attrs["energy_unit"] == "kJ/mol"
    assert seen == sorted(seen) and {1, 2} <= set(seen) <= {0, 1, 2}
    before = len(seen)
    again = umbrella(method, system, data, callback=lambda p: seen.append(p.step), **settings)
    np.testing.assert_array_equal(again["features"], sampled["features"])
    assert len(seen) == before  # nothing ran the second time
    del settings["checkpoint_dir"]
    parallel.set_scheduler("processes", workers=1)  # the process of the first run
    try:
        elsewhere = umbrella(method, system, data, **settings)
        with pytest.raises(sampling.SamplingStopped, match="before a window ended"):
            umbrella(method, system, data, callback=lambda p: True, **settings | {"n_steps": 10**6})
    finally:
        parallel.set_scheduler(None)
    np.testing.assert_array_equal(elsewhere["features"], sampled["features"])


SCRIPT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from fel_explorer.executors import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path):
    (tmp_path / "run.py").write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "run.py")], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    os.kill(worker, 0)  # it lives
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_features_and_molecules_that_do_not_fit_are_refused(trajs, data, method):
    with pytest.raises(FelError, match="The dataset has 50 frames and the trajectories 200"):
        umbrella(method, MolecularSystem(trajs, temperature=300.0), data.isel(frame=slice(50)))
    with pytest.raises(FelError, match=r"force field .* can't be applied"):
        build_system(trajs.frames([0]).atom_slice(range(10)).topology, ("amber99sbildn.xml",))
    other = data.assign(features=(("frame", "feature"), data["features"].values[::-1]))
    with pytest.raises(FelError, match="of a starting structure is off by"):
        umbrella(method, MolecularSystem(trajs, temperature=300.0), other)
    closest = data.assign_attrs(featurizers=data.attrs["featurizers"].replace('"torsion"', '"contact"'))
    with pytest.raises(FelError, match="features with derivatives"):
        MolecularFeatures(closest.attrs)


def test_features_between_molecules_are_sampled_across_the_box(tmp_path):
    """Two argon atoms whose nearest images are held at a distance, one of them behind the box."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(2):
        residue = topology.add_residue("AR", chain, resSeq=number + 1)
        topology.add_atom("AR", mdtraj.element.argon, residue)
    box, random = np.array([[3.0, 0, 0], [1.2, 3.0, 0], [-0.9, 1.1, 2.8]]), np.random.default_rng(0)
    xyz = np.zeros((40, 2, 3))
    directions = random.normal(size=(40, 3))
    xyz[:, 1] = np.linspace(0.4, 0.9, 40)[:, None] * directions / np.linalg.norm(directions, axis=1)[:, None]
    xyz[:, 1] += random.integers(-1, 2, (40, 3)) @ box
    frames = mdtraj.Trajectory(xyz, topology)
    frames.unitcell_vectors = np.tile(box, (40, 1, 1))
    frames.save_dcd(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", topology, time_step=1.0)
    data = fel.featurize(trajs, "heavy_atom_distances", cache=False)
    np.testing.assert_allclose(data["features"][:, 0], np.linspace(0.4, 0.9, 40), atol=1e-3)
    method = fel.PCA(n_dims=1).fit(data)
    system, force = openmm.System(), openmm.NonbondedForce()
    system.setDefaultPeriodicBoxVectors(*reduce_box(box))
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    for _ in range(2):
        system.addParticle(39.9)
        force.addParticle(0.0, 0.3, 0.1)
    system.addForce(force)
    molecule = MolecularSystem(trajs, temperature=100.0, system=system, hydrogen_mass=0)
    sampled = umbrella(
        method, molecule, data, n_windows=2, n_walkers=2, n_steps=60, stride=10, stiffness=5.0, fill_gaps=0
    )
    distance = sampled["features"].values[:, 0]
    assert 0.3 < distance.min() and distance.max() < 1.1
