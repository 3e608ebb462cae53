"""For all tests."""

import faulthandler
import sys


def pytest_unconfigure():
    """A thread that a test left behind keeps python from ending: say which, and fail, within two minutes."""
    faulthandler.dump_traceback_later(120, exit=True, file=sys.__stderr__)
