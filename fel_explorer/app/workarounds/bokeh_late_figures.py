"""Repair of BokehJS 3.9: figures that are added to a page in use.

- The layouts around a figure have it measured when they change their size, which is before it is drawn
  ("Cannot read properties of undefined (reading 'top_panel')" in the browser).  Here a figure that is not
  drawn yet is passed over: it is measured when it is drawn.  No upstream issue is known.
- Models that the server has sent count as new in the browser until its next message, which brings them back
  to the server with all their data ("reference already known" in its log, bokeh#12915).  Here they count as
  known.
"""

from __future__ import annotations

from panel.custom import JSComponent

from fel_explorer.app.workarounds.versions import only_for


class LateFigures(JSComponent):
    """An invisible part of the page that brings the repair to the browser."""

    _esm = """
    const {PlotView} = Bokeh.require("models/plots/plot")
    for (const name of ["_measure_layout", "_after_layout"]) {
      const method = PlotView.prototype[name]
      PlotView.prototype[name] = function(...given) {
        if (this.layout != null) return method.apply(this, given)
      }
    }
    const {prototype} = Bokeh.documents[0].constructor
    const apply = prototype.apply_json_patch
    prototype.apply_json_patch = function(...given) {
      const before = new Set(this._new_models)
      apply.apply(this, given)
      for (const model of this._new_models) {
        const made_here = model.id.startsWith("j")
        if (!made_here && !before.has(model)) this._new_models.delete(model)
      }
    }
    export function render() {
      const element = document.createElement("span")
      element.style.display = "none"
      return element
    }
    """


@only_for("bokeh>=3.9,<3.10")
def late_figures() -> LateFigures:
    """The part to lay out on the page; None with other versions."""
    return LateFigures(width=0, height=0, margin=0)
