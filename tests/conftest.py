"""For all tests: functions of the numerical layers check types and shapes of what they take and return."""

import faulthandler
import sys

from jaxtyping import install_import_hook

CHECKED = ["fel_explorer.kinetics", "fel_explorer.methods", "fel_explorer.systems", "fel_explorer.training"]
install_import_hook(CHECKED, "shape_checks.checked")  # before anything imports them


def pytest_unconfigure():
    """A thread that a test left behind keeps python from ending: say which, and fail, within two minutes."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)


def pytest_terminal_summary(terminalreporter):
    """List stories that passed only when they were run again, with what failed: a fault, if a rare one."""
    reruns = terminalreporter.stats.get("rerun", [])
    if reruns:
        terminalreporter.section(f"{len(reruns)} needed another run")
    for report in reruns:
        terminalreporter.line(report.nodeid)
        for line in str(report.longrepr).strip().splitlines()[-3:]:
            terminalreporter.line(f"    {line}")
