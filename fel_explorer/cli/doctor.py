"""The command that says what is installed."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
    doctor = commands.add_parser("doctor", help="say what is installed here and what is missing")
    doctor.add_argument(
        "--browser", action=argparse.BooleanOptionalAction, default=True, help="start a browser to test WebGL"
    )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from fel_explorer.installation import describe, inspect_installation

    findings = inspect_installation(browser=arguments.browser)
    print(describe(findings))
    return int(any(finding.problem for finding in findings))
