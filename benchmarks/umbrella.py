"""Free energies by umbrella sampling along learned CVs, against exact ones and against unbiased simulation.

Five-dimensional Müller-Brown: a `MultitaskCV` is trained on shots and runs inside the basins, 32 windows are
sampled along it (more where neighbours overlap too little), and compared with quadrature along the same CV (a
grid over the plane times random angles and x5).  Barrier: the top of the profile above its floor in A.
Difference: of the floors in B and A.  Both depend on the CV, so those of the plane (x~, y~), exact too, stand
next to them: F(x~, y~) at saddle and minima.  The difference -kT ln(P_B / P_A) of the basins, divided by
steepest descent, does not.  Sun et al. (2022), Table I: barrier .89 +- .02 along (x~, y~), .94 along xi;
difference .51 +- .02 and .43 (which the potential can't give: its minima differ by .33 eV).

Alanine dipeptide (``--parts alanine``; needs the ``md`` extra): a CV learned from the backbone torsions of
two of the eight trajectories of the sample data, windows with OpenMM as the data were made (450 K, 5 / ps,
4 fs, the same force field); F(phi > 0) - F(phi < 0) and the mean potential energy after reweighting, against
all 200 ns of unbiased data, whose errors are the spread over the eight trajectories.

    python benchmarks/umbrella.py                      # toy model, five seeds
    python benchmarks/umbrella.py --parts alanine --processes 2
    python benchmarks/umbrella.py --quick
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from multitask import trajectories
from scores import markdown_table, spread

import fel_explorer as fel
from fel_explorer.free_energy import FreeEnergy
from fel_explorer.sampling import (
    MolecularSystem,
    basin_difference,
    profile,
    profile_barrier,
    reweighted_statistic,
    umbrella,
)

BINS = 60
CELL = 0.4  # Angstrom, of the plane
LIFTED = 40  # points above each cell of it
LAG_TIME = 20.0  # ps, of the CV of alanine dipeptide
TRAINED_ON = 2  # of its trajectories


def training_data(system, seed: int, options):
    position, basin, energy = trajectories(system, 10 * seed, options)
    data = fel.as_dataset(position, time_unit="fs", feature_names=list(system.coordinate_names))
    data["position"] = (("frame", "coordinate"), position)
    return data.assign(basin=("frame", basin), energy=("frame", energy))


def exact_profile(system, method, f, seed: int) -> np.ndarray:
    """Free energy (bin,) of the CV in the bins of a profile: points at random in each cell of the plane."""
    generator = torch.Generator().manual_seed(seed)
    p, weight = system.plane_grid(CELL)
    p = p[weight > 1e-26].repeat(LIFTED, 1)
    p = p + CELL * (torch.rand(p.shape, generator=generator, dtype=p.dtype) - 0.5)
    energy = system.plane_energy(p)
    weight = torch.exp((energy.min() - energy) / system.kT) * p.prod(-1)
    cv = method.transform(system.lift_randomly(p, generator).numpy()).values[:, 0]
    first, width = float(f["centre"][0]), float(f["centre"][1] - f["centre"][0])
    bins = np.floor((cv - first) / width + 0.5).astype(int)
    inside = (bins >= 0) & (bins < len(f["centre"]))
    with np.errstate(divide="ignore"):
        # np.histogram loses weights below 1e-16 of the largest
        return -system.kT * np.log(np.bincount(bins[inside], weight.numpy()[inside], len(f["centre"])))


def exact_plane(system) -> tuple[float, float, float]:
    """Barrier and difference of the floors of F(x~, y~) = V - kT ln(x~ y~), and of the basins, in eV."""
    p, weight = system.plane_grid(0.2)
    basin = system.basin(system.lift(p)).numpy()
    weight = weight.numpy()
    ends = torch.cat([system.plane_minima, system.plane_saddles])
    a, b, top = (system.plane_energy(ends) - system.kT * ends.prod(1).log()).tolist()
    return top - a, b - a, -system.kT * np.log(weight[basin == 1].sum() / weight[basin == 0].sum())


def floors(f, ends) -> tuple[float, float]:
    """Difference of the lowest points of a profile on the sides of B and A of its top, and its error."""
    found, x, values = FreeEnergy.from_dataset(f), f["centre"].values, f["free_energy"].values
    between = np.where((x >= min(ends)) & (x <= max(ends)), values, np.nan)
    left = np.arange(len(x)) < np.nanargmax(between)
    lowest = [int(np.nanargmin(np.where(side, values, np.nan))) for side in (left, ~left)]
    a, b = lowest if ends[0] < ends[1] else lowest[::-1]
    return found.difference(a, b)


def toy(seed: int, options) -> list:
    """A line of the table of the toy model."""
    system = fel.systems.MullerBrown5D()
    data = training_data(system, seed, options)
    method = fel.MultitaskCV(
        n_dims=1, n_steps=options.steps, batch_size=2000, validation_fraction=0.0, seed=seed
    ).fit(data, device=options.device)
    started = time.perf_counter()
    stride = max(1, options.umbrella // 100)
    sampled = umbrella(method, system, data, n_steps=options.umbrella, stride=stride, seed=seed)
    seconds = time.perf_counter() - started
    f = profile(sampled, n_bins=BINS)
    ends = tuple(method.transform(system.minima.numpy()).values[:, 0])
    exact = f.assign(free_energy=("bin", exact_profile(system, method, f, seed)))
    basin = system.basin(sampled["position"].values).numpy()
    return [
        seed,
        *profile_barrier(f, ends),
        profile_barrier(exact, ends)[0],
        *floors(f, ends),
        floors(exact, ends)[0],
        *basin_difference(sampled, basin == 0, basin == 1),
        exact_plane(system)[2],
        *windows_and_gaps(sampled),
        seconds,
    ]


def windows_and_gaps(sampled) -> tuple[int, int]:
    return sampled.sizes["umbrella"], len(json.loads(sampled.attrs["gaps"]))


def alanine(seed: int, options) -> list:
    """A line of the table of alanine dipeptide, in kJ/mol."""
    trajs = fel.sample_data("alanine-dipeptide")
    few = fel.load_trajectories(list(trajs.files[:TRAINED_ON]), trajs.files[0].parent / "topology.pdb")
    data = fel.featurize(few, ["backbone_torsions"])
    method = fel.list_methods()[options.method](lag_time=LAG_TIME, n_dims=1, seed=seed).fit(data)
    started = time.perf_counter()
    sampled = umbrella(
        method,
        MolecularSystem(few, temperature=trajs.temperature, bias_every=options.bias_every),
        data,
        n_windows=options.windows,
        n_walkers=options.walkers,
        n_steps=round(options.picoseconds / 0.004),
        stride=100,
        seed=seed,
        n_processes=options.processes,
        callback=lambda p: print(p.message, p.step, "of", p.n_steps, file=sys.stderr, flush=True),
    )
    seconds = time.perf_counter() - started
    energy = sampled["energy"].values
    mean = reweighted_statistic(sampled, lambda weight: weight @ energy / weight.sum())
    difference = basin_difference(sampled, ~right(sampled), right(sampled))
    unbiased = fel.featurize(trajs, ["backbone_torsions"])
    nanoseconds = sampled.sizes["umbrella"] * options.walkers * options.picoseconds / 1000
    return [
        f"{options.method}, {seed}",
        nanoseconds,
        *difference,
        *unbiased_difference(unbiased, trajs.temperature),
        *mean,
        *over_trajectories(unbiased, unbiased["energy"].values),
        *windows_and_gaps(sampled),
        seconds,
    ]


def over_trajectories(data, values) -> tuple[float, float]:
    """Mean of ``values`` (frame,) and its standard error by the spread over trajectories of equal length."""
    trajectory = data["trajectory"].values
    means = np.bincount(trajectory, values) / np.bincount(trajectory)
    return means.mean(), means.std(ddof=1) / np.sqrt(len(means))


def unbiased_difference(data, temperature: float) -> tuple[float, float]:
    """F(phi > 0) - F(phi < 0) by counting, and its standard error."""
    kT = 0.00831446261815324 * temperature
    return fel.free_energy.basin_difference(
        ~right(data), right(data), trajectory=data["trajectory"].values, kT=kT
    )


def right(data) -> np.ndarray:
    """Whether 0 < phi < 125 degrees, (frame,)."""
    names = [str(name) for name in data["feature"].values]
    cos, sin = (data["features"].values[:, names.index(f"phi ALA2 {part}")] for part in ("cos", "sin"))
    phi = np.degrees(np.arctan2(sin, cos))
    return (phi > 0) & (phi < 125)


def toy_table(rows) -> str:
    header = ["seed", "barrier along xi, eV", "error", "by quadrature", "floor of B - floor of A", "error"]
    header += ["by quadrature", "F_B - F_A, basins", "error", "exact", "windows", "gaps", "seconds"]
    lines = [[row[0], *(f"{v:.3f}" for v in row[1:10]), *row[10:12], f"{row[12]:.0f}"] for row in rows]
    columns = list(zip(*rows, strict=True))
    if len(rows) > 1:
        means = [spread(column) for column in columns[1:10]]
        lines.append(["mean (range)", *means, "", "", spread(columns[12], 0)])
    barrier, floor, basins = (f"{value:.3f}" for value in exact_plane(fel.systems.MullerBrown5D()))
    lines.append(["exact, (x~, y~)", barrier, "", "", floor, "", "", basins, *[""] * 5])
    lines.append(["Sun et al., xi", ".94", "", "", ".43", *[""] * 8])
    lines.append(["Sun et al., (x~, y~)", ".89", ".02", "", ".51", ".02", *[""] * 7])
    return markdown_table(header, lines)


def alanine_table(rows) -> str:
    header = ["CV, seed", "ns", "F(phi > 0) - F(phi < 0), kJ/mol", "error", "unbiased, 200 ns", "error"]
    header += ["mean energy, kJ/mol", "error", "unbiased", "error", "windows", "gaps", "seconds"]
    return markdown_table(
        header,
        [[r[0], f"{r[1]:.1f}", *(f"{v:.2f}" for v in r[2:10]), *r[10:12], f"{r[12]:.0f}"] for r in rows],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", help="default: five of the toy, one of alanine")
    parser.add_argument("--parts", nargs="+", choices=["toy", "alanine"], default=["toy"])
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument("--shots", type=int, default=4000)
    parser.add_argument("--umbrella", type=int, default=6000, help="steps (fs) of each walker, toy model")
    parser.add_argument("--method", default="SRV", choices=["SRV", "IDM", "TICA"], help="alanine dipeptide")
    parser.add_argument("--bias-every", type=int, default=2, help="steps of 4 fs, alanine dipeptide")
    parser.add_argument("--windows", type=int, default=8, help="alanine dipeptide")
    parser.add_argument("--walkers", type=int, default=6, help="in each window, alanine dipeptide")
    parser.add_argument("--picoseconds", type=float, default=50.0, help="of each walker, alanine dipeptide")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one seed, short")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.shots, options.umbrella, options.picoseconds = 800, 600, 2000, 10.0
    made = {"toy": (toy, toy_table, 5), "alanine": (alanine, alanine_table, 1)}
    tables = []
    for part in options.parts:
        run, table, n_seeds = made[part]
        rows = []
        for seed in options.seeds or range(1 if options.quick else n_seeds):
            rows.append(run(seed, options))
            print(part, *rows[-1], file=sys.stderr, flush=True)
        tables.append(table(rows))
    text = "\n\n".join(tables)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
