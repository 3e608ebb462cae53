"""The command that writes states with their populations and lifetimes."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fel_explorer.cli.analysis_input import about, add_input_flags, open_session
from fel_explorer.cli.output import Table, check_table_path, write_table


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    states = commands.add_parser(
        "states",
        help="states with populations, lifetimes and errors",
        description="Write the states of a model: population with its standard error, mean lifetime with its "
        "95 % interval, and whether the decay is exponential.",
    )
    add_input_flags(states)
    states.add_argument("-o", "--output", help="table to write, .csv or .json (default: CSV to the terminal)")
    states.add_argument("--frames", metavar="FILE", help="table of the state of each frame, .csv or .json")
    states.add_argument("--n-bootstrap", type=int, default=100, metavar="N", help="draws (default 100)")
    states.set_defaults(run=_states)


def _states(arguments: argparse.Namespace):
    check_table_path(arguments.output)
    check_table_path(arguments.frames)
    from fel_explorer import kinetics
    from fel_explorer.app.views.states.evidence import evidence_of
    from fel_explorer.data.schema import frame_weights

    session = open_session(arguments, states=True)
    shown, dataset = session.shown, session.dataset
    evidence, weights = evidence_of(shown, dataset), frame_weights(dataset)
    found = kinetics.populations(
        evidence.states, weights=weights, n_bootstraps=arguments.n_bootstrap, seed=arguments.seed
    )
    life = evidence.lifetimes
    numbers = life["state"].values
    population = found.sel(state=numbers)
    unit = dataset.attrs["time_unit"]
    columns = {
        "state": numbers + 1,
        "name": [session.state_name(int(state)) for state in numbers],
        "population": population["population"].values,
        "population_error": population["error"].values,
        "mean_lifetime": life["mean_lifetime"].values,
        "lifetime_lower": life["lower"].values,
        "lifetime_upper": life["upper"].values,
        "n_exits": life["n_exits"].values,
        "decay": life["verdict"].values,
    }
    units = dict.fromkeys(["mean_lifetime", "lifetime_lower", "lifetime_upper"], unit)
    write_table(Table(columns, units, about(session, "states")), arguments.output)
    if arguments.frames:
        frames = {
            "frame": np.arange(dataset.sizes["frame"]),
            "trajectory_number": dataset["trajectory"].values + 1,
            "frame_in_trajectory": dataset["frame_in_trajectory"].values,
            "time": dataset["time"].values,
            "state": np.asarray(shown.state) + 1,
        }
        write_table(Table(frames, {"time": unit}, about(session, "states")), arguments.frames)
