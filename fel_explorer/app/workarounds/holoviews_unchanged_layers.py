"""Repair of HoloViews 1.23: layers of an overlay that did not change are not drawn again.

HoloViews computes data, styles and properties of every layer at each redraw, even of a layer whose element
is the one that is on the page.  When only the mark of the current frame moves that is most of the work.
Upstream: holoviz/holoviews#1049 and #2253, which spare layers of other streams only.
"""

from __future__ import annotations

from holoviews.plotting.bokeh.element import ElementPlot

from fel_explorer.app.workarounds.versions import only_for

_update_frame = ElementPlot.update_frame


def _update_changed_frame(self, key, ranges=None, plot=None, element=None):
    shown = self.handles.get("previous_id")
    if self.overlaid and not self.batched and element is not None and element._plot_id == shown:
        return None
    return _update_frame(self, key, ranges, plot, element)


@only_for("holoviews>=1.23.2,<1.24")
def install() -> None:
    """Use the repair; safe to call again."""
    ElementPlot.update_frame = _update_changed_frame
