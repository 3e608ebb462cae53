"""Simulate the alanine dipeptide sample data with OpenMM and pack it.

Run ``python sample_data/make_alanine_dipeptide.py`` (needs the ``md`` extra).  The full set takes
about half an hour on one core; ``--nanoseconds`` and ``--trajectories`` make a smaller one.
Times are in ps, lengths in nm, energies in kJ/mol.
"""

from __future__ import annotations

import argparse
import csv
import io
import lzma
import tarfile
import tempfile
from multiprocessing import get_context
from pathlib import Path

import mdtraj
import numpy as np
import openmm
from openmm import app, unit

HERE = Path(__file__).parent
TEMPERATURE = 450.0  # K: phi > 0 is crossed often enough for statistics at 200 ns
FRICTION = 5.0  # 1/ps
TIMESTEP = 0.004  # ps, with hydrogens of 3 amu and constrained bonds to hydrogen
FRAME_STEP = 1.0  # ps
SEED = 2026

# Heavy atoms as (name, residue, bonded to, angle to, dihedral to, bond nm, angle deg, dihedral deg).
HEAVY_ATOMS = [
    ("CH3", "ACE", None, None, None, 0, 0, 0),
    ("C", "ACE", 0, None, None, 0.152, 0, 0),
    ("O", "ACE", 1, 0, None, 0.123, 120.0, 0),
    ("N", "ALA", 1, 0, 2, 0.133, 117.0, 180.0),
    ("CA", "ALA", 3, 1, 0, 0.146, 122.0, 180.0),
    ("C", "ALA", 4, 3, 1, 0.152, 111.0, -80.0),
    ("CB", "ALA", 4, 3, 1, 0.153, 110.0, 160.0),
    ("O", "ALA", 5, 4, 3, 0.123, 120.0, -40.0),
    ("N", "NME", 5, 4, 3, 0.133, 117.0, 140.0),
    ("C", "NME", 8, 5, 4, 0.145, 122.0, 180.0),
]


def _place(bond, angle, dihedral, a, b, c):
    """Position at ``bond`` from c, ``angle`` a-c-b (radians) and ``dihedral`` about b-c from a."""
    bc = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, bc)
    normal /= np.linalg.norm(normal)
    frame = np.stack([bc, np.cross(normal, bc), normal], axis=1)
    local = [
        -bond * np.cos(angle),
        bond * np.sin(angle) * np.cos(dihedral),
        bond * np.sin(angle) * np.sin(dihedral),
    ]
    return c + frame @ np.array(local)


def build_molecule(forcefield):
    """ACE-ALA-NME with hydrogens, from ideal bond lengths and angles."""
    topology = app.Topology()
    chain = topology.addChain()
    residues = {name: topology.addResidue(name, chain) for name in ("ACE", "ALA", "NME")}
    xyz, atoms = [], []
    for name, residue, i, j, k, bond, angle, dihedral in HEAVY_ATOMS:
        atoms.append(topology.addAtom(name, app.Element.getBySymbol(name[0]), residues[residue]))
        angle, dihedral = np.radians(angle), np.radians(dihedral)
        if i is None:
            xyz.append(np.zeros(3))
        elif j is None:
            xyz.append(np.array([bond, 0.0, 0.0]))
        elif k is None:
            xyz.append(_place(bond, angle, 0.0, np.array([0.0, 1.0, 0.0]), xyz[j], xyz[i]))
        else:
            xyz.append(_place(bond, angle, dihedral, xyz[k], xyz[j], xyz[i]))
        if i is not None:
            topology.addBond(atoms[i], atoms[-1])
    modeller = app.Modeller(topology, np.array(xyz) * unit.nanometer)
    modeller.addHydrogens(forcefield)
    return modeller


def simulate(job):
    """One trajectory: (index, frames) -> coordinates (frame, atom, 3) and energies (frame,)."""
    index, n_frames, temperature, friction = job
    forcefield = app.ForceField("amber99sbildn.xml", "amber99_obc.xml")
    molecule = build_molecule(forcefield)
    system = forcefield.createSystem(
        molecule.topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=3.0 * unit.amu,
    )
    integrator = openmm.LangevinMiddleIntegrator(temperature, friction, TIMESTEP)
    integrator.setRandomNumberSeed(SEED + index)
    platform = openmm.Platform.getPlatformByName("Reference")  # the fast one for 22 atoms
    context = openmm.Context(system, integrator, platform)
    context.setPositions(molecule.positions)
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(temperature, SEED + index)
    integrator.step(int(100 / TIMESTEP))
    xyz = np.empty((n_frames, system.getNumParticles(), 3), np.float32)
    energies = np.empty(n_frames)
    for frame in range(n_frames):
        integrator.step(round(FRAME_STEP / TIMESTEP))
        state = context.getState(getPositions=True, getEnergy=True)
        xyz[frame] = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        energies[frame] = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    return mdtraj.Topology.from_openmm(molecule.topology), xyz, energies


def _add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def pack(trajectories, path):
    """Write one XTC a trajectory, the topology and the energies into one xz-compressed tar.

    Compressed, because 92 of the 175 bytes of such a small frame in XTC are a nearly constant header.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        lzma.open(path, "wb", preset=9 | lzma.PRESET_EXTREME) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["trajectory", "frame_in_trajectory", "energy"])
        reference = None
        for index, (topology, xyz, energies) in enumerate(trajectories):
            trajectory = mdtraj.Trajectory(xyz, topology, time=FRAME_STEP * np.arange(len(xyz)))
            reference = trajectory[0] if reference is None else reference
            trajectory.superpose(reference)
            if index == 0:
                trajectory[0].save_pdb(f"{folder}/topology.pdb")
                _add(archive, "topology.pdb", Path(folder, "topology.pdb").read_bytes())
            name = f"trajectory-{index}.xtc"
            trajectory.save_xtc(f"{folder}/{name}")
            _add(archive, name, Path(folder, name).read_bytes())
            writer.writerows((index, frame, f"{value:.1f}") for frame, value in enumerate(energies))
        _add(archive, "energies.csv", table.getvalue().encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanoseconds", type=float, default=25.0, help="of each trajectory")
    parser.add_argument("--trajectories", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=HERE / "alanine-dipeptide.tar.xz")
    options = parser.parse_args()
    n_frames = round(options.nanoseconds * 1000 / FRAME_STEP)
    jobs = [(index, n_frames, TEMPERATURE, FRICTION) for index in range(options.trajectories)]
    with get_context("spawn").Pool(options.processes) as pool:
        pack(list(pool.imap(simulate, jobs)), options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
