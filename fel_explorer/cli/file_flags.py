"""Flags of the commands that open trajectory files."""

from __future__ import annotations

import argparse
from typing import Any


def add_file_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how trajectories are opened."""
    parser.add_argument(
        "-t",
        "--topology",
        action="append",
        help="PDB, GRO, PSF, ... with the atoms; once for all trajectories, or once for each",
    )
    parser.add_argument("--stride", type=int, default=1, help="use every n-th frame")
    parser.add_argument("--atoms", help="mdtraj selection, such as protein")
    parser.add_argument(
        "--time-step",
        type=float,
        metavar="PS",
        help="time between two frames of the files, if they hold none",
    )
    parser.add_argument(
        "--join",
        action="store_true",
        help="join parts of one simulation (part0001, part0002, restarts), without the frames that overlap",
    )


def file_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `data.load_trajectories` that the flags stand for."""
    names = ("stride", "atoms", "time_step", "join")
    options = {name: getattr(arguments, name) for name in names}
    return options | {"topology": one_or_all(arguments.topology)}


def one_or_all(paths: list[str] | None) -> str | list[str] | None:
    """One path as it is, several as a list."""
    return paths[0] if paths and len(paths) == 1 else paths
