"""Layers that stay are left alone, layers that change are drawn."""

import holoviews as hv
import holoviews.plotting.bokeh
import numpy as np
import pytest
from holoviews.plotting.bokeh.element import ElementPlot

from fel_explorer.app.workarounds import holoviews_unchanged_layers

Redraw = hv.streams.Stream.define("Redraw", version=0)


@pytest.fixture
def repaired(monkeypatch):
    monkeypatch.setattr(ElementPlot, "update_frame", ElementPlot.update_frame)
    holoviews_unchanged_layers.install()


def test_only_changed_layers_are_drawn(repaired):
    kept = hv.Image(np.random.default_rng(0).random((4, 4)))
    layers = [kept, hv.Points([(0.1, 0.2)])]

    def draw(version):
        return hv.Overlay(layers).opts(xlabel=f"version {version}")

    redraw = Redraw()
    plot = hv.renderer("bokeh").get_plot(hv.DynamicMap(draw, streams=[redraw]))
    sources = [subplot.handles["source"] for subplot in plot.subplots.values()]
    changed = [[], []]
    for source, seen in zip(sources, changed, strict=True):
        source.on_change("data", lambda attr, old, new, seen=seen: seen.append(new))
    layers[1] = hv.Points([(0.3, 0.4)])
    redraw.event(version=1)
    assert changed[0] == [] and len(changed[1]) == 1
    assert list(sources[1].data["x"]) == [0.3]
    layers[0] = hv.Image(np.zeros((4, 4)))
    redraw.event(version=2)
    assert len(changed[0]) == 1 and not np.any(sources[0].data["image"][0])
    assert plot.state.xaxis[0].axis_label == "version 2"
