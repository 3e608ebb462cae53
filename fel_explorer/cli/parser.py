"""The command line: a file for each family of commands adds them to the parser."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fel_explorer import __version__
from fel_explorer.cli import compare, doctor, export, featurize, fes, kinetics, pages, report, states, train
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAMILIES = (pages, featurize, train, fes, states, kinetics, compare, report, export, doctor)
EXAMPLES = """examples:
  fel-explorer demo                                    the app on the sample data
  fel-explorer lessons                                 four lessons, each with a picture to play with
  fel-explorer physics                                 learn from a force field, without data
  fel-explorer run*.xtc --topology protein.pdb         the app on your trajectories
  fel-explorer methods                                 what can be trained
  fel-explorer doctor                                  what is installed, and what is missing
  fel-explorer featurize run*.xtc -t protein.pdb -o features.zarr
  fel-explorer featurize meta.xtc -t protein.pdb -f backbone_torsions --columns COLVAR \\
      --bias-column metad.rbias --temperature 300 -o biased.zarr
  fel-explorer train IDM features.zarr --lag_time 100 -o model.fel
  fel-explorer fes features.zarr model.fel -o fes.csv --figure fes.png
  fel-explorer states features.zarr model.fel -o states.json
  fel-explorer kinetics features.zarr model.fel -o rates.csv --timescales implied.csv
  fel-explorer compare features.zarr model.fel --condition folder -o differences.csv
  fel-explorer report features.zarr model.fel -o report.html
  fel-explorer export model.fel features.zarr --bias opes --temperature 300 -o run
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on bad input, 130 when interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser, commands = make_parser()
    if not argv or (argv[0] not in commands and argv[0] not in ("-h", "--help", "--version")):
        argv.insert(0, "open")
    try:
        arguments, rest = parser.parse_known_args(argv)
        if "paths" in arguments:  # argparse takes paths in one place only
            arguments.paths += [text for text in rest if not text.startswith("-")]
            rest = [text for text in rest if text.startswith("-")]
        if rest and arguments.command != "train":
            raise FelError(f"Unknown argument {rest[0]}.", remedy=f"See fel-explorer {argv[0]} --help.")
        arguments.rest = rest
        return arguments.run(arguments) or 0
    except FelError as error:
        print("\n".join(filter(None, (error.given, error.valid, error.remedy))), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the command line, and that of each command by its name."""
    parser = argparse.ArgumentParser(
        prog="fel-explorer",
        description="Explore the free-energy landscapes of molecular simulations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fel_explorer {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for family in FAMILIES:
        family.add(commands)
    return parser, commands.choices
