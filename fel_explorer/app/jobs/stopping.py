"""What happens when a running call is asked to stop: it hears it, or what runs it is ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

GRACE = 2.0  # seconds in which a call hears that it shall stop
LONGEST = 30.0  # seconds granted to a call whose steps take long


class Stopping:
    """Ends a call that does not hear in time that it shall stop.

    A call that hears it goes on to keep what it has, as long as that takes; asked a second time it is ended.
    One whose steps take seconds is granted two of them.

    Parameters
    ----------
    ask
        Asks the call to stop.
    end
        Ends it.
    """

    def __init__(self, ask: Callable[[], None], end: Callable[[], None]) -> None:
        self._ask, self._end = ask, end
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._asked = self._over = False
        self.ended = False

    def stop(self) -> None:
        """Ask the call to stop; the second time end it."""
        if self._asked:
            self._give_up()
            return
        self._asked = True
        self._ask()
        self._wait(GRACE)

    def pace(self, seconds: float) -> None:
        """Note the time between two questions of the call whether to stop."""
        if seconds > GRACE / 2:
            self._wait(min(2 * seconds, LONGEST))

    def heard(self) -> None:
        """Note that the call has heard it."""
        with self._lock:
            self._cancel()

    def close(self) -> None:
        """Note the end of the call."""
        with self._lock:
            self._over = True
            self._cancel()

    def _wait(self, seconds: float) -> None:
        with self._lock:
            self._cancel()
            if not self._over:
                self._timer = threading.Timer(seconds, self._give_up)
                self._timer.daemon = True
                self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        with self._lock:
            if not self._over:
                self.ended = True
                self._end()
