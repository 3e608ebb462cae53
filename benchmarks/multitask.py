"""Multitask CVs of the five-dimensional models: basins and energies outside of the training data.

Data as in Sun et al. (2022): trajectories inside the basins, and shots from the transition states labelled by
the basin in which they end.  Training and test sets come from different trajectories and have no values of x1
/ x~ in common: its range is cut into 40 stripes, of which each takes every other.  (A test set outside the
range of the training set can't be predicted: the network would have to know the symmetry.)

A line a variant and seed (of data and training), and the mean with its range: accuracy of the basins and
mean absolute error of the energies on the test set.  Next to them the published values (98 %, .04 eV;
90 %, .07 eV), and the ceiling: 50 nearest neighbours in the true (x~, y~), from the same data.  How high it
is depends on the fraction of shots in the data, because frames near a transition state bear both labels.

    python benchmarks/multitask.py                 # five seeds, both models, all variants
    python benchmarks/multitask.py --quick         # one seed, short training
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scores import markdown_table, spread
from sklearn.neighbors import KNeighborsClassifier

import fel_explorer as fel

SYSTEMS = {"MullerBrown5D": 1, "ThreeWell5D": 2}  # dimensions of the CV, as published
PAPER = {"MullerBrown5D": ("98 %", ".04 eV"), "ThreeWell5D": ("90 %", ".07 eV")}
STRIPES = 40
VARIANTS = {
    "both tasks": {},
    "basins only": {"energy_weight": 0.0},
    "energies only": {"classification_weight": 0.0},
    "pairs (Eq. 11)": {"energy_weight": 0.0, "pair_weight": 1.0},
    "autoencoder": {"classification_weight": 0.0, "energy_weight": 0.0, "reconstruction_weight": 1.0},
}


def trajectories(system, seed: int, options):
    """Positions (frame, 5), basins and energies (frame,) of shots and of runs inside the basins."""
    starts = fel.systems.near_saddles(system, options.shots, reach=0.2 * system._length, seed=seed)
    shots = fel.systems.shoot(system, starts, stride=10, seed=seed, device="cpu")
    wells = system.plane_minima.repeat_interleave(options.shots // 20, dim=0)
    starts = system.lift_randomly(wells, torch.Generator().manual_seed(seed)).numpy()
    trapped = system.simulate(
        2000, len(starts), stride=50, dynamics="langevin", start=starts, seed=seed + 1, device="cpu"
    )
    return [
        np.concatenate([data[name].values for data in (shots, trapped)])
        for name in ("position", "basin", "energy")
    ]


def dataset(system, seed: int, odd: bool, options):
    """The frames in the odd or the even stripes of x1 / x~, of trajectories of their own."""
    position, basin, energy = trajectories(system, 10 * seed + 2 * odd, options)
    ratio = position[:, 0] / system.plane(position)[:, 0].numpy()
    inside = (np.floor((ratio + 1) / 2 * STRIPES).astype(int) % 2) == odd
    data = fel.as_dataset(position[inside], time_unit="fs", feature_names=list(system.coordinate_names))
    return data.assign(basin=("frame", basin[inside]), energy=("frame", energy[inside]))


def predict(method, test) -> tuple[float, float]:
    """Accuracy and mean absolute error of the energies (NaN without the head) on a dataset."""
    accuracy = error = np.nan
    if method.has_states:
        accuracy = float((method.basins_[method.predict(test).values] == test["basin"].values).mean())
    if method.energy_weight:
        error = float(np.abs(method.predict_energy(test).values - test["energy"].values).mean())
    return accuracy, error


def read_from(method, train, test) -> tuple[float, float]:
    """The same by nearest neighbours in the CV, for heads that were not trained."""
    from sklearn.neighbors import KNeighborsRegressor

    z, at = method.transform(train).values, method.transform(test).values
    basin = KNeighborsClassifier(50).fit(z, train["basin"].values).score(at, test["basin"].values)
    energy = KNeighborsRegressor(50).fit(z, train["energy"].values).predict(at)
    return float(basin), float(np.abs(energy - test["energy"].values).mean())


def ceiling(system, train, test) -> float:
    """Accuracy that the true coordinates allow."""
    planes = [system.plane(data["features"].values.astype(float)).numpy() for data in (train, test)]
    return (
        KNeighborsClassifier(50).fit(planes[0], train["basin"].values).score(planes[1], test["basin"].values)
    )


def rows_of(name: str, seed: int, options) -> list[list]:
    system = getattr(fel.systems, name)()
    train, test = (dataset(system, seed, odd, options) for odd in (False, True))
    rows = [[name, "true (x~, y~)", seed, ceiling(system, train, test), np.nan, np.nan, np.nan, np.nan]]
    for variant in options.variants:
        started = time.perf_counter()
        method = fel.MultitaskCV(
            n_dims=SYSTEMS[name],
            n_steps=options.steps,
            validation_fraction=0.0,
            batch_size=2000,
            seed=seed,
            **VARIANTS[variant],
        ).fit(train, device=options.device)
        seconds = time.perf_counter() - started
        rows.append([name, variant, seed, *predict(method, test), *read_from(method, train, test), seconds])
        print(train.sizes["frame"], *rows[-1], file=sys.stderr, flush=True)
    print(*rows[0], file=sys.stderr, flush=True)
    return rows


def table(rows) -> str:
    """A line a seed and a line of means for each model and variant."""
    lines, digits = [], (3, 4, 3, 4, 1)
    for kind in dict.fromkeys((row[0], row[1]) for row in rows):
        same = [row for row in rows if (row[0], row[1]) == kind]
        if len(same) > 1:
            lines += [
                [
                    *row[:3],
                    *("" if np.isnan(v) else f"{v:.{d}f}" for v, d in zip(row[3:], digits, strict=True)),
                ]
                for row in same
            ]
        columns = list(zip(*same, strict=True))[3:]
        means = ["" if np.isnan(c).any() else spread(c, d) for c, d in zip(columns, digits, strict=True)]
        lines.append([*kind, "mean (range)", *means])
    for name, (accuracy, error) in PAPER.items():
        if any(row[0] == name for row in rows):
            lines.append([name, "Sun et al. (2022)", "", accuracy, error, "", "", ""])
    header = ["model", "variant", "seed", "accuracy", "energy MAE, eV"]
    header += ["accuracy from the CV", "MAE from the CV, eV", "fit seconds"]
    return markdown_table(header, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument(
        "--shots", type=int, default=8000, help="and a twentieth as many runs inside each basin"
    )
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--quick", action="store_true", help="one seed, 600 steps, 2000 shots")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="write the table here too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.shots = options.seeds[:1], 600, 2000
    text = table(
        [row for name in options.systems for s in options.seeds for row in rows_of(name, s, options)]
    )
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
