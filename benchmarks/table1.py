"""Table 1 of J. Zhang et al. (IDM, doi:10.1021/acs.jpclett.9b02012), all rows and three more: who finds the
states of two systems that are known?

The periodic potential with eight wells (see ``idm_potential.py``) and alanine dipeptide (see
``idm_alanine.py``, whose torsion-defined basins are the reference, as many as the time scales predict for the
lag).  IDM and SPIB, its closest rival, get at most 16 states and find their number, which is in the table:
states with at least .1 % of the frames, a number a seed.  All others are given it.  Embeddings are
two-dimensional.  SPIB, VAMPNet and PCCA+ are not in the published table.  A cell is the mean and range over
the seeds; the data of the potential are new for each seed, those of alanine are not.

The published alanine is another simulation with another reference (four states, a lag of 20 ps): compare its
order of rows, not its numbers.  Seconds are of the processor (one thread), and leave out the embedding that a
row above has fitted.

``--results FILE`` keeps what is done: a run goes on where the last one ended, and rows can be run apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import idm_alanine
import idm_potential
import numpy as np
from scores import accuracy, markdown_table, nmi, spread

import fel_explorer as fel

PAPER = {
    "IDM": ("0.999 / 0.995", "> 0.99 / 0.95"),
    "IDM+KMeans": ("0.998 / 0.993", "0.83 / 0.65"),
    "PCA+KMeans": ("0.998 / 0.993", "0.55 / 0.44"),
    "TICA+KMeans": ("0.992 / 0.98", "0.73 / 0.53"),
    "DM+KMeans": ("0.997 / 0.992", "0.81 / 0.62"),
}
LAGS = [50.0, 8.0]  # ps
N_CELLS = 200  # of PCCA+
MIN_POPULATION = 0.001  # of a state that counts


class Results:
    """Scores by system, row and seed, kept in a JSON file if there is one."""

    def __init__(self, path: Path | None):
        self.path = path
        self.scores = json.loads(path.read_text()) if path and path.exists() else {}

    def has(self, system: str, row: str, seed: int) -> bool:
        return str(seed) in self.scores.get(system, {}).get(row, {})

    def add(self, system: str, row: str, seed: int, values: list) -> None:
        self.scores.setdefault(system, {}).setdefault(row, {})[str(seed)] = values
        if self.path:
            self.path.write_text(json.dumps(self.scores))
        print(system, f"seed {seed}", row, *(f"{v:.4f}" for v in values), file=sys.stderr, flush=True)


def labellings(data, n: int, lag_time: float, seed: int, device: str):
    """{row of the table: function that makes the states (frame,)} of every method."""
    lag = {"lag_time": lag_time, "seed": seed}
    embeddings = {
        "IDM": fel.IDM(n_states=16, **lag),
        "PCA": fel.PCA(n_dims=2),
        "TICA": fel.TICA(n_dims=2, **lag),
        "DM": fel.DiffusionMap(n_dims=2, seed=seed),
    }

    def fitted(name):
        method = embeddings[name]
        return method if method.feature_names_ else method.fit(data, device=device)

    def kmeans(name):
        return fel.KMeans(n_states=n, seed=seed).fit(data, embedding=fitted(name)).predict(data)

    def pcca():
        method = fel.PCCA(n_states=n, n_microstates=N_CELLS, **lag)
        return method.fit(data, embedding=fitted("TICA")).predict(data)

    rows = {"IDM": lambda: fitted("IDM").predict(data)}
    rows["SPIB"] = lambda: fel.SPIB(n_states=16, **lag).fit(data, device=device).predict(data)
    for name in embeddings:
        rows[f"{name}+KMeans"] = lambda name=name: kmeans(name)
    rows["TICA+PCCA+"] = pcca
    net = fel.VAMPNet(n_states=n, n_dims=min(2, n - 1), **lag)
    rows["VAMPNet"] = lambda: net.fit(data, device=device).predict(data)
    return rows


def score(results: Results, system: str, data, reference, lag_time: float, seed: int, options) -> None:
    """Fit every method and add its states found, ACC, NMI and seconds."""
    n = len(set(reference.tolist()))
    for row, label in labellings(data, n, lag_time, seed, options.device).items():
        if results.has(system, row, seed) or (options.rows and row not in options.rows):
            continue
        started = time.process_time()
        states = label().values
        seconds = time.process_time() - started
        found = int((np.bincount(states) >= MIN_POPULATION * len(states)).sum())
        results.add(system, row, seed, [found, accuracy(reference, states), nmi(reference, states), seconds])


def score_potential(results, options, seed: int) -> None:
    """The periodic potential; its data are new for each seed."""
    data = idm_potential.simulate(options.walkers, 100, seed)
    lag_time, wells = idm_potential.LAG_TIME, data["basin"].values
    system = f"Periodic potential, {len(wells):,} frames"
    score(results, system, data, wells, lag_time, seed, options)


class Alanine:
    """Alanine dipeptide at each lag, with as many basins as the time scales predict."""

    def __init__(self):
        trajs = fel.sample_data("alanine-dipeptide")
        self.reference = idm_alanine.Reference(fel.featurize(trajs, "backbone_torsions"))
        self.data = fel.featurize(trajs, "heavy_atom_distances")
        self.times = self.reference.msm.timescales(k=5) * self.reference.frame_step
        self.factor = idm_alanine.splitting_factor(fel.IDM.param.beta_end.default)

    def score(self, results, options, seed: int) -> None:
        for lag_time in options.lags:
            n = idm_alanine.predicted(self.times, lag_time, self.factor)
            system = f"Alanine dipeptide, {lag_time:g} ps, {n} states"
            score(results, system, self.data, self.reference.basins(n), lag_time, seed, options)


def report(results: Results) -> str:
    """A table a system, with the published values next to it."""
    tables = []
    for system, rows in results.scores.items():
        lines = []
        for row in [r for r in (*PAPER, "SPIB", "TICA+PCCA+", "VAMPNet") if r in rows]:
            found, acc, info, seconds = zip(*rows[row].values(), strict=True)
            paper = PAPER.get(row, ("", ""))[system.startswith("Alanine")]
            states = ", ".join(str(int(n)) for n in found) if row in ("IDM", "SPIB") else "given"
            lines.append([row, states, spread(acc, 4), spread(info, 4), spread(seconds, 1), paper])
        header = ["method", "states", "ACC", "NMI", "CPU s", "paper, ACC / NMI"]
        tables.append(f"{system}\n\n{markdown_table(header, lines)}")
    return "\n\n".join(tables)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--rows", nargs="+", help="only these rows, such as IDM SPIB")
    parser.add_argument("--walkers", type=int, default=2000, help="of the potential, 100 frames each")
    parser.add_argument("--lags", type=float, nargs="*", default=LAGS, help="of alanine, in ps")
    parser.add_argument("--quick", action="store_true", help="two seeds, 50,000 frames, one lag of alanine")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, help="JSON file of the scores: kept, and not computed again")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.walkers, options.lags = options.seeds[:2], 500, options.lags[-1:]
    results = Results(options.results)
    alanine = Alanine() if options.lags else None
    for seed in options.seeds:
        if options.walkers:
            score_potential(results, options, seed)
        if alanine:
            alanine.score(results, options, seed)
    text = report(results)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
