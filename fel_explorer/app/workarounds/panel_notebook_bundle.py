"""Repair of panel 1.9 in notebooks: the front end of the widgets is sent once, not once a widget, with fonts.

Without a network panel writes the whole bundle of the Material widgets, 1.5 MB, into every widget of a cell's
output: 234 MB for one explorer.  Here the bundle goes to the page once, and the widgets refer to it.  The
bundle's style sheet refers to font files next to it, which a notebook's page has not: icons were words that
are cut.  Here the fonts go with the bundle.
No upstream issue is known.
"""

from __future__ import annotations

import base64
import json
import sys

import panel_material_ui as pmui
from panel_material_ui.base import DIST_PATH, MaterialComponent

from fel_explorer.app.workarounds.versions import only_for

REFERENCE = "export default (await globalThis.felExplorerWidgets).default"
SEND = """
globalThis.felExplorerWidgets ??= import(
  URL.createObjectURL(new Blob([%s], {type: "text/javascript"}))
)
"""
FONTS = {  # (family, weight): file of panel_material_ui
    ("Material Icons", "400"): "material-icons-[A-Z0-9]*.woff2",
    ("Material Icons Outlined", "400"): "material-icons-outlined-*.woff2",
    ("Roboto", "400"): "roboto-latin-400-normal-*.woff2",
    ("Roboto", "700"): "roboto-latin-700-normal-*.woff2",
}
ADD_FONT = """
if (!(globalThis.felExplorerFonts ??= new Set()).has(%(family)s + %(weight)s)) {
  globalThis.felExplorerFonts.add(%(family)s + %(weight)s)
  const bytes = Uint8Array.from(atob(%(data)s), (letter) => letter.charCodeAt(0))
  const face = new FontFace(%(family)s, bytes, {weight: %(weight)s})
  document.fonts.add(face)
  face.load()
}
"""
LOADED = "application/vnd.holoviews_load.v0+json"  # what panel's notebook extensions run as a script

_render_esm = MaterialComponent.__dict__["_render_esm"].__func__


def _refer(cls, compiled=True, server=False):
    """The widget's front end: for a notebook's output a reference, else as panel has it."""
    bundled = cls._esm_base is not None and compiled is True
    return REFERENCE if bundled and not server else _render_esm(cls, compiled, server)


def script() -> str:
    """Script that makes the page load the bundle and the fonts, once however often it runs."""
    bundle = _render_esm(pmui.Button, True, False)
    return SEND % json.dumps(bundle).replace("</", "<\\/") + "".join(map(_font, FONTS))


def _font(key) -> str:
    """Script that adds a font to the page, if it is not there."""
    [path] = DIST_PATH.glob(FONTS[key])
    names = dict(zip(("family", "weight"), map(json.dumps, key), strict=True))
    return ADD_FONT % {**names, "data": json.dumps(base64.b64encode(path.read_bytes()).decode())}


@only_for("panel>=1.9,<1.10", "panel-material-ui>=0.16,<0.17")
def install() -> None:
    """In a notebook, send the bundle to the page and use the repair; elsewhere do nothing."""
    if "IPython" not in sys.modules:  # no notebook without it
        return
    from IPython import get_ipython
    from IPython.display import publish_display_data

    if getattr(get_ipython(), "kernel", None) is None:
        return
    publish_display_data({LOADED: script(), "application/javascript": script()})
    MaterialComponent._render_esm = classmethod(_refer)
