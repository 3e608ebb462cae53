"""Callbacks that run after the page has drawn the answer to an event, or when a drag is at rest."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

PAUSE = 60  # ms, in which the answer leaves and the page begins to draw it
REST = 200  # ms without another event, after which a drag counts as at rest


class AfterDraw:
    """Runs ``callback`` once after the answer to the present event has gone to the page.

    Called again before that, within ``pause`` milliseconds, it still runs once; without a page it runs
    immediately.
    """

    def __init__(self, callback: Callable[[], None], pause: int = PAUSE):
        self.callback, self.pause = callback, pause
        self.waiting = False

    def __call__(self) -> None:
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self.callback()
        elif not self.waiting:
            self.waiting = True
            document.add_timeout_callback(self._run, self.pause)

    def _run(self):
        self.waiting = False
        self.callback()


class AtRest:
    """Runs ``callback`` once nothing has asked for it for a moment, as when a drag has come to rest.

    Without a page it runs at once.
    """

    def __init__(self, callback: Callable[[], None]):
        self.callback = callback
        self._waiting = None

    def __call__(self) -> None:
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self.callback()
            return
        if self._waiting is not None:
            document.remove_timeout_callback(self._waiting)
        self._waiting = document.add_timeout_callback(self._run, REST)

    def _run(self):
        self._waiting = None
        self.callback()
