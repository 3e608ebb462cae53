"""A function that is called again and again while a page is shown."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

from fel_explorer.app.widgets.weak_callback import weak_callback


class PageTimer:
    """Calls ``callback`` every ``period`` milliseconds, from when the browser shows the page.

    Started earlier, panel's periodic callback asks at each turn of the event loop whether the browser is
    there (panel 1.9), which costs seconds of processor time a page.
    """

    def __init__(self, callback: Callable[[], None], period: int):
        self.callback, self.period = callback, period
        self._running = None
        self._stopped = False

    def start(self) -> None:
        """Begin now, or where a server sends the page, when the browser has it."""
        self._stopped = False
        document = pn.state.curdoc
        if document is not None and document.session_context is not None:
            pn.state.onload(weak_callback(self._begin))
        else:
            self._begin()

    def stop(self) -> None:
        """End, or do not begin, until it is started again."""
        self._stopped = True
        if self._running is not None:
            self._running.stop()

    def _begin(self) -> None:
        if not self._stopped:
            self._running = pn.state.add_periodic_callback(self.callback, period=self.period)
