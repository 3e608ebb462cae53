"""Repair of panel 1.9: a page that is filled after its HTML was sent, before the browser got its models.

Panel schedules such changes for later, when it takes them for part of the models that the browser asks for,
and drops them: where the filling takes long, the browser shows an empty page.  Here they are applied at once,
before the models are sent.  No upstream issue is known.
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
    """Apply changes of components at once, while this holds the lock of a document without a browser."""
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
        state._connected.pop(document, None)
        held = document.callbacks._held_events
        # the browser gets all models: only timers and the like are left to report
        held[:] = [event for event in held if not isinstance(event, DocumentPatchedEvent)]
        document.unhold()
