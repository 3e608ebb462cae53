"""Alanine dipeptide from its force field alone, compared with molecular dynamics with the same force field.

Run ``python benchmarks/embedded_alanine.py`` (needs the ``md`` extra); prints Markdown tables.  AMBER ff96,
implicit solvent (GBSA-OBC; the published generalized Born model is another), 330 K, all bonds flexible, two
CVs, as in Schoeberl et al. (2020), section 2.2.  Of structures the model sees one conformation, for bonds and
angles.

Columns: the samples of the model as they come, the same with importance weights, and the trajectories, two
of 6 ns.  Errors are by blocks: ten of the trajectories, five sets of samples; those of weighted samples leave
out what a few large weights may hide, so look at the effective sample size.  Conformers by (phi, psi) in
degrees: alpha: phi < 0, -120 < psi < 50; beta-1: phi < -105, else; beta-2: -105 < phi < 0, else; phi > 0.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import mdtraj
import numpy as np
import openmm
from openmm import app, unit
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.structures import geometry
from fel_explorer.systems import ForceField

TEMPERATURE = 330.0  # K
N_BLOCKS = 5  # of samples; of each trajectory too
STARTS = 2  # trajectories
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


def simulated(system, start, options) -> np.ndarray:
    """The frames of all trajectories, one after the other, from the file where there is one."""
    if options.reference and options.reference.exists():
        return np.load(options.reference)
    began = time.perf_counter()
    runs = [simulate(system, start, options.md_steps, options.time_step, 11 + run) for run in range(STARTS)]
    length = options.md_steps * options.time_step / 1e6
    print(f"MD: {STARTS} x {length:.2f} ns, {time.perf_counter() - began:.0f} s\n")
    if options.reference:
        np.save(options.reference, np.concatenate(runs))
    return np.concatenate(runs)


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
    values.append(geometry.radius_of_gyration(trajectory.xyz, masses) * 10)
    values.append(mdtraj.rmsd(trajectory, helix, atom_indices=topology.select("element != H")) * 10)
    values.append(ForceField(system, device="cpu").energy(xyz).numpy())
    return [*CONFORMERS, "Rg, A", "RMSD to helix, A", "energy, kJ/mol"], np.stack(values, axis=1)


def blocks(values, weights=None, n=N_BLOCKS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, spread and standard error of the mean, by ``n`` blocks, of values (frame, observable)."""
    weights = np.ones(len(values)) if weights is None else weights
    mean = weights @ values / weights.sum()
    spread = np.sqrt(weights @ (values - mean) ** 2 / weights.sum())
    parts = np.array_split(np.arange(len(values)), n)
    means = [weights[part] @ values[part] / weights[part].sum() for part in parts]
    return mean, spread, np.std(means, axis=0, ddof=1) / np.sqrt(n)


def histogram(phi, psi, weights=None) -> np.ndarray:
    """Fractions of 10-degree bins of (phi, psi), which sum to 1."""
    box = [[-np.pi, np.pi]] * 2
    counts = np.histogram2d(phi, psi, bins=36, range=box, weights=weights)[0]
    return counts / counts.sum()


def fit(system, topology, start, seed: int, options):
    """The fitted model, the seconds it took by the clock and of the processor, and its warnings."""
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds])
    model = fel.EmbeddedPhysics(
        ForceField(system, device=options.device),
        n_dims=2,
        temperature=TEMPERATURE,
        batch_size=options.batch_size,
        n_steps=options.steps,
        learning_rate=0.01,
        beta_start=0.1,
        seed=seed,
    )
    began, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(structure=start, bonds=bonds, device=options.device)
    seconds = time.perf_counter() - began, time.process_time() - processor
    return model, seconds, [str(warning.message) for warning in caught]


def summary(model, seed, seconds, topology, n: int) -> list:
    """Row of the last table: conformers as drawn and weighted, and how far to trust them."""
    x, _, log_weight = model.draw(n, seed=1)
    weights = np.exp(log_weight - log_weight.max())
    values = conformers(*angles(topology, x)).astype(float)[:, :3]
    drawn, (mean, _, error) = values.mean(0), blocks(values, weights)
    cells = [f"{d:.3f} / {m:.3f} +- {e:.3f}" for d, m, e in zip(drawn, mean, error, strict=True)]
    size = weights.sum() ** 2 / (weights**2).sum() / n
    return [seed, *cells, f"{size:.3f}", f"{model.coverage_:.3f}", f"{seconds[1]:.0f}"]


def report(model, system, topology, reference, helix, n: int) -> None:
    """Print the table of observables, and how alike torsions and bonds are."""
    x, _, log_weight = model.draw(n, seed=1)
    weights = np.exp(log_weight - log_weight.max())
    names, of_md = observables(system, topology, reference, helix)
    _, of_model = observables(system, topology, x, helix)
    sources = [blocks(of_model), blocks(of_model, weights), blocks(of_md, n=STARTS * N_BLOCKS)]
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--md-steps", type=int, default=6_000_000, help="of each trajectory")
    parser.add_argument("--reference", type=Path, help="file of the trajectories: made when missing")
    parser.add_argument("--time-step", type=float, default=1.0, help="of the dynamics, in fs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="few steps: shows that it runs")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.samples, options.md_steps, options.batch_size = 11, 400, 10_000, 16
        options.seeds = options.seeds[:1]
    frame = fel.sample_data("alanine-dipeptide").frames([0])
    topology, start = frame.topology, frame.xyz[0].astype(float)
    system = make_system(topology)
    reference = simulated(system, start, options)
    phi, psi = angles(topology, reference)
    near = np.argmin(1 - np.cos(phi - HELIX[0]) + 1 - np.cos(psi - HELIX[1]))
    helix = mdtraj.Trajectory(reference[near : near + 1].astype(np.float32), topology)
    rows = []
    for seed in options.seeds:
        model, seconds, warned = fit(system, topology, start, seed, options)
        print(
            f"\nSeed {seed}, {options.steps} steps of {options.batch_size}: {seconds[0]:.0f} s"
            f" ({seconds[1]:.0f} s of the processor), effective sample size"
            f" {model.effective_sample_size_:.3f}, coverage {model.coverage_:.3f}, warnings:"
            f" {warned or 'none'}\n"
        )
        report(model, system, topology, reference, helix, options.samples)
        rows.append(summary(model, seed, seconds, topology, options.samples))
    values = conformers(*angles(topology, reference)).astype(float)[:, :3]
    mean, _, error = blocks(values, n=STARTS * N_BLOCKS)
    rows.append(["MD", *(f"{m:.3f} +- {e:.3f}" for m, e in zip(mean, error, strict=True)), "", "", ""])
    print("\nAs drawn / weighted:\n")
    print(markdown_table(["seed", *CONFORMERS[:3], "ESS", "coverage", "seconds"], rows))


if __name__ == "__main__":
    main()
