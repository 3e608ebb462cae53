"""Slow modes of peptides: time scales against a fine Markov model, cross-validated scores, and speed.

Three parts, each a Markdown table:

- ``timescales``: the alanine dipeptide that comes with the package.  SRV, Eigenfunctions of the transfer
  operator and TICA get the 45 distances between heavy atoms; the reference is the Markov state model of small
  cells in (phi, psi) at the same lag (`idm_alanine.Reference`), which they never see.  Time scales, their
  errors, and correlations of the modes with the eigenvectors of the Markov model.
- ``scores``: a pentapeptide, whose folder ``--pentapeptide`` names (ten trajectories and a PDB file, public:
  mdshare "pentapeptide-*-500ns-impl-solv").  Features are cosines and sines of phi, psi and chi1, the lag is
  1 ns.  VAMP-2 of three modes and their time scales on held-out trajectories, the same folds for TICA, SRV
  (its committee of four networks, and one network alone) and deeptime's VAMPNet of the same network with
  four states.  SRV and VAMPNet stop early by the VAMP-2 score of a part of the training data, every 10 and 25
  steps; nothing sees the test trajectories.
- ``speed``: steps per second on the dipeptide's distances with the same network, batch and data: SRV,
  deeptime's VAMPNet with its DataLoader, and mlcolvar's DeepTICA where mlcolvar is installed.  They take
  turns so that a busy machine slows them alike; the best round of each counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from idm_alanine import Reference
from rivals import BATCH, HIDDEN, LEARNING_RATE, deeptica_rate, train_vampnet, vampnet_rate
from scores import markdown_table, spread

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.methods import cross_validate
from fel_explorer.methods.assessment.cross_validation import segment_dataset
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.training.split import folds

ALANINE_LAG = 10.0  # ps
ALANINE_MODES = 2  # the third time scale, some 4 ps, is far below the lag
PENTAPEPTIDE_LAG = 1000.0  # ps
N_MODES = 3
N_FOLDS = 3


# ---- time scales


def timescales(options) -> str:
    trajs = fel.sample_data("alanine-dipeptide")
    reference = Reference(fel.featurize(trajs, "backbone_torsions"))
    data = fel.featurize(trajs, "heavy_atom_distances")
    model = reference.model(round(ALANINE_LAG / reference.frame_step))
    exact = model.timescales(k=ALANINE_MODES) * reference.frame_step
    vectors = model.eigenvectors_right(ALANINE_MODES + 1)[:, 1:]
    cells = np.searchsorted(model.count_model.state_symbols, reference.cell)
    rows = []
    for name in ("TICA", "SRV", "Eigenfunctions"):
        for seed in options.seeds if name != "TICA" else [0]:
            method = getattr(fel, name)(lag_time=ALANINE_LAG, n_dims=ALANINE_MODES, seed=seed)
            if name != "TICA":
                method.n_steps = options.steps
            started = time.perf_counter()
            modes = method.fit(data).transform(data).values
            seconds = time.perf_counter() - started
            found = method.implied_timescales_
            same = [abs(np.corrcoef(modes[:, i], vectors[cells, i])[0, 1]) for i in range(ALANINE_MODES)]
            row = [name, seed, *(f"{t:.1f} ({t / e - 1:+.0%})" for t, e in zip(found, exact, strict=True))]
            rows.append(_told([*row, *(f"{c:.3f}" for c in same), f"{seconds:.0f}"]))
    exact = ["Markov model", "", *(f"{t:.1f}" for t in exact), *[""] * (ALANINE_MODES + 1)]
    header = ["method", "seed", *(f"t{i} ps" for i in range(1, ALANINE_MODES + 1))]
    header += [*(f"correlation {i}" for i in range(1, ALANINE_MODES + 1)), "seconds"]
    return markdown_table(header, [exact, *rows])


# ---- scores


def pentapeptide(folder: Path):
    """Cosines and sines of phi, psi and chi1."""
    trajs = fel.load_trajectories(sorted(folder.glob("*.xtc")), next(folder.glob("*.pdb")))
    data = fel.featurize(trajs, ["backbone_torsions", "sidechain_torsions"])
    wanted = [name.split()[0] in ("phi", "psi", "chi1") for name in data["feature"].values]
    return data.isel(feature=np.flatnonzero(wanted))


def scores(options) -> str:
    data = pentapeptide(options.pentapeptide)
    common = {"lag_time": PENTAPEPTIDE_LAG, "n_dims": N_MODES}
    rows = _scored("TICA", 0, cross_validate(fel.TICA(**common), data, n_folds=N_FOLDS))
    for seed in options.seeds:
        for n in (1, fel.SRV.param.n_networks.default):
            srv = fel.SRV(**common, n_networks=n, n_steps=options.steps, seed=seed)
            started = time.perf_counter()
            table = cross_validate(srv, data, n_folds=N_FOLDS)
            name = "SRV, one network" if n == 1 else "SRV"
            rows += _scored(name, seed, table, (time.perf_counter() - started) / N_FOLDS)
        rows += _vampnet(data, options, seed)
    lines = [
        [*row[:3], f"{row[3]:.3f}", *(f"{t / 1000:.2f}" for t in row[4:-1]), f"{row[-1]:.0f}"] for row in rows
    ]
    names = list(dict.fromkeys(row[0] for row in rows))
    for name, fold in product(names, [*range(1, N_FOLDS + 1), "all"]):
        found = [row[3] for row in rows if row[0] == name and fold in (row[2], "all")]
        lines.append([name, "all", fold, spread(found), *[""] * (N_MODES + 1)])
    header = ["method", "seed", "fold", "VAMP-2", *(f"t{i} ns" for i in range(1, N_MODES + 1)), "fit seconds"]
    return markdown_table(header, lines)


def _scored(name, seed, table, seconds=float("nan")):
    times = table["timescale"].values
    return [
        _told([name, seed, k + 1, float(value), *times[k], seconds])
        for k, value in enumerate(table["score"].values)
    ]


def _vampnet(data, options, seed):
    """Rows of deeptime's VAMPNet on the same folds."""
    lag, rows = schema.lag_in_frames(data, PENTAPEPTIDE_LAG), []
    parts = folds(schema.trajectory_lengths(data), N_FOLDS, lag)
    for k, segments in enumerate(parts):
        training, test = (segment_dataset(data, part) for part in segments)
        started = time.perf_counter()
        outputs = train_vampnet(training, lag, N_MODES + 1, options.steps, seed)
        seconds = time.perf_counter() - started
        pairs = [torch.cat(side) for side in zip(*_pairs(test, lag, outputs), strict=True)]
        sigma = vamp.koopman(vamp.covariances(*pairs, reversible=True)).singular_values[:N_MODES].numpy()
        times = implied_timescales([1.0, *sigma], PENTAPEPTIDE_LAG)
        rows.append(_told(["VAMPNet (deeptime)", seed, k + 1, 1 + float((sigma**2).sum()), *times, seconds]))
    return rows


def _pairs(data, lag, function):
    """(values, values a lag later) of each trajectory."""
    features = torch.from_numpy(np.array(data["features"].values))
    for part in features.split(schema.trajectory_lengths(data).tolist()):
        values = function(part)
        yield values[:-lag], values[lag:]


# ---- speed


def speed(options) -> str:
    data = fel.featurize(fel.sample_data("alanine-dipeptide"), "heavy_atom_distances")
    lag = schema.lag_in_frames(data, ALANINE_LAG)
    contestants = {"SRV": srv_rate, "VAMPNet (deeptime)": vampnet_rate, "DeepTICA (mlcolvar)": deeptica_rate}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, measure in contestants.items():
            try:
                rates[name].append(measure(data, lag, N_MODES, options.speed_steps))
            except ImportError:
                print(f"{name}: not installed", file=sys.stderr)
    best = {name: max(values) for name, values in rates.items() if values}
    rows = [[name, f"{rate:.0f}", f"{best['SRV'] / rate:.1f}"] for name, rate in best.items()]
    return markdown_table(["training", f"steps/s, batch {BATCH}", "SRV is faster by"], rows)


def srv_rate(data, lag, n_outputs, n_steps) -> float:
    """Steps per second of one network of SRV after the first, progress reported, nothing held out."""
    times, lag_time = [], lag * schema.time_step(data)
    srv = fel.SRV(lag_time=lag_time, n_dims=n_outputs, n_steps=n_steps, hidden=HIDDEN, batch_size=BATCH)
    srv.n_networks, srv.learning_rate, srv.validation_fraction = 1, LEARNING_RATE, 0.0
    srv.fit(data, device="cpu", callback=lambda p: times.append((p.step, time.perf_counter())))
    (first, began), (last, ended) = times[0], times[-1]
    return (last - first) / (ended - began)


PARTS = {"timescales": timescales, "scores": scores, "speed": speed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000, help="of each training, at most")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--pentapeptide", type=Path, help="folder of the trajectories; without it no scores")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison of speed")
    parser.add_argument("--speed-steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="one seed, few steps: does it run?")
    parser.add_argument("--output", type=Path, help="write the tables here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        options.seeds, options.steps, options.rounds, options.speed_steps = [0], 100, 1, 50
    parts = [part for part in options.parts if part != "scores" or options.pentapeptide]
    text = "\n\n".join(PARTS[part](options) for part in parts)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


def _told(row):
    print(*row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
