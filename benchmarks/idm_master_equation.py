"""Master equation of the periodic potential with eight wells: spectrum and pathways (IDM, Figs. S2B and S2C).

Wells are neighbours where one coordinate changes its sign, and all twelve pairs of neighbours are alike: the
rate matrix is that of a cube, with a rate k along its edges and none else, and eigenvalues 0, 2k (three
times), 4k (three) and 6k (once).  Two fits of the coarse master equation: to the wells that descent leads to,
and to the memberships of a trained IDM.  Pathways lead from a corner to the opposite one: of the six
shortest, each carries a sixth of the flux.

    python benchmarks/idm_master_equation.py              # both
    python benchmarks/idm_master_equation.py --no-idm     # wells only, without a training
"""

from __future__ import annotations

import argparse
import itertools

import idm_potential
import numpy as np
import xarray as xr
from scores import markdown_table

import fel_explorer as fel

LAG = idm_potential.LAG_TIME
CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))


def describe(name: str, memberships, truth: np.ndarray) -> list:
    """A line of the table, for memberships (frame, state) and the true wells (frame,) as bits."""
    model = fel.kinetics.CoarseMasterEquation(LAG, multiples=(1, 2, 4)).fit(memberships)
    hard = np.asarray(memberships.values if hasattr(memberships, "values") else memberships).argmax(axis=1)
    kept = np.asarray(model.states_)
    corner = [int(np.bincount(truth[hard == state], minlength=8).argmax()) for state in kept]
    edge = np.abs(CORNERS[corner][:, None] - CORNERS[corner][None]).sum(axis=2) == 1
    significant = np.asarray(model.significant_)
    rates = 1 / np.asarray(model.timescales_)
    k = float(rates[0]) / 2
    spectrum = ", ".join(f"{rate / k:.2f}" for rate in rates)
    wrong = int((significant & ~edge & ~np.eye(len(kept), dtype=bool)).sum())
    return [name, len(kept), f"{k:.5f}", spectrum, f"{int((significant & edge).sum())} of 24", wrong]


def pathways(states, truth: np.ndarray) -> list[list]:
    """Main pathways between opposite corners of the cube."""
    found = fel.kinetics.transition_paths(states, 0, 7, LAG, n_samples=20, max_pathways=8)
    rows = []
    for path, fraction in zip(found["pathway"].values, found["pathway_fraction"].values, strict=True):
        steps = path[path >= 0]
        rows.append([" ".join("".join(map(str, CORNERS[s])) for s in steps), f"{fraction:.3f}"])
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--no-idm", action="store_true", help="wells by descent only")
    parser.add_argument("--walkers", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = idm_potential.simulate(options.walkers, options.frames, options.seed)
    truth = np.asarray(data["basin"].values, int)
    hard = xr.DataArray(np.eye(8)[truth], dims=("frame", "state"), coords=data["time"].coords)
    rows = [describe("wells", hard, truth)]
    if not options.no_idm:
        idm = fel.IDM(lag_time=LAG, n_states=16, n_dims=2, seed=options.seed).fit(data)
        rows.append(describe("IDM", idm.predict_proba(data), truth))
    header = ["states", "number", "k", "spectrum / k (2 2 2 4 4 4 6)", "edges found", "other rates"]
    print(markdown_table(header, rows))
    states = xr.DataArray(truth, dims="frame", coords=data["time"].coords)
    print(markdown_table(["pathway", "fraction (1/6 each)"], pathways(states, truth)))


if __name__ == "__main__":
    main()
