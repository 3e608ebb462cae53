"""Repair of HoloViews 1.23: plots that are asked to redraw before the page's connection is open.

HoloViews then tries again in every turn of the event loop.  While a page loads that takes a whole processor,
seconds on a slow machine, from the browser that should open the connection.  Here it tries ten times a
second.  No upstream issue is known.
"""

from __future__ import annotations

from holoviews.plotting.plot import Plot
from panel.io.state import state

from fel_explorer.app.workarounds.versions import only_for

RETRY = 100  # ms
_refresh = Plot.refresh


def _is_opening(document) -> bool:
    return bool(document and document.session_context and not state._loaded.get(document))


def _patient_refresh(self, **kwargs):
    if self.renderer.mode != "server" or not _is_opening(self.document):
        _refresh(self, **kwargs)
    elif not getattr(self, "_waits", False):
        self._waits = True

        def again():
            self._waits = False
            self.refresh()

        self.document.add_timeout_callback(again, RETRY)


@only_for("holoviews>=1.23.2,<1.24", "panel>=1.9,<1.10")
def install() -> None:
    """Use the repair; safe to call again."""
    Plot.refresh = _patient_refresh
