"""The command that writes a free energy with its errors."""

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
    write_table,
)
from fel_explorer.errors import FelError


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    fes = commands.add_parser(
        "fes",
        help="free energy over one or two CVs, with errors",
        description="Write the free energy over one or two CVs of a model, or columns of the data, with its "
        "standard error from a bootstrap over trajectories or blocks of them. Empty cells hold no frame.",
    )
    add_input_flags(fes, level=False)
    fes.add_argument("-o", "--output", help="table to write, .csv or .json (default: CSV to the terminal)")
    fes.add_argument("--figure", metavar="FILE", help="figure to write, .svg, .pdf or .png")
    fes.add_argument(
        "--axis", action="append", metavar="NAME",
        help="CV or column, such as 'CV 1' or 'phi ALA2'; once or twice (default: the first two CVs)",
    )  # fmt: skip
    fes.add_argument("--bins", type=int, help="along each axis (default: by the number of frames)")
    fes.add_argument("--unit", choices=["kT", "kJ/mol", "kcal/mol"], default="kT")
    fes.add_argument(
        "--temperature", type=float, metavar="K", help="for units per mole (default: of the data)"
    )
    fes.add_argument("--n-bootstrap", type=int, default=100, metavar="N", help="draws (default 100)")
    fes.set_defaults(run=_fes)


def _fes(arguments: argparse.Namespace):
    check_table_path(arguments.output)
    check_figure_path(arguments.figure)
    from fel_explorer import free_energy
    from fel_explorer.app.views.map import colouring
    from fel_explorer.data.schema import frame_weights
    from fel_explorer.plots.energy_units import energy_unit

    session = open_session(arguments, model=not arguments.axis)
    axes = _axes(session, arguments.axis)
    if arguments.bins is not None and arguments.bins < 2:
        raise FelError(f"--bins {arguments.bins}.", "A grid has at least 2 bins along each axis.")
    values = np.column_stack([_values(session, name) for name in axes])
    angles = colouring.torsions(session.dataset)
    unit = energy_unit(arguments.unit, arguments.temperature or session.temperature)
    found = free_energy.estimate(
        values,
        frame_weights(session.dataset) if "weight" in session.dataset else None,
        session.dataset["trajectory"].values,
        bins=arguments.bins or free_energy.default_bins(len(values)),
        periodic=[name in angles for name in axes],
        kT=unit.kT,
        n_draws=arguments.n_bootstrap,
        seed=arguments.seed,
    )
    surface = found.values.copy(data=found.values.values)
    surface.attrs["units"] = unit.name
    write_table(_table(session, axes, found, unit.name), arguments.output)
    if arguments.figure:
        _draw(surface, [colouring.label(session.dataset, name) for name in axes], arguments.figure)


def _axes(session, given) -> list[str]:
    if given and len(given) > 2:
        raise FelError(f"{len(given)} axes.", "A free energy is over one or two.", "Give --axis twice.")
    return list(given or session.shown.cv_names[:2])


def _values(session, name):
    from fel_explorer.app.views.map import colouring

    shown = session.shown
    if shown is not None and name in shown.cv_names:
        return shown.embedding[:, shown.cv_names.index(name)]
    return colouring.column(session, name)


def _table(session, axes, found, unit) -> Table:
    if len(axes) == 1:
        places = {axes[0]: found.values["x"].values}
    else:
        x, y = np.meshgrid(found.values["x"].values, found.values["y"].values)
        places = {axes[0]: x.ravel(), axes[1]: y.ravel()}
    numbers = {"free_energy": found.values.values.ravel(), "error": found.error.values.ravel()}
    settings = about(session, "fes") | {"axes": axes, "n_blocks": found.n_blocks}
    return Table({**places, **numbers}, {"free_energy": unit, "error": unit}, settings)


def _draw(surface, labels, path):
    from fel_explorer.plots import plot_free_energy, plot_profile, save

    make_folder(path)
    if surface.ndim == 1:
        save(plot_profile(surface, xlabel=labels[0]), path)
    else:
        save(plot_free_energy(surface, xlabel=labels[0], ylabel=labels[1]), path)
