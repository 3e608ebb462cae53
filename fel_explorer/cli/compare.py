"""The command that compares conditions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from fel_explorer.cli.analysis_input import about, add_input_flags, open_session
from fel_explorer.cli.output import (
    Table,
    check_figure_path,
    check_table_path,
    make_folder,
    write_table,
)
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    import xarray as xr

    from fel_explorer.app.session.session import Session

PARTS = {
    "free-energy": "free energies over the CVs and their differences",
    "populations": "populations of the states",
    "rates": "rates between the states",
    "features": "features that differ most",
}


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    compare = commands.add_parser(
        "compare",
        help="what differs between conditions: mutants, ligands, temperatures",
        description="Compare the conditions of trajectories: free energies, populations, rates and features, "
        "with errors from trajectories or blocks of them, and with what is significant at a false-discovery "
        "rate. Rows are of each condition against the reference, the first one.",
    )
    add_input_flags(compare)
    compare.add_argument(
        "--condition", action="append", metavar="PATTERN=NAME",
        help="of the trajectories whose file fits the pattern, such as '*apo*=apo'; may be repeated; "
        "or folder, name, or a CSV table with the columns file and condition (default: those of the data)",
    )  # fmt: skip
    compare.add_argument("--reference", metavar="NAME", help="what the others are compared with")
    compare.add_argument(
        "--what", choices=list(PARTS), default="free-energy",
        help="; ".join(f"{name}: {text}" for name, text in PARTS.items()) + " (default free-energy)",
    )  # fmt: skip
    compare.add_argument("-o", "--output", help="table, .csv or .json (default: CSV to the terminal)")
    compare.add_argument("--figure", metavar="FILE", help="maps and difference as .svg, .pdf or .png")
    compare.add_argument("--bins", type=int, default=60, help="along each axis (default 60)")
    compare.add_argument("--lag-time", "--lag_time", type=float, help="of the rates (default: one frame)")
    compare.add_argument("--significance", type=float, default=0.05, metavar="LEVEL", help="default 0.05")
    compare.add_argument("--n-bootstrap", type=int, default=100, metavar="N", help="draws (default 100)")
    compare.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace):
    check_table_path(arguments.output)
    check_figure_path(arguments.figure)
    from fel_explorer.data.conditions import condition_masks

    by_states = arguments.what in ("populations", "rates")
    session = open_session(arguments, states=by_states)
    data = session.dataset
    if arguments.condition:
        session.attach(_with_conditions(data, arguments.condition))
    masks = condition_masks(session.dataset)
    reference = arguments.reference or next(iter(masks))
    if reference not in masks:
        raise FelError(f"The reference '{reference}'.", f"The conditions are {', '.join(masks)}.")
    order = [reference, *(name for name in masks if name != reference)]
    settings = about(session, "compare") | {"conditions": order, "level": arguments.significance}
    if arguments.what == "features":
        table = _features(session, masks, order, arguments, settings)
    elif by_states:
        table = _states(session, reference, arguments, settings)
    else:
        table = _free_energies(_surfaces(session, reference, arguments), session, settings)
    write_table(table, arguments.output)
    if arguments.figure:
        _draw(session, _surfaces(session, reference, arguments), order, arguments.figure)


def _with_conditions(data: xr.Dataset, given: list[str]) -> xr.Dataset:
    from fel_explorer.data import set_conditions

    if len(given) == 1 and "=" not in given[0]:
        return set_conditions(data, given[0])
    pairs = [text.rpartition("=") for text in given]
    if not all(pattern.strip() and name.strip() for pattern, _, name in pairs):
        raise FelError(f"--condition {' '.join(given)}.", "Each is PATTERN=NAME.", "Such as '*apo*=apo'.")
    return set_conditions(data, {pattern: name for pattern, _, name in pairs})


def _names(session: Session) -> np.ndarray:
    from fel_explorer.data.conditions import COLUMN, condition_names

    return np.array(condition_names(session.dataset))[session.dataset[COLUMN].values]


def _weights(session: Session) -> np.ndarray | None:
    return session.dataset["weight"].values if "weight" in session.dataset else None


def _surfaces(session: Session, reference: str, arguments: argparse.Namespace) -> xr.Dataset:
    from fel_explorer.comparison import free_energies

    return free_energies(
        session.shown.embedding[:, :2],
        _names(session),
        session.dataset["trajectory"].values,
        _weights(session),
        reference=reference,
        bins=arguments.bins,
        level=arguments.significance,
        n_draws=arguments.n_bootstrap,
        seed=arguments.seed,
    )


def _free_energies(found: xr.Dataset, session: Session, settings: dict) -> Table:
    """A row for each cell and condition; the reference itself has no difference."""
    frame = found[["free_energy", "error"]].to_dataframe().reset_index()
    names = ["difference", "difference_error", "p_value", "significant"]
    differs = found[names].rename(compared="condition").to_dataframe().reset_index()
    axes = [name for name in ("x", "y") if name in found.dims]
    frame = frame.merge(differs, on=["condition", *axes], how="left")
    frame["significant"] = frame["significant"].eq(True)  # the reference itself has none
    columns = {"condition": frame["condition"].to_numpy()}
    columns |= {cv: frame[axis].to_numpy() for axis, cv in zip(axes, session.shown.cv_names, strict=False)}
    columns |= {name: frame[name].to_numpy() for name in ["free_energy", "error", *names]}
    units = dict.fromkeys(["free_energy", "error", "difference", "difference_error"], "kT")
    return Table(columns, units, settings)


def _states(session: Session, reference: str, arguments: argparse.Namespace, settings: dict) -> Table:
    from fel_explorer.comparison import states
    from fel_explorer.data import schema

    data = session.dataset
    lag = schema.lag_in_frames(data, arguments.lag_time) if arguments.lag_time else 1
    found = states(
        np.asarray(session.shown.state),
        _names(session),
        data["trajectory"].values,
        _weights(session),
        lag=lag,
        time_step=schema.time_step(data),
        reference=reference,
        level=arguments.significance,
        n_draws=arguments.n_bootstrap,
        seed=arguments.seed,
    )
    kind = "population" if arguments.what == "populations" else "rate"
    ends = ["state"] if kind == "population" else ["from", "to"]
    endings = ["", "_error", "_p_value", "_significant"]
    frame = found[[kind, f"{kind}_error"]].to_dataframe().reset_index()
    differences = [f"{kind}_difference{ending}" for ending in endings]
    differs = found[differences].rename(compared="condition").to_dataframe().reset_index()
    frame = frame.merge(differs, on=["condition", *ends], how="left")
    if kind == "rate":
        frame = frame[frame["from"] != frame["to"]]
    frame = frame.rename(columns=lambda name: name.removeprefix(f"{kind}_"))
    frame = frame.rename(columns={"difference_p_value": "p_value", "difference_significant": "significant"})
    frame["significant"] = frame["significant"].eq(True)
    for end in ends:
        frame[f"{end}_name"] = [session.state_name(int(state)) for state in frame[end]]
        frame[end] += 1
    order = ["condition", *ends, *(f"{end}_name" for end in ends), kind, "error"]
    order += ["difference", "difference_error", "p_value", "significant"]
    unit = data.attrs["time_unit"]
    per_time = kind == "rate" and unit != "1"
    numbers = [kind, "error", "difference", "difference_error"]
    units = dict.fromkeys(numbers, f"1/{unit}") if per_time else {}
    about_lag = {"lag_time": found.attrs["lag_time"]} if kind == "rate" else {}
    return Table({name: frame[name].to_numpy() for name in order}, units, settings | about_lag)


def _features(session: Session, masks: dict, order: list[str], arguments, settings: dict) -> Table:
    import pandas as pd

    from fel_explorer.comparison import features

    parts = []
    for name in order[1:]:
        found = features(
            session.dataset, masks[order[0]], masks[name], level=arguments.significance, seed=arguments.seed
        )
        frame = found.drop_dims("set").to_dataframe().reset_index().drop(columns="circular")
        parts.append(frame.assign(condition=name))
    table = pd.concat(parts)
    order = ["condition", "quantity", "effect", "lower", "upper", "difference", "p_value", "significant"]
    return Table({name: table[name].to_numpy() for name in order}, {}, settings)


def _draw(session: Session, found: xr.Dataset, order: list[str], path: str) -> None:
    from fel_explorer.plots import plot_conditions, save

    make_folder(path)
    names = (*session.shown.cv_names[:2], "")
    save(plot_conditions.sheet(found, order[0], order[1], labels=names[:2]), path, size=(24.0, 8.5))
