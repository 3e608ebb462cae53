"""For all tests."""

import faulthandler
import sys


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
