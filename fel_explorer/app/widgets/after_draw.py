"""Callbacks that run after the page has drawn the answer to an event."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

PAUSE = 60  # ms, in which the answer leaves and the page begins to draw it


class AfterDraw:
    """Runs ``callback`` once after the answer to the present event has gone to the page.

    Called again before that it still runs once; without a page it runs immediately.
    """

    def __init__(self, callback: Callable[[], None]):
        self.callback = callback
        self.waiting = False

    def __call__(self) -> None:
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self.callback()
        elif not self.waiting:
            self.waiting = True
            document.add_timeout_callback(self._run, PAUSE)

    def _run(self):
        self.waiting = False
        self.callback()
