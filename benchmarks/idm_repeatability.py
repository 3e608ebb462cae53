"""Does IDM find the same states with every seed?  Normalised mutual information between all pairs of seeds.

Data sets: alanine dipeptide (sample data, 45 distances between heavy atoms) at four lag times, the periodic
potential (see ``idm_potential.py``; the data are the same for all seeds), and with ``--pentapeptide FOLDER``
the pentapeptide WLALL (ten trajectories of 500 ns and a PDB file, public: mdshare
"pentapeptide-*-500ns-impl-solv"; cosines and sines of backbone torsions).  ``--start random`` trains from
random weights.

A line of the table: the number of states of each seed, the least and the mean NMI between two seeds, the NMI
between the final states and the discrete ones that training started from, and processor seconds.  With
``--matrix`` all pairs are printed.  ``--results FILE`` keeps what is done and continues.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import combinations
from pathlib import Path

import idm_potential
import numpy as np
from scores import markdown_table, nmi, spread

import fel_explorer as fel

LAGS = {
    "alanine dipeptide": [50.0, 20.0, 8.0, 2.0],
    "pentapeptide": [5000.0, 2000.0, 500.0],
    "potential": [10.0],
}
HEADER = ["data", "lag", "start", "states", "least NMI", "mean NMI", "NMI with the start", "CPU s"]


def load(name: str, folder: Path | None):
    """The dataset of a name."""
    if name == "alanine dipeptide":
        return fel.featurize(fel.sample_data("alanine-dipeptide"), "heavy_atom_distances")
    if name == "potential":
        return idm_potential.simulate(500, 100, 0)
    files = sorted(folder.glob("pentapeptide-*.xtc"))
    trajs = fel.load_trajectories(files, topology=folder / "pentapeptide-impl-solv.pdb")
    return fel.featurize(trajs, "backbone_torsions")


def run(data, lag_time: float, seed: int, start: str) -> dict:
    """Fit one seed; states as a string of letters, so that they fit into the file of results."""
    started = time.process_time()
    idm = fel.IDM(lag_time=lag_time, seed=seed, start=start).fit(data)
    seconds = time.process_time() - started
    states = idm.predict(data).values
    letters = "".join(map(chr, (97 + states).tolist()))
    return {
        "states": letters,
        "n": idm.n_populated_,
        "agreement": idm.start_agreement_,
        "seconds": seconds,
    }


def line(name: str, lag_time: float, start: str, runs: dict) -> tuple[list, np.ndarray]:
    """A line of the table, and the matrix (seed, seed) of NMI."""
    labels = [np.frombuffer(one["states"].encode(), np.uint8) for one in runs.values()]
    matrix = np.eye(len(labels))
    for i, j in combinations(range(len(labels)), 2):
        matrix[i, j] = matrix[j, i] = nmi(labels[i], labels[j])
    pairs = matrix[np.triu_indices(len(labels), 1)]
    least, mean = (f"{pairs.min():.4f}", f"{pairs.mean():.4f}") if len(pairs) else ("", "")
    columns = {key: [one[key] for one in runs.values()] for key in ("n", "agreement", "seconds")}
    agreement = spread(columns["agreement"], 3) if start == "discrete" else ""
    states = ", ".join(map(str, columns["n"]))
    row = [name, f"{lag_time:g}", start, states, least, mean, agreement, spread(columns["seconds"], 1)]
    return row, matrix


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--data", nargs="+", default=list(LAGS), choices=list(LAGS))
    parser.add_argument("--lags", type=float, nargs="+", help="instead of the lags of each data set")
    parser.add_argument("--start", nargs="+", default=["discrete"], choices=fel.IDM.param.start.objects)
    parser.add_argument("--pentapeptide", type=Path, help="folder of the trajectories; left out without it")
    parser.add_argument("--matrix", action="store_true", help="print NMI of all pairs of seeds")
    parser.add_argument("--results", type=Path, help="JSON file of the states: kept, and not computed again")
    parser.add_argument("--output", type=Path, help="write the table here too")
    options = parser.parse_args()
    kept = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    rows = []
    for name in options.data:
        if name == "pentapeptide" and options.pentapeptide is None:
            continue
        data = load(name, options.pentapeptide)
        for lag_time in options.lags or LAGS[name]:
            for start in options.start:
                runs = kept.setdefault(f"{name} {lag_time:g} {start}", {})
                for seed in options.seeds:
                    if str(seed) not in runs:
                        runs[str(seed)] = run(data, lag_time, seed, start)
                        if options.results:
                            options.results.write_text(json.dumps(kept))
                row, matrix = line(name, lag_time, start, runs)
                rows.append(row)
                print(*row, sep="  ", file=sys.stderr, flush=True)
                if options.matrix:
                    print(np.array2string(matrix, precision=3, max_line_width=120), file=sys.stderr)
    table = markdown_table(HEADER, rows)
    print(table)
    if options.output:
        options.output.write_text(table + "\n")


if __name__ == "__main__":
    main()
