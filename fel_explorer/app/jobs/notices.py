"""Warnings of the package's log, collected while a job runs, so that its page can show them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGER = "fel_explorer"


class _Collector(logging.Handler):
    """Passes on the warnings of one thread; errors have exceptions of their own."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._hear, self._thread = hear, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a record, and print it, as would be done without this handler."""
        if record.thread == self._thread and record.levelno == logging.WARNING:
            self._hear(record.getMessage())
            if logging.lastResort is not None and not logging.getLogger().handlers:
                logging.lastResort.handle(record)


@contextmanager
def hear_warnings(hear: Callable[[str], None]) -> Iterator[None]:
    """Call ``hear`` with each warning that the package logs in this thread until the block ends."""
    handler, logger = _Collector(hear), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
