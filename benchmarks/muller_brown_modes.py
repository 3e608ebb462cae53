"""Slow modes of the Müller-Brown potential: rates, modes and transition path against a reference on a grid.

The reference is the generator by square-root approximation (Lie, Fackeldey and Weber 2013) on cells of .01
within the reflecting walls of `systems.MullerBrown`.  Two tables are printed, a line a seed (of data and of
training):

- rates 1 to 3 and correlations of the modes, from the generator (independent samples) and from the transfer
  operator (trajectories), friction 1;
- one-dimensional autoencoders without and with an eigenfunction regularizer (generator, two functions), at
  barriers of 5 kT and 10 kT: correlation of the embedding with the first mode; the same for the best function
  of the embedding (a monotonic embedding need not be linear in the mode); mean distance of the minimum-energy
  path from the decoder's curve; and how far the curve climbs above the higher saddle between the two deep
  minima.

``--slides`` instead trains the autoencoder of W. Zhang's slides [zhang2024slides] with its own settings
(`slides.py`), which take minutes a line, on equilibrium data at beta 1 of the unscaled potential, whose
barrier is 106 kT (every point lies in the deepest well), and at barriers of 10 kT and 5 kT, which cover the
valley.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from scores import markdown_table, spread
from slides import EPOCHS, SEED, SlidesAutoencoder

import fel_explorer as fel

CELL = 0.01
LAG_TIME = 0.02
N_MODES = 3
CURVE_POINTS = 500
SCALES = {"5 kT": 0.05, "10 kT": 0.1}
UNSCALED = {"106 kT": 1.0}
CHUNK = 4000  # samples that rejection finds at once even in the narrow well of the unscaled potential
AUTOENCODERS = ["barrier", "regularizer", "seed", "correlation", "of a function", "distance to path"]
AUTOENCODERS += ["climb above saddle, kT"]


class Reference:
    """Generator of overdamped dynamics with friction 1 between reflecting walls, on a grid of cells.

    Neighbouring cells i, j exchange at the rate kT / h^2 exp(-(U_j - U_i) / 2 kT): the flux between them is
    that of the geometric mean of their densities.

    Attributes: ``rates`` (mode,) and ``modes`` (mode, nx, ny).
    """

    def __init__(self, system):
        (self.low, self.high) = np.array(system.walls).T
        self.shape = np.round((self.high - self.low) / CELL).astype(int)
        axes = [low + CELL * (np.arange(n) + 0.5) for low, n in zip(self.low, self.shape, strict=True)]
        energy = system.energy(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)).numpy() / system.kT
        root = np.exp(-(energy - energy.min()) / 2).ravel()
        index = np.arange(root.size).reshape(self.shape)
        pairs = [(index[1:], index[:-1]), (index[:, 1:], index[:, :-1])]
        i, j = (np.concatenate([p[side].ravel() for p in pairs]) for side in (0, 1))
        flow = system.kT / CELL**2
        out = np.bincount(np.r_[i, j], flow * np.r_[root[j] / root[i], root[i] / root[j]], root.size)
        n = root.size
        off = scipy.sparse.coo_matrix((np.full(2 * len(i), -flow), (np.r_[i, j], np.r_[j, i])), shape=(n, n))
        symmetric = (off + scipy.sparse.diags(out)).tocsc()
        values, vectors = scipy.sparse.linalg.eigsh(symmetric, k=N_MODES + 1, sigma=-0.1)
        order = np.argsort(values)[1:]
        self.rates = values[order]
        self.modes = (vectors[:, order] / root[:, None]).T.reshape(N_MODES, *self.shape)

    def at(self, x) -> np.ndarray:
        """Modes (frame, mode) at points (frame, 2)."""
        cell = np.clip(((np.asarray(x) - self.low) / CELL).astype(int), 0, self.shape - 1)
        return self.modes[:, cell[:, 0], cell[:, 1]].T


def correlations(embedding, modes) -> np.ndarray:
    """|Pearson correlation| of columns (frame, n) and (frame, n)."""
    x, y = (v - v.mean(axis=0) for v in (np.asarray(embedding, float), modes))
    return np.abs((x * y).sum(axis=0)) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))


def correlation_ratio(z, mode, n_bins: int = 1000) -> float:
    """Correlation of a mode (frame,) with its mean over frames of like ``z`` (frame,)."""
    cell = np.digitize(z, np.quantile(z, np.linspace(0, 1, n_bins + 1)[1:-1]))
    mode = mode - mode.mean()
    mean = np.bincount(cell, mode) / np.maximum(np.bincount(cell), 1)
    return float(np.sqrt((mean[cell] ** 2).mean() / (mode**2).mean()))


def minimum_energy_path(system) -> np.ndarray:
    """Points (point, 2) of the path of steepest descent from all saddles, and the saddles."""
    path = []
    for saddle in system.saddles:
        hessian = torch.autograd.functional.hessian(lambda x: system.energy(x), saddle)
        unstable = torch.linalg.eigh(hessian).eigenvectors[:, 0]
        for sign in (1.0, -1.0):
            x = saddle + 0.01 * sign * unstable
            while torch.cdist(x[None], system.minima).min() > 0.01:
                path.append(x)
                slope = system.gradient(x)
                x = x - slope * min(2e-4 / system.scale, 0.005 / float(slope.norm()))
    return torch.stack(path).numpy()


def decoder_curve(method, z) -> np.ndarray:
    """Points (point, 2) that the decoder makes of the range of the data's embedding ``z`` (frame, 1)."""
    ends = np.quantile(z, [0.0005, 0.9995])
    return method.inverse_transform(np.linspace(*ends, CURVE_POINTS)[:, None])


def curve_quality(system, curve, path) -> tuple[float, float]:
    """Mean distance of the path from the decoder's curve, and its climb above the higher saddle in kT."""
    distance = np.linalg.norm(path[:, None] - curve, axis=2).min(axis=1).mean()
    ends = [np.linalg.norm(curve - minimum, axis=1).argmin() for minimum in system.minima[[0, 2]].numpy()]
    inside = curve[min(ends) : max(ends) + 1]
    top = float(system.energy(inside).max() - system.energy(system.saddles).max()) / system.kT
    return float(distance), top


def spectrum(operator: str, seed: int, reference: Reference, options) -> list:
    """A line of the table of rates."""
    system = fel.systems.MullerBrown()
    if operator == "generator":
        data = fel.as_dataset(system.sample(options.samples, seed=seed).numpy())
    else:
        stride = round(LAG_TIME / system.default_time_step["overdamped"])
        data = system.simulate(50 * stride, options.walkers, stride=stride, seed=seed, device="cpu")
    settings = {"n_steps": options.steps, "batch_size": 5000, "learning_rate": 5e-3, "seed": seed}
    settings["validation_fraction"] = 0.0  # so many frames of two coordinates can not be overfitted
    started = time.perf_counter()
    method = fel.Eigenfunctions(operator=operator, lag_time=LAG_TIME, n_dims=N_MODES, **settings)
    method.fit(data, device=options.device)
    seconds = time.perf_counter() - started
    errors = 100 * (method.eigenvalues_ / reference.rates - 1)
    found = correlations(method.transform(data), reference.at(data["features"].values))
    return [operator, seed, *errors, *found, seconds]


def autoencoder(barrier: str, regularised: bool, seed: int, references, options) -> list:
    """A line of the table of autoencoders."""
    system = fel.systems.MullerBrown(scale=SCALES[barrier])
    data = fel.as_dataset(equilibrium(system, options.samples, seed))
    regularizer = fel.Eigenfunctions(operator="generator", n_dims=2) if regularised else None
    method = fel.Autoencoder(
        n_dims=1,
        hidden=[30, 30, 30],
        regularizer=regularizer,
        reconstruction_weight=options.gamma,
        n_steps=options.steps,
        batch_size=2000,
        learning_rate=5e-3,
        seed=seed,
    ).fit(data, device=options.device)
    mode, z = references[barrier].at(data["features"].values)[:, :1], method.transform(data).values
    known = float(correlations(z, mode)[0]), correlation_ratio(z[:, 0], mode[:, 0])
    quality = curve_quality(system, decoder_curve(method, z), minimum_energy_path(system))
    return [barrier, "with" if regularised else "without", seed, *known, *quality]


def equilibrium(system, n: int, seed: int) -> np.ndarray:
    """Independent points (n, 2) of the Boltzmann distribution."""
    n_chunks = -(-n // CHUNK)
    chunks = [system.sample(CHUNK, seed=seed * n_chunks + i).numpy() for i in range(n_chunks)]
    return np.concatenate(chunks)[:n]


def slide(barrier: str, regularised: bool, seed: int, references, options) -> list:
    """A line of the table of the slides' own settings."""
    system = fel.systems.MullerBrown(scale=(SCALES | UNSCALED)[barrier])
    data = equilibrium(system, options.samples, seed)
    started = time.perf_counter()
    model = SlidesAutoencoder(regularised, seed=seed, epochs=options.epochs).fit(data, system.kT)
    seconds, z = time.perf_counter() - started, model.transform(data)
    known = [np.nan, np.nan]
    if barrier in references:
        mode = references[barrier].at(data)[:, :1]
        known = [float(correlations(z, mode)[0]), correlation_ratio(z[:, 0], mode[:, 0])]
    curve = decoder_curve(model, z)
    missed = np.linalg.norm(curve - system.minima[2].numpy(), axis=1).min()
    quality = curve_quality(system, curve, minimum_energy_path(system))
    return [barrier, "with" if regularised else "without", seed, *known, *quality, float(missed), seconds]


def table(header, rows, n_keys: int, digits: list[int]) -> str:
    """A line a seed, and a line of means and ranges for each kind (the first ``n_keys`` columns)."""
    lines = []
    for kind in dict.fromkeys(tuple(row[:n_keys]) for row in rows):
        same = [row for row in rows if tuple(row[:n_keys]) == kind]
        lines += [
            [*row[: n_keys + 1], *(f"{v:.{d}f}" for v, d in zip(row[n_keys + 1 :], digits, strict=True))]
            for row in same
        ]
        columns = list(zip(*same, strict=True))[n_keys + 1 :]
        lines.append([*kind, "mean (range)", *(spread(c, d) for c, d in zip(columns, digits, strict=True))])
    return markdown_table(header, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", help="default 0 to 4")
    parser.add_argument("--steps", type=int, default=2000, help="of each training")
    parser.add_argument(
        "--samples", type=int, default=100_000, help="independent samples (generator, autoencoder)"
    )
    parser.add_argument(
        "--walkers", type=int, default=10_000, help="trajectories of 50 frames (transfer operator)"
    )
    parser.add_argument("--gamma", type=float, default=1.0, help="weight of the reconstruction")
    parser.add_argument(
        "--parts", nargs="+", choices=["modes", "autoencoder"], default=["modes", "autoencoder"]
    )
    parser.add_argument("--barriers", nargs="+", choices=list(SCALES), default=list(SCALES))
    parser.add_argument("--quick", action="store_true", help="one seed, few steps: does it run?")
    parser.add_argument(
        "--slides", action="store_true", help="only the slides' own settings; --seeds is 2046 by default"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the slides' settings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    options.seeds = options.seeds or ([SEED] if options.slides else list(range(5)))
    if options.quick:
        options.seeds, options.steps, options.samples, options.walkers = options.seeds[:1], 50, 5000, 500
        options.epochs = 2
    if options.slides:
        options.parts = ["slides"]
    references = {name: Reference(fel.systems.MullerBrown(scale=s)) for name, s in SCALES.items()}
    text = "".join(f"Reference at {name}: {r.rates.round(4).tolist()}\n" for name, r in references.items())
    if "modes" in options.parts:
        kinds = [(operator, seed) for operator in ("generator", "transfer") for seed in options.seeds]
        rows = [_told(spectrum(*kind, references["5 kT"], options)) for kind in kinds]
        header = ["operator", "seed", *(f"rate {i} error %" for i in (1, 2, 3))]
        header += [*(f"correlation {i}" for i in (1, 2, 3)), "fit seconds"]
        text += "\n" + table(header, rows, 1, [2, 2, 2, 5, 4, 4, 1]) + "\n"
    if "autoencoder" in options.parts:
        kinds = [(b, r, seed) for b in options.barriers for r in (False, True) for seed in options.seeds]
        rows = [_told(autoencoder(*kind, references, options)) for kind in kinds]
        text += "\n" + table(AUTOENCODERS, rows, 2, [4, 4, 3, 2]) + "\n"
    if options.slides:
        barriers = [*SCALES, *UNSCALED]
        kinds = [(b, r, s) for r in (False, True) for b in barriers for s in options.seeds]
        rows = [_told(slide(*kind, references, options)) for kind in kinds]
        text += (
            "\n"
            + table([*AUTOENCODERS, "miss of the other minimum", "fit seconds"], rows, 2, [4, 4, 3, 2, 2, 0])
            + "\n"
        )
    print(text)
    if options.output:
        options.output.write_text(text)


def _told(row):
    print(*row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
