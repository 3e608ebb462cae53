"""Divisive IDM on alanine dipeptide: does the tree over three lags agree with the time scales, in every seed?

The reference is that of ``idm_alanine.py``: a Markov state model in the torsions, which IDM never sees.  A
level should split a process if and only if its implied time scale exceeds f * lag, with f = 0.66 from the
objective alone; the number of states of each level follows, and PCCA+ with that number gives the basins.

Two ways to make the tree are compared: each state divided by an IDM trained inside it (`fel.DivisiveIDM`),
and an IDM trained on all data at each lag, with lineage by overlap (``--whole``): a state's parent is the one
that most of its frames are in, and its purity is their fraction.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from idm_alanine import Reference, predicted, splitting_factor
from scores import accuracy, markdown_table, nmi, spread

import fel_explorer as fel


def divisive(data, options, seed):
    """(level: states (frame,)), how each level's states descend, and the stability of the divisions."""
    tree = fel.DivisiveIDM(
        lag_times=options.lags, n_steps=options.steps, n_restarts=options.restarts, seed=seed
    ).fit(data)
    graph = tree.graph
    children = [
        sorted(graph.out_degree(f"{level + 1}-{s + 1}") for s in range(n))
        if level + 1 < tree.n_levels
        else []
        for level, n in enumerate(np.bincount([about["level"] for _, about in graph.nodes(data=True)]))
    ]
    stability = [
        about["stability"] for _, about in graph.nodes(data=True) if about["stability"] == about["stability"]
    ]
    return [tree.predict(data, level).values for level in range(tree.n_levels)], children, stability


def whole(data, options, seed):
    """The same from IDMs on all data; purity of the lineage in place of the stability."""
    levels, children, purity = [], [], []
    for lag_time in options.lags:
        idm = fel.IDM(lag_time=lag_time, n_steps=options.steps, n_restarts=options.restarts, seed=seed).fit(
            data
        )
        _, states = np.unique(idm.predict(data).values, return_inverse=True)
        if levels:
            overlap = np.histogram2d(levels[-1], states, bins=(levels[-1].max() + 1, states.max() + 1))[0]
            parents = overlap.argmax(0)
            children.append(sorted(np.bincount(parents, minlength=len(overlap))))
            purity += list(overlap.max(0) / overlap.sum(0))
        levels.append(states)
    return levels, [*children, []], purity


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=fel.DivisiveIDM.param.n_steps.default)
    parser.add_argument("--restarts", type=int, default=fel.DivisiveIDM.param.n_restarts.default)
    parser.add_argument("--lags", type=float, nargs="+", default=[50.0, 8.0, 2.0], help="in ps")
    parser.add_argument("--whole", action="store_true", help="IDM on all data at each lag instead")
    parser.add_argument("--output", type=Path, help="write the report here too")
    options = parser.parse_args()
    trajs = fel.sample_data("alanine-dipeptide")
    reference = Reference(fel.featurize(trajs, "backbone_torsions"))
    data = fel.featurize(trajs, "heavy_atom_distances")
    times = reference.msm.timescales(k=5) * reference.frame_step
    factor = splitting_factor(fel.IDM.param.beta_end.default)
    expected = [predicted(times, lag, factor) for lag in options.lags]
    rows, trees = [], []
    for seed in options.seeds:
        started = time.process_time()
        levels, children, quality = (whole if options.whole else divisive)(data, options, seed)
        seconds = time.process_time() - started
        trees.append(str(children))
        found = [len(np.unique(states)) for states in levels]
        scores = [
            f"{accuracy(basins, states):.3f} / {nmi(basins, states):.3f}"
            for basins, states in zip(map(reference.basins, expected), levels, strict=True)
        ]
        rows.append([seed, found, children[:-1], *scores, spread(quality or [np.nan], 2), f"{seconds:.0f}"])
        print(rows[-1], file=sys.stderr, flush=True)
    columns = [f"ACC / NMI at {lag:g} ps" for lag in options.lags]
    quality = "purity of lineage" if options.whole else "stability"
    header = ["seed", "states", "children of each state", *columns, quality, "CPU s"]
    most = max(set(trees), key=trees.count)
    text = (
        f"Implied time scales (ps): {', '.join(f'{t:.1f}' for t in times)}; factor {factor:.2f}.\n"
        f"States predicted at {options.lags} ps: {expected}.\n"
        f"Same tree in {trees.count(most)} of {len(trees)} seeds.\n\n" + markdown_table(header, rows)
    )
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
