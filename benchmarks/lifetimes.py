"""Are states metastable?  Lifetimes of IDM's states and of KMeans' states on TICA and PCA, alanine dipeptide.

A state is metastable when leaving it is a Poisson process: its survival is exponential.  KMeans puts borders
where frames are equidistant from two centres, not where the barrier is; a trajectory that jitters across such
a border enters and leaves at once, which shows as a quick drop of the survival before the slow decay
(``amplitude`` < 1: the fraction of entries that do not recross at once).

Prints a table and, with ``--figure``, draws the survival of each method's rarest state.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import holoviews as hv
import holoviews.plotting.bokeh
from scores import markdown_table

import fel_explorer as fel
from fel_explorer.kinetics import dwells, lifetimes, survival
from fel_explorer.plots.export import save
from fel_explorer.plots.quantities import interval_text, time_text
from fel_explorer.plots.survival import Survival, plot_survival

MIN_POPULATION = 0.001
COLOURS = {"IDM": "#0072b2", "TICA+KMeans": "#d55e00", "PCA+KMeans": "#8f5285"}


def labellings(data, lag_time: float, seed: int):
    """{method: states (frame,)}; KMeans is given the number of states of IDM."""
    idm = fel.IDM(lag_time=lag_time, seed=seed).fit(data)
    states = {"IDM": idm.predict(data)}
    for name, method in (("TICA", fel.TICA(lag_time=lag_time, n_dims=2)), ("PCA", fel.PCA(n_dims=2))):
        kmeans = fel.KMeans(n_states=idm.n_populated_, seed=seed).fit(data, embedding=method.fit(data))
        states[f"{name}+KMeans"] = kmeans.predict(data)
    return states


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lag", type=float, default=8.0, help="in ps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="write the survival curves here (svg, pdf or png)")
    options = parser.parse_args()
    hv.Store.set_current_backend("bokeh")
    data = fel.featurize(fel.sample_data("alanine-dipeptide"), "heavy_atom_distances")
    rows, curves = [], []
    for method, states in labellings(data, options.lag, options.seed).items():
        table, visits = lifetimes(states), dwells(states)
        # a few frames near a border may be most like a prototype that stands for no state
        for state in table["state"].values[table["population"].values >= MIN_POPULATION]:
            row = table.sel(state=state)
            mean, low, high = (float(row[name]) for name in ("mean_lifetime", "lower", "upper"))
            rows.append(
                [
                    method,
                    f"{float(row['population']):.3f}",
                    f"{time_text(mean)} ({interval_text(low, high)})",
                    int(row["n_exits"]),
                    f"{float(row['amplitude']):.2f}",
                    f"{float(row['p_value']):.1g}",
                    str(row["verdict"].values),
                ]
            )
            label = f"{method} {state + 1}"
            curves.append(Survival(label, COLOURS[method], survival(visits.of(state)), mean, low, high))
    header = ["method", "population", "mean lifetime (95 %)", "exits", "amplitude", "p", "verdict"]
    print(markdown_table(header, rows))
    if options.figure:
        rarest = {curve.label.split()[0]: curve for curve in curves}
        save(plot_survival(list(rarest.values())), options.figure)


if __name__ == "__main__":
    main()
