"""Style of all plots: sizes that are readable on a projector."""

from __future__ import annotations

import holoviews as hv

from fel_explorer.plots.drawing import FONT_SIZES

if not hv.Store.renderers:  # in a script nothing has chosen a backend yet, and options need one
    import holoviews.plotting.bokeh

    hv.Store.set_current_backend("bokeh")

FRAME = {
    "fontsize": FONT_SIZES,
    "responsive": True,
    "min_height": 120,
    "min_width": 120,
    # images and few marks gain nothing from WebGL, whose first picture takes seconds without a graphics card
    "backend_opts": {"plot.output_backend": "canvas"},
}
