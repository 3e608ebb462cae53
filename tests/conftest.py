"""For all tests: functions of the numerical layers check types and shapes of what they take and return."""

import faulthandler
import sys

from jaxtyping import install_import_hook

CHECKED = ["fel_explorer.kinetics", "fel_explorer.methods", "fel_explorer.systems", "fel_explorer.training"]
install_import_hook(CHECKED, "shape_checks.checked")  # before anything imports them


def pytest_unconfigure():
    """A thread that a test left behind keeps python from ending: say which, and fail, within two minutes."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)
