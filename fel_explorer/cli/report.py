"""The command that writes a report."""

from __future__ import annotations

import argparse
from typing import Any

from fel_explorer.cli.analysis_input import add_input_flags, open_session
from fel_explorer.cli.output import make_folder, note


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    report = commands.add_parser(
        "report",
        help="one HTML file with maps, states, kinetics and structures",
        description="Write a report as one HTML file that opens anywhere, with structures that turn. Its "
        "date is that of the environment variable SOURCE_DATE_EPOCH where that is set, so that the same "
        "input gives the same file.",
    )
    add_input_flags(report)
    report.add_argument("-o", "--output", required=True, help="HTML file to write")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace):
    session = open_session(arguments)
    from fel_explorer.app.report import save_report

    make_folder(arguments.output)
    save_report(session, arguments.output)
    note(f"{arguments.output}: {session.shown.label}", quiet=arguments.quiet)
