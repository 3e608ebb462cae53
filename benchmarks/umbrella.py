"""Free energies by umbrella sampling along learned CVs, against exact ones and against unbiased simulation.

Five-dimensional Mueller-Brown: a `MultitaskCV` is trained on shots and runs inside the basins, windows are
sampled along it, and its barrier and the difference of the basins are compared with those by quadrature along
the same CV (a grid over the plane times random angles and x5), and in the plane (x~, y~).  The barrier is the
top of the profile above its floor in A; it depends on the CV.  The difference is -kT ln(P_B / P_A) with
basins by steepest descent, and does not.  Paper 003, Table I: barrier .89 +- .02 along (x~, y~), .94 along
xi; difference .51 +- .02 and .43 (which the potential can't give: its minima differ by .33 eV).

Alanine dipeptide (``--parts alanine``; needs the ``md`` extra): a CV from backbone torsions, windows with
OpenMM at the temperature of the sample data; the free energy of phi > 0 against 200 ns of unbiased data,
whose error is the spread over eight trajectories.

    python benchmarks/umbrella.py                      # toy model, five seeds
    python benchmarks/umbrella.py --parts alanine --processes 2
    python benchmarks/umbrella.py --quick
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from multitask import trajectories
from scores import markdown_table, spread

import fel_explorer as fel
from fel_explorer.sampling import (
    MolecularSystem,
    basin_difference,
    profile,
    profile_barrier,
    umbrella,
)

BINS = 60
LIFTED = 40  # points above each cell of the plane
TEMPERATURE = 450.0  # of the sample data


def training_data(system, seed: int, options):
    position, basin, energy = trajectories(system, 10 * seed, options)
    data = fel.as_dataset(position, time_unit="fs", feature_names=list(system.coordinate_names))
    data["position"] = (("frame", "coordinate"), position)
    return data.assign(basin=("frame", basin), energy=("frame", energy))


def exact_profile(system, method, f, seed: int) -> np.ndarray:
    """Free energy (bin,) of the CV in the bins of a profile, by quadrature over the plane."""
    p, weight = system.plane_grid(0.4)
    kept = weight > 1e-22
    p, weight = p[kept].repeat(LIFTED, 1), weight[kept].repeat(LIFTED)
    x = system.lift_randomly(p, torch.Generator().manual_seed(seed))
    cv = method.transform(x.numpy()).values[:, 0]
    half = float(f["centre"][1] - f["centre"][0]) / 2
    edges = np.append(f["centre"].values - half, f["centre"].values[-1] + half)
    with np.errstate(divide="ignore"):
        return -system.kT * np.log(np.histogram(cv, edges, weights=weight.numpy())[0])


def exact_plane(system) -> tuple[float, float]:
    """Barrier and difference of the basins in the plane, in eV.

    The barrier is that of F(x~, y~) = V - kT ln(x~ y~), over the saddle, from A.
    """
    p, weight = system.plane_grid(0.2)
    basin = system.basin(system.lift(p)).numpy()
    weight = weight.numpy()
    ends = torch.stack([system.plane_minima[0], system.plane_saddles[0]])
    f = system.plane_energy(ends) - system.kT * ends.prod(1).log()
    return float(f[1] - f[0]), -system.kT * np.log(weight[basin == 1].sum() / weight[basin == 0].sum())


def toy(seed: int, options) -> list:
    """A line of the table of the toy model."""
    system = fel.systems.MullerBrown5D()
    data = training_data(system, seed, options)
    method = fel.MultitaskCV(
        n_dims=1, n_steps=options.steps, batch_size=2000, validation_fraction=0.0, seed=seed
    ).fit(data, device=options.device)
    started = time.perf_counter()
    sampled = umbrella(method, system, data, n_windows=32, n_walkers=12, n_steps=options.umbrella, seed=seed)
    seconds = time.perf_counter() - started
    f = profile(sampled, n_bins=BINS)
    ends = method.transform(system.minima.numpy()).values[:, 0]
    height, error = profile_barrier(f, tuple(ends))
    exact = f.assign(free_energy=("bin", exact_profile(system, method, f, seed)))
    reference, _ = profile_barrier(exact, tuple(ends))
    basin = system.basin(sampled["position"].values).numpy()
    difference = basin_difference(sampled, basin == 0, basin == 1)
    return [
        seed,
        height,
        error,
        reference,
        *difference,
        exact_plane(system)[1],
        sampled.attrs["gaps"],
        seconds,
    ]


def alanine(seed: int, options) -> list:
    """A line of the table of alanine dipeptide, in kJ/mol."""
    trajs = fel.sample_data("alanine-dipeptide")
    data = fel.featurize(trajs, ["backbone_torsions"])
    method = fel.TICA(lag_time=20.0, n_dims=1).fit(data)
    started = time.perf_counter()
    sampled = umbrella(
        method,
        MolecularSystem(trajs, temperature=TEMPERATURE, bias_every=4),
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
    value, error = basin_difference(sampled, ~right(sampled), right(sampled))
    unbiased = np.array([right(data)[data["trajectory"].values == i].mean() for i in range(8)])
    share, kT = unbiased.mean(), 0.00831446261815324 * TEMPERATURE
    deviation = kT * unbiased.std(ddof=1) / np.sqrt(8) / (share * (1 - share))
    return [seed, value, error, -kT * np.log(share / (1 - share)), deviation, sampled.attrs["gaps"], seconds]


def right(data) -> np.ndarray:
    """Whether 0 < phi < 125 degrees, (frame,)."""
    cos, sin = data["features"].values[:, :2].T
    phi = np.degrees(np.arctan2(sin, cos))
    return (phi > 0) & (phi < 125)


def toy_table(rows) -> str:
    header = ["seed", "barrier along xi, eV", "error", "by quadrature along xi", "F_B - F_A, eV", "error"]
    header += ["exact", "gaps", "seconds"]
    lines = [[row[0], *(f"{v:.3f}" for v in row[1:7]), row[7], f"{row[8]:.0f}"] for row in rows]
    columns = list(zip(*rows, strict=True))
    if len(rows) > 1:
        lines.append(
            ["mean (range)", *(spread(column) for column in columns[1:7]), "", spread(columns[8], 0)]
        )
    barrier, difference = exact_plane(fel.systems.MullerBrown5D())
    lines.append(["exact, (x~, y~)", f"{barrier:.3f}", "", "", f"{difference:.3f}", "", "", "", ""])
    lines.append(["paper 003, xi", ".94", "", "", ".43", "", "", "", ""])
    lines.append(["paper 003, (x~, y~)", ".89", ".02", "", ".51", ".02", "", "", ""])
    return markdown_table(header, lines)


def alanine_table(rows) -> str:
    header = [
        "seed",
        "F(phi > 0) - F(phi < 0), kJ/mol",
        "error",
        "unbiased, 200 ns",
        "error",
        "gaps",
        "seconds",
    ]
    return markdown_table(header, [[r[0], *(f"{v:.2f}" for v in r[1:5]), r[5], f"{r[6]:.0f}"] for r in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--parts", nargs="+", choices=["toy", "alanine"], default=["toy"])
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument("--shots", type=int, default=2000)
    parser.add_argument("--umbrella", type=int, default=2500, help="steps (fs) of each walker, toy model")
    parser.add_argument("--windows", type=int, default=16, help="alanine dipeptide")
    parser.add_argument("--walkers", type=int, default=5, help="in each window, alanine dipeptide")
    parser.add_argument("--picoseconds", type=float, default=100.0, help="of each walker, alanine dipeptide")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one seed, short")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.shots = options.seeds[:1], 800, 600
        options.picoseconds = 10.0
    made = {"toy": (toy, toy_table), "alanine": (alanine, alanine_table)}
    tables = []
    for part in options.parts:
        run, table = made[part]
        rows = []
        for seed in options.seeds:
            rows.append(run(seed, options))
            print(part, *rows[-1], file=sys.stderr, flush=True)
        tables.append(table(rows))
    text = "\n\n".join(tables)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
