"""Repair of panel 1.9: what it keeps of a page after its end.

Panel deletes the page, but not the area of its notifications, which holds the document, and so all of the
page.  Where one explorer is shown by several pages, those that are closed would go on being drawn: Bokeh
empties their models before panel is notified, which then finds no children to clean up.
Upstream: holoviz/panel#8605.
"""

from __future__ import annotations

from bokeh.document import Document
from panel.io.state import state
from panel.viewable import Viewable

from fel_explorer.app.widgets.standing_figure import StandingFigure
from fel_explorer.app.workarounds.versions import only_for

PANEL = "panel>=1.9,<1.10"


@only_for(PANEL)
def release(document: Document) -> None:
    """Release a document whose session has ended."""
    state._onload.pop(document, None)  # of a page that no browser came back to
    for ref, (view, root, shown_in, _comm) in list(state._views.items()):
        if shown_in is document:
            view._cleanup(root)
            state._views.pop(ref, None)


@only_for(PANEL)
def leave(page: Viewable, document: Document) -> None:
    """Release what a page that others still look at has drawn into a document whose session has ended."""
    ended: set[str] = set()
    for figures in page.select(StandingFigure):
        ended |= figures.leave(document)
    for part in page.select():
        for ref in ended:
            part._models.pop(ref, None)
