"""Alanine dipeptide from its force field alone, beside molecular dynamics with the same force field.

Run ``python benchmarks/embedded_alanine.py`` (needs the ``md`` extra); prints Markdown tables.  AMBER ff96,
implicit solvent (GBSA-OBC; the paper's generalized Born model is another), 330 K, all bonds flexible, two
CVs, as in paper 004, section 2.2.  Of structures the model sees one conformation, for bonds and angles.

Columns: the samples of the model as they come, the same with importance weights, and the trajectory.  Errors
are by blocks: five of the trajectory, five sets of weighted samples.  Conformers by (phi, psi) in degrees:
alpha: phi < 0, -120 < psi < 50; beta-1: phi < -105, else; beta-2: -105 < phi < 0, else; phi > 0.
"""

from __future__ import annotations

import argparse
import time
import warnings

import mdtraj
import numpy as np
import openmm
from openmm import app, unit
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.systems import ForceField

TEMPERATURE = 330.0  # K
N_BLOCKS = 5
CONFORMERS = ["alpha", "beta-1", "beta-2", "phi > 0"]
HELIX = np.radians([-57.0, -47.0])  # phi, psi of the reference of the RMSD


def make_system(topology) -> openmm.System:
    files = app.ForceField("amber96.xml", "amber96_obc.xml")
    return files.createSystem(topology.to_openmm(), nonbondedMethod=app.NoCutoff)


def simulate(system, start, n_steps: int, time_step: float, seed: int) -> np.ndarray:
    """Conformations (frame, atom, 3), one a 0.2 ps, of Langevin dynamics; the first tenth is left out."""
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, time_step / 1000)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))
    context.setPositions(start)
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    stride = round(200 / time_step)
    frames = []
    for _ in range(n_steps // stride):
        integrator.step(stride)
        positions = context.getState(positions=True).getPositions(asNumpy=True)
        frames.append(positions.value_in_unit(unit.nanometer))
    return np.array(frames[len(frames) // 10 :])


def angles(topology, xyz) -> tuple[np.ndarray, np.ndarray]:
    """phi and psi (frame,) in radians."""
    trajectory = mdtraj.Trajectory(xyz.astype(np.float32), topology)
    return mdtraj.compute_phi(trajectory)[1][:, 0], mdtraj.compute_psi(trajectory)[1][:, 0]


def conformers(phi, psi) -> np.ndarray:
    """(frame, conformer) of 0 and 1."""
    phi, psi = np.degrees(phi), np.degrees(psi)
    alpha = (phi < 0) & (psi > -120) & (psi < 50)
    beta = (phi < 0) & ~alpha
    return np.stack([alpha, beta & (phi < -105), beta & (phi >= -105), phi >= 0], axis=1)


def observables(system, topology, xyz, helix) -> tuple[list[str], np.ndarray]:
    """Names and values (frame, observable)."""
    trajectory = mdtraj.Trajectory(xyz.astype(np.float32), topology)
    masses = np.array([atom.element.mass for atom in topology.atoms])
    values = list(conformers(*angles(topology, xyz)).T.astype(float))
    values.append(mdtraj.compute_rg(trajectory, masses) * 10)
    values.append(mdtraj.rmsd(trajectory, helix, atom_indices=topology.select("element != H")) * 10)
    values.append(ForceField(system, device="cpu").energy(xyz).numpy())
    return [*CONFORMERS, "Rg, A", "RMSD to helix, A", "energy, kJ/mol"], np.stack(values, axis=1)


def blocks(values, weights=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, spread and standard error of the mean (observable,) of values (frame, observable)."""
    weights = np.ones(len(values)) if weights is None else weights
    mean = weights @ values / weights.sum()
    spread = np.sqrt(weights @ (values - mean) ** 2 / weights.sum())
    parts = np.array_split(np.arange(len(values)), N_BLOCKS)
    means = [weights[part] @ values[part] / weights[part].sum() for part in parts]
    return mean, spread, np.std(means, axis=0, ddof=1) / np.sqrt(N_BLOCKS)


def histogram(phi, psi, weights=None) -> np.ndarray:
    """Shares of 10-degree bins of (phi, psi), which sum to 1."""
    box = [[-np.pi, np.pi]] * 2
    counts = np.histogram2d(phi, psi, bins=36, range=box, weights=weights)[0]
    return counts / counts.sum()


def fit(system, topology, start, seed: int, options):
    """The fitted model and the seconds it took."""
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds])
    model = fel.EmbeddedPhysics(
        ForceField(system, device=options.device),
        n_dims=2,
        temperature=TEMPERATURE,
        batch_size=options.batch_size,
        n_steps=options.steps,
        learning_rate=0.01,
        beta_start=0.1,
        reverse_share=1.0,  # weights from the hot model to this temperature degenerate in 60 dimensions
        reverse_share_end=1.0,
        seed=seed,
    )
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coverage is printed
        model.fit(structure=start, bonds=bonds, device=options.device)
    return model, time.perf_counter() - began


def report(model, system, topology, reference, helix, n: int) -> None:
    """Print the table of observables, and how alike torsions and bonds are."""
    x, _, log_weight = model.draw(n, seed=1)
    weights = np.exp(log_weight - log_weight.max())
    names, of_md = observables(system, topology, reference, helix)
    _, of_model = observables(system, topology, x, helix)
    sources = [blocks(of_model), blocks(of_model, weights), blocks(of_md)]
    rows = [
        [name, *(f"{mean[i]:.4f} +- {error[i]:.4f} ({spread[i]:.3f})" for mean, spread, error in sources)]
        for i, name in enumerate(names)
    ]
    print(markdown_table(["mean (spread)", "model", "model, weighted", "MD"], rows))
    torsions, md_torsions = angles(topology, x), histogram(*angles(topology, reference))
    for name, w in (("model", None), ("model, weighted", weights)):
        distance = 0.5 * np.abs(histogram(*torsions, w) - md_torsions).sum()
        print(f"\nTotal variation of (phi, psi) in 10-degree bins, {name} and MD: {distance:.3f}")
    half = np.array_split(np.stack(angles(topology, reference)), 2, axis=1)
    print(
        f"the same of the halves of MD: {0.5 * np.abs(histogram(*half[0]) - histogram(*half[1])).sum():.3f}"
    )
    pairs = np.array([(a.index, b.index) for a, b in topology.bonds])
    lengths = [
        np.linalg.norm(xyz[:, pairs[:, 0]] - xyz[:, pairs[:, 1]], axis=2) * 10 for xyz in (x, reference)
    ]
    means, spreads = ([f(v, axis=0) for v in lengths] for f in (np.mean, np.std))
    shift, ratio = np.abs(means[0] - means[1]).max(), spreads[0] / spreads[1]
    print(f"\nBonds, model and MD: means differ by {shift:.4f} A at most,")
    print(f"spreads by a factor of {ratio.min():.3f} to {ratio.max():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--md-steps", type=int, default=1_200_000)
    parser.add_argument("--time-step", type=float, default=1.0, help="of the dynamics, in fs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="few steps: shows that it runs")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.samples, options.md_steps, options.batch_size = 11, 400, 20_000, 16
    frame = fel.sample_data("alanine-dipeptide").frames([0])
    topology, start = frame.topology, frame.xyz[0].astype(float)
    system = make_system(topology)
    began = time.perf_counter()
    reference = simulate(system, start, options.md_steps, options.time_step, seed=1)
    print(f"MD: {options.md_steps * options.time_step / 1e6:.2f} ns, {time.perf_counter() - began:.0f} s\n")
    phi, psi = angles(topology, reference)
    near = np.argmin(1 - np.cos(phi - HELIX[0]) + 1 - np.cos(psi - HELIX[1]))
    helix = mdtraj.Trajectory(reference[near : near + 1].astype(np.float32), topology)
    for seed in options.seeds:
        model, seconds = fit(system, topology, start, seed, options)
        print(
            f"\nSeed {seed}, {options.steps} steps of {options.batch_size}: {seconds:.0f} s, effective sample"
            f" size {model.effective_sample_size_:.3f}, coverage {model.coverage_:.3f}\n"
        )
        report(model, system, topology, reference, helix, options.samples)


if __name__ == "__main__":
    main()
