"""Repair of panel 1.9: a page whose session begins with its connection asks a CDN for stylesheets.

Panel makes stylesheets with the address of a CDN and replaces it when it writes the HTML of the page.  When
the server has discarded the session by the time that a slow browser connects, or was started again, the new
session has no HTML, and its stylesheets keep the foreign address.  Here the address is known from the start.
No upstream issue is known.
"""

from __future__ import annotations

import panel as pn
from bokeh.document import Document
from panel.io.resources import LOCAL_DIST

from fel_explorer.app.workarounds.versions import only_for


@only_for("panel>=1.9,<1.10")
def use_local_files(document: Document | None) -> None:
    """Let the models of a document that a server makes refer to the server's own files."""
    if document is not None and document.session_context is not None:
        prefix = f"{pn.state.rel_path}/" if pn.state.rel_path else ""
        document.template_variables.setdefault("dist_url", f"{prefix}{LOCAL_DIST}")
