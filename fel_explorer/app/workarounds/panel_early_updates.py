"""Repair of panel 1.9: changes of a page that has sent its HTML, before its browser reports that it is drawn.

Panel takes such changes for part of the models that the browser is still to ask for, and drops them.  But the
browser may have these models already: where the filling takes long, it shows an empty page, and what a click
changes in the second before the page is drawn is lost ("reference p… isn't known").  Here changes are applied
at once, and sent to a browser that has the models.  No upstream issue is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from panel.io.state import set_curdoc, state

from fel_explorer.app.workarounds.versions import only_for

PANEL = "panel>=1.9,<1.10"


@only_for(PANEL)
def can_wait() -> bool:
    """Whether a page can be filled when its browser may already wait for the models; None: it can't."""
    return True


@contextmanager
def filling(document: Document) -> Iterator[None]:
    """Apply changes of components at once, from now on; holds the lock of a document without a browser."""
    if document.session_context is None or not can_wait():
        with set_curdoc(document), document.models.freeze():
            yield
        return
    document.hold("collect")
    state._connected[document] = True
    try:
        with set_curdoc(document), document.models.freeze():
            yield
    finally:
        held = document.callbacks._held_events
        # the browser gets all models: only timers and the like are left to report
        held[:] = [event for event in held if not isinstance(event, DocumentPatchedEvent)]
        document.unhold()
