"""The mixture density propagator on the four-well potential, against the exact dynamics on a grid.

Data: a trajectory of 5e6 steps of diffusion 2e-6 a seed (Sidky et al. 2020, section 3.1), integrated 10 steps
at a time; lag 100 steps.  The exact dynamics is exp(100 K) of the generator by square-root approximation on
cells of .001.  A line a seed and form of the means:

- total variation of the transition density between 100 bins of [-1, 1], mean over the stationary density;
- Kullback-Leibler divergence of the stationary density from the exact one, over the same bins, of the
  propagator and of the histogram of its data;
- errors of the three time scales, of the propagator (its transition matrix by quadrature) and of the data
  (the transition matrix of counts on the same bins).

A trajectory is but ten times as long as the first time scale, so that the data themselves miss it by tens
of per cent: the last lines are of one propagator that learnt from the trajectories of all seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import scipy.linalg
from scores import markdown_table, spread

import fel_explorer as fel
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator

PAPER_STEP = fel.systems.FourWell.PAPER_STEP
INTEGRATED = 10  # published steps at a time
LAG = 100
REACH, CELL = 1.3, 0.001
EDGES = np.linspace(-1, 1, 101)


class Reference:
    """Exact dynamics on a grid: ``times`` (3,) in steps, ``density`` (bin,), ``transition`` (bin, bin).

    The first and the last bin hold what lies outside `EDGES`.
    """

    def __init__(self, system):
        self.grid = np.arange(-REACH + CELL / 2, REACH, CELL)
        energy = system.energy(self.grid[:, None]).numpy() / system.kT
        weight = np.exp(-energy)
        flow = PAPER_STEP / CELL**2 * np.sqrt(weight[1:] * weight[:-1])
        out = np.r_[flow, 0.0] + np.r_[0.0, flow]
        rates, modes = scipy.linalg.eigh_tridiagonal(out / weight, -flow / np.sqrt(weight[1:] * weight[:-1]))
        self.times = 1 / rates[1:4]
        self.weight = weight / weight.sum()
        root = np.sqrt(self.weight)
        step = (modes * np.exp(-LAG * rates)) @ modes.T * root / root[:, None]
        self._member = np.eye(len(EDGES) + 1)[np.digitize(self.grid, EDGES)]
        self.density = self.weight @ self._member
        self.transition = self.by_bin(step @ self._member)

    def by_bin(self, rows):
        """Mean over the cells of each bin of ``rows`` (cell, bin)."""
        return self._member.T @ (self.weight[:, None] * rows) / self.density[:, None]

    def total_variation(self, propagator) -> float:
        points = np.clip(self.grid, propagator.low_, propagator.high_)
        rows = np.diff(propagator.cumulative(points, EDGES), axis=1, prepend=0.0, append=1.0)
        distance = np.abs(self.by_bin(rows) - self.transition).sum(axis=1)[1:-1] / 2
        return float(distance @ self.density[1:-1] / self.density[1:-1].sum())

    def divergence(self, density) -> float:
        """KL of ``density`` (bin,) from the exact one."""
        seen = density > 0
        return float((density[seen] * np.log(density[seen] / self.density[seen])).sum())

    def time_errors(self, transition) -> np.ndarray:
        """Errors in per cent of the time scales of a matrix ``transition`` at the lag."""
        values = np.sort(np.real(np.linalg.eigvals(transition)))[::-1][1:4]
        return 100 * (-LAG / np.log(values) / self.times - 1)


def line(name, form, trajectories, reference, options) -> list:
    """Fit a propagator to ``trajectories`` (list of (frame,)) and assess it."""
    data = fel.as_dataset([x[:, None] for x in trajectories], time_step=float(INTEGRATED))
    started = time.perf_counter()
    propagator = MixtureDensityPropagator(
        lag_time=float(LAG),
        n_kernels=8,
        form=form,
        n_steps=options.steps,
        reversible=form == "residual",  # as in a simulator; the published one learns one direction of time
        validation_fraction=0.2 if form == "bounded" else 0.0,  # the published one stops early
        seed=0,
    ).fit(data, device=options.device)
    seconds = time.perf_counter() - started
    found = propagator.stationary_density(1000)
    density = np.bincount(np.digitize(found["x"], EDGES), found, len(EDGES) + 1)
    bins = [np.digitize(x, EDGES) for x in trajectories]
    counted = sum(np.bincount(b, minlength=len(EDGES) + 1) for b in bins)
    lag = LAG // INTEGRATED
    counts = sum(np.bincount(b[:-lag] * 102 + b[lag:], minlength=102**2).reshape(102, 102) for b in bins)
    seen = counts.sum(axis=1) > 0
    counts = counts[np.ix_(seen, seen)]
    fine = np.linspace(float(propagator.low_[0]), float(propagator.high_[0]), 601)
    row = [
        name,
        form,
        reference.total_variation(propagator),
        reference.divergence(density / density.sum()),
        reference.divergence(counted / counted.sum()),
        *reference.time_errors(propagator.transition_matrix(fine)),
        *reference.time_errors((counts + counts.T) / (counts + counts.T).sum(axis=1, keepdims=True)),
        seconds,
    ]
    print(*row, file=sys.stderr, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="trajectories")
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument("--length", type=float, default=5e6, help="steps of a trajectory")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="two short trajectories, to see that it runs")
    parser.add_argument("--output", type=Path, help="write the table here too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.length = 2, 100, 2e5
    system = fel.systems.FourWell()
    reference = Reference(system)
    n_frames = round(options.length) // INTEGRATED
    data = system.simulate(
        n_frames, options.seeds, time_step=INTEGRATED * PAPER_STEP, stride=1, seed=0, device="cpu"
    )
    trajectories = list(data["position"].values[:, 0].reshape(options.seeds, n_frames))
    kinds = [(seed, form) for form in ("residual", "bounded") for seed in range(options.seeds)]
    rows = [line(seed, form, [trajectories[seed]], reference, options) for seed, form in kinds]
    rows += [line("all", form, trajectories, reference, options) for form in ("residual", "bounded")]
    header = ["seed", "means", "total variation", "KL", "KL of the data"]
    header += [f"time scale {i} error %" for i in (1, 2, 3)]
    header += [f"of the data {i}" for i in (1, 2, 3)] + ["fit seconds"]
    digits = [4, 3, 3, 1, 1, 1, 1, 1, 1, 0]
    lines = [[*r[:2], *(f"{v:.{d}f}" for v, d in zip(r[2:], digits, strict=True))] for r in rows]
    for form in ("residual", "bounded"):
        columns = list(zip(*(r[2:] for r in rows if r[1] == form and r[0] != "all"), strict=True))
        lines.append(["mean (range)", form, *(spread(c, d) for c, d in zip(columns, digits, strict=True))])
    text = f"Exact time scales: {np.round(reference.times).astype(int).tolist()} steps\n\n"
    text += markdown_table(header, lines)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")
    if not np.isfinite([v for r in rows for v in r[2:5]]).all():
        sys.exit("A figure is not finite.")


if __name__ == "__main__":
    main()
