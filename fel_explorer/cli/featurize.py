"""The command that featurizes trajectories."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from fel_explorer.cli.file_flags import add_file_flags, file_options, one_or_all
from fel_explorer.cli.method_flags import add_scheduler_flags, choose_scheduler
from fel_explorer.cli.output import bar
from fel_explorer.errors import FelError


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    featurize = commands.add_parser("featurize", help="trajectories -> dataset")
    featurize.add_argument("paths", nargs="*", help="trajectories")
    add_file_flags(featurize)
    featurize.add_argument(
        "-f",
        "--features",
        action="append",
        help="names with commas, or one with options: 'distances:selection=name CA'; may be repeated "
        "(default heavy_atom_distances)",
    )
    featurize.add_argument(
        "--columns",
        metavar="TABLE",
        action="append",
        help="table of per-frame values (CSV, XVG, COLVAR, ...); once for all trajectories, or once for each",
    )
    featurize.add_argument("--weight-column", help="column of the table that holds frame weights")
    featurize.add_argument("--bias-column", help="column with the bias in kJ/mol, such as metad.rbias")
    featurize.add_argument("--temperature", type=float, help="of the biased simulation, in K")
    featurize.add_argument("-o", "--output", required=True, help="dataset to write (a .zarr folder)")
    add_scheduler_flags(featurize)
    featurize.set_defaults(run=_featurize)


def feature_specs(texts: list[str]) -> list[str]:
    """The features that flags name: with commas between them, or one with options."""
    specs = [spec for text in texts for spec in ([text] if "=" in text else text.split(","))]
    return [spec for spec in specs if spec.strip()]


def _featurize(arguments: argparse.Namespace):
    choose_scheduler(arguments)
    from fel_explorer.data import attach_columns, write_columns
    from fel_explorer.data.file_names import in_natural_order
    from fel_explorer.data.remote import is_url, local_copies
    from fel_explorer.data.trajectories import open_trajectories
    from fel_explorer.features import featurize

    weights = ("weight_column", "bias_column", "temperature")
    options = {name: getattr(arguments, name) for name in weights if getattr(arguments, name) is not None}
    if options and not arguments.columns:
        raise FelError(
            f"--{next(iter(options)).replace('_', '-')} without a table.", remedy="Add --columns TABLE."
        )
    topology, paths = one_or_all(arguments.topology), arguments.paths
    if not isinstance(topology, list) and not any(map(is_url, paths)):  # URLs keep their order
        paths = in_natural_order(paths)
    local = None if topology is None else [str(path) for path in local_copies(arguments.topology)]
    trajectories = open_trajectories(
        [str(path) for path in local_copies(paths)],
        **(file_options(arguments) | {"topology": one_or_all(local)}),
    )
    for note in (trajectories.time_note, *trajectories.notes):
        if note:
            print(f"Note: {note}", file=sys.stderr)
    specs = feature_specs(arguments.features or ["heavy_atom_distances"])
    dataset = featurize(trajectories, specs, store=arguments.output, callback=bar)
    if arguments.columns:
        dataset = attach_columns(dataset, one_or_all(arguments.columns), **options)
        write_columns(dataset, arguments.output)
    columns = [str(name) for name in dataset.data_vars if name != "features"]
    print(
        f"{arguments.output}: {dataset.sizes['frame']} frames, {dataset.sizes['feature']} features"
        + (f", columns {', '.join(columns)}" if columns else "")
    )
