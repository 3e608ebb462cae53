"""Table 1 of the IDM paper, all rows and two more: who finds the states of two systems where they are known?

The periodic potential with eight wells (see ``idm_potential.py``) and alanine dipeptide (see
``idm_alanine.py``, whose torsion-defined basins are the reference, as many as the time scales predict for the
lag).  IDM gets at most 16 states and finds their number; all others are told it.  Embeddings are
two-dimensional.  VAMPNet and PCCA+ are not in the paper's table.  A cell is the mean and range over the
seeds; the data of the potential are new for each seed, those of alanine are not.

The paper's alanine is another simulation with another reference (four states, a lag of 20 ps): compare its
order of rows, not its numbers.  The seconds of a row leave out the embedding that a row above has fitted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import idm_alanine
import idm_potential
from scores import accuracy, markdown_table, nmi, spread

import fel_explorer as fel

PAPER = {
    "IDM": ("0.999 / 0.995", "> 0.99 / 0.95"),
    "IDM+KMeans": ("0.998 / 0.993", "0.83 / 0.65"),
    "PCA+KMeans": ("0.998 / 0.993", "0.55 / 0.44"),
    "tICA+KMeans": ("0.992 / 0.98", "0.73 / 0.53"),
    "DM+KMeans": ("0.997 / 0.992", "0.81 / 0.62"),
}
LAGS = [50.0, 8.0]  # ps
N_CELLS = 200  # of PCCA+


def labellings(data, n: int, lag_time: float, seed: int, device: str):
    """Yield (row of the table, function that makes the states (frame,)) of every method."""
    lag = {"lag_time": lag_time, "seed": seed}
    embeddings = {
        "IDM": fel.IDM(n_states=16, **lag),
        "PCA": fel.PCA(n_dims=2),
        "tICA": fel.TICA(n_dims=2, **lag),
        "DM": fel.DiffusionMap(n_dims=2, seed=seed),
    }

    def idm():
        return embeddings["IDM"].fit(data, device=device).predict(data)

    def kmeans(embedding):
        if embedding.feature_names_ is None:
            embedding.fit(data)
        return fel.KMeans(n_states=n, seed=seed).fit(data, embedding=embedding).predict(data)

    def vampnet():
        net = fel.VAMPNet(n_states=n, n_dims=min(2, n - 1), **lag)
        return net.fit(data, device=device).predict(data)

    def pcca():
        method = fel.PCCA(n_states=n, n_microstates=N_CELLS, **lag)
        return method.fit(data, embedding=embeddings["tICA"]).predict(data)

    yield "IDM", idm
    for name, embedding in embeddings.items():
        yield f"{name}+KMeans", lambda embedding=embedding: kmeans(embedding)
    yield "tICA+PCCA+", pcca
    yield "VAMPNet", vampnet


def score(results, system: str, data, reference, lag_time: float, seed: int, device: str) -> None:
    """Fit every method and append (ACC, NMI, seconds) to ``results[system, row]``."""
    n = len(set(reference.tolist()))
    for row, label in labellings(data, n, lag_time, seed, device):
        started = time.perf_counter()
        states = label().values
        seconds = time.perf_counter() - started
        results[system, row].append((accuracy(reference, states), nmi(reference, states), seconds))
        print(system, f"seed {seed}", row, *(f"{v:.4f}" for v in results[system, row][-1]), file=sys.stderr)


def score_potential(results, options) -> None:
    """The periodic potential; its data are new for each seed."""
    for seed in options.seeds:
        data = idm_potential.simulate(options.walkers, 100, seed)
        lag_time, wells = idm_potential.LAG_TIME, data["basin"].values
        score(results, "Periodic potential", data, wells, lag_time, seed, options.device)


def score_alanine(results, options) -> None:
    """Alanine dipeptide at each lag, with as many basins as the time scales predict."""
    trajs = fel.sample_data("alanine-dipeptide")
    reference = idm_alanine.Reference(fel.featurize(trajs, "backbone_torsions"))
    data = fel.featurize(trajs, "heavy_atom_distances")
    times = reference.msm.timescales(k=5) * reference.frame_step
    factor = idm_alanine.splitting_factor(fel.IDM.param.beta_end.default)
    for lag_time in options.lags:
        n = idm_alanine.predicted(times, lag_time, factor)
        system = f"Alanine dipeptide, {lag_time:g} ps, {n} states"
        for seed in options.seeds:
            score(results, system, data, reference.basins(n), lag_time, seed, options.device)


def report(results) -> str:
    """A table a system, with the paper's beside it."""
    tables = []
    for system in dict.fromkeys(system for system, _ in results):
        lines = []
        for row in (row for s, row in results if s == system):
            acc, info, seconds = zip(*results[system, row], strict=True)
            paper = PAPER.get(row, ("", ""))[system.startswith("Alanine")]
            lines.append([row, spread(acc, 4), spread(info, 4), spread(seconds, 1), paper])
        header = ["method", "ACC", "NMI", "seconds", "paper, ACC / NMI"]
        tables.append(f"{system}\n\n{markdown_table(header, lines)}")
    return "\n\n".join(tables)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--walkers", type=int, default=2000, help="of the potential, 100 frames each")
    parser.add_argument("--lags", type=float, nargs="*", default=LAGS, help="of alanine, in ps")
    parser.add_argument("--quick", action="store_true", help="two seeds, 50,000 frames, one lag of alanine")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.walkers, options.lags = options.seeds[:2], 500, options.lags[-1:]
    results = defaultdict(list)
    score_potential(results, options)
    if options.lags:
        score_alanine(results, options)
    text = report(results)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
