"""Processor seconds of IDM, SPIB and deeptime's VAMPNet on the same data, with the quality that they buy.

Alanine dipeptide (sample data, 200,000 frames, 45 distances between heavy atoms) at one lag time.  Quality is
accuracy and NMI with the torsion-defined basins of ``idm_alanine.py``, as many as the time scales predict;
SPIB and IDM find the number of states, VAMPNet is given it.  All run on one thread, one after the other in
the same process, seed by seed, so that a busy machine slows them alike.

``--large FRAMES`` times the scan over 30 lag times of so many frames with 100 features instead: copies of the
distances and mixtures of them, with noise.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import idm_alanine
import numpy as np
import torch
from rivals import train_vampnet
from scores import accuracy, markdown_table, nmi, spread

import fel_explorer as fel
from fel_explorer.data import schema

HEADER = ["method", "states", "ACC", "NMI", "CPU s"]
VAMPNET_STEPS = 2000  # at most; it stops early by validation


def vampnet(data, lag_time: float, n_states: int, seed: int) -> np.ndarray:
    """States (frame,) of deeptime's VAMPNet."""
    lag = schema.lag_in_frames(data, lag_time)
    memberships = train_vampnet(data, lag, n_states, VAMPNET_STEPS, seed)
    return memberships(torch.from_numpy(data["features"].values)).argmax(1).numpy()


def methods(data, lag_time: float, n_states: int, seed: int) -> dict:
    """{name: function that gives the states (frame,)}."""
    options = {"lag_time": lag_time, "seed": seed}
    return {
        "scan over 30 lag times": lambda: (
            fel.methods.scan_lag_times(data, seed=seed).predict(lag_time).values
        ),
        "IDM": lambda: fel.IDM(**options).fit(data).predict(data).values,
        "IDM, random start": lambda: fel.IDM(**options, start="random").fit(data).predict(data).values,
        "SPIB": lambda: fel.SPIB(n_states=16, **options).fit(data).predict(data).values,
        "VAMPNet of deeptime": lambda: vampnet(data, lag_time, n_states, seed),
        "DivisiveIDM, three lag times": lambda: (
            fel.DivisiveIDM(lag_times=[50.0, lag_time, 2.0], seed=seed).fit(data).predict(data, 1).values
        ),
    }


def compare(options) -> str:
    """The table of all methods."""
    trajs = fel.sample_data("alanine-dipeptide")
    reference = idm_alanine.Reference(fel.featurize(trajs, "backbone_torsions"))
    data = fel.featurize(trajs, "heavy_atom_distances")
    times = reference.msm.timescales(k=5) * reference.frame_step
    factor = idm_alanine.splitting_factor(fel.IDM.param.beta_end.default)
    n_states = idm_alanine.predicted(times, options.lag, factor)
    basins, results = reference.basins(n_states), {}
    for seed in options.seeds:
        for name, run in methods(data, options.lag, n_states, seed).items():
            if options.rows and name not in options.rows:
                continue
            started = time.process_time()
            states = run()
            seconds = time.process_time() - started
            found = int((np.bincount(states) >= 0.001 * len(states)).sum())
            scores = accuracy(basins, states), nmi(basins, states)
            results.setdefault(name, []).append((found, *scores, seconds))
            print(seed, name, *results[name][-1], file=sys.stderr, flush=True)
    rows = []
    for name, runs in results.items():
        found, acc, info, seconds = zip(*runs, strict=True)
        states = "given" if name.startswith("VAMPNet") else ", ".join(map(str, found))
        rows.append([name, states, spread(acc, 4), spread(info, 4), spread(seconds, 1)])
    return f"Lag time {options.lag:g} ps, {n_states} states predicted\n\n" + markdown_table(HEADER, rows)


def large(n_frames: int) -> str:
    """Seconds and memory of the scan of a large dataset."""
    random = np.random.default_rng(0)
    small = fel.featurize(fel.sample_data("alanine-dipeptide"), "heavy_atom_distances")["features"].values
    mixing = 0.02 * random.normal(size=(small.shape[1], 100 - small.shape[1])).astype(np.float32)
    x = np.empty((n_frames, 100), np.float32)
    for first in range(0, n_frames, len(small)):
        part = small[: n_frames - first]
        x[first : first + len(part), : small.shape[1]] = part
        x[first : first + len(part), small.shape[1] :] = part @ mixing
    for block in np.array_split(x, max(1, n_frames // 10_000)):
        block += random.normal(scale=0.003, size=block.shape).astype(np.float32)
    lengths = [25_000] * (n_frames // 25_000)
    data = schema.assemble(x[: sum(lengths)], [f"x{i}" for i in range(100)], lengths, time_step=1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    started = time.process_time()
    scan = fel.methods.scan_lag_times(data)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    counts = ", ".join(map(str, scan.n_states.values))
    memory = f"peak {peak:.2f} GB, {before:.2f} GB of it before the scan"
    return f"{len(x):,} frames: {seconds:.1f} CPU s, {memory}; states: {counts}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--lag", type=float, default=8.0, help="in ps")
    parser.add_argument("--rows", nargs="+", help="only these methods")
    parser.add_argument("--large", type=int, help="time the scan of so many frames instead")
    parser.add_argument("--output", type=Path, help="write the table here too")
    options = parser.parse_args()
    text = large(options.large) if options.large else compare(options)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
