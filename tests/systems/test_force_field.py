"""The force field in torch against OpenMM's Reference platform: a molecule, and random systems."""

import numpy as np
import openmm
import pytest
import torch
from openmm import app

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.systems import ForceField

FILES = {
    "ff96 with implicit solvent": ["amber96.xml", "amber96_obc.xml"],
    "ff99SB-ILDN with implicit solvent": ["amber99sbildn.xml", "amber99_obc.xml"],
    "ff19SB, which has CMAP": ["amber19/protein.ff19SB.xml"],
}


@pytest.fixture(scope="module")
def molecule():
    """Topology of alanine dipeptide, and conformations (conformation, atom, 3): of MD, and disturbed ones."""
    frames = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 5000))
    xyz = frames.xyz.astype(float)
    disturbed = xyz[::2] + np.random.default_rng(0).normal(scale=0.02, size=xyz[::2].shape)
    return frames.topology.to_openmm(), np.concatenate([xyz, disturbed])


@pytest.fixture(scope="module")
def ff96(molecule):
    topology, xyz = molecule
    return app.ForceField(*FILES["ff96 with implicit solvent"]).createSystem(topology), xyz


def by_openmm(system, xyz):
    """Energies (conformation), {class of force: energies (conformation)}, forces (conformation, atom, 3)."""
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    platform = openmm.Platform.getPlatform("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    names = [type(force).__name__ for force in system.getForces()]
    parts, forces = np.empty((len(xyz), len(names))), np.empty(xyz.shape)
    for index, positions in enumerate(xyz):
        context.setPositions(positions)
        forces[index] = context.getState(forces=True).getForces(asNumpy=True)._value
        for group in range(len(names)):
            parts[index, group] = context.getState(energy=True, groups={group}).getPotentialEnergy()._value
    return parts.sum(1), dict(zip(names, parts.T, strict=True)), forces


def random_system(n_atoms=12, seed=0):
    """Every kind of force with random parameters: exceptions, engulfed atoms, maps of two sizes."""
    random = np.random.default_rng(seed)

    def atoms(n):
        return [int(atom) for atom in random.choice(n_atoms, n, replace=False)]

    system = openmm.System()
    bonds, more_bonds = openmm.HarmonicBondForce(), openmm.HarmonicBondForce()
    angles, torsions = openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    maps = openmm.CMAPTorsionForce()
    nonbonded, solvent = openmm.NonbondedForce(), openmm.GBSAOBCForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    solvent.setSoluteDielectric(1.5)
    solvent.setSurfaceAreaEnergy(3.0)
    for size in (6, 9, 6):
        maps.addMap(size, random.normal(size=size**2))
    for atom in range(n_atoms):
        charge, radius = random.normal(), random.uniform(0.05, 0.3)
        system.addParticle(1.0)
        nonbonded.addParticle(charge, random.uniform(0.1, 0.3), float(atom % 4) / 4)
        solvent.addParticle(charge, radius, random.uniform(0.5, 1.2))
    for _ in range(8):
        bonds.addBond(*atoms(2), 0.1, random.uniform(0, 100))
        more_bonds.addBond(*atoms(2), 0.2, random.uniform(0, 100))
        angles.addAngle(*atoms(3), random.uniform(0, np.pi), random.uniform(0, 100))
        torsions.addTorsion(*atoms(4), int(random.integers(1, 7)), random.uniform(-4, 4), random.normal())
        maps.addTorsion(int(random.integers(3)), *atoms(4), *atoms(4))
        parameters = (random.normal(), 0.2, 0.5) if random.random() < 0.5 else (0, 1, 0)
        nonbonded.addException(*atoms(2), *parameters, True)
    for force in (bonds, solvent, angles, torsions, maps, more_bonds, nonbonded, openmm.CMMotionRemover()):
        system.addForce(force)
    return system, random.uniform(0, 0.6, size=(20, n_atoms, 3))


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_energies_and_forces_of_a_molecule_are_those_of_openmm(molecule, files):
    topology, xyz = molecule
    system = app.ForceField(*files).createSystem(topology)
    field = ForceField(system, device="cpu")
    energies, parts, forces = by_openmm(system, xyz)
    np.testing.assert_allclose(field.energy(xyz), energies, rtol=0, atol=1e-5)
    for name, values in field.energy_by_force(xyz).items():
        np.testing.assert_allclose(values, parts.pop(name), rtol=0, atol=1e-5)
    assert parts.keys() == {"CMMotionRemover"}
    ours = field.forces(xyz).numpy()
    assert np.abs(ours - forces).max() <= 1e-8 * np.abs(forces).max()


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_force_is_openmms_on_random_systems(seed):
    system, xyz = random_system(seed=seed)
    energies, parts, forces = by_openmm(system, xyz)
    ours, our_forces = ForceField(system, device="cpu").energy_and_forces(xyz)
    assert ours.dtype == torch.float64
    np.testing.assert_allclose(ours, energies, rtol=1e-9)
    np.testing.assert_allclose(our_forces, forces, rtol=1e-6, atol=1e-8 * np.abs(forces).max())
    our_parts = ForceField(system, device="cpu").energy_by_force(xyz)
    for name in parts.keys() - {"HarmonicBondForce", "CMMotionRemover"}:
        np.testing.assert_allclose(our_parts[name], parts[name], rtol=1e-9, atol=1e-9)


def test_single_precision_is_near(ff96):
    system, xyz = ff96
    energies, _, forces = by_openmm(system, xyz)
    ours, our_forces = ForceField(system, device="cpu", dtype=torch.float32).energy_and_forces(xyz)
    assert ours.dtype == our_forces.dtype == torch.float32
    np.testing.assert_allclose(ours, energies, rtol=1e-5, atol=2e-3)
    assert np.abs(our_forces.numpy() - forces).max() <= 1e-4 * np.abs(forces).max()


def test_many_conformations_are_each_computed_alone(ff96):
    system, xyz = ff96
    field = ForceField(system, device="cpu")
    energies, forces = field.energy_and_forces(np.tile(xyz, (30, 1, 1)))
    np.testing.assert_allclose(energies, np.tile(field.energy(xyz), 30), atol=1e-9)
    np.testing.assert_allclose(forces, np.tile(field.forces(xyz), (30, 1, 1)), atol=1e-6)
    assert field.energy(xyz[:0]).shape == (0,)


def test_energies_can_be_differentiated_twice_and_by_what_made_the_conformations():
    system, xyz = random_system(n_atoms=5)
    field = ForceField(system, device="cpu")
    x = torch.from_numpy(xyz[:1] / 0.6).requires_grad_()
    assert torch.autograd.gradcheck(field.energy, (x,), atol=1e-4, rtol=1e-4)
    assert torch.autograd.gradgradcheck(field.energy, (x,), atol=1e-2, rtol=1e-3)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    field.energy(scale * x.detach()).sum().backward()
    assert float(scale.grad) == pytest.approx(-float((field.forces(x) * x.detach()).sum()))
    assert not field.energy_and_forces(x)[0].requires_grad


def test_a_bent_or_straight_row_of_atoms_has_finite_forces():
    system = openmm.System()
    force = openmm.HarmonicAngleForce()
    force.addAngle(0, 1, 2, 2.0, 10.0)
    for _ in range(3):
        system.addParticle(1.0)
    system.addForce(force)
    straight = np.array([[[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]]])
    energy, forces = ForceField(system, device="cpu").energy_and_forces(straight)
    assert float(energy) == pytest.approx(5 * (np.pi - 2) ** 2)
    assert torch.isfinite(forces).all()


def unsupported(what):
    """A molecule's System with one thing that torch terms don't compute."""
    system, _ = random_system(n_atoms=8)
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    if what == "CustomBondForce":
        system.addForce(openmm.CustomBondForce("r"))
    elif what == "NonbondedForce with a cutoff":
        nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffNonPeriodic)
    elif what == "HarmonicBondForce with a cutoff or periodic":
        system.getForce(0).setUsesPeriodicBoundaryConditions(True)
    elif what == "1 constraints":
        system.addConstraint(0, 1, 0.1)
    elif what == "virtual sites":
        system.setParticleMass(0, 0.0)
        system.setVirtualSite(0, openmm.TwoParticleAverageSite(1, 2, 0.5, 0.5))
    elif what == "parameter offsets":
        nonbonded.addGlobalParameter("scale", 1.0)
        nonbonded.addParticleParameterOffset("scale", 0, 1.0, 0.0, 0.0)
    elif what == "two NonbondedForces":
        system.addForce(openmm.NonbondedForce())
    elif what == "without interactions":
        system = openmm.System()
        system.addParticle(1.0)
    return system


@pytest.mark.parametrize(
    "what",
    [
        "CustomBondForce",
        "NonbondedForce with a cutoff",
        "HarmonicBondForce with a cutoff or periodic",
        "1 constraints",
        "virtual sites",
        "parameter offsets",
        "two NonbondedForces",
        "without interactions",
    ],
)
def test_what_cannot_be_computed_is_named(what):
    with pytest.raises(FelError, match=what) as raised:
        ForceField(unsupported(what), device="cpu")
    assert raised.value.remedy


def test_conformations_of_another_molecule_are_refused(ff96):
    system, _ = ff96
    with pytest.raises(FelError, match=r"\(conformation, 22, 3\)"):
        ForceField(system, device="cpu").energy(np.zeros((5, 21, 3)))
