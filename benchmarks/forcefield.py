"""Conformations per second, energies and forces, of the force field in torch and of OpenMM in the same run.

Run ``python benchmarks/forcefield.py`` (needs the ``md`` extra); prints a Markdown table.  The molecule is
alanine dipeptide of the sample data, AMBER ff96 with implicit solvent (GBSA-OBC), without constraints, as in
Schoeberl et al. (2020).  OpenMM computes one conformation after the other, as its `Context` does; the force
field computes all at once.  All take turns, so that a busy machine slows them alike, and the best turn of
each counts.  The last columns are the largest differences from OpenMM's Reference platform over the same
conformations.  CUDA, of torch and of OpenMM, is measured where there is one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import openmm
import torch
from openmm import app
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.systems import ForceField

REFERENCE = "OpenMM Reference"

Compute = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def make_system(topology) -> openmm.System:
    """ff96 with implicit solvent, all bonds flexible."""
    files = app.ForceField("amber96.xml", "amber96_obc.xml")
    return files.createSystem(topology, nonbondedMethod=app.NoCutoff)


def with_openmm(system: openmm.System, platform: openmm.Platform, n_threads: int) -> Compute:
    """A function from conformations (conformation, atom, 3) to energies and forces, by one `Context`."""
    threads = {"Threads": str(n_threads)} if platform.getName() == "CPU" else {}
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, threads)

    def compute(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = np.empty(len(xyz)), np.empty(xyz.shape)
        for index, positions in enumerate(xyz):
            context.setPositions(positions)
            state = context.getState(energy=True, forces=True)
            energies[index] = state.getPotentialEnergy()._value
            forces[index] = state.getForces(asNumpy=True)._value
        return energies, forces

    return compute


def with_torch(system: openmm.System, device: str, dtype: torch.dtype) -> Compute:
    """The same by the force field; what it returns is copied from the device, as from OpenMM."""
    field = ForceField(system, device=device, dtype=dtype)

    def compute(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = field.energy_and_forces(xyz)
        return energies.cpu().numpy(), forces.cpu().numpy()

    return compute


def make_rivals(system: openmm.System, n_threads: int) -> dict[str, Compute]:
    """{name: function} of all that this machine has."""
    rivals = {}
    for index in range(openmm.Platform.getNumPlatforms()):
        platform = openmm.Platform.getPlatform(index)
        rivals[f"OpenMM {platform.getName()}"] = with_openmm(system, platform, n_threads)
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
            rivals[f"torch {device} {name}"] = with_torch(system, device, dtype)
    return rivals


def measure(rivals: dict[str, Compute], xyz: np.ndarray, rounds: int) -> tuple[dict, dict]:
    """{name: seconds of the best round} and {name: (energies, forces)}."""
    seconds, results = dict.fromkeys(rivals, np.inf), {}
    for compute in rivals.values():
        compute(xyz[:10])
    for _ in range(rounds):
        for name, compute in rivals.items():
            start = time.perf_counter()
            results[name] = compute(xyz)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conformations", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="200 conformations, two rounds")
    options = parser.parse_args()
    n, rounds = (200, 2) if options.quick else (options.conformations, options.rounds)
    torch.set_num_threads(options.threads)
    trajs = fel.sample_data("alanine-dipeptide")
    frames = trajs.frames(np.linspace(0, len(trajs) - 1, n).astype(int))
    rivals = make_rivals(make_system(frames.topology.to_openmm()), options.threads)
    seconds, results = measure(rivals, frames.xyz.astype(float), rounds)
    energies, forces = results[REFERENCE]
    print(f"Alanine dipeptide, ff96 with GBSA-OBC, {n} conformations, {options.threads} thread(s)\n")
    header = ["", "conformations / s", "/ Reference", "energy: kJ/mol", "force: kJ/mol/nm"]
    rows = [
        [
            name,
            f"{n / seconds[name]:,.0f}",
            f"{seconds[REFERENCE] / seconds[name]:.2f}",
            f"{np.abs(results[name][0] - energies).max():.1e}",
            f"{np.abs(results[name][1] - forces).max():.1e}",
        ]
        for name in rivals
    ]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
