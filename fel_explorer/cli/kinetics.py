"""The command that writes rates, implied time scales and the Chapman-Kolmogorov test."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fel_explorer.cli.analysis_input import about, add_input_flags, open_session
from fel_explorer.cli.output import (
    Table,
    check_figure_path,
    check_table_path,
    make_folder,
    meter,
    write_table,
)
from fel_explorer.progress import Progress


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    kinetics = commands.add_parser(
        "kinetics",
        help="rates between states, implied time scales and Chapman-Kolmogorov test, with errors",
        description="Write the rates between the states of a model with 95 % intervals. Frame weights are "
        "not used: biased trajectories have biased kinetics.",
    )
    add_input_flags(kinetics)
    kinetics.add_argument("-o", "--output", help="rates, .csv or .json (default: CSV to the terminal)")
    kinetics.add_argument("--timescales", metavar="FILE", help="implied time scales, .csv or .json")
    kinetics.add_argument("--ck-test", metavar="FILE", help="Chapman-Kolmogorov test, .csv or .json")
    kinetics.add_argument("--figure", metavar="FILE", help="implied time scales as .svg, .pdf or .png")
    kinetics.add_argument("--lag-time", "--lag_time", type=float, help="in the data's time unit")
    kinetics.add_argument(
        "--form", choices=["auto", "calibrated", "correlations", "printed"], default="auto",
        help="of the master equation, see fel.kinetics.CoarseMasterEquation (default auto)",
    )  # fmt: skip
    kinetics.add_argument("--n-bootstrap", type=int, default=20, metavar="N", help="draws (default 20)")
    kinetics.set_defaults(run=_kinetics)


def _kinetics(arguments: argparse.Namespace):
    for path in (arguments.output, arguments.timescales, arguments.ck_test):
        check_table_path(path)
    check_figure_path(arguments.figure)
    from fel_explorer.app.views.kinetics.analysis import default_lag
    from fel_explorer.app.views.states.evidence import evidence_of, frames_of

    session = open_session(arguments, states=True)
    shown, dataset = session.shown, session.dataset
    lag = arguments.lag_time or default_lag(shown, dataset)
    states = evidence_of(shown, dataset).states
    settings = about(session, "kinetics") | {"lag_time": lag}
    rates = _rates(session, frames_of(np.asarray(shown.membership), dataset), lag, arguments, settings)
    tables = {arguments.output: rates}
    if arguments.timescales or arguments.figure:
        scales = _timescales(states, lag, dataset, arguments)
        if arguments.timescales:
            tables[arguments.timescales] = _long(scales, settings, dataset.attrs["time_unit"])
    if arguments.ck_test:
        tables[arguments.ck_test] = _ck_test(session, states, lag, arguments, settings)
    for path, table in tables.items():
        write_table(table, path)
    if arguments.figure:
        from fel_explorer.plots import plot_implied_timescales, save

        make_folder(arguments.figure)
        unit = dataset.attrs["time_unit"]
        save(plot_implied_timescales.sheet(scales, time_unit=unit, lag_time=lag), arguments.figure)


def _multiples(lag, dataset) -> list[int]:
    from fel_explorer.app.views.kinetics.analysis import LONGEST_PART, MULTIPLES
    from fel_explorer.data import schema

    longest = int(schema.trajectory_lengths(dataset).max()) * schema.time_step(dataset)
    return [n for n in MULTIPLES if n * lag <= longest / LONGEST_PART] or [1]


def _rates(session, memberships, lag, arguments, settings) -> Table:
    from fel_explorer.kinetics import CoarseMasterEquation

    show = meter(arguments.quiet)
    model = CoarseMasterEquation(
        lag,
        multiples=_multiples(lag, session.dataset),
        form=arguments.form,
        n_bootstraps=arguments.n_bootstrap,
        seed=arguments.seed,
    ).fit(memberships, callback=lambda step, n: show(Progress(step, n, message="rates")))
    found = model.to_dataset()
    source, target = np.meshgrid(found["from"].values, found["to"].values)
    apart = (source != target).ravel()
    source, target = source.ravel()[apart], target.ravel()[apart]
    numbers = {name: found[name].values.ravel()[apart] for name in ("rate", "lower", "upper", "significant")}
    names = {
        end: [session.state_name(int(state)) for state in states]
        for end, states in (("from_name", source), ("to_name", target))
    }
    unit = session.dataset.attrs["time_unit"]
    units = {} if unit == "1" else dict.fromkeys(["rate", "lower", "upper"], f"1/{unit}")
    checks = {key: found.attrs[key] for key in ("form", "calibration")}
    columns = {"from": source + 1, "to": target + 1, **names, **numbers}
    return Table(columns, units, settings | checks)


def _timescales(states, lag, dataset, arguments):
    from fel_explorer.app.views.kinetics.analysis import lag_times
    from fel_explorer.kinetics import implied_timescales

    n = int(np.clip(len(np.unique(states)) - 1, 1, 5))
    return implied_timescales(
        states,
        lag_times(lag, dataset),
        n_timescales=n,
        n_bootstraps=arguments.n_bootstrap,
        seed=arguments.seed,
    )


def _long(scales, settings, unit) -> Table:
    """Implied time scales, a row for each lag and process."""
    frame = scales.to_dataframe().reset_index()
    units = dict.fromkeys(["lag_time", "timescale", "lower", "upper"], unit)
    return Table({name: frame[name].to_numpy() for name in frame}, units, settings)


def _ck_test(session, states, lag, arguments, settings) -> Table:
    from fel_explorer.kinetics import ck_test

    test = ck_test(
        states,
        lag,
        multiples=_multiples(lag, session.dataset),
        n_bootstraps=arguments.n_bootstrap,
        seed=arguments.seed,
    )
    frame = test.to_dataframe().reset_index()
    frame["time"] = frame["multiple"] * lag
    for end in ("from", "to"):
        frame[end] += 1
    order = ["time", "from", "to", "predicted", "estimated", "lower", "upper"]
    unit = {"time": session.dataset.attrs["time_unit"]}
    columns = {name: frame[name].to_numpy() for name in order}
    return Table(columns, unit, settings | {"worst": test.attrs["worst"]})
