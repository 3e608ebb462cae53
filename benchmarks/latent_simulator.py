"""Latent space simulators of alanine dipeptide (sample data) and a pentapeptide against molecular dynamics.

The pentapeptide (WLALL, ten trajectories of 500 ns) comes by ``--pentapeptide FOLDER``, which holds
``pentapeptide-*.xtc`` and ``pentapeptide-impl-solv.pdb``.  Three tables, a line a seed of all trainings:

- time scales of the data and of 400 simulations as long as a trajectory, by the eigenproblem at the lag,
  with errors from five blocks; RMS difference of the free energies along psi_1 (Sidky et al. 2020: .91 kT),
  over all bins and over those below 5 kT, next to that of the halves of the data; total variation of the
  transition density; fraction of steps clipped and of frames far from the data; crossings;
- structures by both decoders: largest deviations of bond means, median and largest deviation of their
  spreads next to those of the halves of the data, mean total variation of torsion distributions, fraction of
  structures with clashes, as drawn first and as kept, next to that of the data, RMSD to the frame that was
  encoded next to its floor (the frame nearest to it in the latents), RMS difference of free energies in TICA;
- seconds to train each part, latent steps a second of one trajectory and of 100 at once, structures a second.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.data.coordinates import read_coordinates
from fel_explorer.free_energy import aligned_rms
from fel_explorer.methods import ConditionalWGAN, LatentSpaceSimulator
from fel_explorer.methods.latent_simulator import structure_report

LOW = 5.0  # kT: places that the data visit often enough for a free energy
N_STRUCTURES = 4000
N_TRAJECTORIES = 400  # simulated: of 100, rare places make time scales scatter by 10 % and more
PENTAPEPTIDE_TORSIONS = ("phi", "psi", "chi1")


@dataclass
class System:
    """What is simulated: ``data`` and ``trajectories``, lag in ps and number of slow modes."""

    name: str
    data: object
    trajectories: object
    lag_time: float
    n_dims: int


def alanine() -> System:
    trajectories = fel.sample_data("alanine-dipeptide")
    data = fel.featurize(trajectories, "heavy_atom_distances")
    return System("alanine dipeptide", data, trajectories, 20.0, 2)


def pentapeptide(folder: Path) -> System:
    trajectories = fel.load_trajectories(folder / "pentapeptide-*.xtc", folder / "pentapeptide-impl-solv.pdb")
    data = fel.featurize(trajectories, "torsions")
    names = [str(name) for name in data["feature"].values]
    chosen = [i for i, name in enumerate(names) if name.split()[0] in PENTAPEPTIDE_TORSIONS]
    return System("pentapeptide", data.isel(feature=chosen).load(), trajectories, 1000.0, 3)


def simulator_of(system, seed, options) -> LatentSpaceSimulator:
    settings = {"lag_time": system.lag_time, "n_dims": system.n_dims, "atoms": options.atoms, "seed": seed}
    simulator = LatentSpaceSimulator(**settings)
    if options.quick:
        for part in (simulator.encoder, simulator.propagator, simulator.decoder):
            part.n_steps = 30
    return simulator


def latent_line(system, seed, report) -> list:
    scales = report.time_scales
    times = [
        " / ".join(f"{t / 1000:.3g} ± {e / 1000:.2g}" for t, e in zip(row["time"], row["error"], strict=True))
        for row in (
            {k: scales.sel(ensemble=n)[k].values for k in ("time", "error")} for n in ("md", "synthetic")
        )
    ]
    md, synthetic = scales["time"].values
    off = " / ".join(f"{100 * (b / a - 1):+.0f}" for a, b in zip(md, synthetic, strict=True))
    inside = np.abs(synthetic - md) <= np.hypot(*scales["error"].values)
    return [
        system.name,
        seed,
        *times,
        off,
        f"{inside.sum()} of {len(inside)}",
        " / ".join(f"{value:.2f}" for value in free_energy_errors(report.free_energy)),
        f"{report.transition_density.attrs['total_variation']:.3f}",
        f"{100 * report.outside['clipped']:.2f} / {100 * report.outside['far']:.2f}",
        " / ".join(f"{n} in {report.time[e] / 1e6:.3g} us" for e, n in report.transitions.items()),
    ]


def free_energy_errors(profiles) -> tuple[float, float, float]:
    """RMS difference over all bins, over those below `LOW`, and of the halves of the data, kT."""
    md, synthetic = profiles["free_energy"].values
    low = aligned_rms(np.where(md < LOW, md, np.nan), synthetic)
    return profiles.attrs["rms"], low, profiles.attrs["rms_of_halves"]


class Structures:
    """Frames of the data, to compare decoders with chance: ``clashes``, ``spread``."""

    def __init__(self, system, atoms):
        n = len(system.trajectories)
        frames = np.unique(np.linspace(0, n - 1, N_STRUCTURES).astype(int))
        self.xyz, _, self.bonds = read_coordinates(system.trajectories, frames, atoms)
        other, _, _ = read_coordinates(system.trajectories, (frames + n // 2) % n, atoms)
        self.spread = spread_errors(structure_report.bond_table(self.xyz, other, self.bonds))

    def first_clashes(self, simulator, latents, device) -> float:
        """Fraction of structures with clashes if none is drawn again."""
        redraws, simulator.decoder.redraws = simulator.decoder.redraws, 0
        xyz = simulator.decoder.sample(latents[:N_STRUCTURES], device=device)
        simulator.decoder.redraws = redraws
        return structure_report.clash_fraction(self.xyz, xyz, self.bonds)


def spread_errors(bonds) -> np.ndarray:
    return 100 * np.abs(bonds["spread"][1] / bonds["spread"][0] - 1).values


def structure_line(system, name, seed, report, clashes, floor) -> list:
    bonds, gyration = report.structures["bonds"], report.structures["gyration"]
    mean = np.abs(bonds["mean"][1] / bonds["mean"][0] - 1).values
    spread = spread_errors(bonds)
    tica = report.structures.get("tica")
    radius = [
        f"{m:.3f} ± {s:.3f}" for m, s in zip(gyration["mean"].values, gyration["spread"].values, strict=True)
    ]
    return [
        system.name,
        name,
        seed,
        f"{100 * mean.max():.2f}",
        f"{np.median(spread):.1f} / {spread.max():.1f}",
        f"{np.median(floor):.1f} / {floor.max():.1f}",
        f"{float(report.structures['torsions']['total_variation'].mean()):.3f}",
        " / ".join(f"{100 * v:.2f}" for v in (clashes, *map(report.numbers.get, ("clashes", "clashes_md")))),
        f"{report.numbers['rmsd_to_frame']:.4f} / {report.numbers['rmsd_floor']:.4f}",
        " / ".join(radius),
        "" if tica is None else f"{tica.attrs['rms']:.2f}",
    ]


def speed(simulator, n_trajectories, device) -> float:
    """Latent steps a second."""
    began = time.perf_counter()
    simulator.simulate(500, n_trajectories, device=device)
    return 500 * n_trajectories / (time.perf_counter() - began)


def run(system, structures, seed, options, tables) -> None:
    simulator = simulator_of(system, seed, options)
    simulator.fit(system.data, system.trajectories, device=options.device)
    report = assess(system, structures, "flow matching", simulator, seed, options, tables)
    tables["latents"].append(latent_line(system, seed, report))
    print(*tables["latents"][-1], *report.warnings, sep=" | ", file=sys.stderr, flush=True)
    if seed in options.gan_seeds:
        simulator.decoder = ConditionalWGAN(seed=seed, n_steps=30 if options.quick else options.gan_steps)
        simulator.fit_decoder(system.data, system.trajectories, device=options.device)
        assess(system, structures, "cWGAN", simulator, seed, options, tables)


def assess(system, structures, name, simulator, seed, options, tables):
    """Lines of a decoder; returns the report."""
    report = simulator.report(
        system.data,
        system.trajectories,
        n_trajectories=N_TRAJECTORIES,
        n_structures=N_STRUCTURES,
        device=options.device,
    )
    latents = simulator.simulate(N_STRUCTURES, device=options.device)["features"].values
    clashes = structures.first_clashes(simulator, latents, options.device)
    tables["structures"].append(structure_line(system, name, seed, report, clashes, structures.spread))
    tables["cost"].append(cost_line(system, name, seed, simulator, report, options))
    print(*tables["structures"][-1], *tables["cost"][-1], sep=" | ", file=sys.stderr, flush=True)
    return report


def cost_line(system, name, seed, simulator, report, options) -> list:
    seconds = [f"{simulator.seconds_[part]:.0f}" for part in ("encoder", "propagator", "decoder")]
    steps = [f"{speed(simulator, n, options.device):.0f}" for n in (1, 100)]
    return [system.name, name, seed, *seconds, *steps, f"{report.cost['structures per second']:.0f}"]


HEADERS = {
    "latents": [
        "system", "seed", "MD, ns", "simulated, ns", "error %", "inside errors",
        "free energy RMS, all / below 5 kT / halves of MD, kT",
        "total variation", "clipped / far %", "crossings",
    ],
    "structures": [
        "system", "decoder", "seed", "bond means off by at most %", "bond spreads off, median / most %",
        "of halves of MD", "torsions, total variation", "clashes, drawn / kept / MD %",
        "RMSD to the frame / floor, nm", "Rg MD / decoded, nm",
        "TICA free energy RMS, kT",
    ],
    "cost": [
        "system", "decoder", "seed", "encoder, s", "propagator, s", "decoder, s", "steps/s of 1",
        "steps/s of 100", "structures/s",
    ],
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pentapeptide", type=Path, help="folder with the trajectories")
    parser.add_argument("--systems", nargs="+", choices=["alanine", "pentapeptide"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--atoms", default="heavy")
    parser.add_argument("--gan-steps", type=int, default=30_000)
    parser.add_argument("--gan-seeds", type=int, nargs="*", default=[0], help="that the cWGAN is trained for")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="30 steps of each training, one seed")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    chosen = options.systems or ["alanine", *(["pentapeptide"] if options.pentapeptide else [])]
    if options.quick:
        options.seeds = options.seeds[:1]
    tables = {name: [] for name in HEADERS}
    for name in chosen:
        if name == "pentapeptide" and options.pentapeptide is None:
            parser.error("--systems pentapeptide needs --pentapeptide FOLDER")
        system = alanine() if name == "alanine" else pentapeptide(options.pentapeptide)
        structures = Structures(system, options.atoms)
        for seed in options.seeds:
            run(system, structures, seed, options, tables)
    text = "\n\n".join(markdown_table(HEADERS[name], rows) for name, rows in tables.items())
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
