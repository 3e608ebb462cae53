"""IDM on alanine dipeptide: does each lag show the states that the time scales predict, and where they are?

The reference knows nothing of IDM: a Markov state model (deeptime) of small cells in the torsions
(phi, psi), which IDM never sees, gives

- the implied time scales t_2 > t_3 > ... of the molecule,
- the number of states that a lag should show: 1 + the number of processes with t_i > f * lag, where f
  follows from the objective alone (see `splitting_factor`),
- the torsion-defined basins: PCCA+ with that number of metastable sets, which assigns every frame through its
  cell.

IDM gets the 45 distances between heavy atoms and at most 16 states.  PCA and TICA with KMeans get the same
distances, and are given the number of states.

The lag of 2 ps is the hard one: the fourth state holds 0.6 % of the frames, and splitting it off raises the
objective by 0.003 nats only (0.373 against 0.370 with the reference's labels).  ``--seeding farthest_point``
finds it in some seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import deeptime
import numpy as np
from scipy.optimize import brentq
from scores import accuracy, markdown_table, nmi, spread
from sklearn.cluster import KMeans, MiniBatchKMeans

import fel_explorer as fel

N_CELLS = 300
MSM_LAG = 2  # frames
PAPER = {"IDM": (0.99, 0.95), "PCA+KMeans": (0.55, 0.44), "TICA+KMeans": (0.73, 0.53)}


def splitting_factor(beta: float) -> float:
    """f: the objective rewards splitting off a process whose time scale is longer than f * lag.

    Derivation, for a split into two equal halves that exchange with time scale t.  Two frames at most a lag
    tau apart have a mean correlation rho = (1 - exp(-tau / t)) / (tau / t), which gives
    I_beta = I_1 - 2 (1 - beta) ln 2, I_1 = ln 2 - h((1 + rho) / 2), h the binary entropy.  The split gains
    when I_beta > 0.  At beta = 0.9 f is 0.66, at 0.8 it is 1.36.  An uneven split is easier: at 3 % and
    beta = 0.9 f is 0.45.
    """

    def gain(ratio):
        stay = (1 + (1 - np.exp(-ratio)) / ratio) / 2
        information = np.log(2) + stay * np.log(stay) + (1 - stay) * np.log(1 - stay)
        return information - 2 * (1 - beta) * np.log(2)

    return 1 / brentq(gain, 1e-6, 50)


class Reference:
    """Markov state model of cells in (phi, psi); see the module's docstring."""

    def __init__(self, torsions):
        x = torsions["features"].values  # cos phi, sin phi, cos psi, sin psi
        cells = MiniBatchKMeans(N_CELLS, batch_size=10_000, n_init=3, random_state=0).fit(x)
        self.cell = cells.labels_
        lengths = np.bincount(torsions["trajectory"].values)
        self.trajectories = np.split(self.cell, np.cumsum(lengths)[:-1])
        self.frame_step = torsions.attrs["time_step"]
        self.phi = np.degrees(np.arctan2(x[:, 1], x[:, 0]))
        self.psi = np.degrees(np.arctan2(x[:, 3], x[:, 2]))
        self.msm = self.model(MSM_LAG)

    def model(self, lag: int):
        """Reversible Markov state model at a lag of so many frames."""
        counts = deeptime.markov.TransitionCountEstimator(lag, "sliding").fit_fetch(self.trajectories)
        if len(counts.connected_sets()) > 1:
            raise RuntimeError("The cells are not connected: make N_CELLS smaller.")
        return deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(counts)

    def timescales(self, lag: int, n: int = 5) -> np.ndarray:
        """The ``n`` longest implied time scales at a lag of so many frames, in the data's time unit."""
        return self.model(lag).timescales(k=n) * self.frame_step

    def basins(self, n: int) -> np.ndarray:
        """PCCA+ basin of each frame, (frame,), for ``n`` basins."""
        return self.msm.pcca(n).assignments[self.cell]

    def crossings(self) -> int:
        """How often a trajectory goes between the cores phi in [-150, -50] and phi in [40, 80] degrees."""
        core = np.where((self.phi > 40) & (self.phi < 80), 1, 0)
        core[(self.phi > -150) & (self.phi < -50)] = -1
        ends = np.cumsum([len(t) for t in self.trajectories])[:-1]
        visits = (trajectory[trajectory != 0] for trajectory in np.split(core, ends))
        return sum(int((np.diff(v) != 0).sum()) for v in visits)

    def where(self, basins) -> list[str]:
        """Each basin's population and its most populated place, for people."""
        places = []
        for basin in np.unique(basins):
            inside = basins == basin
            density, *edges = np.histogram2d(
                self.phi[inside], self.psi[inside], bins=36, range=[[-180, 180]] * 2
            )
            i, j = np.unravel_index(density.argmax(), density.shape)
            places.append(f"{inside.mean():.1%} at ({edges[0][i] + 5:.0f}, {edges[1][j] + 5:.0f})")
        return places


def cluster_embedding(method, data, n: int, seed: int) -> np.ndarray:
    """States (frame,) by KMeans on the embedding of ``method``."""
    return KMeans(n, n_init=10, random_state=seed).fit_predict(method.fit_transform(data).values)


def runs_at(data, reference, lag_time: float, n: int, options) -> list[list]:
    """Lines of the table at one lag: IDM and what it is compared with."""
    basins = reference.basins(n)
    results = {"IDM": [], "PCA+KMeans": [], "TICA+KMeans": []}
    for seed in options.seeds:
        idm = fel.IDM(
            lag_time=lag_time, n_states=16, seeding=options.seeding, n_steps=options.steps, seed=seed
        )
        started = time.perf_counter()
        idm.fit(data, device=options.device)
        results["IDM"].append((idm.predict(data).values, idm.n_populated_, time.perf_counter() - started))
        found, score = (
            np.round(idm.populations_[: idm.n_populated_], 4),
            accuracy(basins, results["IDM"][-1][0]),
        )
        print(
            f"lag {lag_time:g}, seed {seed}: IDM found {found}, ACC {score:.4f}", file=sys.stderr, flush=True
        )
        for name, method in (("PCA", fel.PCA(n_dims=2)), ("TICA", fel.TICA(n_dims=2, lag_time=lag_time))):
            started = time.perf_counter()
            states = cluster_embedding(method, data, n, seed)
            results[f"{name}+KMeans"].append((states, n, time.perf_counter() - started))
    return [
        [
            f"{lag_time:g}",
            n,
            name,
            ", ".join(str(found) for _, found, _ in runs) if name == "IDM" else f"{n} (given)",
            spread([accuracy(basins, states) for states, _, _ in runs]),
            spread([nmi(basins, states) for states, _, _ in runs]),
            spread([seconds for _, _, seconds in runs], 1),
        ]
        for name, runs in results.items()
    ]


def describe(reference, lag_times, factor: float) -> list[str]:
    """Text on the reference: time scales at several lags, and for each lag the prediction and its basins."""
    lines = []
    for lag in (1, 2, 5, 10):
        times = ", ".join(f"{t:.1f}" for t in reference.timescales(lag))
        lines.append(f"Implied time scales (ps) of the torsion model at a lag of {lag} frames: {times}.")
    positive = (reference.phi > 0) & (reference.phi < 125)
    lines.append(f"phi in (0, 125): {positive.mean():.2%} of the frames, {reference.crossings()} crossings.")
    times = reference.msm.timescales(k=5) * reference.frame_step
    lines.append(f"A process splits when its time scale exceeds {factor:.2f} x lag (final beta of IDM).")
    for lag_time in lag_times:
        n = predicted(times, lag_time, factor)
        lines.append(f"Lag {lag_time:g} ps: {n} states, {'; '.join(reference.where(reference.basins(n)))}.")
    return lines


def predicted(timescales, lag_time: float, factor: float) -> int:
    """Number of states that the time scales predict at a lag."""
    return 1 + int((timescales > factor * lag_time).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=fel.IDM.param.n_steps.default)
    parser.add_argument("--lags", type=float, nargs="+", default=[50.0, 8.0, 2.0], help="in ps")
    parser.add_argument(
        "--seeding", default=fel.IDM.param.seeding.default, choices=fel.IDM.param.seeding.objects
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--reference-only", action="store_true", help="only what the time scales predict")
    parser.add_argument("--output", type=Path, help="write the report here too")
    options = parser.parse_args()
    trajs = fel.sample_data("alanine-dipeptide")
    reference = Reference(fel.featurize(trajs, "backbone_torsions"))
    factor = splitting_factor(fel.IDM.param.beta_end.default)
    text = "\n".join(describe(reference, options.lags, factor))
    if not options.reference_only:
        data = fel.featurize(trajs, "heavy_atom_distances")
        times = reference.msm.timescales(k=5) * reference.frame_step
        rows = [
            row
            for lag_time in options.lags
            for row in runs_at(data, reference, lag_time, predicted(times, lag_time, factor), options)
        ]
        rows += [["paper, 20", 4, name, "", *scores, ""] for name, scores in PAPER.items()]
        header = ["lag (ps)", "states predicted", "method", "states found", "ACC", "NMI", "seconds"]
        text += "\n\n" + markdown_table(header, rows)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
