"""The double well of embedded physics: what a model learned from energies alone holds, seed by seed.

Run ``python benchmarks/embedded_double_well.py``; prints Markdown tables.  The potential is that of Schoeberl
et al. (2020), Eq. 37, at kT = 1; its second well weighs .0083, so that a model without it is only .008 nats
of KL(q||p) worse.  Compare KL(p||q) and by the weight of the small mode.  References are by quadrature on a
grid, divergences too.

The row "published" is the published schedule and network: reverse KL alone, bounded by an encoder (Eq. 16),
beta from 1e-10 by Algorithm 1, J = 1000, Adam 1e-3.  They do not say how long it trains at each
temperature; ``--per-temperature`` does.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.systems import DoubleWell

HEADER = ["schedule", "seed", "KL(p\\|\\|q)", "KL(q\\|\\|p)", "mean x1", "std x1", "std x2", "small mode"]
HEADER += ["\\|corr\\|", "ESS", "coverage", "seconds"]
CELLS = 300  # per axis


class Reference:
    """The Boltzmann distribution on a grid: ``x`` (cell, 2), ``p`` (cell,) of sum 1, volume of a cell."""

    def __init__(self, system: DoubleWell):
        axes = [low + (high - low) * (np.arange(CELLS) + 0.5) / CELLS for low, high in system.domain]
        self.x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        self.volume = float(np.prod([(high - low) / CELLS for low, high in system.domain]))
        log_p = -system.energy(self.x).numpy() / system.kT
        self.log_p = log_p - np.log(np.exp(log_p).sum())
        self.p, self.right = np.exp(self.log_p), system.basin(self.x).numpy() == 1

    def moments(self, w) -> list[float]:
        """Mean and spread of x1, spread of x2, weight of the small mode, under weights (cell,)."""
        w = w / w.sum()
        mean = w @ self.x
        std = np.sqrt(w @ (self.x - mean) ** 2)
        return [mean[0], *std, w[self.right].sum()]

    def compare(self, model) -> list[float]:
        """Divergences, moments and |correlation| of z with x1 over p, of a model."""
        log_q = model.log_q(self.x) + np.log(self.volume)
        q, z = np.exp(log_q), model.encode(self.x)[:, 0]
        z, x1 = (v - self.p @ v for v in (z, self.x[:, 0]))
        correlation = abs(self.p @ (z * x1)) / np.sqrt((self.p @ z**2) * (self.p @ x1**2))
        forward, reverse = self.p @ (self.log_p - log_q), q @ (log_q - self.log_p)
        return [forward, reverse, *self.moments(q), correlation]


def fit(schedule: str, seed: int, options) -> tuple:
    """The fitted model and the seconds it took."""
    if schedule == "published":
        settings = {
            "schedule": "adaptive",
            "posterior": "encoder",
            "beta_start": 1e-10,
            "batch_size": 1000,
            "learning_rate": 1e-3,
            "steps_per_temperature": options.per_temperature,
            "n_steps": options.published_steps,
        }
    else:
        settings = {"n_steps": options.steps}
    model = fel.methods.EmbeddedPhysics(DoubleWell(), n_dims=1, seed=seed, **settings)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a warning says stands in the table
        model.fit(device=options.device)
    return model, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(10)))
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--published-seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--published-steps", type=int, default=15_000)
    parser.add_argument("--per-temperature", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="one seed, few steps: shows that it runs")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.published_seeds = [0], [0]
        options.steps, options.published_steps = 150, 100
    reference = Reference(DoubleWell())
    exact = [f"{v:.4f}" for v in reference.moments(reference.p)]
    rows = [["exact", "", "0", "0", *exact, "", "1", "1", ""]]
    runs = [("staged", seed) for seed in options.seeds]
    runs += [("published", seed) for seed in options.published_seeds]
    for schedule, seed in runs:
        model, seconds = fit(schedule, seed, options)
        found = [f"{v:.4f}" for v in reference.compare(model)]
        last = [f"{model.effective_sample_size_:.3f}", f"{model.coverage_:.4f}", f"{seconds:.0f}"]
        rows.append([schedule, seed, *found, *last])
        print(rows[-1], flush=True)
    print(markdown_table(HEADER, rows))


if __name__ == "__main__":
    main()
