"""The page before its parts are there: HTML that the browser shows at once, filled when it has been sent."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
from panel.io.resources import COMPONENT_PATH
from panel.util import edit_readonly
from panel_material_ui.base import _env

from fel_explorer.app.widgets.notifications import show_error
from fel_explorer.app.widgets.text import Notice
from fel_explorer.app.widgets.theme import theme
from fel_explorer.app.workarounds.panel_early_updates import can_wait, filling

if TYPE_CHECKING:
    from fel_explorer.app.shell.explorer import Explorer

SIDEBAR = 300  # px
VIEWER = "fel_explorer.app.viewer.component/StructureViewer/_bundle_path/StructureViewer.bundle.js"
# scripts come after the skeleton: a browser paints what stands before them while it loads them
TEMPLATE = """{% extends "base.html" %}
{% block loader_css %}
#loader {position: fixed; inset: 0; z-index: -1; font: 14px Roboto, "Helvetica Neue", Arial, sans-serif}
#loader b {display: block; height: 48px; padding: 0 24px; font: 500 20px/48px Roboto, Arial, sans-serif;
  color: #fff; background: #155e75}
#loader i {position: fixed; border-radius: 4px; background: #8882}
#loader-text {position: fixed; left: 332px; top: 66px; color: #888}
/* what moves is small: without a graphics card the browser would paint it at the cost of all else */
#loader u {position: fixed; left: 332px; top: 88px; width: 120px; height: 3px; overflow: hidden;
  background: #8883}
#loader u::after {content: ""; display: block; width: 40px; height: 3px; background: #155e75;
  animation: waiting 1.2s linear infinite}
@keyframes waiting {from {transform: translateX(-40px)} to {transform: translateX(120px)}}
/* of Bokeh's plots, at the end of the document, where their own colours are those of a light page */
.bk-Tooltip {--tooltip-color: var(--panel-surface-color, #fff); --tooltip-arrow-color: var(--tooltip-color);
  --tooltip-text: var(--panel-on-surface-color, #18191d);
  --tooltip-border: color-mix(in srgb, var(--tooltip-text) 30%, transparent)}
{% endblock %}
{% block js_resources %}{{ preloads }}{% endblock %}
{% block loader %}
<div id="loader">
  <b>fel_explorer</b>
  <i style="left: 8px; top: 56px; width: 284px; bottom: 8px"></i>
  <i style="left: 308px; top: 56px; right: 50%; bottom: 72px"></i>
  <i style="left: calc(50% + 8px); top: 56px; right: 8px; bottom: 72px"></i>
  <i style="left: 308px; right: 8px; height: 56px; bottom: 8px"></i>
  <span id="loader-text" role="status">Opening the page</span><u></u>
</div>
{{ bokeh_js if bokeh_js }}
{% endblock %}
{% block loader_script %}
<script>
  const opened = Date.now()
  function look() {
    const loader = document.getElementById("loader"), text = document.getElementById("loader-text")
    const missing = typeof Bokeh === "undefined"
    if (!missing && Bokeh.index?.roots[0]?.is_idle) return loader.remove()
    if (missing && Date.now() - opened > 10000) text.textContent = "Parts of the page could not be loaded."
    else if (_wsError) text.textContent = "There is no connection to the server. Reload the page."
    setTimeout(look, 100)
  }
  look()
</script>
{% endblock %}
"""


def empty_page(*, preload=False) -> pmui.Page:
    """A page with the skeleton, for `Explorer.show_on`.

    ``preload``: the browser fetches the bundles of widgets and molecules while the server makes the page.
    """
    links = (
        "".join(f'<link rel="modulepreload" href="{address}">' for address in _bundles()) if preload else ""
    )
    page = pmui.Page(
        title="fel_explorer",
        sidebar_width=SIDEBAR,
        theme_toggle=False,
        theme_config=theme(large=False),
        site_url="#",
        template=_env.from_string(TEMPLATE.replace("{{ preloads }}", links)),
    )
    unlink_busy(page)
    return page


def _bundles() -> list[str]:
    """Addresses of JavaScript modules as the components ask for them."""
    return [pmui.Button._render_esm(server=True), f"./{COMPONENT_PATH.strip('/')}/{VIEWER}"]


class GrowingPage:
    """A page whose HTML is sent before its parts are made.

    Parameters
    ----------
    make
        Makes the explorer.
    ready
        What ``make`` needs and what may still be computed, in another thread; an error in it is shown.
    """

    def __init__(self, make: Callable[[], Explorer], ready: Future | None = None):
        self._make, self._ready = make, ready

    @property
    def page(self) -> pmui.Page:
        """The page; a server fills it right after it has sent it, before the browser asks for more."""
        document = pn.state.curdoc
        # the first page's server has yet to import what gives the bundle
        page = empty_page(preload=document is not None and (self._ready is None or self._ready.done()))
        if document is None:
            self._make().show_on(page)
        else:
            document.add_next_tick_callback(functools.partial(self._fill, page, document))
        return page

    async def _fill(self, page, document):
        """Fill the page.  The server holds the document's lock: browsers that ask for more wait."""
        if self._ready is not None and can_wait():
            await asyncio.wait([asyncio.wrap_future(self._ready)])
        with filling(document):
            try:
                if self._ready is not None:
                    self._ready.result()
                self._make().show_on(page)
            except Exception as error:  # whatever it is, the visitor is to see it
                page.main = [Notice("The page could not be made.", severity="error", margin=20)]
                pn.state.onload(functools.partial(show_error, error))


def unlink_busy(page: pmui.Page) -> None:
    """Stop the page from following panel's busy flag.

    The flag changes twice in every callback, each change walks all models of the page (0.1 s), and its
    watcher on the process-wide state would keep every closed page alive.
    """
    for watcher in list(pn.state.param.watchers.get("busy", {}).get("value", [])):
        if getattr(getattr(watcher.fn, "__self__", None), "self_or_cls", None) is page:
            pn.state.param.unwatch(watcher)
    with edit_readonly(page):
        page.busy = False
